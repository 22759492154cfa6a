//! An archive of a history: in a folder two files for each month, the points as Parquet for other tools, and the runs as JSON, which `imax import`
//! reads again; in object storage a history of its own. And the removal of raw data that is old enough, after it was archived.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use serde::Serialize;

use super::bucket::{self, Bucket, BucketAddress, BucketAddressError, BucketError};
use super::database::{Access, Address, Database, DatabaseError, RunFilter, RunSummary};
use super::export::{ExportError, ExportFilter, ExportFormat, export};
use super::history::{HistoryHome, LocalHistory, OpenError};
use super::run_files::NewRun;
use super::work::Work;
use crate::analysis::{HistoryError, RowError, read_history};

/// What is archived.
#[derive(Debug)]
pub(crate) struct ArchiveRequest {
    pub from: HistoryHome,
    pub to: ArchiveTarget,
    pub project: Option<String>,
    /// Only months that ended until then.
    pub before: DateTime<Utc>,
    /// Say what would be written, and write nothing.
    pub dry_run: bool,
    /// How far it is, in runs.
    pub work: Arc<Work>,
}

/// Where an archive is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArchiveTarget {
    Folder(PathBuf),
    Bucket(BucketAddress),
}

impl FromStr for ArchiveTarget {
    type Err = BucketAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if BucketAddress::is_meant_by(text) {
            Self::Bucket(text.parse()?)
        } else {
            Self::Folder(text.into())
        })
    }
}

/// A month of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ArchivedMonth {
    /// `2026-11`.
    pub month: String,
    pub runs: usize,
    /// Whether its files were written, as opposed to being there with the same content.
    pub written: bool,
}

/// Why a history cannot be archived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("run {run}: {source}")]
    Row { run: i64, source: RowError },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The file does not hold what was written to it.
    #[error("{}: what was written cannot be read again: {reason}; nothing was removed", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} exists; name a folder without it, or remove it", .0.display())]
    Occupied(PathBuf),
}

/// Writes the months of a history that ended. The same runs give the same files, so that archiving again writes nothing.
///
/// # Errors
/// [`ArchiveError`]; months that were written stay.
pub(crate) async fn archive(request: &ArchiveRequest) -> Result<Vec<ArchivedMonth>, ArchiveError> {
    let from = request.from.local().await?;
    let mut months = Vec::new();
    let by_month = months_of(&from, request).await?;
    request.work.expect(by_month.values().map(Vec::len).sum());
    for (month, runs) in by_month {
        let name = month.format("%Y-%m").to_string();
        let written = match &request.to {
            ArchiveTarget::Folder(folder) if request.dry_run => {
                let (document, points) = paths(folder, &name);
                !(document.exists() && points.exists())
            }
            ArchiveTarget::Folder(folder) => write_month(&from, folder, filter_of(request, month), &name, runs.len()).await?,
            ArchiveTarget::Bucket(address) => publish_month(&from, address, &runs, request.dry_run).await?,
        };
        request.work.advance(runs.len());
        months.push(ArchivedMonth {
            month: name,
            runs: runs.len(),
            written,
        });
    }
    Ok(months)
}

/// Runs that are in memory at once.
const CHUNK: usize = 32;

/// Adds the runs of a month to a bucket; whether it lacked one of them.
async fn publish_month(from: &LocalHistory, to: &BucketAddress, runs: &[RunSummary], dry_run: bool) -> Result<bool, ArchiveError> {
    let bucket = Bucket::connect(to)?;
    let mut database = Database::open(&from.address, Access::Read).await?;
    let mut has_changed = false;
    for chunk in runs.chunks(CHUNK) {
        let mut new = Vec::with_capacity(chunk.len());
        for summary in chunk {
            let run = database.run(summary).await?;
            new.push(NewRun::of(run).map_err(|source| ArchiveError::Row { run: summary.id, source })?);
        }
        let counts = bucket::publish(&bucket, &new, Utc::now(), dry_run, &Work::default()).await?;
        has_changed |= counts.runs.new + counts.runs.revised > 0;
    }
    database.close().await?;
    Ok(has_changed)
}

