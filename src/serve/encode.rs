//! Rows as JSON, CSV, NDJSON and Parquet, a part at a time.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::error::ApiError;
use super::format::Format;
use crate::model::escape_formula;
use crate::store::database::ColumnType;
use crate::store::export::{Cell, PointFile};

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: ColumnType,
}

/// Writes rows in a format. The parts that its functions give, one after another, are the document.
pub(super) enum Encoder {
    Json {
        columns: Vec<Column>,
        is_first: bool,
    },
    Csv,
    Ndjson {
        columns: Vec<Column>,
    },
    Parquet {
        file: Box<PointFile<SharedBuffer>>,
        buffer: SharedBuffer,
    },
}

/// What a writer of Parquet has written since it was last taken.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SharedBuffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Encoder {
    /// The encoder, and the part before the rows. `before` are members of a JSON document before its rows, without braces.
    pub(super) fn start(format: Format, columns: Vec<Column>) -> Result<(Self, Vec<u8>), ApiError> {
        Ok(match format {
            Format::Json => (Self::Json { columns, is_first: true }, b"{\"data\":[".to_vec()),
            Format::Ndjson => (Self::Ndjson { columns }, Vec::new()),
            Format::Csv => {
                let head = csv_line(columns.iter().map(|column| column.name.clone()))?;
                (Self::Csv, head)
            }
            Format::Parquet => {
                let buffer = SharedBuffer::default();
                let example: Vec<(String, Cell)> = columns.iter().map(|column| (column.name.clone(), example(column.kind))).collect();
                let file = PointFile::new(buffer.clone(), &example).map_err(ApiError::internal)?;
                let head = buffer.take();
                let file = Box::new(file);
                (Self::Parquet { file, buffer }, head)
            }
        })
    }

    /// The part of rows.
    pub(super) fn rows(&mut self, rows: &[Vec<Cell>]) -> Result<Vec<u8>, ApiError> {
        let mut part = Vec::new();
        match self {
            Self::Json { columns, is_first } => {
                for row in rows {
                    if !std::mem::replace(is_first, false) {
                        part.push(b',');
                    }
                    json_object(&mut part, columns, row)?;
                }
            }
            Self::Ndjson { columns } => {
                for row in rows {
                    json_object(&mut part, columns, row)?;
                    part.push(b'\n');
                }
            }
            Self::Csv => {
                for row in rows {
                    part.extend(csv_line(row.iter().map(|cell| cell.clone().into_text()))?);
                }
            }
            Self::Parquet { file, buffer } => {
                file.write(rows).map_err(ApiError::internal)?;
                part = buffer.take();
            }
        }
        Ok(part)
    }

    /// The part behind the rows. `next` is where the next page begins.
    pub(super) fn end(self, next: Option<&str>) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Json { .. } => Ok(format!("],\"next\":{}}}", next.map_or(Value::Null, Value::from)).into_bytes()),
            Self::Ndjson { .. } | Self::Csv => Ok(Vec::new()),
            Self::Parquet { file, buffer } => {
                (*file).close().map_err(ApiError::internal)?;
                Ok(buffer.take())
            }
        }
    }
}

/// A row as a JSON object.
pub(super) fn object_of(columns: &[Column], cells: &[Cell]) -> Map<String, Value> {
    let named = columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| (column.name.clone(), value_of(column.kind, cell)));
    named.collect()
}

/// A number that was not reported is null, never 0.
fn value_of(kind: ColumnType, cell: &Cell) -> Value {
    match cell {
        Cell::Text(None) | Cell::Whole(None) | Cell::Number(None) => Value::Null,
        Cell::Whole(Some(number)) => Value::from(*number),
        Cell::Number(Some(number)) => Value::from(*number),
        Cell::Text(Some(text)) => match kind {
            ColumnType::Flag => Value::from(text == "true"),
            // Parsed again: the file of a history may come from a stranger.
            ColumnType::Json => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
            ColumnType::Text | ColumnType::Whole | ColumnType::Number | ColumnType::Date | ColumnType::Digest | ColumnType::Variant => {
                Value::from(text.as_str())
            }
        },
    }
}

fn example(kind: ColumnType) -> Cell {
    match kind {
        ColumnType::Text | ColumnType::Flag | ColumnType::Date | ColumnType::Digest | ColumnType::Json | ColumnType::Variant => {
            Cell::Text(None)
        }
        ColumnType::Whole => Cell::Whole(None),
        ColumnType::Number => Cell::Number(None),
    }
}

/// One line of CSV. A text that spreadsheets would run as a formula is kept from it.
fn csv_line(cells: impl Iterator<Item = String>) -> Result<Vec<u8>, ApiError> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer
        .write_record(cells.map(|cell| escape_formula(&cell).into_owned()))
        .map_err(ApiError::internal)?;
    writer
        .into_inner()
        .map_err(|error| ApiError::internal(io::Error::other(error.to_string())))
}

