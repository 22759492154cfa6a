//! Pairs the points of both sides by their keys.

use std::collections::BTreeSet;

use super::Side;
use crate::model::PointKey;
use crate::result::Point;

/// A point on both sides.
pub(super) struct Pair<'a> {
    pub key: &'a PointKey,
    pub kind: Kind<'a>,
}

/// Which sides have numbers.
pub(super) enum Kind<'a> {
    /// Both sides, with every measurement.
    Both {
        base: Vec<&'a Point>,
        head: Vec<&'a Point>,
    },
    /// Only the base; the point failed in the head.
    Failed,
    New,
    /// Only the base, or neither side.
    Missing,
}

/// All points of either side's first run.
pub(super) fn pairs<'a>(base: &Side<'a>, head: &Side<'a>) -> Vec<Pair<'a>> {
    let keys: BTreeSet<&PointKey> = keys_of_first_run(base).chain(keys_of_first_run(head)).collect();
    let pairs = keys.into_iter().map(|key| {
        let (before, after) = (measured(base, key), measured(head, key));
        let kind = match (before.is_empty(), after.is_empty()) {
            (false, false) => Kind::Both { base: before, head: after },
            (true, false) => Kind::New,
            (false, true) if head.runs.iter().any(|run| run.point(key).is_some()) => Kind::Failed,
            (false | true, true) => Kind::Missing,
        };
        Pair { key, kind }
    });
    pairs.collect()
}

fn keys_of_first_run<'a>(side: &Side<'a>) -> impl Iterator<Item = &'a PointKey> + use<'a> {
    let first = side.runs.first().copied();
    first.into_iter().flat_map(|run| &run.points).map(|point| &point.key)
}

fn measured<'a>(side: &Side<'a>, key: &PointKey) -> Vec<&'a Point> {
    let points = side.runs.iter().filter_map(|run| run.point(key));
    points.filter(|point| point.measurement().is_some()).collect()
}
