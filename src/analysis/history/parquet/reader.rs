//! Rows to runs.

use std::collections::BTreeMap;

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{AsBytes as _, ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use bytes::Bytes;
use serde_json::Value;

use super::schema::{POINT, SCORE, columns, interval_columns};
use super::table::ColumnKind;
use super::{MAX_ROWS, MAX_TEXT, NamedRun, RunsFileError};
use crate::analysis::EvalScore;
use crate::analysis::history::{INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, RunRecord, run_of_rows};
use crate::model::{PointKey, fenced, saturating};
use crate::result::Point;

/// The columns of a row group.
#[derive(Default)]
struct Group {
    rows: usize,
    texts: BTreeMap<String, Vec<Option<ByteArray>>>,
    integers: BTreeMap<String, Vec<Option<i64>>>,
    numbers: BTreeMap<String, Vec<Option<f64>>>,
}

/// Reads a file that [`super::runs_to_parquet`] wrote. Columns that are missing are null: an earlier version had none of them.
///
/// # Errors
/// [`RunsFileError`] for a file that is cut or of another program, a column with values that this version does not know, and one that is too
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
    let known: BTreeMap<String, ColumnKind> = columns().into_iter().collect();
    let mut group = Group { rows, ..Group::default() };
    for column in 0..source.num_columns() {
        let description = source.metadata().schema_descr().column(column);
        let name = description.path().string();
        let refused = || RunsFileError::Column(name.clone());
        if description.max_rep_level() != 0 || description.max_def_level() != 1 {
            return Err(refused());
        }
        match (known.get(&name), source.get_column_reader(column)?) {
            (Some(ColumnKind::Text), ColumnReader::ByteArrayColumnReader(reader)) => {
                let values = values_of(reader, rows)?;
                *text_bytes += values.iter().flatten().map(ByteArray::len).sum::<usize>();
                if *text_bytes > MAX_TEXT {
                    return Err(RunsFileError::TooLarge { rows, bytes: *text_bytes });
                }
                group.texts.insert(name, values);
            }
            (Some(ColumnKind::Integer | ColumnKind::Time), ColumnReader::Int64ColumnReader(reader)) => {
                group.integers.insert(name, values_of(reader, rows)?);
            }
            (Some(ColumnKind::Number), ColumnReader::DoubleColumnReader(reader)) => {
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

    fn record(&self, row: usize) -> Result<RunRecord, RunsFileError> {
        serde_json::from_str(&self.required("document", row)?).map_err(|source| RunsFileError::Json {
            row,
            column: "document",
            source,
        })
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
    records: Vec<RunRecord>,
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
            Some(kind) if RunRecord::KINDS.contains(&kind) => self.records.push(group.record(row)?),
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
        let records = std::mem::take(&mut self.records);
        let run = run_of_rows(&document, points, scores, records).map_err(|source| RunsFileError::Row {
            row: self.runs.len(),
            source,
        })?;
        self.runs.push(NamedRun { name, run });
        Ok(())
    }
}
