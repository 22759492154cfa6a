//! Runs as a Parquet file, one row a point or score: the columns of the databases, for DuckDB, pandas and Spark, and back without a loss.
//! Texts are strings, numbers doubles, times milliseconds since 1970, null what is not known. The columns `run_document`, `key` and
//! `document` hold as JSON what identifies a run, a point and a score.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes as _, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::Value;

use super::{EvalRow, HistoryRun, INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, RowError, RunRows, run_of_rows};
use crate::analysis::EvalScore;
use crate::model::saturating;
use crate::model::{PointKey, PointKeyError, SpecDecoding, Workload, fenced};
use crate::result::Point;

/// A run with the name that a store of files gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRun {
    pub name: String,
    pub run: HistoryRun,
}

/// Why runs have no Parquet form, or a file is not one of runs.
#[derive(Debug, thiserror::Error)]
pub enum RunsFileError {
    #[error("not a whole Parquet file: {0}")]
    Parquet(#[from] ParquetError),
    #[error("column `{0}` is missing or has another type; expected a file that imax wrote")]
    Column(String),
    #[error("column `{0}` is unknown to this version of imax; read the file with the imax that wrote it, or a newer one")]
    UnknownColumn(String),
    #[error("{rows} rows and {bytes} bytes of text, more than the limit of {MAX_ROWS} rows and {MAX_TEXT} bytes")]
    TooLarge { rows: usize, bytes: usize },
    #[error("row {row}: {source}")]
    Row { row: usize, source: RowError },
    #[error("row {row}: {source}")]
    Key { row: usize, source: PointKeyError },
    #[error("row {row}: `{column}` is invalid: {source}")]
    Json {
        row: usize,
        column: &'static str,
        source: serde_json::Error,
    },
    #[error("row {row}: `record` is {found:?}, expected point or score")]
    Record { row: usize, found: String },
    #[error("row {row}: `{column}` is null")]
    Null { row: usize, column: &'static str },
}

/// Rows per row group. A group is built in memory, about 3 KB a row.
const GROUP_ROWS: usize = 8192;
/// The most rows of a file that is read.
const MAX_ROWS: usize = 2_000_000;
/// The most text of a file that is read, bytes: a small file can claim to hold much.
const MAX_TEXT: usize = 1 << 30;

const POINT: &str = "point";
const SCORE: &str = "score";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Time,
    Number,
}

/// The columns before the metrics.
const DESCRIBING: [(&str, Kind); 30] = [
    ("run_name", Kind::Text),
    ("run_document", Kind::Text),
    ("record", Kind::Text),
    ("project", Kind::Text),
    ("provider", Kind::Text),
    ("repository", Kind::Text),
    ("run_id", Kind::Text),
    ("attempt", Kind::Integer),
    ("kind", Kind::Text),
    ("branch", Kind::Text),
    ("commit", Kind::Text),
    ("started", Kind::Time),
    ("key", Kind::Text),
    ("model_prefix", Kind::Text),
    ("model", Kind::Text),
    ("precision", Kind::Text),
    ("hardware", Kind::Text),
    ("framework", Kind::Text),
    ("spec_decoding", Kind::Text),
    ("disagg", Kind::Integer),
    ("scenario", Kind::Text),
    ("isl", Kind::Integer),
    ("osl", Kind::Integer),
    ("layout", Kind::Text),
    ("gpus", Kind::Integer),
    ("conc", Kind::Integer),
    ("outcome", Kind::Text),
    ("reason", Kind::Text),
    ("image", Kind::Text),
    ("document", Kind::Text),
];

/// All columns in their order.
fn columns() -> Vec<(String, Kind)> {
    let describing = DESCRIBING.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let metrics = METRIC_COLUMNS.iter().map(|name| ((*name).to_owned(), Kind::Number));
    let intervals = INTERVAL_COLUMNS.iter().flat_map(|(_, name)| {
        let [low, high] = interval_columns(name);
        [(low, Kind::Number), (high, Kind::Number)]
    });
    let others = [("extra".to_owned(), Kind::Text), ("score".to_owned(), Kind::Number)];
    describing.chain(metrics).chain(intervals).chain(others).collect()
}

fn interval_columns(metric: &str) -> [String; 2] {
    [format!("ci_low_{metric}"), format!("ci_high_{metric}")]
}

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Text(ByteArray),
    Integer(i64),
    Number(f64),
}

