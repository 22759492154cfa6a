//! Runs to rows.

use super::schema::{DESCRIBING, POINT, SCORE, columns};
use super::table::{Cell, TableWriter};
use super::{NamedRun, RunsFileError};
use crate::analysis::history::{EvalRow, PointColumns, RecordRow, RowError, RunRows};
use crate::model::{SpecDecoding, Workload};
use crate::result::Point;

/// Rows per row group. A group is built in memory, about 3 KB a row.
const GROUP_ROWS: usize = 8192;

/// Writes runs as one file.
///
/// # Errors
/// [`RunsFileError::Row`] for a run that has no rows. The library's errors are not expected: the output is in memory.
pub fn runs_to_parquet(runs: &[NamedRun]) -> Result<Vec<u8>, RunsFileError> {
    let mut writer = TableWriter::new(Vec::new(), "imax_history", &columns())?;
    let mut rows = Vec::new();
    for named in runs {
        add_rows(&mut rows, named)?;
        while rows.len() >= GROUP_ROWS {
            let rest = rows.split_off(GROUP_ROWS);
            writer.write(&rows)?;
            rows = rest;
        }
    }
    writer.write(&rows)?;
    Ok(writer.finish()?)
}

fn add_rows(rows: &mut Vec<Vec<Cell>>, named: &NamedRun) -> Result<(), RunsFileError> {
    let at = rows.len();
    let refused = |source| RunsFileError::Row { row: at, source };
    let run = RunRows::of(named.run.clone()).map_err(refused)?;
    let header = &run.header;
    let about_run = [
        Cell::text(&named.name),
        Cell::text(&header.document),
        Cell::NULL,
        Cell::text(&run.project),
        Cell::text(&run.identity.provider),
        Cell::text(&run.identity.repository),
        Cell::text(&run.identity.run_id),
        Cell::Whole(Some(run.identity.attempt)),
        Cell::text(header.kind.as_str()),
        Cell::optional(header.branch.as_deref()),
        Cell::text(&header.commit),
        Cell::Whole(Some(header.started_ms)),
    ];
    for point in &run.points {
        rows.push(point_cells(&about_run, &point.point).map_err(refused)?);
    }
    for score in &run.evals {
        rows.push(score_cells(&about_run, score).map_err(refused)?);
    }
    for record in &run.records {
        rows.push(record_cells(&about_run, record));
    }
    if run.points.is_empty() && run.evals.is_empty() && run.records.is_empty() {
        // A run of nothing is a row of nothing, so that it is not lost.
        rows.push(padded(about_run.to_vec()));
    }
    Ok(())
}

/// A row whose other columns are null.
fn padded(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.resize(columns().len(), Cell::NULL);
    cells
}

fn point_cells(about_run: &[Cell], point: &Point) -> Result<Vec<Cell>, RowError> {
    let columns = PointColumns::of(point)?;
    let key = serde_json::to_string(&point.key).map_err(|source| RowError::Json {
        what: "the point's key",
        source,
    })?;
    let curve = &point.key.curve;
    let (scenario, isl, osl) = match curve.workload {
        Workload::FixedSeqLen(lens) => (
            "fixed-seq-len",
            Cell::Whole(Some(i64::from(lens.isl.get()))),
            Cell::Whole(Some(i64::from(lens.osl.get()))),
        ),
        Workload::AgenticCoding => ("agentic-coding", Cell::NULL, Cell::NULL),
    };
    let drafting: SpecDecoding = curve.spec_decoding;
    let mut cells = about_run.to_vec();
    if let Some(record) = cells.get_mut(2) {
        *record = Cell::text(POINT);
    }
    cells.extend([
        Cell::text(&key),
        Cell::text(curve.model_prefix.as_str()),
        Cell::optional(columns.model.as_deref()),
        Cell::text(curve.precision.as_str()),
        Cell::text(curve.runner.as_str()),
        Cell::text(curve.framework.as_str()),
        Cell::text(drafting.as_str()),
        Cell::Whole(Some(i64::from(curve.disagg))),
        Cell::text(scenario),
        isl,
        osl,
        Cell::text(&columns.layout),
        Cell::Whole(Some(columns.gpus)),
        Cell::Whole(Some(i64::from(point.key.conc.get()))),
        Cell::text(&columns.outcome),
        Cell::optional(columns.reason.as_deref()),
        Cell::optional(columns.image.as_deref()),
        Cell::NULL,
    ]);
    cells.extend(columns.metrics.into_iter().map(Cell::Number));
    for ends in columns.intervals {
        cells.push(Cell::Number(ends.map(|(low, _)| low)));
        cells.push(Cell::Number(ends.map(|(_, high)| high)));
    }
    cells.push(Cell::optional(columns.extra.as_deref()));
    Ok(padded(cells))
}

fn record_cells(about_run: &[Cell], row: &RecordRow) -> Vec<Cell> {
    let mut cells = about_run.to_vec();
    if let Some(record) = cells.get_mut(2) {
        *record = Cell::text(row.record.kind());
    }
    cells.resize(DESCRIBING.len() - 1, Cell::NULL);
    cells.push(Cell::text(&row.document));
    padded(cells)
}

fn score_cells(about_run: &[Cell], row: &EvalRow) -> Result<Vec<Cell>, RowError> {
    let document = serde_json::to_string(&row.score).map_err(|source| RowError::Json { what: "the score", source })?;
    let mut cells = about_run.to_vec();
    if let Some(record) = cells.get_mut(2) {
        *record = Cell::text(SCORE);
    }
    cells.resize(DESCRIBING.len() - 1, Cell::NULL);
    cells.push(Cell::text(&document));
    let mut cells = padded(cells);
    if let Some(last) = cells.last_mut() {
        *last = Cell::Number(Some(row.score.score));
    }
    Ok(cells)
}
