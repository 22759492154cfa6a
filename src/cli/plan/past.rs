//! How long jobs of earlier runs took, from their records.

use std::path::Path;

use serde::Deserialize;

use crate::cli::{Exit, Failure, OrExit as _, in_words, output};
use crate::job::Phase;
use crate::matrix::Row;
use crate::matrix::plan::{Durations, PastJob};
use crate::store::artifacts;

/// The file of a job's record.
const RECORD: &str = "job.json";

/// As much of a record as is needed, so that those of other versions are read as well.
#[derive(Deserialize)]
struct Record {
    row: Row,
    seconds: f64,
    #[serde(default)]
    phases: Vec<RecordedPhase>,
}

#[derive(Deserialize)]
struct RecordedPhase {
    phase: Phase,
    seconds: f64,
}

/// The durations of all jobs below a folder. A record that cannot be read is said and left out: an outlook is no result.
///
/// # Errors
/// Infrastructure where the folder cannot be read.
pub fn durations(folder: &Path) -> Result<Durations, Failure> {
    let files = artifacts::json_files(folder).or_exit(Exit::Infrastructure)?;
    let records = files.iter().filter(|path| path.file_name().is_some_and(|name| name == RECORD));
    let mut past = Vec::new();
    for path in records {
        match read(path) {
            Ok(job) => past.push(job),
            Err(error) => output::say(&format!("left out: {}", in_words(&error))),
        }
    }
    Ok(Durations::of(past))
}

fn read(path: &Path) -> anyhow::Result<PastJob> {
    use anyhow::Context as _;
    let record: Record = serde_json::from_str(&artifacts::read_text(path)?).with_context(|| path.display().to_string())?;
    // A job that waits in a queue holds no GPU.
    let queued = record.phases.iter().filter(|phase| phase.phase == Phase::Queue);
    let queued: f64 = queued.map(|phase| phase.seconds).sum();
    Ok(PastJob {
        row: record.row,
        seconds: record.seconds - queued,
    })
}
