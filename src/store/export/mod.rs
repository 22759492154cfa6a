//! Exports a history from a database run by run, so that memory does not grow with its size.

mod parquet;
mod pytorch_records;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ::parquet::errors::ParquetError;
pub(crate) use parquet::{Cell, PointFile};

use super::database::{Access, Address, Database, DatabaseError, Incoming, RunFilter, RunSummary, Source};
use super::history::{HistoryHome, OpenError};
use super::work::Work;
use crate::analysis::{
    DatedPrice, Filter, HistoryRun, INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, PriceList, RowError, RunRows, select,
};
use crate::model::{Digest, SpecDecoding, VariantText, Workload, escape_formula};
use crate::result::Point;

/// Format of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// A list of `imax-history/1` documents, which `imax import` can read. The same runs give the same bytes.
    Json,
    /// One line per point.
    Csv,
    /// One line a number, as PyTorch's benchmark dashboard takes them.
    PytorchV3,
    /// A file with a row for each point.
    Parquet(PathBuf),
    /// Another database with the current revisions of the runs.
    Sqlite(PathBuf),
}

/// Why a history cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("run {run}: {source}")]
    Row { run: i64, source: RowError },
    #[error("run {run} has no JSON form: {source}")]
    Json { run: i64, source: serde_json::Error },
    #[error("the prices have no JSON form: {source}")]
    Prices { source: serde_json::Error },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    #[error("cannot write CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] ParquetError),
    #[error("{} exists; an export does not change a file that is there", .0.display())]
    Occupied(PathBuf),
}

/// Which runs and points are written.
#[derive(Debug, Clone)]
pub(crate) struct ExportFilter {
    pub runs: RunFilter,
    pub points: Vec<Filter>,
}

/// Writes the runs of a filter, oldest first, as consecutive parts of one document; a database is written to its own file. Returns the
/// number of runs.
///
/// # Errors
/// [`ExportError`].
pub(crate) async fn export(
    from: &HistoryHome,
    filter: ExportFilter,
    format: &ExportFormat,
    write: &mut dyn FnMut(&str) -> io::Result<()>,
    work: &Work,
) -> Result<usize, ExportError> {
    let mut opened = from.open(filter.runs).await?;
    let mut runs = opened.database.runs(&opened.filter).await?;
    runs.reverse();
    work.expect(runs.len());
    let prices = match filter.points.as_slice() {
        [] => opened.database.prices(opened.filter.as_of).await?,
        _ => Vec::new(),
    };
    let (database, _scratch) = opened.into_parts();
    let mut export = Export {
        database,
        runs,
        points: &filter.points,
        written: 0,
        prices: Some(prices).filter(|prices| !prices.is_empty()),
        work,
    };
    match format {
        ExportFormat::Json => export.json(write).await?,
        ExportFormat::Csv => export.csv(write).await?,
        ExportFormat::PytorchV3 => export.pytorch_records(write).await?,
        ExportFormat::Parquet(path) => export.parquet(path).await?,
        ExportFormat::Sqlite(path) => {
            if path.exists() {
                return Err(ExportError::Occupied(path.clone()));
            }
            export.copy(&Address::Sqlite(path.clone())).await?;
        }
    }
    export.database.close().await?;
    Ok(export.written)
}

/// The runs of a filter one after another, oldest first, for those who send them elsewhere.
pub(crate) struct ExportedRuns {
    database: Database,
    runs: std::vec::IntoIter<RunSummary>,
    points: Vec<Filter>,
    /// The files of a database of this process; removed with it.
    _scratch: Option<tempfile::TempDir>,
}

impl ExportedRuns {
    /// # Errors
    /// [`ExportError`].
    pub(crate) async fn open(from: &HistoryHome, filter: ExportFilter) -> Result<Self, ExportError> {
        let mut opened = from.open(filter.runs).await?;
        let mut runs = opened.database.runs(&opened.filter).await?;
        runs.reverse();
        let (database, scratch) = opened.into_parts();
        Ok(Self {
            database,
            runs: runs.into_iter(),
            points: filter.points,
            _scratch: scratch,
        })
    }

