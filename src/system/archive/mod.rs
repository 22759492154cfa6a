//! Unpacking of ZIP archives that strangers may have made. Everything that an archive says of itself is looked at before the
//! first byte is written, and what comes out is counted as well, because an archive may lie.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

/// What an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// The most files and folders.
    pub entries: usize,
    /// The most bytes of all files together.
    pub bytes: u64,
    /// The most bytes that come out for each that went in, from 16 MiB on.
    pub ratio: u64,
}

impl Default for ArchiveLimits {
    /// Far above any job's results, far below a full disk. Logs that repeat themselves shrink to a hundredth; what shrinks to
    /// less than a four-hundredth is made to.
    fn default() -> Self {
        Self {
            entries: 50_000,
            bytes: 4 << 30,
            ratio: 400,
        }
    }
}

/// Small files of zeros shrink to nothing, and are harmless.
const RATIO_COUNTS_FROM: u64 = 16 << 20;
/// Folders nest no deeper.
const MAX_DEPTH: usize = 16;
/// The longest name that common file systems take.
const MAX_NAME_BYTES: usize = 255;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no ZIP archive, a damaged one, or one that needs a password.
    #[error("not a ZIP archive that can be read: {0}")]
    Form(#[from] zip::result::ZipError),
    /// It holds too many files.
    #[error("it holds {found} files, more than the {limit} that are unpacked")]
    TooMany {
        /// How many.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// It says in two ways how many files it holds, as archives of more than 65,535 files or 4 GiB do.
    #[error("it is a ZIP64 archive, made for more than 65,535 files or 4 GiB; so much is not unpacked")]
    Zip64,
    /// Its files are too large.
    #[error("its files have {found} bytes or more, over the {limit} that are unpacked")]
    TooLarge {
        /// How large.
        found: u64,
        /// How large they may be.
        limit: u64,
    },
    /// It grows too much.
    #[error("`{entry}` grows from {packed} to {unpacked} bytes, more than {limit} times; such files are made to fill disks")]
    Ratio {
        /// The file in it.
        entry: String,
        /// Its size in the archive.
        packed: u64,
        /// Its size outside.
        unpacked: u64,
        /// How much growth is allowed.
        limit: u64,
    },
    /// A name leads out of the folder, or is none.
    #[error("`{entry}` is no name of a file below a folder: {why}")]
    Name {
        /// The name, with what cannot be shown replaced.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It holds something that is neither a file nor a folder.
    #[error("`{entry}` is a {kind}, and only files and folders are unpacked")]
    Kind {
        /// The name.
        entry: String,
        /// What it is.
        kind: &'static str,
    },
    /// A file is longer or shorter than the archive says.
    #[error("`{entry}` has not the {said} bytes that the archive says")]
    Size {
        /// The name.
        entry: String,
        /// What the archive says.
        said: u64,
    },
    /// The system refuses.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One file of an archive that may be unpacked.
struct Planned {
    index: usize,
    path: PathBuf,
    name: String,
    bytes: u64,
}

/// Unpacks an archive into a folder, which must be new or empty, and gives the bytes that were written. Where it fails, the
/// folder holds a part; the caller removes it.
///
/// # Errors
/// [`ArchiveError`] with what is wrong; nothing is ever written outside the folder.
pub fn unpack(archive: &Path, folder: &Path, limits: &ArchiveLimits) -> Result<u64, ArchiveError> {
    let mut file = File::open(archive).map_err(zip::result::ZipError::Io)?;
    refuse_zip64(&mut file).map_err(zip::result::ZipError::Io)?.map_or(Ok(()), Err)?;
    let mut archive = ZipArchive::new(file)?;
    let planned = plan(&mut archive, limits)?;
    make_folder(folder)?;
    let mut written = 0;
    for entry in planned {
        written += write(&mut archive, &entry, folder)?;
    }
    Ok(written)
}

/// The reader takes room for as many files as a ZIP64 record claims; an honest archive within the limits has no such record.
fn refuse_zip64(file: &mut File) -> io::Result<Option<ArchiveError>> {
    use std::io::{Seek as _, SeekFrom};

    // The end of the central directory is 22 bytes and a comment of up to 65,535; the locator of ZIP64 stands before it.
    const LONGEST_END: u64 = 22 + 65_535 + 20;
    const LOCATOR: &[u8] = b"PK\x06\x07";
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_END)))?;
    let mut end = Vec::new();
    file.take(LONGEST_END).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(memchr::memmem::find(&end, LOCATOR).map(|_| ArchiveError::Zip64))
}

