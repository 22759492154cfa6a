//! Points that are measured on both sides, and those that are not.

use std::collections::BTreeSet;

use super::Side;
use crate::model::PointKey;
use crate::result::Point;

/// A point, as each side has it.
pub(super) struct Pair<'a> {
    pub key: &'a PointKey,
    pub kind: Kind<'a>,
}

/// Which side has numbers.
pub(super) enum Kind<'a> {
    /// Both; every measurement of it.
    Both {
        base: Vec<&'a Point>,
        head: Vec<&'a Point>,
    },
    /// The base; the head tried and failed.
    Failed,
    New,
    /// The base, or neither.
    Missing,
}

/// All points of either side's first run.
pub(super) fn pairs<'a>(base: &Side<'a>, head: &Side<'a>) -> Vec<Pair<'a>> {
    let first = |side: &Side<'a>| {
        side.runs
            .first()
            .into_iter()
            .flat_map(|run| &run.points)
            .map(|point| &point.key)
            .collect::<Vec<_>>()
    };
    let keys: BTreeSet<&PointKey> = first(base).into_iter().chain(first(head)).collect();
    let tried = |key: &PointKey| head.runs.iter().any(|run| run.point(key).is_some());
    let pairs = keys.into_iter().map(|key| {
        let (before, after) = (measured(base, key), measured(head, key));
        let kind = match (before.is_empty(), after.is_empty()) {
            (false, false) => Kind::Both { base: before, head: after },
            (true, false) => Kind::New,
            (false, true) if tried(key) => Kind::Failed,
            (false | true, true) => Kind::Missing,
        };
        Pair { key, kind }
    });
    pairs.collect()
}

fn measured<'a>(side: &Side<'a>, key: &PointKey) -> Vec<&'a Point> {
    let points = side.runs.iter().filter_map(|run| run.point(key));
    points.filter(|point| point.measurement().is_some()).collect()
}
