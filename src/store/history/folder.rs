//! A history as a folder with a file per run, which is never changed, and only removed when there are too many. The folder may
//! be a checkout of a branch, a cache or a disk of the runner; its files are the only state.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::analysis::{History, HistoryError, HistoryRun};
use crate::model::Digest;
use crate::store::artifacts::{self, ArtifactError};
use crate::store::database::Source;
use crate::system::files::{self, FileError};

/// Why a history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryFolderError {
    /// The folder cannot be listed, or one of its files cannot be read.
    #[error(transparent)]
    Read(#[from] ArtifactError),
    /// A file is not a run.
    #[error("{}: {source}", path.display())]
    Run { path: PathBuf, source: HistoryError },
    #[error(transparent)]
    Write(#[from] FileError),
    /// The history has another run with the same second and commit.
    #[error("{} exists and holds another run; the files of a history are never changed", .0.display())]
    Occupied(PathBuf),
    #[error("cannot remove {}: {source}", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// Reads the newest `most` runs of a history. A missing folder is an empty history, as at the first run.
///
/// # Errors
/// [`HistoryFolderError`] for a file that is not a run: skipping it would falsify the history.
pub fn read(folder: &Path, most: usize) -> Result<History, HistoryFolderError> {
    let files = files_of(folder)?;
    let newest = files.iter().skip(files.len().saturating_sub(most));
    let runs: Result<Vec<_>, _> = newest.map(|path| read_one(path)).collect();
    Ok(History::new(runs?))
}

pub(super) fn read_one(path: &Path) -> Result<HistoryRun, HistoryFolderError> {
    read_with_source(path).map(|(run, _)| run)
}

/// A run, and the file that it is in by its name in the folder.
pub(super) fn read_with_source(path: &Path) -> Result<(HistoryRun, Source), HistoryFolderError> {
    let text = artifacts::read_text(path)?;
    let run = HistoryRun::parse(&text).map_err(|source| HistoryFolderError::Run {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let source = Source {
        name: name.unwrap_or_default(),
        bytes: text.len() as u64,
        digest: Digest::of(text.as_bytes()),
    };
    Ok((run, source))
}

/// Adds a run, removes the oldest ones beyond `keep`, and returns the run's file. Adding a run again changes nothing.
///
/// # Errors
/// [`HistoryFolderError`] if files cannot be written, or another run has the same commit and second.
pub fn append(folder: &Path, run: &HistoryRun, keep: usize) -> Result<PathBuf, HistoryFolderError> {
    let path = folder.join(run.file_name());
    if path.exists() {
        if read_one(&path)? == *run {
            return Ok(path);
        }
        return Err(HistoryFolderError::Occupied(path));
    }
    files::write_json(&path, run)?;
    let files = files_of(folder)?;
    let surplus = files.len().saturating_sub(keep.max(1));
    for old in files.iter().take(surplus).filter(|old| **old != path) {
        fs::remove_file(old).map_err(|source| HistoryFolderError::Remove { path: old.clone(), source })?;
    }
    Ok(path)
}

/// The files of a history, oldest first: their names start with their dates. Other files in the folder are ignored.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, HistoryFolderError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let files = artifacts::json_files(folder)?;
    let ours = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        let dated =
            name.is_some_and(|name| name.len() > 16 && name.as_bytes()[8] == b'T' && name.as_bytes()[..8].iter().all(u8::is_ascii_digit));
        dated && path.parent() == Some(folder)
    };
    Ok(files.into_iter().filter(ours).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use chrono::{DateTime, Utc};

    use super::*;
    use crate::analysis::Run;

    fn run(day: u32, commit: &str) -> HistoryRun {
        let date: DateTime<Utc> = format!("2026-11-{day:02}T05:00:00Z").parse().unwrap();
        HistoryRun::new(commit, date, Run::default()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files_of(folder).unwrap().iter().map(name).collect()
    }

    #[test]
    fn oldest_runs_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.json"), "not ours").unwrap();
        for day in [3, 1, 2, 4] {
            append(folder.path(), &run(day, "abc/../def"), 3).unwrap();
        }
        assert_eq!(
            names(folder.path()),
            [
                "20261102T050000Z-abcdef.json",
                "20261103T050000Z-abcdef.json",
                "20261104T050000Z-abcdef.json"
            ]
        );
        assert!(folder.path().join("notes.json").exists());
        let history = read(folder.path(), 2).unwrap();
        let dates: Vec<_> = history.runs().iter().map(|run| run.date.as_str()).collect();
        assert_eq!(dates, ["2026-11-03T05:00:00Z", "2026-11-04T05:00:00Z"]);
    }

    #[test]
    fn existing_run_is_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let first = run(1, "abc");
        let path = append(folder.path(), &first, 9).unwrap();
        assert_eq!(append(folder.path(), &first, 9).unwrap(), path);
        let other = HistoryRun {
            branch: Some("other".to_owned()),
            ..first
        };
        assert!(matches!(append(folder.path(), &other, 9), Err(HistoryFolderError::Occupied(_))));
    }

    #[test]
    fn truncated_file_is_an_error_and_missing_folder_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none"), 9).unwrap().runs().is_empty());
        fs::write(folder.path().join("20261101T050000Z-abc.json"), "{").unwrap();
        let error = read(folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("20261101T050000Z-abc.json: invalid history file"), "{error}");
    }
}
