//! A cache of images that many jobs on many nodes share: one imports, the others wait for it; a file that is not whole is
//! imported again; what is there under its name is whole.
//!
//! The lock is flock(2) on a file beside the image, which NFS passes on to its server. Whoever holds it is the only one that
//! writes, so leftovers of imports that died are its to remove.

mod enroot;

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::system::cancellation::Cancellation;
use crate::system::files::{self, FileError};
use crate::system::process::Leader;
pub(super) use enroot::{ImageSource, enroot_uri};
use enroot::{SquashDoubt, check_superblock, squash_name};

/// How often a lock that somebody else holds is tried.
const LOOK: Duration = Duration::from_millis(200);
/// How long an import that is given up has to clean up behind itself.
const GRACE: Duration = Duration::from_secs(2);
/// How often a running import is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Bytes of a squash file's superblock.
const SUPERBLOCK: u64 = 96;
/// What runs inside a container in place of the image's entry point: the command itself.
const ENTRY: &str = "exec \"$@\"\n";

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The cache cannot be used.
    #[error("cannot use the image cache {}: {source}; it must be a folder that this user may write", path.display())]
    Cache {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file system knows no locks.
    #[error("cannot lock {}: {source}; the image cache must be on a file system with flock (Lustre: mount option `flock`)", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else held the lock for too long.
    #[error("another job has imported {} for {} s and is not done; look at it, or raise --deadline", path.display(), waited.as_secs())]
    Late {
        /// The image's file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Enroot is not there.
    #[error("cannot start enroot: {0}; is it installed on this node?")]
    NoEnroot(std::io::Error),
    /// The import failed.
    #[error("enroot could not import {uri}: {problem}")]
    Import {
        /// The image.
        uri: String,
        /// How it ended.
        problem: String,
    },
    /// The file is not whole.
    #[error("{}: {doubt}", path.display())]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        doubt: SquashDoubt,
    },
    /// A small file beside the image cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A signal came.
    #[error("ended by a signal")]
    Stopped,
}

/// The file of an image, imported where it is not there or not whole. `say` is told what is done.
///
/// # Errors
/// See [`ImageError`]; nothing half imported is then left under the image's name.
pub fn cached_image(image: &str, cache: &Path, limit: Duration, stop: &Cancellation, say: &dyn Fn(&str)) -> Result<PathBuf, ImageError> {
    let uri = match enroot_uri(image) {
        ImageSource::File(path) => {
            let path = PathBuf::from(path);
            files::write(&entry_beside(&path), ENTRY.as_bytes())?;
            return check(&path).map(|()| path);
        }
        ImageSource::Registry(uri) => uri,
    };
    fs::create_dir_all(cache).map_err(|source| ImageError::Cache {
        path: cache.to_owned(),
        source,
    })?;
    let path = cache.join(squash_name(&uri));
    if check(&path).is_ok() {
        return Ok(path);
    }
    let until = Instant::now() + limit;
    // Held until the end of this function; the kernel frees it where the process dies.
    let _lock = lock(&path, until, limit, stop, say)?;
    // Somebody else may have imported it while this waited.
    match check(&path) {
        Ok(()) => return Ok(path),
        Err(ImageError::NotWhole { doubt, .. }) => say(&format!("{} is incomplete ({doubt}): importing it again", path.display())),
        Err(_) => {}
    }
    files::write(&entry_beside(&path), ENTRY.as_bytes())?;
    remove_leftovers(&path);
    say(&format!("importing {uri} into {}", path.display()));
    let partial = partial_name(&path, &std::process::id().to_string());
    let imported = import(&uri, &partial, until, limit, stop).and_then(|()| check(&partial));
    let renamed = imported.and_then(|()| {
        fs::rename(&partial, &path).map_err(|source| ImageError::Cache {
            path: path.clone(),
            source,
        })
    });
    if renamed.is_err() {
        let _ = fs::remove_file(&partial);
    }
    renamed.map(|()| path)
}

fn entry_beside(path: &Path) -> PathBuf {
    path.with_file_name("imax-entry.sh")
}

fn check(path: &Path) -> Result<(), ImageError> {
    let problem = |source| ImageError::Cache {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(problem)?;
    let size = file.metadata().map_err(problem)?.len();
    let mut start = Vec::new();
    file.take(SUPERBLOCK).read_to_end(&mut start).map_err(problem)?;
    check_superblock(&start, size).map_err(|doubt| ImageError::NotWhole {
        path: path.to_owned(),
        doubt,
    })
}

fn lock(image: &Path, until: Instant, limit: Duration, stop: &Cancellation, say: &dyn Fn(&str)) -> Result<File, ImageError> {
    let path = image.with_extension("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|source| ImageError::Cache {
            path: path.clone(),
            source,
        })?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(ImageError::Lock { path, source }),
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut said, true) {
            say(&format!("another job imports {}: waiting for it", image.display()));
        }
        if Instant::now() >= until {
            return Err(ImageError::Late {
                path: image.to_owned(),
                waited: limit,
            });
        }
        if stop.wait_timeout(LOOK).is_some() {
            return Err(ImageError::Stopped);
        }
    }
}

fn partial_name(path: &Path, who: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{who}.partial"))
}

/// Removes what imports of this image left that died.
fn remove_leftovers(path: &Path) {
    let start = partial_name(path, "").to_string_lossy().into_owned();
    let start = start.trim_end_matches(".partial").trim_end_matches('.').to_owned() + ".";
    let entries = path
        .parent()
        .and_then(|folder| fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries.map(|entry| entry.path()) {
        let name = entry.to_string_lossy();
        if name.starts_with(&start) && name.ends_with(".partial") {
            let _ = fs::remove_file(&entry);
        }
    }
}

/// Its words go to our stderr, which is the job's log. Enroot is a script: what it starts ends with it.
fn import(uri: &str, target: &Path, until: Instant, limit: Duration, stop: &Cancellation) -> Result<(), ImageError> {
    let mut command = Command::new("enroot");
    command.args(["import", "--output"]).arg(target).arg(uri);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let mut leader = Leader::start(&mut command).map_err(ImageError::NoEnroot)?;
    let failed = |problem: String| ImageError::Import {
        uri: uri.to_owned(),
        problem,
    };
    loop {
        match leader.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(format!("it ended with {status}; its words are in the log above"))),
            Ok(None) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        let stopped = stop.wait_timeout(POLL).is_some();
        if stopped || Instant::now() >= until {
            let _ = leader.end(GRACE);
            return Err(if stopped {
                ImageError::Stopped
            } else {
                failed(format!("it was not done after {} s", limit.as_secs()))
            });
        }
    }
}
