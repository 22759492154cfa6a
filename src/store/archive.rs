//! An archive of a history: two files for each month, the points as Parquet for other tools, and the runs as JSON, which `imax import` reads again.
//! And the removal of raw data that is old enough, after it was archived.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use serde::Serialize;

use super::database::{Access, Address, Database, DatabaseError, RunFilter};
use super::export::{ExportError, ExportFilter, ExportFormat, export};
use super::history::HistoryHome;
use crate::analysis::{HistoryError, read_history};

/// What is archived.
#[derive(Debug)]
pub(crate) struct ArchiveRequest {
    pub from: Address,
    pub folder: PathBuf,
    pub project: Option<String>,
    /// Only months that ended until then.
    pub before: DateTime<Utc>,
    /// Say what would be written, and write nothing.
    pub dry_run: bool,
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
    let mut months = Vec::new();
    for (month, runs) in months_of(request).await? {
        let name = month.format("%Y-%m").to_string();
        let written = if request.dry_run {
            let (document, points) = paths(&request.folder, &name);
            !(document.exists() && points.exists())
        } else {
            write_month(request, month, &name, runs).await?
        };
        months.push(ArchivedMonth {
            month: name,
            runs,
            written,
        });
    }
    Ok(months)
}

fn paths(folder: &Path, month: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{month}.json")), folder.join(format!("{month}.parquet")))
}

/// The months with runs, and the numbers of these.
async fn months_of(request: &ArchiveRequest) -> Result<BTreeMap<NaiveDate, usize>, ArchiveError> {
    let mut database = Database::open(&request.from, Access::Read).await?;
    let filter = RunFilter {
        project: request.project.clone(),
        until: Some(first_of_month(request.before.date_naive())),
        ..RunFilter::default()
    };
    let runs = database.runs(&filter).await?;
    database.close().await?;
    let mut months = BTreeMap::new();
    for run in runs {
        if let Ok(started) = DateTime::parse_from_rfc3339(&run.started) {
            *months
                .entry(first_of_month(started.to_utc().date_naive()).date_naive())
                .or_default() += 1;
        }
    }
    Ok(months)
}

fn first_of_month(day: NaiveDate) -> DateTime<Utc> {
    day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN).and_utc()
}

async fn write_month(request: &ArchiveRequest, month: NaiveDate, name: &str, runs: usize) -> Result<bool, ArchiveError> {
    let (document, points) = paths(&request.folder, name);
    let home = HistoryHome::Database(request.from.clone());
    fs::create_dir_all(&request.folder).map_err(|source| cannot_write(&request.folder, source))?;
    let new = temporary(&request.folder)?;
    let mut sink = io::BufWriter::new(new.reopen().map_err(|source| cannot_write(&document, source))?);
    export(&home, filter_of(request, month), &ExportFormat::Json, &mut |text| {
        sink.write_all(text.as_bytes())
    })
    .await?;
    sink.flush()
        .and_then(|()| sink.get_ref().sync_all())
        .map_err(|source| cannot_write(&document, source))?;
    check(new.path(), runs)?;
    let has_changed = !(points.exists() && is_same(new.path(), &document));
    if has_changed {
        export(&home, filter_of(request, month), &ExportFormat::Parquet(points), &mut |_| Ok(())).await?;
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
    pub author: Option<String>,
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub quarantined: usize,
    /// The file that has it now.
    pub archive: Option<PathBuf>,
}

/// Moves old quarantined rows to a file of JSON lines. Runs and points are never removed.
///
/// # Errors
/// [`ArchiveError`]; nothing was removed then.
pub(crate) async fn prune(request: &PruneRequest) -> Result<Pruned, ArchiveError> {
    let access = if request.dry_run { Access::Read } else { Access::Write };
    let mut database = Database::open(&request.from, access).await?;
    let rows = database.quarantined_before(request.quarantined_before).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        database.close().await?;
        return Ok(Pruned {
            quarantined: 0,
            archive: None,
        });
    };
    let path = request.folder.join(format!("quarantine-{}-{}.jsonl", first.id, last.id));
    if !request.dry_run {
        write_rows(&request.folder, &path, &rows)?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        database.remove_quarantined(&ids, request.author.as_deref()).await?;
    }
    database.close().await?;
    Ok(Pruned {
        quarantined: rows.len(),
        archive: Some(path),
    })
}

fn write_rows<T: Serialize>(folder: &Path, path: &Path, rows: &[T]) -> Result<(), ArchiveError> {
    if path.exists() {
        return Err(ArchiveError::Occupied(path.to_owned()));
    }
    fs::create_dir_all(folder).map_err(|source| cannot_write(folder, source))?;
    let new = temporary(folder)?;
    let mut sink = io::BufWriter::new(new.as_file());
    for row in rows {
        serde_json::to_writer(&mut sink, row).map_err(|error| cannot_write(path, error.into()))?;
        sink.write_all(b"\n").map_err(|source| cannot_write(path, source))?;
    }
    sink.flush()
        .and_then(|()| new.as_file().sync_all())
        .map_err(|source| cannot_write(path, source))?;
    drop(sink);
    new.persist_noclobber(path).map_err(|error| cannot_write(path, error.error))?;
    Ok(())
}
