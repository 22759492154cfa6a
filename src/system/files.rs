//! Atomic writes: each file is written to a temporary name in the same folder and renamed.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file could not be written or renamed into place.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The value cannot be serialised as JSON, for example a map with keys that are not strings.
    #[error("cannot write {}: cannot serialise the value as JSON: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError::Read`].
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads a whole text file.
///
/// # Errors
/// [`FileError::Read`], also if the bytes are not UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The file itself, or the files of a folder that have one of the extensions, sorted by name.
///
/// # Errors
/// [`FileError::Read`], also if the path does not exist.
pub fn named(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, FileError> {
    let read_error = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(read_error)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(read_error)? {
        let file = entry.map_err(read_error)?.path();
        let is_named = file
            .extension()
            .is_some_and(|found| extensions.iter().any(|extension| found == *extension));
        if is_named && file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// Creates a folder and its missing parents.
///
/// # Errors
/// [`FileError::Write`].
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Creates a folder in `parent` with a name that starts with `prefix` and is unique. It is not removed automatically.
///
/// # Errors
/// [`FileError::Write`].
pub fn create_unique_folder(parent: &Path, prefix: &str) -> Result<PathBuf, FileError> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    folder.map(tempfile::TempDir::keep).map_err(|source| FileError::Write {
        path: parent.to_owned(),
        source,
    })
}

/// Writes a file atomically: readers see the old content or the new. Missing parent folders are created.
///
/// # Errors
/// [`FileError::Write`]; the target is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, READABLE, |file| file.write_all(bytes)).map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file atomically from a stream, for content that need not be in memory at once.
///
/// # Errors
/// As [`write()`], and what `content` itself returns.
pub fn write_with(path: &Path, content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), FileError> {
    replace(path, READABLE, content).map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Replaces an existing file atomically from a stream, and keeps its permissions.
///
/// # Errors
/// As [`write()`], and what `content` itself returns.
pub fn rewrite_with(path: &Path, content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt as _;

    let rewritten = fs::metadata(path).and_then(|data| replace(path, data.permissions().mode(), content));
    rewritten.map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Writes a value atomically as indented JSON with a final line break.
///
/// # Errors
/// As [`write()`], and [`FileError::Json`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| FileError::Json {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    write(path, &bytes)
}

/// Writes a file atomically that only its owner can read.
///
/// # Errors
/// The system error; the target is then unchanged.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, 0o600, |file| file.write_all(bytes))
}

/// Mode of written files. Other users of the node read the results (upload steps, collectors); a temporary file has mode 0600.
const READABLE: u32 = 0o644;

fn replace(path: &Path, mode: u32, content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mode = fs::Permissions::from_mode(mode);
    let mut file: NamedTempFile = tempfile::Builder::new().prefix(".imax-").permissions(mode).tempfile_in(folder)?;
    let mut buffered = BufWriter::new(&mut file);
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_without_leftover_temporaries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/file.json");
        write(&path, b"first").unwrap();
        write_json(&path, &serde_json::json!({ "a": 1 })).unwrap();
        assert_eq!(read_text(&path).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn folder_yields_its_files_with_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jsonl", "a.jsonl", "README.md", "c.jsonl/inside.jsonl"] {
            write(&folder.path().join(name), b"x").unwrap();
        }
        let one = folder.path().join("README.md");
        assert_eq!(named(&one, &["jsonl"]).unwrap(), [one]);
        let all = named(folder.path(), &["jsonl"]).unwrap();
        assert_eq!(all, ["a.jsonl", "b.jsonl"].map(|name| folder.path().join(name)));
        let error = named(&folder.path().join("absent"), &["jsonl"]).unwrap_err().to_string();
        assert!(error.contains("absent: No such file"), "{error}");
    }

    #[test]
    fn write_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        write(&occupied, b"x").unwrap();
        let error = write(&occupied.join("below"), b"y").unwrap_err();
        assert!(error.to_string().contains("occupied/below"), "{error}");
    }
}
