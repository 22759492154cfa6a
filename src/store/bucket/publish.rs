//! Adding runs: first their files, then the segments that have become due, then the manifest that names both, unless another writer has replaced it in
//! the meantime.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::manifest::{Entry, MANIFEST, MAX_FILE, MAX_MANIFEST, MOST_RECENT, Manifest, NamedEntry, file_of};
use super::read::{CONCURRENT, SegmentCache};
use super::segment::{self, MAX_SEGMENT, NewSegment};
use super::{Bucket, BucketError};
use crate::analysis::{DatedPrice, HistoryRun, NamedRun, merge_revisions, runs_to_parquet};
use crate::model::Digest;
use crate::store::database::{Counts, IngestCounts};
use crate::store::run_files::{EarlierAttempts, NewRun, RetractionChange, RunFileName, addition, race_pause};
use crate::store::work::Work;

/// How often the manifest may be replaced by others while a run is added. Each time another writer has succeeded.
const MAX_ATTEMPTS: u32 = 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A run that adds something, with its name.
struct Placed<'a> {
    name: RunFileName,
    run: &'a NewRun,
}

/// What adding runs would change.
#[derive(Default)]
struct Placement<'a> {
    placed: Vec<Placed<'a>>,
    /// Damaged files with the content that they had.
    replaced: Vec<(String, Vec<u8>)>,
    counts: IngestCounts,
}

/// Adds runs to a history, all of them or none. What is there already is not added again; a run with other content than before becomes a
/// revision.
///
/// # Errors
/// [`BucketError`]; the history is as it was then.
pub(crate) async fn publish(
    bucket: &Bucket,
    runs: &[NewRun],
    now: DateTime<Utc>,
    dry_run: bool,
    work: &Work,
) -> Result<IngestCounts, BucketError> {
    // Each run is looked up and its file is written.
    let steps = Steps { work, before: work.done() };
    work.expect(2 * runs.len());
    let counts = add_runs(bucket, runs, now, dry_run, &steps).await?;
    steps.reach(2 * runs.len());
    Ok(counts)
}

/// The steps of an addition.
struct Steps<'a> {
    work: &'a Work,
    /// Those that were done before.
    before: u64,
}

impl Steps<'_> {
    fn reach(&self, steps: usize) {
        self.work.reach(self.before + steps as u64);
    }
}

async fn add_runs(
    bucket: &Bucket,
    runs: &[NewRun],
    now: DateTime<Utc>,
    dry_run: bool,
    steps: &Steps<'_>,
) -> Result<IngestCounts, BucketError> {
    let mut written: BTreeSet<String> = BTreeSet::new();
    let mut tried: Option<(Vec<Entry>, IngestCounts)> = None;
    let identities = identities_of(runs);
    let mut cache = SegmentCache::default();
    for attempt in 1..=MAX_ATTEMPTS {
        let (mut manifest, version) = match bucket.manifest().await? {
            Some((manifest, version)) => (manifest, Some(version)),
            None => (Manifest::empty(), None),
        };
        let known = bucket.entries_of(&manifest, &identities, &mut cache).await?;
        if let Some((entries, counts)) = &tried
            && entries.iter().all(|entry| has_entry(&known, entry))
        {
            // The manifest was replaced, and only the answer was lost: the client asked again and was refused.
            return Ok(*counts);
        }
        let Placement { placed, replaced, counts } = bucket.place_runs(&known, runs, steps).await?;
        if dry_run {
            return Ok(counts);
        }
        for (file, bytes) in replaced {
            tracing::warn!(file, "the file was damaged and is written again");
            bucket.put(&file, bytes).await?;
        }
        if placed.is_empty() {
            return Ok(counts);
        }
        if version.is_none() {
            // Before any file of a run, so that files without a manifest mean that it was lost.
            bucket.replace(&manifest, None).await?;
            continue;
        }
        let entries = bucket.put_runs(&placed, now, &mut written, (steps, runs.len())).await?;
        manifest.runs.extend(entries.iter().cloned());
        bucket.fold_into_segments(&mut manifest, &mut written).await?;
        if bucket.replace(&manifest, version).await? {
            return Ok(counts);
        }
        tried = Some((entries, counts));
        tracing::info!(attempt, "the history was changed by another writer, reading it again");
        tokio::time::sleep(race_pause(attempt, LONGEST_PAUSE)).await;
    }
    Err(bucket.raced())
}

