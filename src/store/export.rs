//! A history out of a database, run by run, so that memory does not grow with it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::database::{Access, Address, Database, DatabaseError, Incoming, RunFilter, RunSummary, Source};
use crate::analysis::{HistoryRun, INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, RowError, RunRows};
use crate::model::{Digest, SpecDecoding, VariantText, Workload, escape_formula};
use crate::result::Point;

/// What a history is written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// A list of `imax-history/1` documents, which `imax import` reads again. The same runs give the same bytes.
    Json,
    /// One line a point.
    Csv,
    /// Another database with the runs as they are, without what they were before.
    Sqlite(PathBuf),
}

/// Why a history cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("run {run}: {source}")]
    Row { run: i64, source: RowError },
    #[error("run {run} has no JSON form: {source}")]
    Json { run: i64, source: serde_json::Error },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    #[error("cannot write CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("{} exists; an export does not change a file that is there", .0.display())]
    Occupied(PathBuf),
}

/// Writes the runs of a filter, oldest first, as texts that are parts of one document; a database is written to its own file. Gives the
/// number of runs.
///
/// # Errors
/// [`ExportError`].
pub(crate) async fn export(
    from: &Address,
    filter: &RunFilter,
    format: &ExportFormat,
    write: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<usize, ExportError> {
    let mut database = Database::open(from, Access::Read).await?;
    let mut runs = database.runs(filter).await?;
    runs.reverse();
    match format {
        ExportFormat::Json => write_json(&mut database, &runs, write).await?,
        ExportFormat::Csv => write_csv(&mut database, &runs, write).await?,
        ExportFormat::Sqlite(path) => {
            if path.exists() {
                return Err(ExportError::Occupied(path.clone()));
            }
            copy(&mut database, &runs, &Address::Sqlite(path.clone())).await?;
        }
    }
    database.close().await?;
    Ok(runs.len())
}

async fn write_json(
    database: &mut Database,
    runs: &[RunSummary],
    write: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), ExportError> {
    let mut separator = "[\n";
    for summary in runs {
        let run = database.run(summary).await?;
        let text = serde_json::to_string(&run).map_err(|source| ExportError::Json { run: summary.id, source })?;
        write(separator)?;
        write(&text)?;
        separator = ",\n";
    }
    write(if runs.is_empty() { "[]\n" } else { "\n]\n" })?;
    Ok(())
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

async fn write_csv(database: &mut Database, runs: &[RunSummary], write: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<(), ExportError> {
    let intervals = INTERVAL_COLUMNS
        .iter()
        .flat_map(|(_, name)| [format!("ci_low_{name}"), format!("ci_high_{name}")]);
    let names = DESCRIBING
        .iter()
        .chain(["image"].iter())
        .chain(&METRIC_COLUMNS)
        .map(|name| (*name).to_owned());
    write(&line(names.chain(intervals).chain(["extra".to_owned()]))?)?;
    for summary in runs {
        let run = database.run(summary).await?;
        for point in &run.run.points {
            let columns = PointColumns::of(point).map_err(|source| ExportError::Row { run: summary.id, source })?;
            write(&line(cells(summary, &run, point, columns))?)?;
        }
    }
    Ok(())
}

/// One line of CSV. A text that spreadsheets would run is kept from it.
fn line(cells: impl Iterator<Item = String>) -> Result<String, ExportError> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells.map(|cell| escape_formula(&cell).into_owned()))?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| io::Error::other(error).into())
}

fn cells(summary: &RunSummary, run: &HistoryRun, point: &Point, columns: PointColumns) -> impl Iterator<Item = String> {
    let key = &point.key;
    let curve = &key.curve;
    let (scenario, isl, osl) = match curve.workload {
        Workload::FixedSeqLen(lens) => ("fixed-seq-len", lens.isl.to_string(), lens.osl.to_string()),
        Workload::AgenticCoding => ("agentic-coding", String::new(), String::new()),
    };
    let drafting: SpecDecoding = curve.spec_decoding;
    let describing = [
        summary.project.clone(),
        summary.run_id.clone(),
        summary.attempt.to_string(),
        summary.kind.clone(),
        run.branch.clone().unwrap_or_default(),
        run.commit.clone(),
        run.date.clone(),
        curve.model_prefix.to_string(),
        columns.model.unwrap_or_default(),
        curve.precision.to_string(),
        curve.runner.to_string(),
        curve.framework.to_string(),
        drafting.to_string(),
        curve.disagg.to_string(),
        scenario.to_owned(),
        isl,
        osl,
        curve.layout.clone(),
        variant(&curve.variant),
        columns.gpus.to_string(),
        key.conc.to_string(),
        columns.outcome,
        columns.reason.unwrap_or_default(),
        columns.image.unwrap_or_default(),
    ];
    let metrics = columns.metrics.into_iter().map(number);
    let intervals = columns.intervals.into_iter();
    let intervals = intervals.flat_map(|ends| [number(ends.map(|(low, _)| low)), number(ends.map(|(_, high)| high))]);
    describing
        .into_iter()
        .chain(metrics)
        .chain(intervals)
        .chain([columns.extra.unwrap_or_default()])
}

/// `dataset=sharegpt turns=4`.
fn variant(variant: &BTreeMap<VariantText, VariantText>) -> String {
    let texts: Vec<String> = variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
    texts.join(" ")
}

/// A number with its full digits; nothing where it was not reported, which is not 0.
fn number(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// Copies runs into a new database, in one transaction.
async fn copy(database: &mut Database, runs: &[RunSummary], to: &Address) -> Result<(), ExportError> {
    let mut target = Database::open(to, Access::Write).await?;
    let mut ingest = target.ingest("import", None).await?;
    for summary in runs {
        let rows = RunRows::of(database.run(summary).await?).map_err(|source| ExportError::Row { run: summary.id, source })?;
        let source = Source {
            name: format!("export of run {}", summary.id),
            bytes: 0,
            digest: Digest::of(rows.header.document.as_bytes()),
        };
        ingest.add(&Incoming { rows, source }).await?;
    }
    ingest.commit().await?;
    Ok(target.close().await?)
}
