//! A history in object storage: a Parquet file for each run, which DuckDB, pandas and Spark read, and a manifest that names them, itself or by
//! segments ([`segment`]). The manifest is replaced only if no other writer has replaced it since it was read (`If-Match`), so that several writers
//! need no lock; files of runs and segments are written before it and never changed.

mod address;
mod client;
mod manifest;
mod publish;
mod read;
mod segment;

pub(crate) use address::{BucketAddress, BucketAddressError};
pub(crate) use client::S3Choices;
pub(crate) use manifest::ManifestError;
pub(crate) use publish::publish;

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::analysis::{RowError, RunsFileError};
use crate::store::run_files::{RetractionStateError, ScratchError};

/// What to do about damage.
const RESTORE: &str = "restore the object from a version or backup of the bucket, or publish the run again";
/// The longest text of a service in a message, characters: some answer with a page.
const MAX_REASON: usize = 400;

/// Why a history in object storage cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("{place}: cannot be set up: {reason}; expected {expected}")]
    Setup {
        place: String,
        reason: String,
        expected: &'static str,
    },
    #[error("{place}: access denied; the credentials need to {needed} the bucket; they come from {expected}")]
    Denied {
        place: String,
        needed: &'static str,
        expected: &'static str,
    },
    #[error("{place}: {reason}")]
    Storage { place: String, reason: String },
    #[error("{0}: no such history; imax publish --to {0} creates it")]
    Missing(String),
    #[error("{0}: no such bucket; create it with the tools of the service")]
    NoBucket(String),
    #[error(
        "{place} is lost: there are files of runs, such as {file}; restore it from a version or backup of the bucket, or begin anew under another \
         prefix and imax import the files"
    )]
    LostManifest { place: String, file: String },
    #[error("{place} does not exist, but the manifest names it; {RESTORE}")]
    Lost { place: String },
    #[error("{place} has {found} bytes, the manifest says {expected}; {RESTORE}")]
    Size { place: String, found: u64, expected: u64 },
    #[error("{place} is not what the manifest says: its SHA-256 differs; {RESTORE}")]
    Digest { place: String },
    #[error("{place} is damaged: {source}; {RESTORE}")]
    Runs { place: String, source: RunsFileError },
    #[error("{place} holds {found} runs, expected run {expected}; {RESTORE}")]
    OtherRun { place: String, found: usize, expected: String },
    #[error("{place}: {source}; restore it from a version or backup of the bucket")]
    Manifest { place: String, source: ManifestError },
    #[error("{place} has {bytes} bytes, more than the limit of {limit}")]
    TooLarge { place: String, bytes: u64, limit: u64 },
    #[error("the manifest has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    State(#[from] RetractionStateError),
    #[error("a run has no rows: {0}")]
    Row(#[from] RowError),
    #[error("run {name} cannot be written: {source}")]
    Encode { name: String, source: RunsFileError },
    #[error("run {0} was corrected more often than a history can hold")]
    Revisions(String),
    #[error("{place} was changed by others {attempts} times while this run was added; nothing was stored, try again")]
    Raced { place: String, attempts: u32 },
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

impl BucketError {
    /// Whether an object is not what was written, as opposed to storage that cannot be reached.
    fn is_damage(&self) -> bool {
        match self {
            Self::Lost { .. }
            | Self::LostManifest { .. }
            | Self::Size { .. }
            | Self::Digest { .. }
            | Self::Runs { .. }
            | Self::OtherRun { .. }
            | Self::Manifest { .. }
            | Self::TooLarge { .. }
            | Self::Row(_) => true,
            Self::Setup { .. }
            | Self::Denied { .. }
            | Self::Storage { .. }
            | Self::Missing(_)
            | Self::NoBucket(_)
            | Self::Json(_)
            | Self::State(_)
            | Self::Encode { .. }
            | Self::Revisions(_)
            | Self::Raced { .. }
            | Self::Scratch(_) => false,
        }
    }
}

/// A history in object storage that is read or written.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    address: BucketAddress,
}

impl Bucket {
    /// Sets up a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`BucketError::Setup`].
    pub(crate) fn connect(address: &BucketAddress) -> Result<Self, BucketError> {
        Self::connect_by(address, S3Choices::default())
    }

    /// As [`Self::connect`], with choices that are not the environment's.
    ///
    /// # Errors
    /// [`BucketError::Setup`].
    pub(crate) fn connect_by(address: &BucketAddress, choices: S3Choices<'_>) -> Result<Self, BucketError> {
        let store = client::connect(address, choices).map_err(|error| BucketError::Setup {
            place: address.to_string(),
            reason: reason_of(&error),
            expected: address.service.credentials(),
        })?;
        Ok(Self {
            store,
            address: address.clone(),
        })
    }

    /// An object with the version that it can be replaced by; `None` where there is none.
    async fn object(&self, file: &str, limit: u64) -> Result<Option<(Bytes, object_store::ObjectMeta)>, BucketError> {
        let found = match self.store.get(&self.address.path(file)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.error(file, "read", &error)),
        };
        let meta = found.meta.clone();
        if meta.size > limit {
            return Err(BucketError::TooLarge {
                place: self.address.place(file),
                bytes: meta.size,
                limit,
            });
        }
        let bytes = found.bytes().await.map_err(|error| self.error(file, "read", &error))?;
        Ok(Some((bytes, meta)))
    }

    /// The content of an object that is not imax's own, such as a table to import; `None` where there is none.
    ///
    /// # Errors
    /// [`BucketError`], for a larger object as well.
    pub(crate) async fn foreign_object(&self, limit: u64) -> Result<Option<Bytes>, BucketError> {
        Ok(self.object("", limit).await?.map(|(bytes, _)| bytes))
    }

    /// The service's error with the object, and a remedy where there is one.
    fn error(&self, file: &str, needed: &'static str, error: &object_store::Error) -> BucketError {
        let place = self.address.place(file);
        let expected = self.address.service.credentials();
        if matches!(
            error,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
        ) {
            return BucketError::Denied { place, needed, expected };
        }
        if matches!(error, object_store::Error::NotFound { .. }) {
            return BucketError::NoBucket(self.address.to_string());
        }
        BucketError::Storage {
            place,
            reason: reason_of(error),
        }
    }
}

/// A service's text on one line.
fn reason_of(error: &object_store::Error) -> String {
    let text = error.to_string();
    let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut reason: String = characters.by_ref().take(MAX_REASON).collect();
    if characters.next().is_some() {
        reason.push('…');
    }
    reason
}
