//! The folders where a recipe or a launch script may have written files of its job, and the files in them that are of this job.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::context::JobContext;
use crate::system::files::{self, FileError};
use crate::system::untrusted::{self, UntrustedFolder};

/// Tolerance for modification times: file systems store them less precisely than the clock.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// A file that a recipe may have written, and the folder below which no link is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenFile {
    folder: PathBuf,
    file: PathBuf,
}

impl WrittenFile {
    pub fn new(folder: &Path, file: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.to_owned(),
            file: file.into(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// # Errors
    /// As [`UntrustedFolder::read_text`].
    pub fn read(&self) -> Result<String, FileError> {
        UntrustedFolder::open(&self.folder)?.read_text(&self.file)
    }

    /// # Errors
    /// The system error, and an error for anything but a regular file.
    pub fn open(&self) -> io::Result<File> {
        UntrustedFolder::open(&self.folder).map_err(io::Error::other)?.open_file(&self.file)
    }

    /// Copies it, and returns its length in bytes. A file longer than `limit` bytes is not copied.
    ///
    /// # Errors
    /// [`FileError`], also for anything but a regular file.
    pub fn copy_to(&self, target: &Path, limit: u64) -> Result<u64, FileError> {
        let read_error = |source| FileError::Read { path: self.path(), source };
        let source = self.open().map_err(read_error)?;
        let length = source.metadata().map_err(read_error)?.len();
        if length > limit {
            let problem = format!("{length} bytes, at most {limit} are copied");
            return Err(read_error(io::Error::new(io::ErrorKind::FileTooLarge, problem)));
        }
        // The file may still grow.
        files::write_with(target, |out| io::copy(&mut source.take(length), out).map(drop))?;
        Ok(length)
    }

    /// The file's own name.
    pub fn name(&self) -> &str {
        self.file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Whether it is there and was written after `began`; otherwise it is of another job.
    pub fn is_of_job(&self, began: SystemTime) -> bool {
        was_written_since(&self.path(), began)
    }
}

/// The output folder, and then those of [`workspaces`].
pub(super) fn result_folders(ctx: &JobContext) -> Vec<PathBuf> {
    let mut folders = vec![ctx.folders.out.clone()];
    folders.extend(workspaces(ctx));
    folders
}

/// The folders of a repository: where the job runs, what the workflow names, and where containers have it. Each once, so that no file is
/// found twice, and without the output folder.
pub(super) fn workspaces(ctx: &JobContext) -> Vec<PathBuf> {
    let named = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let all = [Some(ctx.folders.repository.clone()), named, Some("/workspace".into())];
    let out = ctx.folders.out.canonicalize().ok();
    let mut seen: Vec<PathBuf> = out.into_iter().collect();
    let mut folders = Vec::new();
    for folder in all.into_iter().flatten() {
        let Ok(canonical) = folder.canonicalize() else { continue };
        if !seen.contains(&canonical) {
            seen.push(canonical);
            folders.push(folder);
        }
    }
    folders
}

/// The first of a file's places in the repository's folders at which this job wrote it.
pub(super) fn find_in_workspace(ctx: &JobContext, files: &[&str], began: SystemTime) -> Option<WrittenFile> {
    let folders = workspaces(ctx);
    let all = files
        .iter()
        .flat_map(|file| folders.iter().map(move |folder| WrittenFile::new(folder, *file)));
    let mut of_job = all.filter(|file| file.is_of_job(began));
    of_job.next()
}

/// The regular files in a folder of which `is_wanted` accepts the name, and that this job wrote.
pub(super) fn written_files(folder: &Path, began: SystemTime, is_wanted: impl Fn(&str) -> bool) -> Vec<WrittenFile> {
    let entries = untrusted::list(folder).unwrap_or_default();
    let names = entries.iter().filter(|(_, kind)| kind.is_file());
    let names = names.filter_map(|(path, _)| path.file_name()?.to_str());
    let wanted = names.filter(|name| is_wanted(name)).map(|name| WrittenFile::new(folder, name));
    wanted.filter(|file| file.is_of_job(began)).collect()
}

pub(super) fn was_written_since(path: &Path, began: SystemTime) -> bool {
    path.symlink_metadata()
        .and_then(|data| data.modified())
        .is_ok_and(|written| written + CLOCK_GRAIN >= began)
}
