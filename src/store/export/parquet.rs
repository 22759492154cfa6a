//! Points of a history as Parquet: the columns of the CSV, typed, a row group for each run at most. Null is what was not reported.

use std::io::Write;

use ::parquet::errors::ParquetError;

pub(crate) use crate::analysis::Cell;
use crate::analysis::{ColumnKind, TableWriter};

/// Points as a file, a group of rows at a time, so that memory does not grow with the history.
pub(crate) struct PointFile<W: Write + Send>(TableWriter<W>);

impl<W: Write + Send> PointFile<W> {
    /// `columns` are names with a value of the column's type.
    pub(crate) fn new(sink: W, columns: &[(String, Cell)]) -> Result<Self, ParquetError> {
        let columns: Vec<(String, ColumnKind)> = columns.iter().map(|(name, example)| (name.clone(), example.kind())).collect();
        Ok(Self(TableWriter::new(sink, "points", &columns)?))
    }

    /// Writes rows; all have the columns of [`PointFile::new`] in their order.
    pub(crate) fn write(&mut self, rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
        self.0.write(rows)
    }

    pub(crate) fn close(self) -> Result<(), ParquetError> {
        self.0.close()
    }
}
