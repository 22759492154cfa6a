//! Reading runs of a branch: the newest ones for a comparison, or all of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::layout::{BranchFile, Class, MonthFiles, RunFile};
use super::{Branch, BranchError};
use crate::analysis::{History, HistoryRun, NamedRun, merge_revisions, runs_of_parquet};
use crate::github::{self, Tip};
use crate::store::database::Source;
use crate::store::run_files::{KeptPrices, Retractions, RunFileName, ScratchDatabase, ScratchError};
use crate::store::work::Work;

/// Files that are fetched at once; GitHub asks for few.
const CONCURRENT: usize = 8;

/// A run with the name of its file, parsed.
#[derive(Debug)]
pub(super) struct StoredRun {
    pub name: RunFileName,
    pub run: HistoryRun,
    /// The file that it is in; `None` for a run that is to be written.
    pub source: Option<Source>,
}

/// Why a branch cannot be read as a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BranchDatabaseError {
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

impl Branch {
    pub(super) async fn tip(&self) -> Result<Option<Tip>, BranchError> {
        Ok(github::tip(&self.client, &self.repository, &self.address.branch).await?)
    }

    pub(super) async fn existing_tip(&self) -> Result<Tip, BranchError> {
        self.tip().await?.ok_or_else(|| BranchError::Missing(self.address.to_string()))
    }

    /// The commit of a time; `None` for a time before the branch was created.
    async fn tip_at(&self, time: Option<DateTime<Utc>>) -> Result<Option<Tip>, BranchError> {
        let tip = self.existing_tip().await?;
        match time {
            Some(time) => Ok(github::tip_at(&self.client, &self.repository, &self.address.branch, time).await?),
            None => Ok(Some(tip)),
        }
    }

    /// The newest `most` runs that are not of pull requests. A branch that does not exist is an empty history: the first run has none.
    ///
    /// # Errors
    /// [`BranchError`]; a file that cannot be read is one, because a silent gap would make the history wrong.
    pub(crate) async fn newest(&self, most: usize) -> Result<History, BranchError> {
        let tip = self.tip().await?;
        let listing = self.listing(tip.as_ref()).await?;
        self.refuse_foreign(tip.as_ref(), &listing)?;
        let retractions = self.retractions(&listing).await?;
        let mut found: Vec<StoredRun> = Vec::new();
        let of_runs = listing.months.iter().rev().filter(|((_, class), _)| *class == Class::Runs);
        for (_, files) in of_runs {
            let surplus = files.runs.len().saturating_sub(most);
            let newest = files.runs.get(surplus..).unwrap_or_default();
            found.extend(self.runs_of(newest, &files.packs).await?);
            found.retain(|stored| !retractions.holds(&stored.name.identity));
            if found.iter().map(|run| &run.name.identity).collect::<BTreeSet<_>>().len() >= most {
                break;
            }
        }
        self.cache.prune();
        sort(&mut found);
        let mut runs = merge_revisions(found.into_iter().map(|stored| (stored.name.identity, stored.run)));
        let surplus = runs.len().saturating_sub(most);
        runs.drain(..surplus);
        Ok(History::new(runs))
    }

    /// All runs as a database, as they are or were at a time.
    ///
    /// # Errors
    /// [`BranchDatabaseError`].
    pub(crate) async fn database(&self, as_of: Option<DateTime<Utc>>) -> Result<ScratchDatabase, BranchDatabaseError> {
        let tip = self.tip_at(as_of).await?;
        let listing = self.listing(tip.as_ref()).await?;
        self.refuse_foreign(tip.as_ref(), &listing)?;
        let mut database = ScratchDatabase::create().await?;
        // Month by month, so that memory does not grow with the history.
        for files in listing.months.values() {
            let mut found = self.all_of(files).await?;
            sort(&mut found);
            let with_source = found.into_iter().filter_map(|stored| Some((stored.run, stored.source?)));
            database.add_files(with_source.collect()).await?;
        }
        // The tree is that of the time, and so is its file.
        database.retract(self.retractions(&listing).await?.at(i64::MAX)).await?;
        database.add_prices(&self.prices(&listing).await?.at(i64::MAX)).await?;
        self.cache.prune();
        Ok(database)
    }

    /// Every file that is damaged or does not belong to the branch, and what else keeps it from being read.
    ///
    /// # Errors
    /// [`BranchError`] for a branch that cannot be reached; damage is a finding.
    pub(crate) async fn verify(&self, work: &Work) -> Result<Vec<String>, BranchError> {
        let tip = self.existing_tip().await?;
        let listing = match self.listing(Some(&tip)).await {
            Ok(listing) => listing,
            Err(damage @ (BranchError::NotHistory { .. } | BranchError::OtherFormat { .. })) => return Ok(vec![damage.to_string()]),
            Err(error) => return Err(error),
        };
        let commit = tip.commit;
        let foreign = listing.foreign.iter().map(|entry| {
            BranchError::Foreign {
                branch: self.address.to_string(),
                commit: commit.clone(),
                entry: entry.clone(),
            }
            .to_string()
        });
        let mut findings: Vec<String> = foreign.collect();
        if let Err(error) = self.retractions(&listing).await {
            findings.push(damage(error)?);
        }
        if let Err(error) = self.prices(&listing).await {
            findings.push(damage(error)?);
        }
        work.expect(listing.months.values().map(|files| files.runs.len() + files.packs.len()).sum());
        for files in listing.months.values() {
            for run in &files.runs {
                work.advance(1);
                match self.read_run(run).await {
                    Ok(stored) => findings.extend(misnamed(&stored, &run.file)),
                    Err(error) => findings.push(damage(error)?),
                }
            }
            for pack in &files.packs {
                work.advance(1);
                match self.read_pack(pack).await {
                    Ok(stored) => findings.extend(stored.iter().filter_map(|stored| misnamed(stored, pack))),
                    Err(error) => findings.push(damage(error)?),
                }
            }
        }
        Ok(findings)
    }