impl Cell {
    fn text(text: &str) -> Self {
        Self::Text(ByteArray::from(text))
    }

    fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    fn number(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

/// Writes runs as one file.
///
/// # Errors
/// [`RunsFileError::Row`] for a run that has no rows. The library's errors are not expected: the output is in memory.
pub fn runs_to_parquet(runs: &[NamedRun]) -> Result<Vec<u8>, RunsFileError> {
    let columns = columns();
    let fields: Vec<_> = columns.iter().map(|(name, kind)| field(name, *kind)).collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("imax_history").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    let mut rows = Vec::new();
    for named in runs {
        add_rows(&mut rows, named)?;
        while rows.len() >= GROUP_ROWS {
            let rest = rows.split_off(GROUP_ROWS);
            write_group(&mut writer, &columns, &rows)?;
            rows = rest;
        }
    }
    if !rows.is_empty() {
        write_group(&mut writer, &columns, &rows)?;
    }
    Ok(writer.into_inner()?)
}

fn field(name: &str, kind: Kind) -> Result<Arc<Type>, ParquetError> {
    let physical = match kind {
        Kind::Text => PhysicalType::BYTE_ARRAY,
        Kind::Integer | Kind::Time => PhysicalType::INT64,
        Kind::Number => PhysicalType::DOUBLE,
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = match kind {
        Kind::Text => builder
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8),
        Kind::Time => builder.with_converted_type(ConvertedType::TIMESTAMP_MILLIS),
        Kind::Integer | Kind::Number => builder,
    };
    Ok(Arc::new(builder.build()?))
}

fn write_group(writer: &mut SerializedFileWriter<Vec<u8>>, columns: &[(String, Kind)], rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for (index, (_, kind)) in columns.iter().enumerate() {
        let Some(mut column) = group.next_column()? else { break };
        let cells = rows.iter().filter_map(|row| row.get(index));
        // Definition levels: 1 for a value, 0 for null.
        let levels: Vec<i16> = cells.clone().map(|cell| i16::from(!matches!(cell, Cell::Null))).collect();
        match kind {
            Kind::Text => {
                let values: Vec<ByteArray> = cells.filter_map(text_of).collect();
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
            Kind::Integer | Kind::Time => {
                let values: Vec<i64> = cells.filter_map(integer_of).collect();
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            Kind::Number => {
                let values: Vec<f64> = cells.filter_map(number_of).collect();
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

fn text_of(cell: &Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some(text.clone()),
        Cell::Null | Cell::Integer(_) | Cell::Number(_) => None,
    }
}

fn integer_of(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(integer) => Some(*integer),
        Cell::Null | Cell::Text(_) | Cell::Number(_) => None,
    }
}

fn number_of(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(number) => Some(*number),
        Cell::Null | Cell::Text(_) | Cell::Integer(_) => None,
    }
}

fn add_rows(rows: &mut Vec<Vec<Cell>>, named: &NamedRun) -> Result<(), RunsFileError> {
    let at = rows.len();
    let refused = |source| RunsFileError::Row { row: at, source };
    let run = RunRows::of(named.run.clone()).map_err(refused)?;
    let header = &run.header;
    let about_run = [
        Cell::text(&named.name),
        Cell::text(&header.document),
        Cell::Null,
        Cell::text(&run.project),
        Cell::text(&run.identity.provider),
        Cell::text(&run.identity.repository),
        Cell::text(&run.identity.run_id),
        Cell::Integer(run.identity.attempt),
        Cell::text(header.kind.as_str()),
        Cell::optional(header.branch.as_deref()),
        Cell::text(&header.commit),
        Cell::Integer(header.started_ms),
    ];
    for point in &run.points {
        rows.push(point_cells(&about_run, &point.point).map_err(refused)?);
    }
    for score in &run.evals {
        rows.push(score_cells(&about_run, score).map_err(refused)?);
    }
    if run.points.is_empty() && run.evals.is_empty() {
        // A run of nothing is a row of nothing, so that it is not lost.
        rows.push(padded(about_run.to_vec()));
    }
    Ok(())
}

/// A row whose other columns are null.
fn padded(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.resize(columns().len(), Cell::Null);
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
            Cell::Integer(i64::from(lens.isl.get())),
            Cell::Integer(i64::from(lens.osl.get())),
        ),
        Workload::AgenticCoding => ("agentic-coding", Cell::Null, Cell::Null),
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
        Cell::Integer(i64::from(curve.disagg)),
        Cell::text(scenario),
        isl,
        osl,
        Cell::text(&columns.layout),
        Cell::Integer(columns.gpus),
        Cell::Integer(i64::from(point.key.conc.get())),
        Cell::text(&columns.outcome),
        Cell::optional(columns.reason.as_deref()),
        Cell::optional(columns.image.as_deref()),
        Cell::Null,
    ]);
    cells.extend(columns.metrics.into_iter().map(Cell::number));
    for ends in columns.intervals {
        cells.push(Cell::number(ends.map(|(low, _)| low)));
        cells.push(Cell::number(ends.map(|(_, high)| high)));
    }
    cells.push(Cell::optional(columns.extra.as_deref()));
    Ok(padded(cells))
}

fn score_cells(about_run: &[Cell], row: &EvalRow) -> Result<Vec<Cell>, RowError> {
    let document = serde_json::to_string(&row.score).map_err(|source| RowError::Json { what: "the score", source })?;
    let mut cells = about_run.to_vec();
    if let Some(record) = cells.get_mut(2) {
        *record = Cell::text(SCORE);
    }
    cells.resize(DESCRIBING.len() - 1, Cell::Null);
    cells.push(Cell::text(&document));
    let mut cells = padded(cells);
    if let Some(last) = cells.last_mut() {
        *last = Cell::Number(row.score.score);
    }
    Ok(cells)
}

/// The columns of a row group.
#[derive(Default)]
struct Group {
    rows: usize,
    texts: BTreeMap<String, Vec<Option<ByteArray>>>,
    integers: BTreeMap<String, Vec<Option<i64>>>,
    numbers: BTreeMap<String, Vec<Option<f64>>>,
}

/// Reads a file that [`runs_to_parquet`] wrote. Columns that are missing are null: an earlier version had none of them.
///
/// # Errors
/// [`RunsFileError`] for a file that is cut or of somebody else, a column with values that this version does not know, and one that is too
/// large.
pub fn runs_of_parquet(bytes: Bytes) -> Result<Vec<NamedRun>, RunsFileError> {
    // The library panics on some damaged pages.
    fenced(|| read_runs(bytes)).unwrap_or_else(|panic| Err(ParquetError::General(panic.to_string()).into()))
}

fn read_runs(bytes: Bytes) -> Result<Vec<NamedRun>, RunsFileError> {
    let reader = SerializedFileReader::new(bytes)?;
    let claimed = saturating::to_usize(reader.metadata().file_metadata().num_rows());
    if claimed > MAX_ROWS {
        return Err(RunsFileError::TooLarge { rows: claimed, bytes: 0 });
    }
    let mut collected = Collected::default();
    let mut text_bytes = 0;
    for index in 0..reader.num_row_groups() {
        let group = read_group(&reader, index, &mut text_bytes)?;
        for row in 0..group.rows {
            collected.add(&group, row)?;
        }
    }
    collected.end()?;
    Ok(collected.runs)
}

fn read_group(reader: &SerializedFileReader<Bytes>, index: usize, text_bytes: &mut usize) -> Result<Group, RunsFileError> {
    let source = reader.get_row_group(index)?;
    let rows = saturating::to_usize(source.metadata().num_rows());
    if rows > MAX_ROWS {
        return Err(RunsFileError::TooLarge { rows, bytes: 0 });
    }
    let known: BTreeMap<String, Kind> = columns().into_iter().collect();
    let mut group = Group { rows, ..Group::default() };
    for column in 0..source.num_columns() {
        let description = source.metadata().schema_descr().column(column);
        let name = description.path().string();
        let refused = || RunsFileError::Column(name.clone());
        if description.max_rep_level() != 0 || description.max_def_level() != 1 {
            return Err(refused());
        }
        match (known.get(&name), source.get_column_reader(column)?) {
            (Some(Kind::Text), ColumnReader::ByteArrayColumnReader(reader)) => {
                let values = values_of(reader, rows)?;
                *text_bytes += values.iter().flatten().map(ByteArray::len).sum::<usize>();
                if *text_bytes > MAX_TEXT {
                    return Err(RunsFileError::TooLarge { rows, bytes: *text_bytes });
                }
                group.texts.insert(name, values);
            }
            (Some(Kind::Integer | Kind::Time), ColumnReader::Int64ColumnReader(reader)) => {
                group.integers.insert(name, values_of(reader, rows)?);
            }
            (Some(Kind::Number), ColumnReader::DoubleColumnReader(reader)) => {
                group.numbers.insert(name, values_of(reader, rows)?);
            }
            (Some(_), _) => return Err(refused()),
            // A number without a column here is a number that would be lost.
            (None, ColumnReader::DoubleColumnReader(reader)) => {
                if values_of(reader, rows)?.iter().any(Option::is_some) {
                    return Err(RunsFileError::UnknownColumn(name));
                }
            }
            (None, _) => return Err(RunsFileError::UnknownColumn(name)),
        }
    }
    Ok(group)
}

fn values_of<T: DataType>(mut reader: ColumnReaderImpl<T>, rows: usize) -> Result<Vec<Option<T::T>>, ParquetError> {
    let mut levels: Vec<i16> = Vec::new();
    let mut values: Vec<T::T> = Vec::new();
    while levels.len() < rows {
        let (records, _, _) = reader.read_records(rows - levels.len(), Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("a column has {} of {rows} values", levels.len())));
        }
    }
    let mut values = values.into_iter();
    Ok(levels
        .into_iter()
        .map(|level| if level == 1 { values.next() } else { None })
        .collect())
}

