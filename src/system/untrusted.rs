//! Files that another process can write while they are read: those of a job's output folder, of downloaded artifacts and of a pull
//! request's checkout. Only regular files are opened, no link is followed, and no read is unbounded or waits for a writer.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::files::FileError;

/// The largest text that is read into memory, bytes. A raw result with all its requests has a few MiB.
pub const MAX_TEXT: u64 = 256 << 20;
/// Maximum number of entries below a folder, far above those of any benchmark job.
pub const MAX_ENTRIES: usize = 100_000;
/// Bytes that a file may lack of its length. Its holes would be searched for secrets and uploaded as zeros, terabytes for hours; a file system
/// that compresses stores logs in a part of their length, but none of this length.
const MOST_HOLES: u64 = 16 << 30;
/// The unit of `st_blocks`, whatever the file system's block size: stat(2).
const BLOCK_BYTES: u64 = 512;
/// Names in the position of a folder of git's own data, which holds credentials.
const GIT_FOLDER: &str = ".git";

/// A folder, held open: what is put in the place of its path later changes nothing.
#[derive(Debug)]
pub struct UntrustedFolder {
    path: PathBuf,
    handle: OwnedFd,
}

impl UntrustedFolder {
    /// Opens a folder that the caller chose; links in this path are followed.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let handle = open(path, flags, Mode::empty()).map_err(|error| unreadable(path, error.into()))?;
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    /// Opens a regular file below the folder. No part of `relative` may be a link or lead upwards.
    ///
    /// # Errors
    /// The system error, and [`io::ErrorKind::InvalidInput`] for anything but a regular file.
    pub fn open_file(&self, relative: &Path) -> io::Result<File> {
        let mut names = relative.components().peekable();
        let mut folder: Option<OwnedFd> = None;
        while let Some(name) = names.next() {
            let Component::Normal(name) = name else {
                return Err(invalid(format!("{}: expected a path inside the folder", relative.display())));
            };
            let parent = folder.as_ref().map_or_else(|| self.handle.as_fd(), AsFd::as_fd);
            let mut flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            flags.set(OFlag::O_DIRECTORY, names.peek().is_some());
            folder = Some(openat(parent, name, flags, Mode::empty())?);
        }
        match folder {
            Some(file) => reopen(file),
            None => Err(invalid("expected the name of a file".to_owned())),
        }
    }

    /// Reads a text file below the folder, as [`Self::open_file`] opens it.
    ///
    /// # Errors
    /// [`FileError::Read`], also for a file over [`MAX_TEXT`] or that is not UTF-8.
    pub fn read_text(&self, relative: &Path) -> Result<String, FileError> {
        let text = self.open_file(relative).and_then(|file| bounded_text(file, MAX_TEXT));
        text.map_err(|source| unreadable(&self.path.join(relative), source))
    }
}

/// Opens a regular file. Its folder is trusted, its name is not: a link is refused.
///
/// # Errors
/// As [`UntrustedFolder::open_file`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    reopen(open(path, flags, Mode::empty())?)
}

/// Opens the regular file that a path or the links at it lead to.
///
/// # Errors
/// As [`UntrustedFolder::open_file`].
pub fn open_regular_through_links(path: &Path) -> io::Result<File> {
    reopen(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Reads a text file as [`open_regular`] opens it.
///
/// # Errors
/// [`FileError::Read`], also for a file over [`MAX_TEXT`] or that is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let text = open_regular(path).and_then(|file| bounded_text(file, MAX_TEXT));
    text.map_err(|source| unreadable(path, source))
}

/// Creates a file for appending in a folder where others can write, and reads of its own. What is there is not opened.
///
/// # Errors
/// The system error; `AlreadyExists` where something is there, a link included.
pub fn create_new(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// Opens a regular file for appending, and creates it where there is none. A link is refused.
///
/// # Errors
/// As [`UntrustedFolder::open_file`].
pub fn append(path: &Path) -> io::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = open_regular(path)?;
            File::options().append(true).open(descriptor_path(&file))
        }
        created => created,
    }
}

/// The name by which an open file can be opened again with another access, whatever its path leads to by now.
fn descriptor_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Empties a regular file, and opens it for writing.
///
/// # Errors
/// As [`UntrustedFolder::open_file`].
pub fn truncate(path: &Path) -> io::Result<File> {
    let file = open_regular(path)?;
    File::options().write(true).truncate(true).open(descriptor_path(&file))
}

