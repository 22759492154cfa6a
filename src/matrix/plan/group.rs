//! Fewer engine starts: rows that differ only in concurrency become one job, which starts the engine once and
//! measures them in order. An estimate limits the length of a job, so that one failure does not cost a day.

use indexmap::IndexMap;

use crate::matrix::row::{Concurrencies, Row};
use crate::model::saturating;
use crate::model::{Concurrency, ConfigKey};

/// Expected durations, minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Until the engine is ready: pulling, loading weights, compiling.
    pub start: u32,
    /// For each concurrency.
    pub point: u32,
    /// Maximum duration of a job; a job with one point may take longer.
    pub longest: u32,
}

impl Estimate {
    /// Maximum number of points of a job.
    fn points(self) -> usize {
        let left = self.longest.saturating_sub(self.start);
        let points = left.checked_div(self.point).unwrap_or(u32::MAX);
        saturating::to_usize(points).max(1)
    }

    /// The duration of a job by its number of points, minutes.
    #[must_use]
    pub fn minutes(self, points: usize) -> u64 {
        let points = saturating::to_u64(points);
        u64::from(self.start).saturating_add(points.saturating_mul(u64::from(self.point)))
    }
}

/// Merges rows with the same recipe, at the position of the first. Evaluated rows are not merged: their
/// mark applies to one concurrency.
#[must_use]
pub fn by_engine(rows: Vec<Row>, estimate: Estimate) -> Vec<Row> {
    let mut groups: IndexMap<Group, Vec<Row>> = IndexMap::new();
    for (at, row) in rows.into_iter().enumerate() {
        let group = match (&row.recipe_fingerprint, row.eval.run) {
            (Some(fingerprint), None | Some(false)) => Group::Recipe(fingerprint.clone(), row.config_key.clone()),
            (Some(_) | None, _) => Group::Alone(at),
        };
        groups.entry(group).or_default().push(row);
    }
    groups.into_values().flat_map(|rows| joined(rows, estimate.points())).collect()
}

#[derive(PartialEq, Eq, Hash)]
enum Group {
    /// The fingerprint, and the entry whose key is part of the points' identity.
    Recipe(String, Option<ConfigKey>),
    Alone(usize),
}

fn joined(rows: Vec<Row>, most: usize) -> Vec<Row> {
    let mut concs: Vec<Concurrency> = Vec::new();
    for conc in rows.iter().flat_map(|row| row.conc.as_slice()) {
        if !concs.contains(conc) {
            concs.push(*conc);
        }
    }
    match rows.into_iter().next() {
        Some(row) if concs.len() > 1 => concs
            .chunks(most)
            .map(|part| Row {
                conc: Concurrencies::Several(part.to_vec()),
                ..row.clone()
            })
            .collect(),
        Some(row) => vec![row],
        None => Vec::new(),
    }
}
