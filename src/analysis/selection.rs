//! Which points of a run are looked at: `hardware=h200*` keeps those whose hardware matches. Several values of one key are
//! alternatives, several keys must all match.

use std::collections::BTreeMap;
use std::str::FromStr;

use globset::{Glob, GlobMatcher};

use super::{Comparison, Run};
use crate::model::PointKey;

/// What points are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Model,
    Hardware,
    Framework,
    Precision,
    Sequence,
    Layout,
    Concurrency,
}

impl Field {
    const ALL: [(&'static str, Self); 7] = [
        ("model", Self::Model),
        ("hardware", Self::Hardware),
        ("framework", Self::Framework),
        ("precision", Self::Precision),
        ("sequence", Self::Sequence),
        ("layout", Self::Layout),
        ("conc", Self::Concurrency),
    ];

    fn of(self, key: &PointKey) -> String {
        let curve = &key.curve;
        match self {
            Self::Model => curve.model_prefix.to_string(),
            Self::Hardware => curve.runner.to_string(),
            Self::Framework => curve.framework.to_string(),
            Self::Precision => curve.precision.to_string(),
            Self::Sequence => curve.workload.to_string(),
            Self::Layout => curve.layout.clone(),
            Self::Concurrency => key.conc.to_string(),
        }
    }
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Filter {
    field: Field,
    glob: GlobMatcher,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no filter; expected KEY=GLOB with a key of model, hardware, framework, precision, sequence, layout, conc")]
pub struct FilterError(String);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FilterError(text.to_owned());
        let (key, glob) = text.split_once('=').ok_or_else(wrong)?;
        let (_, field) = Field::ALL.into_iter().find(|(name, _)| *name == key).ok_or_else(wrong)?;
        let glob = Glob::new(glob).map_err(|_| wrong())?.compile_matcher();
        Ok(Self { field, glob })
    }
}

/// Whether a point matches all keys that are named.
#[must_use]
pub fn is_selected(key: &PointKey, filters: &[Filter]) -> bool {
    let mut by_field: BTreeMap<Field, bool> = BTreeMap::new();
    for filter in filters {
        *by_field.entry(filter.field).or_default() |= filter.glob.is_match(filter.field.of(key));
    }
    by_field.into_values().all(|matches| matches)
}

/// The selected points of a run, and of its comparison.
pub fn select(run: &mut Run, comparison: Option<&mut Comparison>, filters: &[Filter]) {
    run.points.retain(|point| is_selected(&point.key, filters));
    if let Some(comparison) = comparison {
        comparison.points.retain(|point| is_selected(&point.point, filters));
    }
}