impl Group {
    fn text(&self, column: &str, row: usize) -> Option<String> {
        let bytes = self.texts.get(column)?.get(row)?.as_ref()?;
        Some(String::from_utf8_lossy(bytes.as_bytes()).into_owned())
    }

    fn required(&self, column: &'static str, row: usize) -> Result<String, RunsFileError> {
        self.text(column, row).ok_or(RunsFileError::Null { row, column })
    }

    fn integer(&self, column: &str, row: usize) -> Option<i64> {
        *self.integers.get(column)?.get(row)?
    }

    fn number(&self, column: &str, row: usize) -> Option<f64> {
        *self.numbers.get(column)?.get(row)?
    }

    fn point(&self, row: usize) -> Result<Point, RunsFileError> {
        let json = |column, source| RunsFileError::Json { row, column, source };
        let key: Value = serde_json::from_str(&self.required("key", row)?).map_err(|source| json("key", source))?;
        let key = PointKey::from_json(key).map_err(|source| RunsFileError::Key { row, source })?;
        let mut metrics = [None; METRIC_COLUMNS.len()];
        for (metric, name) in metrics.iter_mut().zip(METRIC_COLUMNS) {
            *metric = self.number(name, row);
        }
        let mut intervals = [None; INTERVAL_COLUMNS.len()];
        for (interval, (_, name)) in intervals.iter_mut().zip(INTERVAL_COLUMNS) {
            let [low, high] = interval_columns(name);
            *interval = self.number(&low, row).zip(self.number(&high, row));
        }
        let columns = PointColumns {
            model: self.text("model", row),
            image: self.text("image", row),
            layout: self.required("layout", row)?,
            gpus: self.integer("gpus", row).ok_or(RunsFileError::Null { row, column: "gpus" })?,
            outcome: self.required("outcome", row)?,
            reason: self.text("reason", row),
            metrics,
            intervals,
            extra: self.text("extra", row),
        };
        columns.into_point(key).map_err(|source| RunsFileError::Row { row, source })
    }