    /// The next run with its selected points; `None` at the end.
    ///
    /// # Errors
    /// [`ExportError`].
    pub(crate) async fn next(&mut self) -> Result<Option<(RunSummary, HistoryRun)>, ExportError> {
        for summary in self.runs.by_ref() {
            let mut run = self.database.run(&summary).await?;
            if !self.points.is_empty() {
                select(&mut run.run, None, &self.points);
            }
            if !run.run.points.is_empty() {
                return Ok(Some((summary, run)));
            }
        }
        Ok(None)
    }
}

/// Runs that are being written.
struct Export<'a> {
    database: Database,
    runs: Vec<RunSummary>,
    points: &'a [Filter],
    written: usize,
    /// Those of the history, where it has some and the export is of all its points.
    prices: Option<Vec<DatedPrice>>,
    work: &'a Work,
}

impl Export<'_> {
    /// A run with its selected points; `None` where a filter leaves none.
    async fn run(&mut self, summary: &RunSummary) -> Result<Option<HistoryRun>, ExportError> {
        let mut run = self.database.run(summary).await?;
        self.work.advance(1);
        if !self.points.is_empty() {
            select(&mut run.run, None, self.points);
            if run.run.points.is_empty() && run.run.evals.is_empty() {
                return Ok(None);
            }
        }
        self.written += 1;
        Ok(Some(run))
    }

    async fn json(&mut self, write: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<(), ExportError> {
        for summary in std::mem::take(&mut self.runs) {
            let Some(run) = self.run(&summary).await? else { continue };
            let text = serde_json::to_string(&run).map_err(|source| ExportError::Json { run: summary.id, source })?;
            write(if self.written == 1 { "[\n" } else { ",\n" })?;
            write(&text)?;
        }
        if let Some(prices) = self.prices.take() {
            let list = PriceList::new(prices);
            let text = serde_json::to_string(&list).map_err(|source| ExportError::Prices { source })?;
            write(if self.written == 0 { "[\n" } else { ",\n" })?;
            write(&text)?;
            write("\n]\n")?;
            return Ok(());
        }
        write(if self.written == 0 { "[]\n" } else { "\n]\n" })?;
        Ok(())
    }

    async fn csv(&mut self, write: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<(), ExportError> {
        write(&line(names().map(|name| escaped(&name)))?)?;
        for summary in std::mem::take(&mut self.runs) {
            for row in self.rows(&summary).await? {
                write(&line(row.into_iter().map(|cell| escaped(&cell.into_text())))?)?;
            }
        }
        Ok(())
    }

    async fn pytorch_records(&mut self, write: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<(), ExportError> {
        for summary in std::mem::take(&mut self.runs) {
            let Some(run) = self.run(&summary).await? else { continue };
            for record in run.run.points.iter().flat_map(|point| pytorch_records::records(&run, point)) {
                write(&format!("{record}\n"))?;
            }
        }
        Ok(())
    }

    /// Writes the file under another name and renames it, so that a reader never sees a part.
    async fn parquet(&mut self, path: &Path) -> Result<(), ExportError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        let mut file = PointFile::new(io::BufWriter::new(temporary.reopen()?), &self.example())?;
        for summary in std::mem::take(&mut self.runs) {
            let rows = self.rows(&summary).await?;
            file.write(&rows)?;
        }
        file.close()?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The columns with values of their types.
    fn example(&self) -> Vec<(String, Cell)> {
        const WHOLE: [&str; 5] = ["attempt", "isl", "osl", "gpus", "conc"];
        let texts = DESCRIBING.len() + 1;
        let count = texts + METRIC_COLUMNS.len() + 2 * INTERVAL_COLUMNS.len();
        let example = |(at, name): (usize, String)| {
            let cell = match at {
                _ if WHOLE.contains(&name.as_str()) => Cell::Whole(None),
                at if at < texts || at >= count => Cell::Text(None),
                _ => Cell::Number(None),
            };
            (name, cell)
        };
        names().enumerate().map(example).collect()
    }

    /// The points of a run as rows.
    async fn rows(&mut self, summary: &RunSummary) -> Result<Vec<Vec<Cell>>, ExportError> {
        let Some(run) = self.run(summary).await? else {
            return Ok(Vec::new());
        };
        let row = |point: &Point| {
            let columns = PointColumns::of(point).map_err(|source| ExportError::Row { run: summary.id, source })?;
            Ok(cells(summary, &run, point, columns))
        };
        run.run.points.iter().map(row).collect()
    }

    /// Copies runs into a new database, in one transaction.
    async fn copy(&mut self, to: &Address) -> Result<(), ExportError> {
        let mut target = Database::open(to, Access::Write).await?;
        let mut ingest = target.ingest("import", None).await?;
        for summary in std::mem::take(&mut self.runs) {
            let Some(run) = self.run(&summary).await? else { continue };
            let rows = RunRows::of(run).map_err(|source| ExportError::Row { run: summary.id, source })?;
            let source = Source {
                name: format!("export of run {}", summary.id),
                bytes: 0,
                digest: Digest::of(rows.header.document.as_bytes()),
            };
            ingest.add(&Incoming { rows, source }).await?;
        }
        ingest.add_prices(&self.prices.take().unwrap_or_default()).await?;
        ingest.commit().await?;
        Ok(target.close().await?)
    }
}

/// The columns before the metrics.
const DESCRIBING: [&str; 23] = [
    "project",
    "run",
    "attempt",
    "kind",
    "branch",
    "commit",
    "started",
    "model_prefix",
    "model",
    "precision",
    "hardware",
    "framework",
    "spec_decoding",
    "disagg",
    "scenario",
    "isl",
    "osl",
    "layout",
    "variant",
    "gpus",
    "conc",
    "outcome",
    "reason",
];

/// The names of all columns.
fn names() -> impl Iterator<Item = String> {
    let intervals = INTERVAL_COLUMNS
        .iter()
        .flat_map(|(_, name)| [format!("ci_low_{name}"), format!("ci_high_{name}")]);
    let names = DESCRIBING
        .iter()
        .chain(["image"].iter())
        .chain(&METRIC_COLUMNS)
        .map(|name| (*name).to_owned());
    names.chain(intervals).chain(["extra".to_owned()])
}

/// A text that spreadsheets would run is kept from it.
fn escaped(text: &str) -> String {
    escape_formula(text).into_owned()
}

/// One line of CSV.
fn line(cells: impl Iterator<Item = String>) -> Result<String, ExportError> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells)?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| io::Error::other(error).into())
}