fn paths(folder: &Path, month: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{month}.json")), folder.join(format!("{month}.parquet")))
}

/// The months with their runs, oldest first.
async fn months_of(from: &LocalHistory, request: &ArchiveRequest) -> Result<BTreeMap<NaiveDate, Vec<RunSummary>>, ArchiveError> {
    let mut database = Database::open(&from.address, Access::Read).await?;
    let filter = RunFilter {
        project: request.project.clone(),
        until: Some(first_of_month(request.before.date_naive())),
        ..RunFilter::default()
    };
    let runs = database.runs(&filter).await?;
    database.close().await?;
    let mut months: BTreeMap<NaiveDate, Vec<RunSummary>> = BTreeMap::new();
    for run in runs.into_iter().rev() {
        if let Ok(started) = DateTime::parse_from_rfc3339(&run.started) {
            let month = first_of_month(started.to_utc().date_naive()).date_naive();
            months.entry(month).or_default().push(run);
        }
    }
    Ok(months)
}

fn first_of_month(day: NaiveDate) -> DateTime<Utc> {
    day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN).and_utc()
}

async fn write_month(from: &LocalHistory, folder: &Path, filter: ExportFilter, name: &str, runs: usize) -> Result<bool, ArchiveError> {
    let (document, points) = paths(folder, name);
    let home = HistoryHome::Database(from.address.clone());
    let work = Work::default();
    fs::create_dir_all(folder).map_err(|source| cannot_write(folder, source))?;
    let new = temporary(folder)?;
    let mut sink = io::BufWriter::new(new.reopen().map_err(|source| cannot_write(&document, source))?);
    export(
        &home,
        filter.clone(),
        &ExportFormat::Json,
        &mut |text| sink.write_all(text.as_bytes()),
        &work,
    )
    .await?;
    sink.flush()
        .and_then(|()| sink.get_ref().sync_all())
        .map_err(|source| cannot_write(&document, source))?;
    check(new.path(), runs)?;
    let has_changed = !(points.exists() && is_same(new.path(), &document));
    if has_changed {
        export(&home, filter, &ExportFormat::Parquet(points), &mut |_| Ok(()), &work).await?;
        new.persist(&document).map_err(|error| cannot_write(&document, error.error))?;
    }
    Ok(has_changed)
}

/// The runs of a month.
fn filter_of(request: &ArchiveRequest, month: NaiveDate) -> ExportFilter {
    ExportFilter {
        runs: RunFilter {
            project: request.project.clone(),
            since: Some(first_of_month(month)),
            until: month.checked_add_months(Months::new(1)).map(first_of_month),
            ..RunFilter::default()
        },
        points: Vec::new(),
    }
}

fn temporary(folder: &Path) -> Result<tempfile::NamedTempFile, ArchiveError> {
    let builder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder);
    builder.map_err(|source| cannot_write(folder, source))
}

fn cannot_write(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Write {
        path: path.to_owned(),
        source,
    }
}

