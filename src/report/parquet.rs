//! The report as Parquet, for data frames and SQL engines: the columns of the CSV report, with texts as strings, numbers as doubles,
//! and null for unknown values.

use parquet::errors::ParquetError;

use super::csv::{Cell, rows};
use super::view::View;
use crate::analysis::{self, ColumnKind, TableWriter};

/// The report as the bytes of a Parquet file.
///
/// # Errors
/// None in practice: all columns have as many values as there are rows.
pub fn parquet(view: &View) -> Result<Vec<u8>, ParquetError> {
    let (names, rows) = rows(view);
    // A column has the type double if none of its values is a text.
    let kinds = (0..names.len()).map(|at| match rows.iter().any(|row| matches!(row.get(at), Some(Cell::Text(_)))) {
        true => ColumnKind::Text,
        false => ColumnKind::Number,
    });
    let columns: Vec<(String, ColumnKind)> = names.iter().map(ToString::to_string).zip(kinds).collect();
    let cells = rows
        .iter()
        .map(|row| row.iter().zip(&columns).map(|(cell, (_, kind))| cell_of(cell, *kind)).collect());
    let mut writer = TableWriter::new(Vec::new(), "imax", &columns)?;
    writer.write(&cells.collect::<Vec<_>>())?;
    writer.finish()
}

fn cell_of(cell: &Cell, kind: ColumnKind) -> analysis::Cell {
    match kind {
        ColumnKind::Text => analysis::Cell::Text(cell.text()),
        ColumnKind::Number | ColumnKind::Integer | ColumnKind::Time => analysis::Cell::Number(cell.number()),
    }
}
