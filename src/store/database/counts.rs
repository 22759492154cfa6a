//! What an ingest would change or has changed, in numbers.

use serde::{Deserialize, Serialize};

use crate::analysis::RunRows;

/// Numbers of new, unchanged and corrected items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub new: u64,
    pub unchanged: u64,
    pub revised: u64,
}

impl Counts {
    fn merge(&mut self, other: Self) {
        self.new += other.new;
        self.unchanged += other.unchanged;
        self.revised += other.revised;
    }

    pub(crate) fn add(&mut self, known: Known) {
        match known {
            Known::New => self.new += 1,
            Known::Unchanged => self.unchanged += 1,
            Known::Revised => self.revised += 1,
        }
    }
}

/// What was stored of an item before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Unchanged,
    Revised,
}

/// The counts of an ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IngestCounts {
    pub runs: Counts,
    pub points: Counts,
    pub evals: Counts,
    /// Results of other benchmarks.
    pub published: Counts,
    /// Rows that could not be interpreted.
    pub quarantined: u64,
}

impl IngestCounts {
    /// The counts of a run that is there already as a whole.
    pub(crate) fn unchanged(rows: &RunRows) -> Self {
        let unchanged = |number: usize| Counts {
            unchanged: number as u64,
            ..Counts::default()
        };
        Self {
            runs: unchanged(1),
            points: unchanged(rows.points.len()),
            evals: unchanged(rows.evals.len()),
            ..Self::default()
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        let Self {
            runs,
            points,
            evals,
            published,
            quarantined,
        } = other;
        self.runs.merge(runs);
        self.points.merge(points);
        self.evals.merge(evals);
        self.published.merge(published);
        self.quarantined += quarantined;
    }
}
