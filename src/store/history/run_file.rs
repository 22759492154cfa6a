//! The content of the files that runs of a branch or a bucket are in.

use super::{Branch, BranchError, Bucket, BucketError, HistoryHome};
use crate::model::Digest;

/// The largest file whose content is given, bytes: it is in memory as a whole. A run of 83,000 points has about 16 MB.
const MAX_CONTENT: u64 = 64 << 20;

/// Why the content of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunFileError {
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

impl HistoryHome {
    /// Whether runs are read from files that can be had again by their names.
    pub(crate) fn has_run_files(&self) -> bool {
        match self {
            Self::Branch(_) | Self::Bucket(_) => true,
            Self::Folder(_) | Self::Database(_) => false,
        }
    }

    /// The content of a file that runs of a branch or a bucket were read from; `None` if it is gone or has changed.
    ///
    /// # Errors
    /// [`RunFileError`], for a bucket's file of more than [`MAX_CONTENT`] bytes as well.
    pub(crate) async fn run_file(&self, name: &str, digest: &Digest) -> Result<Option<Vec<u8>>, RunFileError> {
        let content = match self {
            Self::Branch(address) => Branch::connect(address)?.run_file(name).await?,
            Self::Bucket(address) => {
                let content = Bucket::connect(address)?.run_file(name, MAX_CONTENT).await?;
                content.map(|content| content.to_vec())
            }
            Self::Folder(_) | Self::Database(_) => None,
        };
        Ok(content.filter(|content| Digest::of(content) == *digest))
    }
}
