//! What a run adds to what is stored of it: the rule of the databases, for stores of files.

use std::collections::{BTreeMap, BTreeSet};

use super::NewRun;
use crate::analysis::{HistoryRun, RowError, RunRows};
use crate::model::{Digest, PointKey};
use crate::store::database::{IngestCounts, Known};

/// What storing a run would change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addition {
    pub counts: IngestCounts,
    /// Whether everything is there already.
    pub is_known: bool,
}

/// The earlier attempts of a run's workflow run: their results are not new measurements.
#[derive(Debug, Default)]
pub(crate) struct EarlierAttempts(Vec<RunRows>);

impl EarlierAttempts {
    /// # Errors
    /// [`RowError`] for a stored run that has no rows.
    pub(crate) fn push(&mut self, run: HistoryRun) -> Result<(), RowError> {
        self.0.push(RunRows::of(run)?);
        Ok(())
    }

    /// What storing a run counts that one of these has already as a whole, because only a job that reports it ran again; `None` for another
    /// measurement.
    pub(crate) fn repetition(&self, new: &NewRun) -> Option<IngestCounts> {
        let is_same = self.0.iter().any(|earlier| new.rows.is_same_measurement(earlier));
        is_same.then(|| IngestCounts::unchanged(&new.rows))
    }

    fn measured(&self) -> BTreeSet<Digest> {
        self.0.iter().flat_map(RunRows::measured_digests).collect()
    }
}

/// Compares a run with what is stored of it, where something is.
///
/// # Errors
/// [`RowError`] for a stored run that has no rows.
pub(crate) fn addition(new: &NewRun, stored: Option<HistoryRun>, earlier: &EarlierAttempts) -> Result<Addition, RowError> {
    let stored = stored.map(RunRows::of).transpose()?;
    let measured = earlier.measured();
    let mut counts = IngestCounts::default();
    let points: BTreeMap<&PointKey, Digest> = stored
        .iter()
        .flat_map(|stored| stored.points.iter().map(|row| (&row.point.key, row.digest)))
        .collect();
    for row in &new.rows.points {
        counts.points.add(known(points.get(&row.point.key), row.digest, &measured));
    }
    let scores: BTreeMap<Digest, Digest> = stored
        .iter()
        .flat_map(|stored| stored.evals.iter().map(|row| (row.key, row.digest)))
        .collect();
    for row in &new.rows.evals {
        counts.evals.add(known(scores.get(&row.key), row.digest, &measured));
    }
    let header = stored.as_ref().map(|stored| &stored.header.digest);
    let header = known(header, new.rows.header.digest, &BTreeSet::new());
    let records: BTreeMap<Digest, Digest> = stored
        .iter()
        .flat_map(|stored| stored.records.iter().map(|row| (row.key, row.digest)))
        .collect();
    let has_new_records = new.rows.records.iter().any(|row| records.get(&row.key) != Some(&row.digest));
    let has_changed = has_new_records || counts.points.new + counts.points.revised + counts.evals.new + counts.evals.revised > 0;
    let run = match header {
        Known::Unchanged if has_changed => Known::Revised,
        Known::New | Known::Unchanged | Known::Revised => header,
    };
    counts.runs.add(run);
    Ok(Addition {
        counts,
        is_known: run == Known::Unchanged,
    })
}

/// `measured` are the digests that another attempt has.
fn known(stored: Option<&Digest>, new: Digest, measured: &BTreeSet<Digest>) -> Known {
    match stored {
        Some(stored) if *stored == new => Known::Unchanged,
        _ if measured.contains(&new) => Known::Unchanged,
        None => Known::New,
        Some(_) => Known::Revised,
    }
}