    fn score(&self, row: usize) -> Result<EvalScore, RunsFileError> {
        serde_json::from_str(&self.required("document", row)?).map_err(|source| RunsFileError::Json {
            row,
            column: "document",
            source,
        })
    }
}

/// Rows put together to runs: those of a run follow each other.
#[derive(Default)]
struct Collected {
    runs: Vec<NamedRun>,
    /// Name and document of the run whose rows are read.
    open: Option<(String, String)>,
    points: Vec<Point>,
    scores: Vec<EvalScore>,
}

impl Collected {
    fn add(&mut self, group: &Group, row: usize) -> Result<(), RunsFileError> {
        let (name, document) = (group.required("run_name", row)?, group.required("run_document", row)?);
        if self.open.as_ref().is_none_or(|(open, _)| *open != name) {
            self.end()?;
            self.open = Some((name, document));
        }
        match group.text("record", row).as_deref() {
            Some(POINT) => self.points.push(group.point(row)?),
            Some(SCORE) => self.scores.push(group.score(row)?),
            None => {}
            Some(found) => {
                return Err(RunsFileError::Record {
                    row,
                    found: found.chars().take(40).collect(),
                });
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), RunsFileError> {
        let Some((name, document)) = self.open.take() else {
            return Ok(());
        };
        let (points, scores) = (std::mem::take(&mut self.points), std::mem::take(&mut self.scores));
        let run = run_of_rows(&document, points, scores).map_err(|source| RunsFileError::Row {
            row: self.runs.len(),
            source,
        })?;
        self.runs.push(NamedRun { name, run });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::collections::BTreeSet;

    use super::*;

    /// Ten nights with measured and failed points.
    fn ten_nights() -> Vec<NamedRun> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/report/history/history");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let named = |path: &std::path::PathBuf| NamedRun {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            run: HistoryRun::parse(&std::fs::read_to_string(path).unwrap()).unwrap(),
        };
        paths.iter().map(named).collect()
    }

    /// What stores keep of a run: the order of its points is that of their keys.
    fn rows(run: &NamedRun) -> RunRows {
        let mut run = run.run.clone();
        run.run.points.sort_by(|left, right| left.key.cmp(&right.key));
        RunRows::of(run).unwrap()
    }

    #[test]
    fn column_names_are_unique() {
        let columns = columns();
        let names: BTreeSet<_> = columns.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), columns.len());
    }

    #[test]
    fn runs_come_back_without_a_loss() {
        let mut runs = ten_nights();
        let mut empty = runs[0].clone();
        empty.name = "nothing".to_owned();
        empty.run.run.points.clear();
        empty.run.run.evals.clear();
        runs.push(empty);
        let read = runs_of_parquet(runs_to_parquet(&runs).unwrap().into()).unwrap();
        assert_eq!(read.len(), runs.len());
        for (read, written) in read.iter().zip(&runs) {
            assert_eq!(read.name, written.name);
            let (read, written) = (rows(read), rows(written));
            assert_eq!((&read.identity, &read.header), (&written.identity, &written.header));
            let digests = |rows: &RunRows| rows.points.iter().map(|row| row.digest).collect::<Vec<_>>();
            assert_eq!(digests(&read), digests(&written));
            assert_eq!(read.evals, written.evals);
        }
    }

    #[test]
    fn cut_and_foreign_files_are_errors() {
        let whole = runs_to_parquet(&ten_nights()).unwrap();
        for length in [0, 4, whole.len() / 2, whole.len() - 1] {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert!(matches!(runs_of_parquet(cut), Err(RunsFileError::Parquet(_))), "{length} bytes");
        }
        let field = Type::primitive_type_builder("n", PhysicalType::INT64)
            .with_repetition(Repetition::OPTIONAL)
            .build()
            .unwrap();
        let schema = Type::group_type_builder("other")
            .with_fields(vec![Arc::new(field)])
            .build()
            .unwrap();
        let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1], Some(&[1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        let other = writer.into_inner().unwrap();
        assert!(matches!(runs_of_parquet(other.into()), Err(RunsFileError::UnknownColumn(name)) if name == "n"));
    }
}