/// The end of an open file, at most `limit` bytes. The position of its descriptor, which a writer may share, stays.
///
/// # Errors
/// The system error.
pub fn read_end(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let offset = file.metadata()?.len().saturating_sub(limit);
    let mut bytes = Vec::new();
    PositionedReader { file, offset }.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether two open files are one.
///
/// # Errors
/// The system error.
pub fn is_same_file(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Reads a file of a checkout: a regular file of at most [`MAX_TEXT`] bytes. A link at a relative path must lead to a file of the same
/// repository outside of `.git`, since a pull request can commit a link to any path of the machine that plans it.
///
/// # Errors
/// [`FileError::Read`].
pub fn read_checked_out(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = match path.is_absolute() {
        // A person's choice: nothing committed leads here.
        true => open_regular_through_links(path),
        false => inside_repository(path).and_then(|real| open_regular(&real)),
    };
    let bytes = file.and_then(|file| bounded(file, MAX_TEXT));
    bytes.map_err(|source| unreadable(path, source))
}

/// Reads a text file as [`read_checked_out`] does.
///
/// # Errors
/// [`FileError::Read`], also where the bytes are not UTF-8.
pub fn read_checked_out_text(path: &Path) -> Result<String, FileError> {
    let text = String::from_utf8(read_checked_out(path)?);
    text.map_err(|error| unreadable(path, io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// The real path. A path without a link needs no check: a caller may name a file in `..`.
fn inside_repository(path: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    let plain = fs::canonicalize(".")?.join(path);
    if normalized(&plain) == real {
        return Ok(real);
    }
    let repository = repository_of(&fs::canonicalize(".")?);
    match real.strip_prefix(&repository) {
        Ok(inside) if inside.components().all(|part| part.as_os_str() != GIT_FOLDER) => Ok(real),
        Ok(_) | Err(_) => Err(invalid(format!(
            "a link leads to {}, expected a file of the repository {}",
            real.display(),
            repository.display()
        ))),
    }
}

/// The path without `.` and `..`, as if no part was a link.
fn normalized(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => parts.push(part),
        }
    }
    parts
}

/// The nearest folder upwards with git's data in it; the folder itself where there is none.
fn repository_of(folder: &Path) -> PathBuf {
    let repository = folder.ancestors().find(|folder| folder.join(GIT_FOLDER).exists());
    repository.unwrap_or(folder).to_owned()
}

/// What was removed from a folder, and what could not be.
#[derive(Debug, Default)]
pub struct Irregular {
    /// Path and kind of each.
    pub removed: Vec<(PathBuf, &'static str)>,
    pub kept: Vec<FileError>,
}

/// Removes what is neither a file nor a folder: a link would be uploaded with what it leads to, and a FIFO stops whoever reads it. So
/// does a file of terabytes that nobody wrote, see [`MOST_HOLES`].
#[must_use]
pub fn remove_irregular(folder: &Path) -> Irregular {
    let mut found = Irregular::default();
    let mut open_folders = vec![folder.to_owned()];
    let mut seen = 0_usize;
    while let Some(folder) = open_folders.pop() {
        let entries = match list(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.kept.push(error);
                continue;
            }
        };
        seen = seen.saturating_add(entries.len());
        if seen > MAX_ENTRIES {
            let problem = io::Error::other(format!("more than {MAX_ENTRIES} files"));
            found.kept.push(unreadable(&folder, problem));
            return found;
        }
        for (path, kind) in entries {
            if kind.is_dir() {
                open_folders.push(path);
                continue;
            }
            let unwanted = if kind.is_file() {
                is_mostly_holes(&path).then_some("sparse file")
            } else {
                Some(kind_name(kind))
            };
            if let Some(unwanted) = unwanted {
                match fs::remove_file(&path) {
                    Ok(()) => found.removed.push((path, unwanted)),
                    Err(source) => found.kept.push(FileError::Write { path, source }),
                }
            }
        }
    }
    found
}

/// Whether a file claims far more bytes than are stored. A file that cannot be examined is left to those who read it.
fn is_mostly_holes(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.len().saturating_sub(data.blocks().saturating_mul(BLOCK_BYTES)) > MOST_HOLES)
}

/// The entries of a folder with their kinds. Links are not followed.
///
/// # Errors
/// [`FileError::Read`].
pub fn list(folder: &Path) -> Result<Vec<(PathBuf, fs::FileType)>, FileError> {
    let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    entries
        .take(MAX_ENTRIES + 1)
        .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
        .collect::<io::Result<_>>()
        .map_err(|source| unreadable(folder, source))
}

/// The name of a file's kind.
fn kind_name(kind: fs::FileType) -> &'static str {
    if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_dir() {
        "folder"
    } else {
        "device"
    }
}

/// Opens for reading what a descriptor without access (`O_PATH`) refers to. The kind is examined before, because the mere opening of a
/// FIFO waits and that of a device may do something.
fn reopen(found: OwnedFd) -> io::Result<File> {
    let found = File::from(found);
    let kind = found.metadata()?.file_type();
    if kind.is_dir() {
        return Err(nix::Error::EISDIR.into());
    }
    if !kind.is_file() {
        return Err(invalid(format!("found a {}, expected a regular file", kind_name(kind))));
    }
    File::open(descriptor_path(&found))
}

fn bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let bytes = file.metadata()?.len();
    let mut read = Vec::with_capacity(usize::try_from(bytes.min(limit)).unwrap_or(0) + 64);
    file.take(limit + 1).read_to_end(&mut read)?;
    if read.len() as u64 > limit {
        return Err(invalid(format!("more than the limit of {limit} bytes")));
    }
    Ok(read)
}

