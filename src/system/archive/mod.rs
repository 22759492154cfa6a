//! Unpacks ZIP archives from untrusted sources. All entries are checked before the first byte is written. The unpacked bytes are
//! counted as well, because the sizes in an archive may be false.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Maximum number of files and folders.
    pub entries: usize,
    /// Maximum size of all files together, bytes.
    pub bytes: u64,
    /// Maximum ratio of unpacked to packed bytes, for files above 16 MiB.
    pub ratio: u64,
}

impl Default for ArchiveLimits {
    /// Far above any job's results, far below the size of a disk. Repetitive logs compress by a factor of about 100; a factor above
    /// 400 means that the file was crafted.
    fn default() -> Self {
        Self {
            entries: 50_000,
            bytes: 4 << 30,
            ratio: 400,
        }
    }
}

/// Smaller files are not checked for their ratio: small files of zeros are harmless.
const RATIO_COUNTS_FROM: u64 = 16 << 20;
/// Maximum depth of folders.
const MAX_DEPTH: usize = 16;
/// Maximum length of a name on common file systems.
const MAX_NAME_BYTES: usize = 255;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not a ZIP archive, a damaged one, or one with a password.
    #[error("cannot read the ZIP archive: {0}")]
    Form(#[from] zip::result::ZipError),
    #[error("too many files: {found}, limit {limit}")]
    TooMany {
        /// Number of files.
        found: usize,
        /// Maximum number.
        limit: usize,
    },
    /// A ZIP64 archive: more than 65,535 files or 4 GiB.
    #[error("unsupported ZIP64 archive (more than 65,535 files or 4 GiB)")]
    Zip64,
    #[error("files too large: at least {found} bytes, limit {limit} bytes")]
    TooLarge {
        /// Size so far, bytes.
        found: u64,
        /// Maximum size, bytes.
        limit: u64,
    },
    /// The compression ratio is too high, as in a ZIP bomb.
    #[error("`{entry}`: compression ratio too high ({packed} bytes unpack to {unpacked}), limit {limit}")]
    Ratio {
        entry: String,
        /// Packed size, bytes.
        packed: u64,
        /// Unpacked size, bytes.
        unpacked: u64,
        /// Maximum ratio.
        limit: u64,
    },
    /// The path of an entry leads out of the folder, or is not portable.
    #[error("`{entry}`: invalid path: {problem}")]
    Path {
        /// The entry, without control characters.
        entry: String,
        /// What is wrong with its path.
        problem: &'static str,
    },
    /// An entry is neither a file nor a folder.
    #[error("`{entry}`: unsupported file type ({kind}); expected a file or a folder")]
    FileType { entry: String, kind: &'static str },
    /// The unpacked size differs from the declared one.
    #[error("`{entry}`: size mismatch, archive declares {declared} bytes")]
    Size {
        entry: String,
        /// Declared size, bytes.
        declared: u64,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        source: io::Error,
    },
}

/// A file entry that has passed the checks.
struct CheckedEntry {
    index: usize,
    path: PathBuf,
    name: String,
    bytes: u64,
}

/// Unpacks an archive into a folder, which must be new or empty. Returns the number of bytes written. After an error the folder
/// may hold some of the files; the caller removes it.
///
/// # Errors
/// See [`ArchiveError`]. Nothing is written outside the folder.
pub fn unpack(archive: &Path, folder: &Path, limits: &ArchiveLimits) -> Result<u64, ArchiveError> {
    let mut file = File::open(archive).map_err(zip::result::ZipError::Io)?;
    reject_zip64(&mut file).map_err(zip::result::ZipError::Io)?.map_or(Ok(()), Err)?;
    let mut archive = ZipArchive::new(file)?;
    let entries = check_entries(&mut archive, limits)?;
    create_folder(folder)?;
    let mut written = 0;
    for entry in entries {
        written += write(&mut archive, &entry, folder)?;
    }
    Ok(written)
}

/// The `zip` crate allocates memory for as many files as a ZIP64 record declares. An archive within the limits has no such record.
fn reject_zip64(file: &mut File) -> io::Result<Option<ArchiveError>> {
    use std::io::{Seek as _, SeekFrom};

    // The end of central directory record has 22 bytes and a comment of up to 65,535 bytes. The ZIP64 locator (20 bytes) precedes it
    // (APPNOTE.TXT, sections 4.3.15 and 4.3.16).
    const MAX_END: u64 = 22 + 65_535 + 20;
    const LOCATOR: &[u8] = b"PK\x06\x07";
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_END)))?;
    let mut end = Vec::new();
    file.take(MAX_END).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(memchr::memmem::find(&end, LOCATOR).map(|_| ArchiveError::Zip64))
}