/// The identities of runs and of the earlier attempts of their workflow runs.
fn identities_of(runs: &[NewRun]) -> BTreeSet<String> {
    let mut identities = BTreeSet::new();
    for run in runs {
        let commit = run.run.short_commit();
        identities.insert(RunFileName::of(&run.rows, &commit).identity);
        let earlier = RunFileName::of_earlier_attempts(&run.rows, &commit);
        identities.extend(earlier.into_iter().map(|name| name.identity));
    }
    identities
}

fn has_entry(known: &BTreeMap<String, Vec<NamedEntry>>, entry: &Entry) -> bool {
    let name = entry.name();
    let of_run = name.and_then(|name| known.get(&name.identity));
    of_run.is_some_and(|of_run| of_run.iter().any(|named| named.entry == *entry))
}

impl Bucket {
    /// Makes a segment of the manifest's runs once they are many, and one of segments once they are many of a size. What it writes is named by its
    /// content, so a writer that is refused afterwards leaves what the next one writes again, or what is never read.
    async fn fold_into_segments(&self, manifest: &mut Manifest, written: &mut BTreeSet<String>) -> Result<(), BucketError> {
        if manifest.runs.len() < MOST_RECENT {
            return Ok(());
        }
        for new in segment::segments_of(&manifest.runs)? {
            self.put_segment(&new, written).await?;
            manifest.segments.push(new.segment);
        }
        manifest.runs.clear();
        while let Some(places) = segment::due_for_merge(&manifest.segments) {
            let mut runs = Vec::new();
            let mut kept = Vec::new();
            for (at, segment) in manifest.segments.iter().enumerate() {
                if places.contains(&at) {
                    match self.segment(segment).await {
                        Ok(entries) => runs.extend(entries),
                        // A damaged one stops no writer; readers name it.
                        Err(error) if error.is_damage() => {
                            tracing::warn!(%error, "segments are not merged");
                            return Ok(());
                        }
                        Err(error) => return Err(error),
                    }
                } else {
                    kept.push(segment.clone());
                }
            }
            for new in segment::segments_of(&runs)? {
                self.put_segment(&new, written).await?;
                kept.push(new.segment);
            }
            manifest.segments = kept;
        }
        Ok(())
    }

    async fn put_segment(&self, new: &NewSegment, written: &mut BTreeSet<String>) -> Result<(), BucketError> {
        let NewSegment { segment, bytes, keys } = new;
        self.check_size(&segment.file, segment.bytes, MAX_SEGMENT)?;
        if written.insert(segment.file.clone()) {
            self.put(&segment.keys_file(), keys.clone()).await?;
            self.put(&segment.file, bytes.clone()).await?;
        }
        Ok(())
    }