fn cells(summary: &RunSummary, run: &HistoryRun, point: &Point, columns: PointColumns) -> Vec<Cell> {
    let key = &point.key;
    let curve = &key.curve;
    let (scenario, lens) = match curve.workload {
        Workload::FixedSeqLen(lens) => ("fixed-seq-len", Some(lens)),
        Workload::AgenticCoding => ("agentic-coding", None),
    };
    let drafting: SpecDecoding = curve.spec_decoding;
    let describing = [
        text(&summary.project),
        text(&summary.run_id),
        Cell::Whole(Some(summary.attempt)),
        text(&summary.kind),
        Cell::Text(run.branch.clone()),
        text(&run.commit),
        text(&run.date),
        text(curve.model_prefix.as_str()),
        Cell::Text(columns.model),
        text(curve.precision.as_str()),
        text(curve.runner.as_str()),
        text(curve.framework.as_str()),
        text(drafting.as_str()),
        text(if curve.disagg { "true" } else { "false" }),
        text(scenario),
        Cell::Whole(lens.map(|lens| lens.isl.get().into())),
        Cell::Whole(lens.map(|lens| lens.osl.get().into())),
        text(&curve.layout),
        text(&variant(&curve.variant)),
        Cell::Whole(Some(columns.gpus)),
        Cell::Whole(Some(key.conc.get().into())),
        text(&columns.outcome),
        Cell::Text(columns.reason),
        Cell::Text(columns.image),
    ];
    let metrics = columns.metrics.into_iter().map(Cell::Number);
    let intervals = columns.intervals.into_iter();
    let intervals = intervals.flat_map(|ends| [Cell::Number(ends.map(|(low, _)| low)), Cell::Number(ends.map(|(_, high)| high))]);
    describing
        .into_iter()
        .chain(metrics)
        .chain(intervals)
        .chain([Cell::Text(columns.extra)])
        .collect()
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

/// `dataset=sharegpt turns=4`.
fn variant(variant: &BTreeMap<VariantText, VariantText>) -> String {
    let texts: Vec<String> = variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
    texts.join(" ")
}