/// Checks all entries, and returns the files.
fn check_entries(archive: &mut ZipArchive<File>, limits: &ArchiveLimits) -> Result<Vec<CheckedEntry>, ArchiveError> {
    if archive.len() > limits.entries {
        return Err(ArchiveError::TooMany {
            found: archive.len(),
            limit: limits.entries,
        });
    }
    let mut files = Vec::new();
    let mut total: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let name = entry.name()?.into_owned();
        reject_special_file(&name, entry.unix_mode())?;
        let path = safe_path(&name)?;
        if entry.is_dir() {
            continue;
        }
        let (packed, bytes) = (entry.compressed_size(), entry.size());
        if bytes > RATIO_COUNTS_FROM && bytes / packed.max(1) > limits.ratio {
            return Err(ArchiveError::Ratio {
                entry: printable(&name),
                packed,
                unpacked: bytes,
                limit: limits.ratio,
            });
        }
        total = total.saturating_add(bytes);
        if total > limits.bytes {
            return Err(ArchiveError::TooLarge {
                found: total,
                limit: limits.bytes,
            });
        }
        files.push(CheckedEntry { index, path, name, bytes });
    }
    Ok(files)
}

/// Accepts regular files and folders, by the file type bits of the Unix mode (inode(7), `S_IFMT`).
fn reject_special_file(name: &str, mode: Option<u32>) -> Result<(), ArchiveError> {
    const FILE_TYPE: u32 = 0o170_000;
    let kind = match mode.map(|mode| mode & FILE_TYPE) {
        None | Some(0 | 0o100_000 | 0o040_000) => return Ok(()),
        Some(0o120_000) => "symbolic link",
        Some(0o020_000 | 0o060_000) => "device",
        Some(_) => "pipe, socket or unknown",
    };
    Err(ArchiveError::FileType {
        entry: printable(name),
        kind,
    })
}

/// The path of an entry below the folder. Stricter than necessary: a path that no upload action writes is rejected, not repaired.
fn safe_path(name: &str) -> Result<PathBuf, ArchiveError> {
    let parts: Vec<&str> = name.strip_suffix('/').unwrap_or(name).split('/').collect();
    if name.contains('\\') || name.contains(':') {
        return Err(invalid_path(
            name,
            "contains a backslash or a colon, which are separators on Windows",
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid_path(name, "contains a control character"));
    }
    if name.starts_with('/') {
        return Err(invalid_path(name, "absolute path"));
    }
    if parts.len() > MAX_DEPTH {
        return Err(invalid_path(name, "more than 16 levels deep"));
    }
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(invalid_path(name, "contains an empty component, `.` or `..`"));
    }
    if parts.iter().any(|part| part.len() > MAX_NAME_BYTES) {
        return Err(invalid_path(name, "component longer than 255 bytes"));
    }
    Ok(parts.iter().collect())
}

fn invalid_path(name: &str, problem: &'static str) -> ArchiveError {
    ArchiveError::Path {
        entry: printable(name),
        problem,
    }
}

/// A name for messages: truncated, and without control characters, which could be terminal escape sequences.
fn printable(name: &str) -> String {
    const MAX_CHARS: usize = 120;
    name.chars()
        .take(MAX_CHARS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn write(archive: &mut ZipArchive<File>, entry: &CheckedEntry, folder: &Path) -> Result<u64, ArchiveError> {
    let path = folder.join(&entry.path);
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    // `create_new`: never writes to an existing file or through a symbolic link.
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|source| write_error(&path, source))?;
    let packed = archive.by_index(entry.index)?;
    // One byte more than declared, to notice a longer file without unpacking all of it.
    let copied = io::copy(&mut packed.take(entry.bytes.saturating_add(1)), &mut target).map_err(|source| write_error(&path, source))?;
    if copied != entry.bytes {
        return Err(ArchiveError::Size {
            entry: printable(&entry.name),
            declared: entry.bytes,
        });
    }
    Ok(copied)
}

fn create_folder(path: &Path) -> Result<(), ArchiveError> {
    fs::create_dir_all(path).map_err(|source| write_error(path, source))
}

fn write_error(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
