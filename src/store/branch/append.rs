//! Adding runs: one commit on top of what is there. Two jobs that add at the same time both read the branch, and GitHub lets only the first
//! move it; the other reads it again. Nothing is ever forced, so no commit of another job is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::layout::{self, Class, Listing, RunFile};
use super::read::{StoredRun, sort};
use super::{Branch, BranchError};
use crate::analysis::{DatedPrice, HistoryRun, NamedRun, merge_revisions, runs_to_parquet};
use crate::github::{self, MAX_FILE, RefUpdate, Tip, TreeChange};
use crate::store::database::{Counts, IngestCounts};
use crate::store::run_files::{EarlierAttempts, Month, NewRun, RetractionChange, RunFileName, addition, race_pause};
use crate::store::work::Work;

/// How often the branch may move while a run is added. Each move means that another job has succeeded, so this many jobs may start at once.
const MAX_ATTEMPTS: u32 = 20;
/// The longest pause before the branch is read again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most files with one run that a month keeps: a comparison fetches each of them by itself.
const MAX_LOOSE: usize = 32;

/// What was added, or would be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Appended {
    pub counts: IngestCounts,
}

/// A run with the path that it gets.
struct PlacedRun<'a> {
    class: Class,
    name: RunFileName,
    run: &'a NewRun,
}

/// Files to write and to remove.
#[derive(Default)]
struct Changes {
    put: BTreeMap<String, Vec<u8>>,
    removed: Vec<String>,
    packed: Vec<Month>,
}

/// Adds runs to a branch, all of them or none. What is there already is not added again; a run with other content than before becomes a
/// revision. Months that are full or over are packed in the same commit.
///
/// # Errors
/// [`BranchError`]; nothing was stored then.
pub(crate) async fn append(
    branch: &Branch,
    runs: &[NewRun],
    now: DateTime<Utc>,
    dry_run: bool,
    work: &Work,
) -> Result<Appended, BranchError> {
    work.expect(runs.len());
    for attempt in 1..=MAX_ATTEMPTS {
        let tip = branch.tip().await?;
        let listing = branch.listing(tip.as_ref()).await?;
        let (placed, appended) = branch.place(&listing, runs, work).await?;
        if placed.is_empty() || dry_run {
            return Ok(appended);
        }
        let message = message(&placed);
        let changes = branch.changes(&listing, placed, &Month::of(now)).await?;
        let Err(reason) = branch.commit(tip.as_ref(), changes, message).await? else {
            return Ok(appended);
        };
        branch.wait_for_next(attempt, tip.as_ref(), reason).await?;
    }
    Err(branch.raced())
}

/// Whether GitHub refused because the branch is not where it was read to be. A read may lag behind a write, so the branch that is read
/// next may still be the same.
fn is_race(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["fast forward", "fast-forward", "already exists", "reference does not exist"]
        .iter()
        .any(|words| reason.contains(words))
}

