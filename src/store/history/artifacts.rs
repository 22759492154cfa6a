//! A folder of artifacts as a history of one run, for a look at results that are in no history yet.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::folder::{self, HistoryFolderError};
use super::folder_files::FolderFiles;
use crate::analysis::{HistoryError, HistoryRun, Run};
use crate::store::artifacts::{self, ArtifactError};
use crate::store::gather::{GatherError, load_run};
use crate::store::run_files::{ScratchDatabase, ScratchError};

/// The commit of a run whose job records name none.
const UNKNOWN_COMMIT: &str = "unknown";

/// Why a folder cannot be read as a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenArtifactsError {
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error(transparent)]
    File(#[from] ArtifactError),
    #[error(transparent)]
    Run(#[from] RunDatabaseError),
}

/// Why a run cannot be read as a history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunDatabaseError {
    #[error(transparent)]
    Run(#[from] HistoryError),
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

/// Whether a folder has files of a history.
///
/// # Errors
/// [`HistoryFolderError`] for a folder that cannot be listed.
pub(crate) fn is_history_folder(path: &Path) -> Result<bool, HistoryFolderError> {
    Ok(!folder::files_of(path)?.is_empty())
}

/// Reads the run of a folder into a database of this process. Its source is the list of the folder's files. Its commit and date are those of the job records, else `unknown` and the
/// time of the newest file.
///
/// # Errors
/// [`OpenArtifactsError`].
pub(crate) async fn open_artifacts(path: &Path, files: &FolderFiles) -> Result<ScratchDatabase, OpenArtifactsError> {
    let run = load_run(path)?;
    let started = run
        .conditions
        .started
        .as_deref()
        .and_then(|date| DateTime::parse_from_rfc3339(date).ok());
    let date = match started {
        Some(started) => started.to_utc(),
        None => newest_file(path)?,
    };
    Ok(run_database(run, date, files).await?)
}

/// A run as a database of this process; `files` are those that it was read from. Its commit is that of its job records, else `unknown`; its
/// branch is `main`.
///
/// # Errors
/// [`RunDatabaseError`].
pub(crate) async fn run_database(run: Run, date: DateTime<Utc>, files: &FolderFiles) -> Result<ScratchDatabase, RunDatabaseError> {
    let commit = run.conditions.commits.first().cloned().unwrap_or_else(|| UNKNOWN_COMMIT.to_owned());
    let mut run = HistoryRun::new(&commit, date, run)?;
    // Newest curves, frontiers and costs are those of `main` unless another branch is named.
    run.branch.get_or_insert_with(|| "main".to_owned());
    let mut scratch = ScratchDatabase::create().await?;
    scratch.add_files(vec![(run, files.manifest())]).await?;
    Ok(scratch)
}

fn newest_file(path: &Path) -> Result<DateTime<Utc>, ArtifactError> {
    let mut newest = 0;
    for file in artifacts::json_files(path)? {
        newest = newest.max(artifacts::modified_ns(&file)?);
    }
    let seconds = i64::try_from(newest / 1_000_000_000).unwrap_or_default();
    Ok(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
}
