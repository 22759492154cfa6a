//! Reading runs: the newest ones for a comparison, or all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, UpdateVersion};

use super::manifest::{Entry, FOLDERS, MANIFEST, MAX_FILE, MAX_MANIFEST, Manifest, NamedEntry, named};
use super::segment::{self, MAX_SEGMENT, Segment};
use super::{Bucket, BucketError};
use crate::analysis::{History, HistoryRun, RunKind, merge_revisions, runs_of_parquet};
use crate::model::Digest;
use crate::store::run_files::{NewRun, RunFileName, ScratchDatabase};
use crate::store::work::Work;

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

    /// The newest `most` runs that are neither of pull requests nor of the community; none where the history does not exist yet: the first run has none.
    ///
    /// # Errors
    /// [`BucketError`]; a file that cannot be read is one, because a silent gap would make the history wrong.
    pub(crate) async fn newest(&self, most: usize) -> Result<History, BucketError> {
        let Some((manifest, _)) = self.manifest().await? else {
            return Ok(History::default());
        };
        let mut newest = NewestRuns {
            most,
            manifest: &manifest,
            named: named(&manifest.runs),
        };
        let mut segments: Vec<&Segment> = manifest.segments.iter().collect();
        segments.sort_by(|left, right| right.newest.cmp(&left.newest));
        let mut unread = Vec::new();
        for segment in segments {
            if newest.may_be_in(segment) {
                newest.named.extend(named(&self.segment(segment).await?));
            } else {
                unread.push(segment);
            }
        }
        let chosen = newest.chosen();
        // A correction may have another date than the run.
        for segment in unread {
            if segment::may_hold(&self.keys(segment).await?, &chosen) {
                newest.named.extend(named(&self.segment(segment).await?));
            }
        }
        let mut named = newest.comparable();
        named.retain(|named| chosen.contains(&named.name.identity));
        named.sort_by(|left, right| left.name.cmp(&right.name));
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
        let mut named = self.all_entries(&manifest).await?;
        named.retain(|named| named.entry.added_ms <= until);
        let mut database = ScratchDatabase::create().await?;
        for chunk in named.chunks(CHUNK) {
            let runs = self.runs(chunk).await?.into_iter().map(|(_, run)| run);
            let sources = chunk.iter().map(|named| named.entry.source());
            database.add_files(runs.zip(sources).collect()).await?;
        }
        database.retract(manifest.retractions.at(until)).await?;
        database.add_prices(&manifest.prices.at(until)).await?;
        Ok(database)
    }

    /// Every file that is not what the manifest says.
    ///
    /// # Errors
    /// [`BucketError`] for storage that cannot be reached; damage is a finding.
    pub(crate) async fn verify(&self, work: &Work) -> Result<Vec<String>, BucketError> {
        let manifest = match self.existing_manifest().await {
            Ok(manifest) => manifest,
            Err(error) if error.is_damage() => return Ok(vec![error.to_string()]),
            Err(error) => return Err(error),
        };
        let mut findings = Vec::new();
        let named = self.whole_entries(&manifest, &mut findings).await?;
        let mut checked = stream::iter(named.iter().map(|named| self.run(named))).buffered(CONCURRENT);
        work.expect(named.len());
        while let Some(found) = checked.next().await {
            work.advance(1);
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

    /// The content of a file of runs; `None` where there is none.
    ///
    /// # Errors
    /// [`BucketError`], for a larger file as well.
    pub(crate) async fn run_file(&self, file: &str, limit: u64) -> Result<Option<Bytes>, BucketError> {
        Ok(self.object(file, limit).await?.map(|(bytes, _)| bytes))
    }

    async fn bytes(&self, entry: &Entry) -> Result<Bytes, BucketError> {
        self.checked(&entry.file, entry.bytes, &entry.sha256, MAX_FILE).await
    }

    /// The content of a file that must have a size and a digest.
    async fn checked(&self, file: &str, expected: u64, sha256: &str, limit: u64) -> Result<Bytes, BucketError> {
        let place = self.address.place(file);
        let Some((bytes, meta)) = self.object(file, limit).await? else {
            return Err(BucketError::Lost { place });
        };
        let found = meta.size;
        if found != expected {
            return Err(BucketError::Size { place, found, expected });
        }
        if Digest::of(&bytes).to_string() != sha256 {
            return Err(BucketError::Digest { place });
        }
        Ok(bytes)
    }

    /// The runs that a segment names.
    pub(super) async fn segment(&self, segment: &Segment) -> Result<Vec<Entry>, BucketError> {
        let bytes = self.checked(&segment.file, segment.bytes, &segment.sha256, MAX_SEGMENT).await?;
        segment::parse(&bytes).map_err(|source| BucketError::Manifest {
            place: self.address.place(&segment.file),
            source,
        })
    }

    pub(super) async fn keys(&self, segment: &Segment) -> Result<Bytes, BucketError> {
        self.checked(&segment.keys_file(), segment.keys_bytes(), &segment.keys_sha256, MAX_SEGMENT)
            .await
    }

    /// The entries of all runs, by date.
    async fn all_entries(&self, manifest: &Manifest) -> Result<Vec<NamedEntry>, BucketError> {
        let mut entries = named(&manifest.runs);
        let mut segments = stream::iter(manifest.segments.iter().map(|segment| self.segment(segment))).buffered(CONCURRENT);
        while let Some(runs) = segments.try_next().await? {
            entries.extend(named(&runs));
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// As [`Self::all_entries`], of segments that are whole; the others become findings.
    async fn whole_entries(&self, manifest: &Manifest, findings: &mut Vec<String>) -> Result<Vec<NamedEntry>, BucketError> {
        let mut entries = named(&manifest.runs);
        for segment in &manifest.segments {
            for read in [self.segment(segment).await, self.keys(segment).await.map(|_| Vec::new())] {
                match read {
                    Ok(runs) => entries.extend(named(&runs)),
                    Err(error) if error.is_damage() => findings.push(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// The entries of runs that a history may have, by their identity. Only segments are read that may have one of them; `cache` keeps these for
    /// another attempt.
    pub(super) async fn entries_of(
        &self,
        manifest: &Manifest,
        identities: &BTreeSet<String>,
        cache: &mut SegmentCache,
    ) -> Result<BTreeMap<String, Vec<NamedEntry>>, BucketError> {
        let mut known: BTreeMap<String, Vec<NamedEntry>> = BTreeMap::new();
        let mut found = named(&manifest.runs);
        for segment in &manifest.segments {
            found.extend(self.entries_in(segment, identities, cache).await?.iter().cloned());
        }
        found.retain(|named| identities.contains(&named.name.identity));
        found.sort_by(|left, right| left.name.cmp(&right.name));
        for named in found {
            known.entry(named.name.identity.clone()).or_default().push(named);
        }
        Ok(known)
    }

    async fn entries_in(
        &self,
        segment: &Segment,
        identities: &BTreeSet<String>,
        cache: &mut SegmentCache,
    ) -> Result<Arc<Vec<NamedEntry>>, BucketError> {
        if let Some(known) = cache.0.get(&segment.file) {
            return Ok(known.clone());
        }
        let entries = if segment::may_hold(&self.keys(segment).await?, identities) {
            let mut entries = named(&self.segment(segment).await?);
            entries.retain(|named| identities.contains(&named.name.identity));
            entries
        } else {
            Vec::new()
        };
        let entries = Arc::new(entries);
        cache.0.insert(segment.file.clone(), entries.clone());
        Ok(entries)
    }
}

/// What segments have of the runs that are being added, by the segment's file: segments do not change.
#[derive(Debug, Default)]
pub(super) struct SegmentCache(BTreeMap<String, Arc<Vec<NamedEntry>>>);

/// The search for the newest runs of a history.
struct NewestRuns<'a> {
    most: usize,
    manifest: &'a Manifest,
    named: Vec<NamedEntry>,
}

impl NewestRuns<'_> {
    /// What comparisons read.
    fn comparable(&self) -> Vec<NamedEntry> {
        let retractions = &self.manifest.retractions;
        let comparable = self.named.iter().filter(|named| {
            let is_pull_request = matches!(named.entry.kind, RunKind::PullRequest | RunKind::Community);
            !is_pull_request && !retractions.holds(&named.name.identity)
        });
        comparable.cloned().collect()
    }

    /// The newest runs of what was read, by identity with the date of each, newest first.
    fn newest(&self) -> Vec<(String, String)> {
        let mut comparable = self.comparable();
        comparable.sort_by(|left, right| right.name.cmp(&left.name));
        let mut seen = BTreeSet::new();
        let first = comparable.into_iter().filter(|named| seen.insert(named.name.identity.clone()));
        first
            .take(self.most)
            .map(|named| (named.name.identity.clone(), named.name.date().to_owned()))
            .collect()
    }

    fn chosen(&self) -> BTreeSet<String> {
        self.newest().into_iter().map(|(identity, _)| identity).collect()
    }

    /// Whether a segment may have one of the newest runs.
    fn may_be_in(&self, segment: &Segment) -> bool {
        if segment.newest.is_empty() {
            return false;
        }
        let newest = self.newest();
        let is_full = newest.len() >= self.most;
        !is_full || newest.last().is_none_or(|(_, date)| *date <= segment.newest)
    }
}

/// Whether the content of a run is that of its name.
fn is_named(run: &HistoryRun, name: &RunFileName) -> bool {
    let new = NewRun::of(run.clone());
    new.is_ok_and(|new| RunFileName::of(&new.rows, &run.short_commit()).identity == name.identity)
}
