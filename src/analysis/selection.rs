//! Filters and groups the points of a run: `hardware=h200*` keeps those whose hardware matches. Several values of one key are
//! alternatives; several keys must all match.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use globset::{Glob, GlobMatcher};

use super::{Comparison, EvalKey, FrontierKey, Run};
use crate::model::{PointKey, suggestion};

/// A dimension by which points are filtered and grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PointField {
    /// The model's short name.
    Model,
    Hardware,
    Framework,
    /// Numeric format of the weights.
    Precision,
    /// Input and output lengths.
    Sequence,
    /// The split over GPUs.
    Layout,
    /// Concurrent requests.
    Concurrency,
}

impl PointField {
    /// All dimensions, in the usual order.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::Hardware,
        Self::Framework,
        Self::Precision,
        Self::Sequence,
        Self::Layout,
        Self::Concurrency,
    ];

    /// Its name on the command line and in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Hardware => "hardware",
            Self::Framework => "framework",
            Self::Precision => "precision",
            Self::Sequence => "sequence",
            Self::Layout => "layout",
            Self::Concurrency => "conc",
        }
    }

    /// Its value of a point.
    #[must_use]
    pub fn of(self, key: &PointKey) -> String {
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

    /// Its value for a frontier, which has several layouts and concurrencies.
    fn of_frontier(self, curve: &FrontierKey) -> Option<String> {
        match self {
            Self::Model => Some(curve.model_prefix.to_string()),
            Self::Hardware => Some(curve.runner.to_string()),
            Self::Framework => Some(curve.framework.to_string()),
            Self::Precision => Some(curve.precision.to_string()),
            Self::Sequence => Some(curve.workload.to_string()),
            Self::Layout | Self::Concurrency => None,
        }
    }

    /// Its value for a score, which has no sequence lengths.
    fn of_score(self, key: &EvalKey) -> Option<String> {
        match self {
            Self::Model => Some(key.model_prefix.clone()),
            Self::Hardware => Some(key.hardware.clone()),
            Self::Framework => Some(key.framework.clone()),
            Self::Precision => Some(key.precision.clone()),
            Self::Sequence => None,
            Self::Layout => Some(key.layout.clone()),
            Self::Concurrency => Some(key.conc.to_string()),
        }
    }

    fn compare(self, left: &PointKey, right: &PointKey) -> Ordering {
        match self {
            Self::Concurrency => left.conc.cmp(&right.conc),
            Self::Sequence => left.curve.workload.cmp(&right.curve.workload),
            Self::Model | Self::Hardware | Self::Framework | Self::Precision | Self::Layout => self.of(left).cmp(&self.of(right)),
        }
    }
}

/// A text is not the name of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown key {found:?}; {help}")]
pub struct PointFieldError {
    found: String,
    help: String,
}

impl FromStr for PointField {
    type Err = PointFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|field| field.name() == text);
        found.ok_or_else(|| PointFieldError {
            found: text.to_owned(),
            help: suggestion(text, &Self::ALL.map(Self::name)),
        })
    }
}

/// What the points of one table have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping(Vec<PointField>);

/// By model and hardware.
impl Default for Grouping {
    fn default() -> Self {
        Self(vec![PointField::Model, PointField::Hardware])
    }
}

impl Grouping {
    /// A grouping by these dimensions; without any, all points are one group.
    #[must_use]
    pub fn by(fields: &[PointField]) -> Self {
        let mut unique: Vec<PointField> = Vec::new();
        for field in fields {
            if !unique.contains(field) {
                unique.push(*field);
            }
        }
        Self(unique)
    }

    /// The dimensions, in order.
    #[must_use]
    pub fn fields(&self) -> &[PointField] {
        &self.0
    }

    /// The order of two points' groups; equal where they belong to the same one.
    #[must_use]
    pub fn compare(&self, left: &PointKey, right: &PointKey) -> Ordering {
        let orders = self.0.iter().map(|field| field.compare(left, right));
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

#[derive(Debug, Clone)]
pub struct Filter {
    field: PointField,
    glob: GlobMatcher,
}

impl Filter {
    /// The dimension.
    #[must_use]
    pub fn field(&self) -> PointField {
        self.field
    }

    /// The only value that matches, for a glob without wildcards.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let text = self.glob.glob().glob();
        (!text.contains(['*', '?', '[', ']', '{', '}', '\\'])).then_some(text)
    }
}

/// The filters of one dimension, with what they said of its values: values repeat over the curves of a history.
#[derive(Debug)]
pub struct FieldFilter<'a> {
    filters: Vec<&'a Filter>,
    known: HashMap<String, bool>,
}

impl<'a> FieldFilter<'a> {
    /// Those of `filters` that are of a dimension.
    #[must_use]
    pub fn new(field: PointField, filters: &'a [Filter]) -> Self {
        Self {
            filters: filters.iter().filter(|filter| filter.field == field).collect(),
            known: HashMap::new(),
        }
    }

    /// Whether one of them matches, or there is none.
    pub fn matches(&mut self, value: &str) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        if let Some(known) = self.known.get(value) {
            return *known;
        }
        let is_match = self.filters.iter().any(|filter| filter.glob.is_match(value));
        self.known.insert(value.to_owned(), is_match);
        is_match
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid filter {0:?}; expected KEY=GLOB with KEY one of model, hardware, framework, precision, sequence, layout, conc")]
pub struct FilterError(String);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || FilterError(text.to_owned());
        let (key, glob) = text.split_once('=').ok_or_else(invalid)?;
        let field = key.parse().map_err(|_| invalid())?;
        let glob = Glob::new(glob).map_err(|_| invalid())?.compile_matcher();
        Ok(Self { field, glob })
    }
}

/// Whether a point matches all keys that are named.
#[must_use]
pub fn is_selected(key: &PointKey, filters: &[Filter]) -> bool {
    matches(filters, |field| Some(field.of(key)))
}

/// Whether all keys match; a missing one counts as a match.
fn matches(filters: &[Filter], value: impl Fn(PointField) -> Option<String>) -> bool {
    let mut by_field: BTreeMap<PointField, bool> = BTreeMap::new();
    for filter in filters {
        if let Some(value) = value(filter.field) {
            *by_field.entry(filter.field).or_default() |= filter.glob.is_match(value);
        }
    }
    by_field.into_values().all(|matches| matches)
}

/// Keeps the selected points, curves, level changes and scores of a run and of its comparison.
pub fn select(run: &mut Run, comparison: Option<&mut Comparison>, filters: &[Filter]) {
    run.points.retain(|point| is_selected(&point.key, filters));
    run.evals.retain(|eval| matches(filters, |field| field.of_score(&eval.key)));
    run.records
        .retain(|record| record.point().is_none_or(|point| is_selected(point, filters)));
    if let Some(comparison) = comparison {
        comparison.points.retain(|point| is_selected(&point.point, filters));
        comparison
            .curves
            .retain(|curve| matches(filters, |field| field.of_frontier(&curve.curve)));
        comparison.shifts.retain(|shift| is_selected(&shift.point, filters));
        comparison.evals.retain(|eval| matches(filters, |field| field.of_score(&eval.key)));
    }
}
