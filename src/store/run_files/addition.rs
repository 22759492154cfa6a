//! What a run adds to what is stored of it: the rule of the databases, for stores of files.

use std::collections::BTreeMap;

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

/// Compares a run with what is stored of it, where something is.
///
/// # Errors
/// [`RowError`] for a stored run that has no rows.
pub(crate) fn addition(new: &NewRun, stored: Option<HistoryRun>) -> Result<Addition, RowError> {
    let stored = stored.map(RunRows::of).transpose()?;
    let mut counts = IngestCounts::default();
    let points: BTreeMap<&PointKey, Digest> = stored
        .iter()
        .flat_map(|stored| stored.points.iter().map(|row| (&row.point.key, row.digest)))
        .collect();
    for row in &new.rows.points {
        counts.points.add(known(points.get(&row.point.key), row.digest));
    }
    let scores: BTreeMap<Digest, Digest> = stored
        .iter()
        .flat_map(|stored| stored.evals.iter().map(|row| (row.key, row.digest)))
        .collect();
    for row in &new.rows.evals {
        counts.evals.add(known(scores.get(&row.key), row.digest));
    }
    let header = known(stored.as_ref().map(|stored| &stored.header.digest), new.rows.header.digest);
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

/// What storing a run counts that an earlier attempt of its workflow run has already, because only a job that reports it ran again; `None`
/// for another measurement.
///
/// # Errors
/// [`RowError`] for a stored run that has no rows.
pub(crate) fn repetition(new: &NewRun, earlier: HistoryRun) -> Result<Option<IngestCounts>, RowError> {
    let earlier = RunRows::of(earlier)?;
    Ok(new.rows.is_same_measurement(&earlier).then(|| IngestCounts::unchanged(&new.rows)))
}

fn known(stored: Option<&Digest>, new: Digest) -> Known {
    match stored {
        None => Known::New,
        Some(stored) if *stored == new => Known::Unchanged,
        Some(_) => Known::Revised,
    }
}
