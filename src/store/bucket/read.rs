//! Reading runs: the newest ones for a comparison, or all of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, UpdateVersion};

use super::manifest::{Entry, FOLDERS, MANIFEST, MAX_FILE, MAX_MANIFEST, Manifest, NamedEntry};
use super::{Bucket, BucketError};
use crate::analysis::{History, HistoryRun, NamedRun, RunKind, merge_revisions, runs_of_parquet};
use crate::model::Digest;
use crate::store::run_files::{NewRun, RunFileName, ScratchDatabase};

/// Files that are transferred at once.
pub(super) const CONCURRENT: usize = 8;
/// Runs that are in memory at once.
const CHUNK: usize = 32;

impl Bucket {
    /// The manifest with the version by which it can be replaced; `None` where there is neither it nor a file of a run.
    pub(super) async fn manifest(&self) -> Result<Option<(Manifest, UpdateVersion)>, BucketError> {
        if let Some(found) = self.manifest_object().await? {
            return Ok(Some(found));
        }
        let Some(file) = self.any_file().await? else {
            return Ok(None);
        };
        // Files are written after the manifest, so another writer has created both in between.
        match self.manifest_object().await? {
            Some(found) => Ok(Some(found)),
            None => Err(BucketError::LostManifest {
                place: self.address.place(MANIFEST),
                file,
            }),
        }
    }

    async fn manifest_object(&self) -> Result<Option<(Manifest, UpdateVersion)>, BucketError> {
        let Some((bytes, meta)) = self.object(MANIFEST, MAX_MANIFEST).await? else {
            return Ok(None);
        };
        let version = UpdateVersion {
            e_tag: meta.e_tag,
            version: meta.version,
        };
        let manifest = Manifest::parse(&bytes).map_err(|source| BucketError::Manifest {
            place: self.address.place(MANIFEST),
            source,
        })?;
        Ok(Some((manifest, version)))
    }

    /// The path of a file of a run, where there is one.
    async fn any_file(&self) -> Result<Option<String>, BucketError> {
        for folder in FOLDERS {
            let prefix = self.address.path(folder);
            let first = self.store.list(Some(&prefix)).try_next().await;
            match first.map_err(|error| self.list_error(folder, &error))? {
                Some(found) => return Ok(Some(found.location.to_string())),
                None => continue,
            }
        }
        Ok(None)
    }

    /// The library tells a bucket that is not there from other errors in words alone; a listing of one that is has no other 404.
    fn list_error(&self, folder: &str, error: &object_store::Error) -> BucketError {
        if error.to_string().contains("404 Not Found") {
            return BucketError::NoBucket(self.address.to_string());
        }
        self.error(folder, "list", error)
    }

    async fn existing_manifest(&self) -> Result<Manifest, BucketError> {
        match self.manifest().await? {
            Some((manifest, _)) => Ok(manifest),
            None => Err(BucketError::Missing(self.address.to_string())),
        }
    }

    /// The newest `most` runs that are not of pull requests; none where the history does not exist yet: the first run has none.
    ///
    /// # Errors
    /// [`BucketError`]; a file that cannot be read is one, because a silent gap would make the history wrong.
    pub(crate) async fn newest(&self, most: usize) -> Result<History, BucketError> {
        let Some((manifest, _)) = self.manifest().await? else {
            return Ok(History::default());
        };
        let mut named = manifest.named();
        named.retain(|named| named.entry.kind != RunKind::PullRequest && !manifest.retractions.holds(&named.name.identity));
        let mut chosen: BTreeSet<String> = BTreeSet::new();
        for identity in named.iter().rev().map(|named| &named.name.identity) {
            if chosen.len() < most {
                chosen.insert(identity.clone());
            }
        }
        named.retain(|named| chosen.contains(&named.name.identity));
        let runs = self.runs(&named).await?;
        let runs = runs.into_iter().map(|(name, run)| (name.identity, run));
        Ok(History::new(merge_revisions(runs)))
    }

    /// All runs as a database, as they are or were at a time.
    ///
    /// # Errors
    /// [`BucketError`].
    pub(crate) async fn database(&self, as_of: Option<DateTime<Utc>>) -> Result<ScratchDatabase, BucketError> {
        let until = as_of.map_or(i64::MAX, |time| time.timestamp_millis());
        let manifest = self.existing_manifest().await?;
        let mut named = manifest.named();
        named.retain(|named| named.entry.added_ms <= until);
        let mut database = ScratchDatabase::create().await?;
        for chunk in named.chunks(CHUNK) {
            let runs = self.runs(chunk).await?.into_iter().map(|(name, run)| NamedRun {
                name: name.to_string(),
                run,
            });
            database.add(runs.collect()).await?;
        }
        database.retract(manifest.retractions.at(until)).await?;
        Ok(database)
    }

    /// Every file that is not what the manifest says.
    ///
    /// # Errors
    /// [`BucketError`] for storage that cannot be reached; damage is a finding.
    pub(crate) async fn verify(&self) -> Result<Vec<String>, BucketError> {
        let named = match self.existing_manifest().await {
            Ok(manifest) => manifest.named(),
            Err(error) if error.is_damage() => return Ok(vec![error.to_string()]),
            Err(error) => return Err(error),
        };
        let mut checked = stream::iter(named.iter().map(|named| self.run(named))).buffered(CONCURRENT);
        let mut findings = Vec::new();
        while let Some(found) = checked.next().await {
            match found {
                Ok(_) => {}
                Err(error) if error.is_damage() => findings.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(findings)
    }

    /// The runs of entries, in their order.
    async fn runs(&self, entries: &[NamedEntry]) -> Result<Vec<(RunFileName, HistoryRun)>, BucketError> {
        let fetched = stream::iter(entries.iter().map(async |named| Ok((named.name.clone(), self.run(named).await?))));
        fetched.buffered(CONCURRENT).try_collect().await
    }

    /// The run of an entry, which must be what the manifest says.
    pub(super) async fn run(&self, named: &NamedEntry) -> Result<HistoryRun, BucketError> {
        let NamedEntry { name, entry } = named;
        let place = self.address.place(&entry.file);
        let bytes = self.bytes(entry).await?;
        let runs = runs_of_parquet(bytes).map_err(|source| BucketError::Runs {
            place: place.clone(),
            source,
        })?;
        let found = runs.len();
        let run = runs.into_iter().next().filter(|run| found == 1 && run.name == name.to_string());
        let run = run.map(|named| named.run).filter(|run| is_named(run, name));
        run.ok_or_else(|| BucketError::OtherRun {
            place,
            found,
            expected: name.to_string(),
        })
    }

    async fn bytes(&self, entry: &Entry) -> Result<Bytes, BucketError> {
        let place = self.address.place(&entry.file);
        let Some((bytes, meta)) = self.object(&entry.file, MAX_FILE).await? else {
            return Err(BucketError::Lost { place });
        };
        let (found, expected) = (meta.size, entry.bytes);
        if found != expected {
            return Err(BucketError::Size { place, found, expected });
        }
        if Digest::of(&bytes).to_string() != entry.sha256 {
            return Err(BucketError::Digest { place });
        }
        Ok(bytes)
    }
}

/// Whether the content of a run is that of its name.
fn is_named(run: &HistoryRun, name: &RunFileName) -> bool {
    let new = NewRun::of(run.clone());
    new.is_ok_and(|new| RunFileName::of(&new.rows, &run.short_commit()).identity == name.identity)
}