/// All files of the archive, each looked at.
fn plan(archive: &mut ZipArchive<File>, limits: &ArchiveLimits) -> Result<Vec<Planned>, ArchiveError> {
    if archive.len() > limits.entries {
        return Err(ArchiveError::TooMany {
            found: archive.len(),
            limit: limits.entries,
        });
    }
    let mut planned = Vec::new();
    let mut all: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let name = entry.name()?.into_owned();
        refuse_kind(&name, entry.unix_mode())?;
        let path = path_of(&name)?;
        if entry.is_dir() {
            continue;
        }
        let (packed, bytes) = (entry.compressed_size(), entry.size());
        if bytes > RATIO_COUNTS_FROM && bytes / packed.max(1) > limits.ratio {
            return Err(ArchiveError::Ratio {
                entry: shown(&name),
                packed,
                unpacked: bytes,
                limit: limits.ratio,
            });
        }
        all = all.saturating_add(bytes);
        if all > limits.bytes {
            return Err(ArchiveError::TooLarge {
                found: all,
                limit: limits.bytes,
            });
        }
        planned.push(Planned { index, path, name, bytes });
    }
    Ok(planned)
}

/// The kinds of files that Unix modes tell apart, of which only two are unpacked.
fn refuse_kind(name: &str, mode: Option<u32>) -> Result<(), ArchiveError> {
    const KIND: u32 = 0o170_000;
    let kind = match mode.map(|mode| mode & KIND) {
        None | Some(0 | 0o100_000 | 0o040_000) => return Ok(()),
        Some(0o120_000) => "link",
        Some(0o020_000 | 0o060_000) => "device",
        Some(_) => "pipe, socket or something else",
    };
    Err(ArchiveError::Kind { entry: shown(name), kind })
}

/// A name as a path below the folder. Stricter than needed: what no upload makes is refused, not mended.
fn path_of(name: &str) -> Result<PathBuf, ArchiveError> {
    let refused = |why| Err(refused_name(name, why));
    let parts: Vec<&str> = name.strip_suffix('/').unwrap_or(name).split('/').collect();
    if name.contains('\\') || name.contains(':') {
        return refused("it has a backslash or a colon, which other systems take for a path");
    }
    if name.chars().any(char::is_control) {
        return refused("it has a control character");
    }
    if name.starts_with('/') {
        return refused("it begins at the root");
    }
    if parts.len() > MAX_DEPTH {
        return refused("it lies too deep");
    }
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return refused("it has a part that is empty, `.` or `..`");
    }
    if parts.iter().any(|part| part.len() > MAX_NAME_BYTES) {
        return refused("a part of it is longer than 255 bytes");
    }
    Ok(parts.iter().collect())
}

fn refused_name(name: &str, why: &'static str) -> ArchiveError {
    ArchiveError::Name { entry: shown(name), why }
}

/// A name for messages: short, and nothing in it moves the cursor.
fn shown(name: &str) -> String {
    const LONGEST: usize = 120;
    name.chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn write(archive: &mut ZipArchive<File>, entry: &Planned, folder: &Path) -> Result<u64, ArchiveError> {
    let path = folder.join(&entry.path);
    let refused = |source| ArchiveError::Write {
        path: path.clone(),
        source,
    };
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    // A new file: nothing that is there is written to, a link least of all.
    let mut target = OpenOptions::new().write(true).create_new(true).open(&path).map_err(refused)?;
    let packed = archive.by_index(entry.index)?;
    let copied = io::copy(&mut packed.take(entry.bytes.saturating_add(1)), &mut target).map_err(refused)?;
    if copied != entry.bytes {
        return Err(ArchiveError::Size {
            entry: shown(&entry.name),
            said: entry.bytes,
        });
    }
    Ok(copied)
}

fn make_folder(path: &Path) -> Result<(), ArchiveError> {
    fs::create_dir_all(path).map_err(|source| ArchiveError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
