//! The JSON files in a folder of downloaded artifacts. Links are not followed, and depth, number and size of files are limited, because
//! artifacts may come from strangers.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::system::untrusted;

/// Maximum depth of folders: one for the artifact, one for the job, and perhaps two of the job itself.
const MAX_DEPTH: usize = 16;
/// Maximum number of files: ten times the largest sweep that imax is designed for.
const MAX_FILES: usize = 1_000_000;
/// Maximum size of a file; a raw result with all its requests has a few MiB.
pub(super) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Why a folder of artifacts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is nested more than {MAX_DEPTH} folders deep; give the folder that holds the artifacts", .0.display())]
    TooDeep(PathBuf),
    #[error("{} holds more than {MAX_FILES} JSON files; give the folder that holds the artifacts of one run", .0.display())]
    TooMany(PathBuf),
    #[error("{}: {bytes} bytes, expected at most {MAX_BYTES}; split it, such as a table by its rows or a history by its runs", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
}

/// All JSON files below a folder, sorted by path.
///
/// # Errors
/// [`ArtifactError`] if a folder cannot be read or a limit is exceeded.
pub fn json_files(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    files_with(folder, &["json"])
}

/// All files below a folder that have one of the extensions, sorted by path.
///
/// # Errors
/// [`ArtifactError`] if a folder cannot be read or a limit is exceeded.
pub fn files_with(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ArtifactError> {
    let seen = AtomicUsize::new(0);
    // Each artifact has its own folder, so the folders of the first level are read in parallel.
    let walks = entries(folder, extensions)?
        .into_par_iter()
        .map(|entry| walk(entry, folder, extensions, &seen));
    let walked: Vec<Vec<PathBuf>> = walks.collect::<Result<_, _>>()?;
    Ok(walked.into_iter().flatten().collect())
}

/// A file or a folder, not a link.
struct Entry {
    path: PathBuf,
    is_folder: bool,
}

/// The files with one of the extensions at or below an entry of a folder, in order. `seen` counts the files of all walks.
fn walk(entry: Entry, root: &Path, extensions: &[&str], seen: &AtomicUsize) -> Result<Vec<PathBuf>, ArtifactError> {
    let mut found = Vec::new();
    // Unvisited entries of each folder from the root to the current one.
    let mut open = vec![vec![entry].into_iter()];
    while let Some(level) = open.last_mut() {
        match level.next() {
            None => {
                open.pop();
            }
            Some(_) if seen.load(Ordering::Relaxed) > MAX_FILES => return Err(ArtifactError::TooMany(root.to_owned())),
            Some(entry) if !entry.is_folder => {
                seen.fetch_add(1, Ordering::Relaxed);
                found.push(entry.path);
            }
            Some(entry) if open.len() > MAX_DEPTH => return Err(ArtifactError::TooDeep(entry.path)),
            Some(entry) => open.push(entries(&entry.path, extensions)?.into_iter()),
        }
    }
    Ok(found)
}

/// The subfolders of a folder, and its files with one of the extensions, sorted by name.
fn entries(folder: &Path, extensions: &[&str]) -> Result<Vec<Entry>, ArtifactError> {
    let refused = |source| ArtifactError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let kind = entry.file_type().map_err(refused)?;
        let path = entry.path();
        let is_wanted = path
            .extension()
            .is_some_and(|found| extensions.iter().any(|wanted| found == *wanted));
        if kind.is_dir() || (kind.is_file() && is_wanted) {
            found.push(Entry {
                path,
                is_folder: kind.is_dir(),
            });
        }
    }
    // They differ in the last part only; comparing paths part by part takes ten times as long.
    found.sort_unstable_by(|left, right| left.path.as_os_str().cmp(right.path.as_os_str()));
    Ok(found)
}

/// The text of a file below the size limit.
///
/// # Errors
/// [`ArtifactError::TooLarge`], and [`ArtifactError::Read`] if the file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ArtifactError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| ArtifactError::Read {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"),
    })
}

/// The bytes of a file below the size limit.
///
/// # Errors
/// As [`read_text`], for a file of any encoding.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ArtifactError> {
    let refused = |source| ArtifactError::Read {
        path: path.to_owned(),
        source,
    };
    let file = untrusted::open_regular(path).map_err(refused)?;
    let bytes = file.metadata().map_err(refused)?.len();
    if bytes > MAX_BYTES {
        return Err(ArtifactError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    // Slightly more than the size, so that detecting the end does not grow the buffer.
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0) + 64);
    file.take(MAX_BYTES).read_to_end(&mut content).map_err(refused)?;
    Ok(content)
}

/// Modification time of a file, nanoseconds since 1970.
///
/// # Errors
/// [`ArtifactError::Read`].
pub fn modified_ns(path: &Path) -> Result<u128, ArtifactError> {
    let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    let modified = modified.map_err(|source| ArtifactError::Read {
        path: path.to_owned(),
        source,
    })?;
    // A file from before 1970 counts as the oldest.
    Ok(modified.duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_at_any_depth_and_links_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x.json", "a.json", "b/c/y.json", "b/z.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("b/loop")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.json")).unwrap();
        let names: Vec<_> = json_files(folder.path()).unwrap();
        assert_eq!(names, ["a.json", "b/c/y.json", "b/x.json"].map(|name| folder.path().join(name)));
    }

    #[test]
    fn deeply_nested_folders_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(matches!(json_files(folder.path()), Err(ArtifactError::TooDeep(_))));
    }
}