    /// Withdraws or restores the run of an identity.
    ///
    /// # Errors
    /// [`BucketError`]; nothing was stored then.
    pub(crate) async fn retract(&self, identity: &str, change: &RetractionChange, now: DateTime<Utc>) -> Result<(), BucketError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let Some((mut manifest, version)) = self.manifest().await? else {
                return Err(BucketError::Missing(self.address.to_string()));
            };
            manifest.retractions.apply(identity, change, now)?;
            if self.replace(&manifest, Some(version)).await? {
                return Ok(());
            }
            tokio::time::sleep(race_pause(attempt, LONGEST_PAUSE)).await;
        }
        Err(self.raced())
    }

    /// Adds prices, and counts what is new. A history that does not exist yet is created.
    ///
    /// # Errors
    /// [`BucketError`]; nothing was stored then.
    pub(crate) async fn add_prices(&self, prices: &[DatedPrice], now: DateTime<Utc>, dry_run: bool) -> Result<Counts, BucketError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let (mut manifest, version) = match self.manifest().await? {
                Some((manifest, version)) => (manifest, Some(version)),
                None => (Manifest::empty(), None),
            };
            let counts = manifest.prices.add(prices, now);
            let is_changed = counts.new + counts.revised > 0;
            if dry_run || !is_changed || self.replace(&manifest, version).await? {
                return Ok(counts);
            }
            tokio::time::sleep(race_pause(attempt, LONGEST_PAUSE)).await;
        }
        Err(self.raced())
    }

    fn raced(&self) -> BucketError {
        BucketError::Raced {
            place: self.address.to_string(),
            attempts: MAX_ATTEMPTS,
        }
    }

    /// The runs that add something, each with the name of its next revision, and what all of them add.
    async fn place_runs<'a>(
        &self,
        known: &BTreeMap<String, Vec<NamedEntry>>,
        runs: &'a [NewRun],
        steps: &Steps<'_>,
    ) -> Result<Placement<'a>, BucketError> {
        let mut placement = Placement::default();
        for (run, number) in runs.iter().zip(1..) {
            steps.reach(number);
            let first = RunFileName::of(&run.rows, &run.run.short_commit());
            let attempts = self.earlier_attempts(known, &placement.placed, run).await?;
            if let Some(counts) = attempts.repetition(run) {
                placement.counts.merge(counts);
                continue;
            }
            let of_run = known.get(&first.identity).map_or(&[][..], Vec::as_slice);
            let mut stored = Vec::new();
            for named in of_run {
                match self.stored(named, run).await? {
                    Stored::Whole(run) => stored.push((named.name.clone(), *run)),
                    Stored::Mended(bytes) => {
                        placement.replaced.push((named.entry.file.clone(), bytes));
                        stored.push((named.name.clone(), run.run.clone()));
                    }
                    Stored::Damaged => {}
                }
            }
            let earlier = placement.placed.iter().filter(|placed| placed.name.identity == first.identity);
            stored.extend(earlier.map(|placed| (placed.name.clone(), placed.run.run.clone())));
            stored.sort_by_key(|(name, _)| name.revision);
            let names = of_run.iter().map(|named| &named.name).chain(stored.iter().map(|(name, _)| name));
            let revision = names.map(|name| name.revision).max().map_or(1, |last| last + 1);
            let merged = merge_revisions(stored.into_iter().map(|(name, run)| (name.identity, run)));
            let added = addition(run, merged.into_iter().next(), &attempts)?;
            placement.counts.merge(added.counts);
            if !added.is_known {
                let shown = first.to_string();
                let name = first.with_revision(revision).ok_or(BucketError::Revisions(shown))?;
                placement.placed.push(Placed { name, run });
            }
        }
        Ok(placement)
    }

    /// The earlier attempts of a run's workflow run, of what is stored and of what is placed with it.
    async fn earlier_attempts(
        &self,
        known: &BTreeMap<String, Vec<NamedEntry>>,
        placed: &[Placed<'_>],
        run: &NewRun,
    ) -> Result<EarlierAttempts, BucketError> {
        let mut attempts = EarlierAttempts::default();
        for name in RunFileName::of_earlier_attempts(&run.rows, &run.run.short_commit()) {
            let mut stored = Vec::new();
            for named in known.get(&name.identity).into_iter().flatten() {
                match self.run(named).await {
                    Ok(run) => stored.push((name.identity.clone(), run)),
                    Err(error) if error.is_damage() => tracing::warn!(%error, "left out"),
                    Err(error) => return Err(error),
                }
            }
            let of_batch = placed.iter().filter(|placed| placed.name.identity == name.identity);
            stored.extend(of_batch.map(|placed| (name.identity.clone(), placed.run.run.clone())));
            for attempt in merge_revisions(stored) {
                attempts.push(attempt)?;
            }
        }
        Ok(attempts)
    }

    /// An earlier revision of a run. A damaged one must not keep the new one out: it is written again where the new one is the same, and named
    /// by readers otherwise.
    async fn stored(&self, named: &NamedEntry, new: &NewRun) -> Result<Stored, BucketError> {
        match self.run(named).await {
            Ok(run) => Ok(Stored::Whole(Box::new(run))),
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "left out");
                let bytes = encoded(&named.name, new)?;
                let is_same = Digest::of(&bytes).to_string() == named.entry.sha256;
                Ok(if is_same { Stored::Mended(bytes) } else { Stored::Damaged })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the files of runs and returns their entries in the same order.
    async fn put_runs(
        &self,
        placed: &[Placed<'_>],
        now: DateTime<Utc>,
        written: &mut BTreeSet<String>,
        (steps, before): (&Steps<'_>, usize),
    ) -> Result<Vec<Entry>, BucketError> {
        let known: &BTreeSet<String> = written;
        let put = stream::iter(placed.iter().map(async |placed| self.put_run(placed, now, known).await));
        let mut put = put.buffered(CONCURRENT);
        let mut entries = Vec::with_capacity(placed.len());
        while let Some(entry) = put.try_next().await? {
            entries.push(entry);
            steps.reach(before + entries.len());
        }
        drop(put);
        written.extend(entries.iter().map(|entry: &Entry| entry.file.clone()));
        Ok(entries)
    }

    /// Writes the file of a run. Its name has the digest of its content, so whoever writes it again writes the same.
    async fn put_run(&self, placed: &Placed<'_>, now: DateTime<Utc>, written: &BTreeSet<String>) -> Result<Entry, BucketError> {
        let Placed { name, run } = placed;
        let bytes = encoded(name, run)?;
        let kind = run.rows.header.kind;
        let sha256 = Digest::of(&bytes).to_string();
        let entry = Entry {
            file: file_of(kind, name, &sha256),
            kind,
            bytes: bytes.len() as u64,
            sha256,
            added_ms: now.timestamp_millis(),
        };
        self.check_size(&entry.file, entry.bytes, MAX_FILE)?;
        if !written.contains(&entry.file) {
            self.put(&entry.file, bytes).await?;
        }
        Ok(entry)
    }

    async fn put(&self, file: &str, bytes: Vec<u8>) -> Result<(), BucketError> {
        let put = self.store.put(&self.address.path(file), PutPayload::from(Bytes::from(bytes))).await;
        put.map(drop).map_err(|error| self.error(file, "write", &error))
    }

    /// Replaces the manifest of a version, or creates it; `false` if another writer was faster.
    async fn replace(&self, manifest: &Manifest, version: Option<UpdateVersion>) -> Result<bool, BucketError> {
        let options = PutOptions {
            mode: version.map_or(PutMode::Create, PutMode::Update),
            ..PutOptions::default()
        };
        let bytes = manifest.to_bytes()?;
        self.check_size(MANIFEST, bytes.len() as u64, MAX_MANIFEST)?;
        match self
            .store
            .put_opts(&self.address.path(MANIFEST), PutPayload::from(Bytes::from(bytes)), options)
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.error(MANIFEST, "write", &error)),
        }
    }

    fn check_size(&self, file: &str, bytes: u64, limit: u64) -> Result<(), BucketError> {
        if bytes > limit {
            return Err(BucketError::TooLarge {
                place: self.address.place(file),
                bytes,
                limit,
            });
        }
        Ok(())
    }
}

/// What there is of an earlier revision.
enum Stored {
    Whole(Box<HistoryRun>),
    /// It was damaged; the bytes that it had.
    Mended(Vec<u8>),
    Damaged,
}

/// The file of a run under a name.
fn encoded(name: &RunFileName, run: &NewRun) -> Result<Vec<u8>, BucketError> {
    let named = [NamedRun {
        name: name.to_string(),
        run: run.run.clone(),
    }];
    runs_to_parquet(&named).map_err(|source| BucketError::Encode {
        name: name.to_string(),
        source,
    })
}
