//! Disks, the model hub's cache, and files of other users in the workspace.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use crate::job::{Cache, Disk, Leftovers};
use crate::system::host::own_user;

/// Maximum number of workspace entries checked, to bound the time.
const MAX_ENTRIES: usize = 20_000;

/// Free space at a path, or at its nearest existing parent.
pub(super) fn disk(what: &str, path: &Path) -> Disk {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let free = statvfs(existing).map(|disk| {
        let bytes = u128::from(disk.blocks_available()) * u128::from(disk.fragment_size());
        gib(bytes)
    });
    Disk {
        what: what.to_owned(),
        path: path.display().to_string(),
        free_gib: free.map_err(|error| error.to_string()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a thousandth of a GiB is exact enough")]
fn gib(bytes: u128) -> f64 {
    (bytes >> 20) as f64 / 1024.0
}

/// Whether this user can write to it.
pub(super) fn cache(path: &Path) -> Cache {
    let writable = if path.is_dir() {
        access(path, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| format!("cannot be written: {error}"))
    } else {
        Err("does not exist; create it, or correct `hf-cache` in the runner profile".to_owned())
    };
    Cache {
        path: path.display().to_string(),
        writable,
    }
}

/// Files of other users. The superuser, who can remove all of them, gets none.
pub(super) fn leftovers(folders: &[&Path], until: Instant) -> Leftovers {
    let own = own_user();
    let mut found = Leftovers::default();
    if own == 0 {
        return found;
    }
    let mut queue: Vec<PathBuf> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    let mut seen = 0;
    while let Some(folder) = queue.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES || Instant::now() >= until {
                return found;
            }
            let Ok(data) = entry.metadata() else { continue };
            if data.uid() != own {
                found.count += 1;
                found.example.get_or_insert_with(|| entry.path().display().to_string());
            } else if data.is_dir() {
                queue.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_of_a_missing_folder_is_that_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk("results", &folder.path().join("not/yet"));
        assert!(disk.free_gib.unwrap() > 0.0);
    }

    #[test]
    fn missing_cache_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cache(folder.path()).writable, Ok(()));
        assert!(cache(&folder.path().join("x")).writable.unwrap_err().starts_with("does not exist"));
    }
}
