//! Files of the branch on this machine's disk, by their hash: the steps of a report read the same runs one after another.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::github::{MAX_FILE, blob_sha};
use crate::system::environment;
use crate::system::files;

/// The most files that are kept, about three years of nightly runs.
const MAX_FILES: usize = 2000;

/// A folder of blobs; nothing is kept where there is no home folder.
#[derive(Debug, Clone)]
pub(super) struct BlobCache(Option<PathBuf>);

impl BlobCache {
    /// `$XDG_CACHE_HOME/imax/history`, else in `~/.cache`.
    pub(super) fn of_this_machine() -> Self {
        Self(environment::cache_folder().map(|cache| cache.join("history")))
    }

    /// The bytes of a hash. What does not have the hash, because it was cut or changed, is not used.
    pub(super) fn get(&self, sha: &str) -> Option<Vec<u8>> {
        let path = self.0.as_ref()?.join(sha);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= MAX_FILE);
        let bytes = files::read(&path).ok().filter(|_| is_small)?;
        (blob_sha(&bytes) == sha).then_some(bytes)
    }

    /// Keeps bytes. A full disk or a folder that cannot be written makes the next reader slower, nothing else.
    pub(super) fn put(&self, sha: &str, bytes: &[u8]) {
        let Some(folder) = &self.0 else { return };
        if let Err(error) = files::write(&folder.join(sha), bytes) {
            tracing::debug!(%error, "file of the history not cached");
        }
    }

    /// Removes the oldest files beyond the limit.
    pub(super) fn prune(&self) {
        let Some(entries) = self.0.as_ref().and_then(|folder| fs::read_dir(folder).ok()) else {
            return;
        };
        let age = |entry: &fs::DirEntry| {
            entry
                .metadata()
                .and_then(|found| found.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut entries: Vec<_> = entries.flatten().map(|entry| (age(&entry), entry.path())).collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(MAX_FILES);
        for (_, path) in entries.into_iter().take(surplus) {
            // Another process may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = BlobCache(Some(folder.path().join("history")));
        let sha = blob_sha(b"hello\n");
        assert_eq!(cache.get(&sha), None);
        cache.put(&sha, b"hello\n");
        assert_eq!(cache.get(&sha), Some(b"hello\n".to_vec()));
        fs::write(folder.path().join("history").join(&sha), "hell").unwrap();
        assert_eq!(cache.get(&sha), None);
        assert_eq!(BlobCache(None).get(&sha), None);
    }
}
