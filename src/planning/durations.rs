//! How long jobs of earlier runs took, from their records.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Warn;
use crate::job::Phase;
use crate::matrix::Row;
use crate::matrix::plan::{Durations, PastJob};
use crate::model::with_causes;
use crate::store::artifacts::{self, ArtifactError};

/// File name of a job's record.
const RECORD_FILE: &str = "job.json";

/// The part of a job record that is needed here, so that records of other versions of imax can be read too.
#[derive(Deserialize)]
struct JobRecord {
    row: Row,
    seconds: f64,
    #[serde(default)]
    phases: Vec<PhaseRecord>,
}

#[derive(Deserialize)]
struct PhaseRecord {
    phase: Phase,
    seconds: f64,
}

#[derive(Debug, thiserror::Error)]
enum JobRecordError {
    #[error(transparent)]
    Read(#[from] ArtifactError),
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

/// The durations of all jobs whose records are below the folder. A record that cannot be read is skipped with a warning,
/// because durations only serve an estimate.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn recorded_durations(folder: &Path, warn: Warn<'_>) -> Result<Durations, ArtifactError> {
    let mut jobs = Vec::new();
    for path in artifacts::json_files(folder)? {
        if path.file_name().is_none_or(|name| name != RECORD_FILE) {
            continue;
        }
        match read_record(&path) {
            Ok(job) => jobs.push(job),
            Err(error) => warn(&format!("skipped job record: {}", with_causes(&error))),
        }
    }
    Ok(Durations::of(jobs))
}

fn read_record(path: &Path) -> Result<PastJob, JobRecordError> {
    let text = artifacts::read_text(path)?;
    let record: JobRecord = serde_json::from_str(&text).map_err(|source| JobRecordError::Json {
        path: path.to_owned(),
        source,
    })?;
    // A job that waits in a queue holds no GPU.
    let queued: f64 = record
        .phases
        .iter()
        .filter(|phase| phase.phase == Phase::Queue)
        .map(|phase| phase.seconds)
        .sum();
    Ok(PastJob {
        row: record.row,
        seconds: record.seconds - queued,
    })
}