fn bounded_text(file: File, limit: u64) -> io::Result<String> {
    String::from_utf8(bounded(file, limit)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    FileError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Reads from the beginning, without the descriptor's own position.
#[derive(Debug)]
pub struct PositionedReader<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> PositionedReader<'a> {
    #[must_use]
    pub fn new(file: &'a File) -> Self {
        Self::at(file, 0)
    }

    /// Reads from an offset, bytes.
    #[must_use]
    pub fn at(file: &'a File, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl Read for PositionedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn fifo(path: &Path) {
        nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600)).unwrap();
    }

    /// A folder of a job with one good file and one of each kind that a recipe could leave.
    fn job_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("deep")).unwrap();
        fs::write(path("deep/result.json"), "{}").unwrap();
        symlink("/etc/passwd", path("link.json")).unwrap();
        symlink("/etc", path("deep/up")).unwrap();
        fifo(&path("deep/pipe"));
        drop(UnixListener::bind(path("socket")).unwrap());
        folder
    }

    #[test]
    fn only_regular_files_below_the_folder_are_read() {
        let folder = job_folder();
        let untrusted = UntrustedFolder::open(folder.path()).unwrap();
        assert_eq!(untrusted.read_text(Path::new("deep/result.json")).unwrap(), "{}");
        for (name, problem) in [
            ("link.json", "found a symbolic link, expected a regular file"),
            ("deep/pipe", "found a FIFO"),
            ("socket", "found a socket"),
            ("deep", "Is a directory"),
            ("deep/up/passwd", "Not a directory"),
            ("../etc/passwd", "expected a path inside the folder"),
            ("/etc/passwd", "expected a path inside the folder"),
            ("", "expected the name of a file"),
        ] {
            let error = untrusted.read_text(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(problem), "{name}: {error}");
        }
    }

    #[test]
    fn folder_is_the_one_that_was_opened() {
        let folder = job_folder();
        let out = folder.path().join("deep");
        let untrusted = UntrustedFolder::open(&out).unwrap();
        fs::rename(&out, folder.path().join("moved")).unwrap();
        symlink("/etc", &out).unwrap();
        assert_eq!(untrusted.read_text(Path::new("result.json")).unwrap(), "{}");
        assert!(untrusted.read_text(Path::new("passwd")).is_err());
    }

    #[test]
    fn device_is_not_opened() {
        let error = open_regular(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "found a device, expected a regular file");
    }

    #[test]
    fn what_is_no_file_is_removed_and_named() {
        let folder = job_folder();
        let Irregular { mut removed, kept } = remove_irregular(folder.path());
        removed.sort();
        let expected = [
            ("deep/pipe", "FIFO"),
            ("deep/up", "symbolic link"),
            ("link.json", "symbolic link"),
            ("socket", "socket"),
        ];
        assert_eq!(removed, expected.map(|(name, kind)| (folder.path().join(name), kind)));
        assert!(kept.is_empty(), "{kept:?}");
        assert_eq!(remove_irregular(folder.path()).removed, []);
        assert!(Path::new("/etc/passwd").is_file());
    }

    #[test]
    fn files_of_terabytes_that_nobody_wrote_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let with_length = |name: &str, bytes: u64| {
            let path = folder.path().join(name);
            File::create(&path).and_then(|file| file.set_len(bytes)).unwrap();
            path
        };
        let sparse = with_length("huge.log", 2 << 40);
        let small = with_length("small.log", 1 << 30);
        assert_eq!(remove_irregular(folder.path()).removed, [(sparse, "sparse file")]);
        assert!(small.is_file());
    }

    #[test]
    fn end_is_read_without_moving_the_position() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let mut file = create_new(&folder.path().join("log")).unwrap();
        file.write_all(b"first ").unwrap();
        assert_eq!(read_end(&file, 4).unwrap(), b"rst ");
        file.write_all(b"second").unwrap();
        assert_eq!(read_end(&file, 100).unwrap(), b"first second");
        assert!(create_new(&folder.path().join("log")).is_err());
    }

    #[test]
    fn limit_is_the_most_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "12345").unwrap();
        assert_eq!(bounded_text(open_regular(&path).unwrap(), 5).unwrap(), "12345");
        let error = bounded_text(open_regular(&path).unwrap(), 4).unwrap_err().to_string();
        assert_eq!(error, "more than the limit of 4 bytes");
    }
}