    /// Which runs do not count.
    pub(super) async fn retractions(&self, listing: &super::Listing) -> Result<Retractions, BranchError> {
        let Some(file) = &listing.retractions else {
            return Ok(Retractions::default());
        };
        let bytes = self.bytes(file).await?;
        serde_json::from_slice(&bytes).map_err(|source| BranchError::Retractions {
            path: file.path.clone(),
            source,
        })
    }

    /// What GPU-hours cost.
    pub(super) async fn prices(&self, listing: &super::Listing) -> Result<KeptPrices, BranchError> {
        let Some(file) = &listing.prices else {
            return Ok(KeptPrices::default());
        };
        let bytes = self.bytes(file).await?;
        serde_json::from_slice(&bytes).map_err(|source| BranchError::Retractions {
            path: file.path.clone(),
            source,
        })
    }

    fn refuse_foreign(&self, tip: Option<&Tip>, listing: &super::Listing) -> Result<(), BranchError> {
        match (tip, listing.foreign.first()) {
            (Some(tip), Some(entry)) => Err(BranchError::Foreign {
                branch: self.address.to_string(),
                commit: tip.commit.clone(),
                entry: entry.clone(),
            }),
            (_, _) => Ok(()),
        }
    }

    pub(super) async fn all_of(&self, files: &MonthFiles) -> Result<Vec<StoredRun>, BranchError> {
        self.runs_of(&files.runs, &files.packs).await
    }

    pub(super) async fn runs_of(&self, runs: &[RunFile], packs: &[BranchFile]) -> Result<Vec<StoredRun>, BranchError> {
        let loose = stream::iter(runs.iter().map(|run| self.read_run(run))).buffered(CONCURRENT);
        let mut found: Vec<StoredRun> = loose.try_collect().await?;
        for pack in packs {
            found.extend(self.read_pack(pack).await?);
        }
        Ok(found)
    }

    pub(super) async fn read_run(&self, run: &RunFile) -> Result<StoredRun, BranchError> {
        let path = &run.file.path;
        let bytes = self.bytes(&run.file).await?;
        let source = Source::of(path, &bytes);
        let text = String::from_utf8(bytes).map_err(|_| BranchError::Text { path: path.clone() })?;
        let parsed = HistoryRun::parse(&text).map_err(|source| BranchError::Run {
            path: path.clone(),
            source,
        })?;
        Ok(StoredRun {
            name: run.name.clone(),
            run: parsed,
            source: Some(source),
        })
    }

    pub(super) async fn read_pack(&self, pack: &BranchFile) -> Result<Vec<StoredRun>, BranchError> {
        let path = &pack.path;
        let bytes = self.bytes(pack).await?;
        let source = Source::of(path, &bytes);
        let runs = runs_of_parquet(bytes.into()).map_err(|source| BranchError::Pack {
            path: path.clone(),
            source,
        })?;
        let named = runs.into_iter().map(|NamedRun { name, run }| match name.parse() {
            Ok(name) => Ok(StoredRun {
                name,
                run,
                source: Some(source.clone()),
            }),
            Err(_) => Err(BranchError::PackedName { path: path.clone(), name }),
        });
        named.collect()
    }

    /// The content of a file of runs; `None` where the branch does not have it any more, because its runs were packed.
    ///
    /// # Errors
    /// [`BranchError`].
    pub(crate) async fn run_file(&self, path: &str) -> Result<Option<Vec<u8>>, BranchError> {
        let tip = self.tip().await?;
        let listing = self.listing(tip.as_ref()).await?;
        let loose = listing.loose().map(|run| &run.file);
        let packs = listing.months.values().flat_map(|files| &files.packs);
        match loose.chain(packs).find(|file| file.path == path) {
            Some(file) => Ok(Some(self.bytes(file).await?)),
            None => Ok(None),
        }
    }

    async fn bytes(&self, file: &BranchFile) -> Result<Vec<u8>, BranchError> {
        if let Some(bytes) = self.cache.get(&file.sha) {
            return Ok(bytes);
        }
        let bytes = github::blob(&self.client, &self.repository, &file.sha).await?;
        self.cache.put(&file.sha, &bytes);
        Ok(bytes)
    }
}

/// Sorts runs by the date of their run, revisions in their order.
pub(super) fn sort(runs: &mut [StoredRun]) {
    runs.sort_by(|left, right| left.name.cmp(&right.name));
}

/// Text for damage; an error of the network stays one.
fn damage(error: BranchError) -> Result<String, BranchError> {
    if error.is_damage() { Ok(error.to_string()) } else { Err(error) }
}

/// A run whose content is not that of its name.
fn misnamed(stored: &StoredRun, file: &BranchFile) -> Option<String> {
    let rows = crate::analysis::RunRows::of(stored.run.clone());
    let is_right = rows.is_ok_and(|rows| RunFileName::of(&rows, &stored.run.short_commit()).identity == stored.name.identity);
    (!is_right).then(|| format!("{}: the content is not that of run {}; {}", file.path, stored.name, super::RESTORE))
}
