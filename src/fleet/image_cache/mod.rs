//! A cache of images that jobs on several nodes share. One job imports an image, the others wait for it. An incomplete file is
//! imported again; a finished import is renamed into place.
//!
//! The lock is flock(2) on a file beside the image; NFS forwards it to the server. Only the holder of the lock writes, so it also
//! removes the partial files of killed imports.

mod enroot;

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::system::cancellation::Cancellation;
use crate::system::files::{self, FileError};
use crate::system::process::Leader;
use crate::system::runtime::block_on;
pub(super) use enroot::{ImageSource, enroot_uri};
use enroot::{SquashError, check_superblock, squash_name};

/// Interval between two attempts to take a lock that another job holds: flock(2) has no timeout.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// Grace period of a cancelled import, which removes its temporary files.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes of a squash file's superblock.
const SUPERBLOCK: u64 = 96;
/// Replaces the image's entry point in the container: executes the command itself.
const ENTRY: &str = "exec \"$@\"\n";

/// Why an image is not available.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot use the image cache {}: {source}; expected a folder that this user can write to", path.display())]
    Cache {
        /// The folder, or a file in it.
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file system does not support locks.
    #[error("cannot lock {}: {source}; the image cache needs a file system with flock (on Lustre: mount option `flock`)", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    /// Another job held the lock for too long.
    #[error("timed out after {} s waiting for another job to import {}; check that job, or raise --deadline", waited.as_secs(), path.display())]
    LockTimeout { path: PathBuf, waited: Duration },
    /// Enroot is not installed, or cannot be started.
    #[error("cannot start enroot: {0}; install it on this node or add it to PATH")]
    StartEnroot(std::io::Error),
    #[error("enroot could not import {uri}: {problem}")]
    Import { uri: String, problem: String },
    #[error("{}: {problem}", path.display())]
    Incomplete {
        path: PathBuf,
        /// What is wrong with it.
        problem: SquashError,
    },
    /// A small file beside the image cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Cancelled by a signal.
    #[error("cancelled by a signal")]
    Stopped,
}

/// The path of an image in the cache. Imports the image if it is missing or incomplete. `report` receives a line for each step.
///
/// # Errors
/// See [`ImageError`]; no partial import is left under the image's name.
pub fn cached_image(
    image: &str,
    cache: &Path,
    limit: Duration,
    cancellation: &Cancellation,
    report: &dyn Fn(&str),
) -> Result<PathBuf, ImageError> {
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
    // Held until the end of this function; the kernel releases it if the process dies.
    let _lock = lock(&path, until, limit, cancellation, report)?;
    // Another job may have imported it in the meantime.
    match check(&path) {
        Ok(()) => return Ok(path),
        Err(ImageError::Incomplete { problem, .. }) => report(&format!("{}: {problem}; importing it again", path.display())),
        Err(_) => {}
    }
    files::write(&entry_beside(&path), ENTRY.as_bytes())?;
    remove_leftovers(&path);
    report(&format!("importing {uri} into {}", path.display()));
    let partial = partial_name(&path, &std::process::id().to_string());
    let imported = import(&uri, &partial, until, limit, cancellation).and_then(|()| check(&partial));
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
    check_superblock(&start, size).map_err(|problem| ImageError::Incomplete {
        path: path.to_owned(),
        problem,
    })
}

fn lock(image: &Path, until: Instant, limit: Duration, cancellation: &Cancellation, report: &dyn Fn(&str)) -> Result<File, ImageError> {
    let path = image.with_extension("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|source| ImageError::Cache {
            path: path.clone(),
            source,
        })?;
    let mut reported = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(ImageError::Lock { path, source }),
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut reported, true) {
            report(&format!("waiting for another job to import {}", image.display()));
        }
        if Instant::now() >= until {
            return Err(ImageError::LockTimeout {
                path: image.to_owned(),
                waited: limit,
            });
        }
        if cancellation.wait_timeout(LOCK_INTERVAL).is_some() {
            return Err(ImageError::Stopped);
        }
    }
}

fn partial_name(path: &Path, who: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{who}.partial"))
}

/// Removes the partial files of killed imports of this image.
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

/// Runs `enroot import`. Its output goes to stderr, which is the job's log. Enroot is a shell script, so its whole process group is
/// ended.
fn import(uri: &str, target: &Path, until: Instant, limit: Duration, cancellation: &Cancellation) -> Result<(), ImageError> {
    let mut command = Command::new("enroot");
    command.args(["import", "--output"]).arg(target).arg(uri);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let mut leader = Leader::start(&mut command).map_err(ImageError::StartEnroot)?;
    let waited = block_on(async {
        tokio::select! {
            biased;
            ended = leader.ended() => ended.map(|()| ImportWait::Ended),
            _ = cancellation.cancelled() => Ok(ImportWait::Cancelled),
            () = tokio::time::sleep_until(until.into()) => Ok(ImportWait::TimedOut),
        }
    });
    let ended = waited.flatten().and_then(|waited| Ok((waited, leader.end(GRACE)?)));
    let problem = match ended {
        Ok((ImportWait::Cancelled, _)) => return Err(ImageError::Stopped),
        Ok((ImportWait::Ended, Some(status))) if status.success() => return Ok(()),
        Ok((ImportWait::Ended, Some(status))) => format!("{status}; see its output above"),
        Ok((ImportWait::Ended, None)) => "no exit status".to_owned(),
        Ok((ImportWait::TimedOut, _)) => format!("timed out after {} s", limit.as_secs()),
        Err(error) => error.to_string(),
    };
    Err(ImageError::Import {
        uri: uri.to_owned(),
        problem,
    })
}

enum ImportWait {
    Ended,
    Cancelled,
    TimedOut,
}
