//! The output folder of a job: one run at a time, without the results of an earlier one.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ExecutionError;
use crate::job::TRACE_FOLDER;
use crate::job::{NameSubject, result_file_name};
use crate::matrix::Row;
use crate::model::RunnerName;
use crate::system::untrusted::{self, UntrustedFolder};

/// Held while a job runs. Its name is hidden, so that artifacts do not contain it.
const LOCK: &str = ".imax-run.lock";
/// How often the lock's file is opened again because its last owner has just removed it.
const OPENINGS: u32 = 100;
/// The record of a job.
const RECORD: &str = "job.json";
/// What a job writes under names of its own. Prefix and suffix.
const JOB_FILES: [(&str, &str); 20] = [
    (RECORD, ""),
    ("server", ".log"),
    ("engine.", "log"),
    ("multinode_server_logs", ".tar.gz"),
    ("power_validation_", ".json"),
    ("gpu_metrics", ".csv"),
    ("host_metrics", ".csv"),
    ("meta_env", ".json"),
    ("agg_", ".json"),
    ("partial_", ".json"),
    ("results", ".json"),
    ("samples", ".jsonl"),
    ("node-", ".json"),
    ("profile_", ".trace.json"),
    ("profile_", ".trace.json.gz"),
    ("profile_", ".nsys-rep"),
    ("profile_", ".qdstrm"),
    ("lm_eval", ".log"),
    (".gpu_metrics", ".lines"),
    (".imax-", ""),
];

/// Hidden files that a job renames or removes before it ends.
const UNFINISHED: [&str; 2] = [".imax-", ".gpu_metrics"];

/// The output folder, held by this run.
#[derive(Debug)]
pub(super) struct HeldFolder {
    lock: PathBuf,
    /// The lock goes with it.
    _file: File,
}

impl Drop for HeldFolder {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.lock);
    }
}

impl HeldFolder {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`ExecutionError::FolderInUse`] where another run has it.
    pub(super) fn take(folder: &Path) -> Result<Self, ExecutionError> {
        let lock = folder.join(LOCK);
        for _ in 0..OPENINGS {
            let failed = |source| ExecutionError::Lock {
                path: lock.clone(),
                source,
            };
            let file = untrusted::append(&lock).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // Its last owner may have removed the file after it was opened here: then another process can create and lock a new one.
            let is_there = untrusted::open_regular(&lock).and_then(|there| untrusted::is_same_file(&there, &file));
            if is_there.unwrap_or(false) {
                return Ok(Self { lock, _file: file });
            }
        }
        Err(ExecutionError::FolderInUse(folder.to_owned()))
    }
}

/// Removes what a run that was killed had not finished, unless another run has the folder by now.
pub(super) fn remove_unfinished_files(folder: &Path) {
    let Ok(_held) = HeldFolder::take(folder) else { return };
    let _ = fs::remove_dir_all(folder.join(TRACE_FOLDER));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_unfinished = name
            .to_str()
            .is_some_and(|name| name != LOCK && UNFINISHED.iter().any(|start| name.starts_with(start)));
        if is_unfinished {
            // What cannot be removed is removed by the next job in this folder.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes what an earlier job wrote into the folder, so that nothing of it can be taken for a result of this one. Other files stay.
/// Returns how many were removed.
///
/// # Errors
/// Where a file cannot be removed.
pub(super) fn clear(folder: &Path, row: &Row, runner: &RunnerName) -> Result<usize, ExecutionError> {
    let files = untrusted::list(folder)?;
    let names: BTreeSet<String> = files
        .iter()
        .filter(|(_, kind)| !kind.is_dir())
        .filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let mut results = earlier_results(folder);
    results.extend(names.iter().filter_map(|name| normalised(name)).map(str::to_owned));
    results.extend(row.conc.as_slice().iter().map(|conc| {
        result_file_name(NameSubject {
            row,
            conc: *conc,
            runner_name: runner,
        })
    }));
    let mut removed = remove_folders(folder)?;
    for name in names.iter().filter(|name| *name != LOCK && is_of_job(name, &results)) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|source| ExecutionError::EarlierResult { path, source })?;
        removed += 1;
    }
    Ok(removed)
}

/// Marks a folder that a job made, with everything in it, as one that the next job removes. Hidden, so that artifacts do not contain it.
pub(super) const FOLDER_MARK: &str = ".imax-job";

/// Removes the folders of an earlier job, which are those with [`FOLDER_MARK`] and that of traces. Returns how many there were.
fn remove_folders(folder: &Path) -> Result<usize, ExecutionError> {
    let of_job = untrusted::list(folder)?.into_iter().filter(|(path, kind)| {
        let is_marked = || path.join(FOLDER_MARK).symlink_metadata().is_ok_and(|mark| mark.is_file());
        kind.is_dir() && (path.ends_with(TRACE_FOLDER) || is_marked())
    });
    let mut removed = 0;
    for (path, _) in of_job {
        // Links in it are removed, and not followed.
        fs::remove_dir_all(&path).map_err(|source| ExecutionError::EarlierResult { path, source })?;
        removed += 1;
    }
    Ok(removed)
}

fn is_of_job(name: &str, results: &BTreeSet<String>) -> bool {
    let is_fixed = JOB_FILES.iter().any(|(start, end)| name.starts_with(start) && name.ends_with(end));
    let is_raw = results
        .iter()
        .any(|result| name.strip_prefix(result.as_str()).is_some_and(|rest| rest.starts_with('.')));
    is_fixed || is_raw
}

/// The name of a result by that of its normalised file.
fn normalised(name: &str) -> Option<&str> {
    name.strip_prefix("agg_")?.strip_suffix(".json")
}

#[derive(Deserialize)]
struct EarlierRecord {
    points: Vec<EarlierPoint>,
}

#[derive(Deserialize)]
struct EarlierPoint {
    result_filename: String,
}

/// The names of results by the record of the earlier job; those of a point that failed have no normalised file.
fn earlier_results(folder: &Path) -> BTreeSet<String> {
    let record = UntrustedFolder::open(folder).and_then(|folder| folder.read_text(Path::new(RECORD)));
    let record = record.map_err(io::Error::other).and_then(|text| {
        let parsed: Result<EarlierRecord, _> = serde_json::from_str(&text);
        parsed.map_err(io::Error::other)
    });
    // Without a record that can be read the other names remain.
    let points = record.map_or_else(|_| Vec::new(), |record| record.points);
    let names = points.into_iter().map(|point| point.result_filename);
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_jobs_are_told_from_others() {
        let results = BTreeSet::from(["demo_conc2".to_owned()]);
        for (name, is_removed) in [
            ("job.json", true),
            ("agg_demo_conc4.json", true),
            ("demo_conc2.json", true),
            ("demo_conc2.requests.jsonl", true),
            ("server.attempt-1.log", true),
            ("engine.log", true),
            ("engine-notes.log", false),
            ("multinode_server_logs.tar.gz", true),
            ("results_gsm8k.json", true),
            ("demo_conc20.json", false),
            ("package.json", false),
            ("row.json", false),
            ("profile_demo_conc2.trace.json.gz", true),
            ("profile_notes.json", false),
            ("notes.md", false),
            ("demo_conc2", false),
        ] {
            assert_eq!(is_of_job(name, &results), is_removed, "{name}");
        }
    }

    #[test]
    fn folder_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let held = HeldFolder::take(folder.path()).unwrap();
        let error = HeldFolder::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another imax run writes to"), "{error}");
        drop(held);
        drop(HeldFolder::take(folder.path()).unwrap());
        assert_eq!(untrusted::list(folder.path()).unwrap(), []);
    }
}