fn is_same(left: &Path, right: &Path) -> bool {
    matches!((fs::read(left), fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

/// Reads what was written, as an import would.
fn check(path: &Path, runs: usize) -> Result<(), ArchiveError> {
    let unreadable = |reason: String| ArchiveError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let read = read_history(&text).map_err(|error: HistoryError| unreadable(error.to_string()))?;
    match read.quarantined.first() {
        Some(row) => Err(unreadable(format!("{}: {}", row.place, row.reason))),
        None if read.value.len() != runs => Err(unreadable(format!("it has {} of {runs} runs", read.value.len()))),
        None => Ok(()),
    }
}

/// What is removed.
#[derive(Debug)]
pub(crate) struct PruneRequest {
    pub from: Address,
    /// Where what is removed is kept.
    pub folder: PathBuf,
    /// What was quarantined before then is removed.
    pub quarantined_before: DateTime<Utc>,
    /// Distributions of requests that were stored before then are removed.
    pub distributions_before: DateTime<Utc>,
    pub author: Option<String>,
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Pruned {
    pub quarantined: usize,
    /// The file that has it now.
    pub archive: Option<PathBuf>,
    pub distributions: usize,
    /// The file that has them now.
    pub distributions_archive: Option<PathBuf>,
}

/// Moves old raw data to files of JSON lines. Runs, points and scores are never removed.
///
/// # Errors
/// [`ArchiveError`]; what is not in a file was not removed then.
pub(crate) async fn prune(request: &PruneRequest) -> Result<Pruned, ArchiveError> {
    let access = if request.dry_run { Access::Read } else { Access::Write };
    let mut database = Database::open(&request.from, access).await?;
    let mut pruned = Pruned::default();
    prune_quarantine(&mut database, request, &mut pruned).await?;
    prune_distributions(&mut database, request, &mut pruned).await?;
    database.close().await?;
    Ok(pruned)
}

async fn prune_quarantine(database: &mut Database, request: &PruneRequest, pruned: &mut Pruned) -> Result<(), ArchiveError> {
    let rows = database.quarantined_before(request.quarantined_before).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(());
    };
    let path = request.folder.join(format!("quarantine-{}-{}.jsonl", first.id, last.id));
    if !request.dry_run {
        let mut lines = LinesFile::create(&request.folder, &path)?;
        rows.iter().try_for_each(|row| lines.write(row))?;
        lines.finish()?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        database.remove_quarantined(&ids, request.author.as_deref()).await?;
    }
    pruned.quarantined = rows.len();
    pruned.archive = Some(path);
    Ok(())
}

async fn prune_distributions(database: &mut Database, request: &PruneRequest, pruned: &mut Pruned) -> Result<(), ArchiveError> {
    let ids = database.distributions_before(request.distributions_before).await?;
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(());
    };
    let path = request.folder.join(format!("distributions-{first}-{last}.jsonl"));
    if !request.dry_run {
        let mut lines = LinesFile::create(&request.folder, &path)?;
        database.each_record(&ids, |record| lines.write(&record)).await?;
        lines.finish()?;
        database.remove_records(&ids, request.author.as_deref()).await?;
    }
    pruned.distributions = ids.len();
    pruned.distributions_archive = Some(path);
    Ok(())
}

/// A file of JSON lines, which appears under its name once it is whole.
struct LinesFile<'a> {
    path: &'a Path,
    sink: io::BufWriter<tempfile::NamedTempFile>,
}

impl<'a> LinesFile<'a> {
    fn create(folder: &Path, path: &'a Path) -> Result<Self, ArchiveError> {
        if path.exists() {
            return Err(ArchiveError::Occupied(path.to_owned()));
        }
        fs::create_dir_all(folder).map_err(|source| cannot_write(folder, source))?;
        Ok(Self {
            path,
            sink: io::BufWriter::new(temporary(folder)?),
        })
    }

    fn write<T: Serialize>(&mut self, row: &T) -> Result<(), ArchiveError> {
        let path = self.path;
        serde_json::to_writer(&mut self.sink, row).map_err(|error| cannot_write(path, error.into()))?;
        self.sink.write_all(b"\n").map_err(|source| cannot_write(path, source))
    }

    fn finish(self) -> Result<(), ArchiveError> {
        let Self { path, sink } = self;
        let new = sink.into_inner().map_err(|error| cannot_write(path, error.into_error()))?;
        new.as_file().sync_all().map_err(|source| cannot_write(path, source))?;
        new.persist_noclobber(path).map_err(|error| cannot_write(path, error.error))?;
        Ok(())
    }
}
