//! Where shards go: files of a folder, or the memory of a document.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::SnapshotError;
use crate::model::Digest;
use crate::system::files;

/// Shards that are being written.
#[derive(Debug)]
pub(super) enum Shards {
    /// Files `NAME.json` in this folder, and their names.
    Folder {
        path: PathBuf,
        names: BTreeSet<String>,
    },
    Memory(Map<String, Value>),
}

impl Shards {
    /// Writes a shard and returns its name. The name has the digest of the content, so that a page that was opened before the site was
    /// published again never reads parts of two states, and caches never hold an old part.
    ///
    /// # Errors
    /// [`SnapshotError::File`], [`SnapshotError::Json`].
    pub(super) fn put(&mut self, kind: &str, content: &impl Serialize) -> Result<String, SnapshotError> {
        let bytes = serde_json::to_vec(content)?;
        let digest = Digest::of(&bytes).to_string();
        let name = format!("{kind}-{}", digest.get(..16).unwrap_or_default());
        self.write(&name, &bytes)?;
        Ok(name)
    }

    /// Writes a shard under a name of its own.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
        match self {
            Self::Folder { path, names } => {
                if names.insert(name.to_owned()) {
                    files::write(&path.join(format!("{name}.json")), bytes)?;
                }
            }
            Self::Memory(shards) => {
                shards.insert(name.to_owned(), serde_json::from_slice(bytes)?);
            }
        }
        Ok(())
    }
}