fn json_object(to: &mut Vec<u8>, columns: &[Column], row: &[Cell]) -> Result<(), ApiError> {
    to.push(b'{');
    for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
        if at > 0 {
            to.push(b',');
        }
        json(to, &column.name)?;
        to.push(b':');
        match (column.kind, cell) {
            (ColumnType::Text, Cell::Text(Some(text))) => json(to, text)?,
            (kind, cell) => json(to, &value_of(kind, cell))?,
        }
    }
    to.push(b'}');
    Ok(())
}

fn json(to: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) -> Result<(), ApiError> {
    serde_json::to_writer(to, value).map_err(ApiError::internal)
}

/// Columns and rows of JSON objects. A member that is an object or a list is JSON text in a table.
pub(super) fn table_of(objects: &[Value]) -> (Vec<Column>, Vec<Vec<Cell>>) {
    let mut columns: Vec<Column> = Vec::new();
    for object in objects.iter().filter_map(Value::as_object) {
        for (name, value) in object {
            let Some(found) = type_of(value) else {
                add(&mut columns, name, None);
                continue;
            };
            add(&mut columns, name, Some(found));
        }
    }
    let rows = objects
        .iter()
        .map(|object| columns.iter().map(|column| cell_of(column, &object[&column.name])).collect());
    let rows = rows.collect();
    (columns, rows)
}

/// A column is as wide as the widest of its values: whole numbers beside others are numbers, and beside texts texts.
fn add(columns: &mut Vec<Column>, name: &str, found: Option<ColumnType>) {
    match (columns.iter_mut().find(|column| column.name == name), found) {
        (None, found) => columns.push(Column {
            name: name.to_owned(),
            // Nothing but nulls so far; `Flag` gives way to every other type.
            kind: found.unwrap_or(ColumnType::Flag),
        }),
        (Some(_), None) => {}
        (Some(column), Some(found)) => {
            column.kind = match (column.kind, found) {
                (before, found) if before == found => before,
                (ColumnType::Flag, found) => found,
                (ColumnType::Whole, ColumnType::Number) | (ColumnType::Number, ColumnType::Whole) => ColumnType::Number,
                (_, _) => ColumnType::Json,
            };
        }
    }
}

fn type_of(value: &Value) -> Option<ColumnType> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(ColumnType::Flag),
        Value::Number(number) if number.is_i64() => Some(ColumnType::Whole),
        Value::Number(_) => Some(ColumnType::Number),
        Value::String(_) => Some(ColumnType::Text),
        Value::Array(_) | Value::Object(_) => Some(ColumnType::Json),
    }
}

fn cell_of(column: &Column, value: &Value) -> Cell {
    match column.kind {
        ColumnType::Whole => Cell::Whole(value.as_i64()),
        ColumnType::Number => Cell::Number(value.as_f64()),
        ColumnType::Text | ColumnType::Flag | ColumnType::Date | ColumnType::Digest | ColumnType::Json | ColumnType::Variant => {
            Cell::Text(match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn document(format: Format, objects: &[Value]) -> String {
        let (columns, rows) = table_of(objects);
        let (mut encoder, mut bytes) = Encoder::start(format, columns).unwrap();
        bytes.extend(encoder.rows(&rows).unwrap());
        bytes.extend(encoder.end(Some("n")).unwrap());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn absent_numbers_are_null_and_formulas_are_text() {
        let rows = [
            json!({ "name": "=1+1", "value": 0.5, "count": 1, "is": true, "of": {"a": 1} }),
            json!({ "name": "b,c", "value": null, "count": null, "is": false, "of": null }),
        ];
        assert_eq!(
            document(Format::Csv, &rows),
            "name,value,count,is,of\n'=1+1,0.5,1,true,\"{\"\"a\"\":1}\"\n\"b,c\",,,false,\n"
        );
        assert_eq!(
            document(Format::Json, &rows),
            r#"{"data":[{"name":"=1+1","value":0.5,"count":1,"is":true,"of":{"a":1}},{"name":"b,c","value":null,"count":null,"is":false,"of":null}],"next":"n"}"#
        );
        assert_eq!(document(Format::Ndjson, &rows).lines().count(), 2);
    }

    #[test]
    fn columns_are_as_wide_as_their_values() {
        let (columns, _) = table_of(&[
            json!({ "a": null, "b": 1, "c": 1 }),
            json!({ "a": 2, "b": 1.5, "c": "x", "d": true }),
        ]);
        let kinds: Vec<ColumnType> = columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [ColumnType::Whole, ColumnType::Number, ColumnType::Json, ColumnType::Flag]);
    }
}