/// The commit's message. Names come from outside and stay on one line.
fn message(placed: &[PlacedRun<'_>]) -> String {
    let [PlacedRun { run, .. }] = placed else {
        return format!("Add {} runs", placed.len());
    };
    let commit = run.run.short_commit();
    let of_run = run
        .run
        .run_id
        .as_deref()
        .map_or_else(String::new, |id| format!(" of workflow run {id}"));
    let text = format!("Add {} run{of_run}, commit {commit}", run.rows.header.kind);
    text.chars().filter(|character| !character.is_control()).take(120).collect()
}

impl StoredRun {
    fn of(placed: &PlacedRun<'_>) -> Self {
        Self {
            name: placed.name.clone(),
            run: placed.run.run.clone(),
            source: None,
        }
    }
}

impl Branch {
    /// Withdraws or restores the run of an identity.
    ///
    /// # Errors
    /// [`BranchError`]; nothing was stored then.
    pub(crate) async fn retract(&self, identity: &str, change: &RetractionChange, now: DateTime<Utc>) -> Result<(), BranchError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let tip = self.existing_tip().await?;
            let listing = self.listing(Some(&tip)).await?;
            let mut retractions = self.retractions(&listing).await?;
            retractions.apply(identity, change, now)?;
            let mut bytes = serde_json::to_vec_pretty(&retractions).map_err(BranchError::Json)?;
            bytes.push(b'\n');
            let changes = Changes {
                put: BTreeMap::from([(layout::RETRACTIONS.to_owned(), bytes)]),
                ..Changes::default()
            };
            let message = match change {
                RetractionChange::Retract { .. } => format!("Retract run {identity}"),
                RetractionChange::Restore { .. } => format!("Restore run {identity}"),
            };
            let Err(reason) = self.commit(Some(&tip), changes, message).await? else {
                return Ok(());
            };
            self.wait_for_next(attempt, Some(&tip), reason).await?;
        }
        Err(self.raced())
    }

    /// Adds prices, and counts what is new. A branch that does not exist yet is created.
    ///
    /// # Errors
    /// [`BranchError`]; nothing was stored then.
    pub(crate) async fn add_prices(&self, prices: &[DatedPrice], now: DateTime<Utc>, dry_run: bool) -> Result<Counts, BranchError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let tip = self.tip().await?;
            let listing = self.listing(tip.as_ref()).await?;
            let mut kept = self.prices(&listing).await?;
            let counts = kept.add(prices, now);
            if dry_run || counts.new + counts.revised == 0 {
                return Ok(counts);
            }
            let mut bytes = serde_json::to_vec_pretty(&kept).map_err(BranchError::Json)?;
            bytes.push(b'\n');
            let changes = Changes {
                put: BTreeMap::from([(layout::PRICES.to_owned(), bytes)]),
                ..Changes::default()
            };
            let message = format!("Add {} prices", counts.new + counts.revised);
            let Err(reason) = self.commit(tip.as_ref(), changes, message).await? else {
                return Ok(counts);
            };
            self.wait_for_next(attempt, tip.as_ref(), reason).await?;
        }
        Err(self.raced())
    }

    /// Waits after GitHub refused to move the branch, unless it would refuse again.
    async fn wait_for_next(&self, attempt: u32, tip: Option<&Tip>, reason: String) -> Result<(), BranchError> {
        if !is_race(&reason) && self.tip().await?.as_ref() == tip {
            return Err(BranchError::Rejected {
                branch: self.address.to_string(),
                reason,
            });
        }
        tracing::info!(attempt, "the history was moved by another job, reading it again");
        tokio::time::sleep(race_pause(attempt, LONGEST_PAUSE)).await;
        Ok(())
    }

    fn raced(&self) -> BranchError {
        BranchError::Raced {
            branch: self.address.to_string(),
            attempts: MAX_ATTEMPTS,
        }
    }

    /// The runs that add something, each with the name of its next revision, and what all of them add.
    async fn place<'a>(&self, listing: &Listing, runs: &'a [NewRun], work: &Work) -> Result<(Vec<PlacedRun<'a>>, Appended), BranchError> {
        let mut placed: Vec<PlacedRun<'a>> = Vec::new();
        let mut appended = Appended::default();
        for (run, number) in runs.iter().zip(1..) {
            work.reach(number);
            let first = RunFileName::of(&run.rows, &run.run.short_commit());
            let class = Class::of(run.rows.header.kind);
            let attempts = self.earlier_attempts(listing, class, &placed, run).await?;
            if let Some(counts) = attempts.repetition(run) {
                appended.counts.merge(counts);
                continue;
            }
            let mut stored = self.stored_revisions(listing, class, &first).await?;
            let earlier = placed.iter().filter(|placed| placed.name.identity == first.identity);
            stored.extend(earlier.map(StoredRun::of));
            stored.sort_by_key(|stored| stored.name.revision);
            let named = listing.loose().map(|run| &run.name).filter(|name| name.identity == first.identity);
            let revisions = named.chain(stored.iter().map(|stored| &stored.name)).map(|name| name.revision);
            let revision = revisions.max().map_or(1, |last| last + 1);
            let merged = merge_revisions(stored.into_iter().map(|stored| (first.identity.clone(), stored.run)));
            let added = addition(run, merged.into_iter().next(), &attempts)?;
            appended.counts.merge(added.counts);
            if !added.is_known {
                let shown = first.to_string();
                let name = first.with_revision(revision).ok_or(BranchError::Revisions(shown))?;
                placed.push(PlacedRun { class, name, run });
            }
        }
        Ok((placed, appended))
    }

    /// The earlier attempts of a run's workflow run, of what is stored and of what is placed with it.
    async fn earlier_attempts(
        &self,
        listing: &Listing,
        class: Class,
        placed: &[PlacedRun<'_>],
        run: &NewRun,
    ) -> Result<EarlierAttempts, BranchError> {
        let mut earlier = EarlierAttempts::default();
        for name in RunFileName::of_earlier_attempts(&run.rows, &run.run.short_commit()) {
            let mut stored = self.stored_revisions(listing, class, &name).await?;
            let of_batch = placed.iter().filter(|placed| placed.name.identity == name.identity);
            stored.extend(of_batch.map(StoredRun::of));
            stored.sort_by_key(|stored| stored.name.revision);
            for attempt in merge_revisions(stored.into_iter().map(|stored| (name.identity.clone(), stored.run))) {
                earlier.push(attempt)?;
            }
        }
        Ok(earlier)
    }

    /// What is stored of a run: files by their names, of whatever month, and what is packed in the run's own month. What is damaged is not
    /// among it, because the new run must not be lost for it; readers name the damage.
    async fn stored_revisions(&self, listing: &Listing, class: Class, name: &RunFileName) -> Result<Vec<StoredRun>, BranchError> {
        let mut found = Vec::new();
        for run in listing.loose().filter(|run| run.name.identity == name.identity) {
            found.extend(whole(self.read_run(run).await)?);
        }
        let month = listing.months.get(&(name.month(), class));
        for pack in month.into_iter().flat_map(|month| &month.packs) {
            found.extend(whole(self.read_pack(pack).await)?.into_iter().flatten());
        }
        found.retain(|stored| stored.name.identity == name.identity);
        Ok(found)
    }

    async fn changes(&self, listing: &Listing, placed: Vec<PlacedRun<'_>>, current: &Month) -> Result<Changes, BranchError> {
        let mut changes = Changes::default();
        let mut by_month: BTreeMap<(Month, Class), Vec<PlacedRun<'_>>> = BTreeMap::new();
        for run in placed {
            by_month.entry((run.name.month(), run.class)).or_default().push(run);
        }
        for (month, class) in listing.months.keys() {
            by_month.entry((month.clone(), *class)).or_default();
        }
        for ((month, class), new) in by_month {
            let stored = listing.months.get(&(month.clone(), class));
            let (loose, has_packs) = stored.map_or((&[][..], false), |stored| (stored.runs.as_slice(), !stored.packs.is_empty()));
            let is_over = month < *current;
            let files = loose.len() + new.len();
            // Corrections of an old month wait until they are many: each pack costs a reader a request.
            let is_due = files > MAX_LOOSE || (is_over && !has_packs && files > 0);
            // A month with a damaged file stays as it is.
            if is_due && whole(self.pack(&mut changes, &month, class, loose, &new).await)?.is_some() {
                continue;
            }
            for PlacedRun { name, run, .. } in new {
                changes.put.insert(layout::run_path(class, &name), json_of(&name, &run.run)?);
            }
        }
        Ok(changes)
    }

    async fn pack(
        &self,
        changes: &mut Changes,
        month: &Month,
        class: Class,
        loose: &[RunFile],
        new: &[PlacedRun<'_>],
    ) -> Result<(), BranchError> {
        let mut runs = self.runs_of(loose, &[]).await?;
        runs.extend(new.iter().map(StoredRun::of));
        sort(&mut runs);
        let named: Vec<NamedRun> = runs
            .into_iter()
            .map(|stored| NamedRun {
                name: stored.name.to_string(),
                run: stored.run,
            })
            .collect();
        for bytes in packs_of(&named)? {
            changes.put.insert(layout::pack_path(class, month, &bytes), bytes);
        }
        changes.removed.extend(loose.iter().map(|run| run.file.path.clone()));
        changes.packed.push(month.clone());
        Ok(())
    }

    /// Stores the changes and moves the branch. The inner error is GitHub's reason for not moving it.
    async fn commit(&self, tip: Option<&Tip>, changes: Changes, message: String) -> Result<Result<(), String>, BranchError> {
        let Changes { mut put, removed, packed } = changes;
        if tip.is_none() {
            put.insert(layout::MARKER.to_owned(), layout::MARKER_TEXT.as_bytes().to_vec());
            put.insert(layout::README.to_owned(), layout::README_TEXT.as_bytes().to_vec());
        }
        let (client, repository) = (&self.client, &self.repository);
        let mut tree = Vec::new();
        for (path, bytes) in put {
            let sha = github::create_blob(client, repository, &bytes).await?;
            // The next step of a report reads what this one wrote.
            self.cache.put(&sha, &bytes);
            tree.push(TreeChange::Put { path, sha });
        }
        tree.extend(removed.into_iter().map(|path| TreeChange::Remove { path }));
        let tree = github::create_tree(client, repository, tip, &tree).await?;
        let packed: Vec<String> = packed.iter().map(ToString::to_string).collect();
        let message = if packed.is_empty() {
            message
        } else {
            format!("{message}; pack {}", packed.join(", "))
        };
        let commit = github::create_commit(client, repository, tip, &tree, &message).await?;
        Ok(
            match github::move_branch(client, repository, &self.address.branch, tip, &commit).await? {
                RefUpdate::Moved => Ok(()),
                RefUpdate::Refused(reason) => Err(reason),
            },
        )
    }
}

/// What could be read; `None` for damage.
fn whole<T>(read: Result<T, BranchError>) -> Result<Option<T>, BranchError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_damage() => {
            tracing::warn!(%error, "left out");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn json_of(name: &RunFileName, run: &HistoryRun) -> Result<Vec<u8>, BranchError> {
    let mut bytes = serde_json::to_vec(run).map_err(|source| crate::analysis::RowError::Json { what: "the run", source })?;
    bytes.push(b'\n');
    check_size(name.to_string(), &bytes)?;
    Ok(bytes)
}

fn check_size(name: String, bytes: &[u8]) -> Result<(), BranchError> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(BranchError::TooLarge { name, bytes: bytes.len() });
    }
    Ok(())
}

/// Packs that are not too large for a file: where one is, its runs are halved.
fn packs_of(runs: &[NamedRun]) -> Result<Vec<Vec<u8>>, BranchError> {
    let bytes = runs_to_parquet(runs).map_err(BranchError::Packing)?;
    match runs {
        [NamedRun { name, .. }] => check_size(name.clone(), &bytes)?,
        several if bytes.len() as u64 > MAX_FILE => {
            let (first, second) = several.split_at(several.len() / 2);
            let mut packs = packs_of(first)?;
            packs.extend(packs_of(second)?);
            return Ok(packs);
        }
        _ => {}
    }
    Ok(vec![bytes])
}
