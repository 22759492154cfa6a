//! A history as a folder: one file a run, written whole, never changed, removed only when there are too many. The folder may be a
//! branch's checkout, a cache or a disk of the runner; nothing but its files is state.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::analysis::{History, HistoryError, HistoryRun};
use crate::store::artifacts::{self, ArtifactError};
use crate::system::files::{self, FileError};

/// Why a history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryFolderError {
    /// The folder cannot be listed, or a file of it not be read.
    #[error(transparent)]
    Read(#[from] ArtifactError),
    /// A file is no run.
    #[error("{}: {source}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: HistoryError,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// There is another run of that second and commit.
    #[error("{} is there already and holds another run; a history is never changed", .0.display())]
    Occupied(PathBuf),
    /// An old file cannot be removed.
    #[error("cannot remove {}: {source}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a history; only the newest `most` runs. A folder that is not there is an empty history, since the first run has none.
///
/// # Errors
/// [`HistoryFolderError`] for a file that is no run: a history with a gap that nobody sees would be a wrong one.
pub fn read(folder: &Path, most: usize) -> Result<History, HistoryFolderError> {
    let files = files_of(folder)?;
    let newest = files.iter().skip(files.len().saturating_sub(most));
    let runs: Result<Vec<_>, _> = newest.map(|path| read_one(path)).collect();
    Ok(History::new(runs?))
}

fn read_one(path: &Path) -> Result<HistoryRun, HistoryFolderError> {
    let text = artifacts::read_text(path)?;
    HistoryRun::parse(&text).map_err(|source| HistoryFolderError::Run {
        path: path.to_owned(),
        source,
    })
}

/// Adds a run, and removes the oldest ones beyond `keep`. Adding the same run again changes nothing. Gives the run's file.
///
/// # Errors
/// [`HistoryFolderError`] where the system refuses, or where another run has the same commit and second.
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

/// The files of a history, oldest first: their names begin with their dates. Other files of the folder are not ours.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, HistoryFolderError> {
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
    fn runs_are_added_and_the_oldest_removed() {
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
    fn what_is_there_is_never_changed() {
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
    fn a_torn_file_is_named_and_no_folder_is_no_history() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none"), 9).unwrap().is_empty());
        fs::write(folder.path().join("20261101T050000Z-abc.json"), "{").unwrap();
        let error = read(folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("20261101T050000Z-abc.json: not a run of a history"), "{error}");
    }
}
