//! Points of a history as Parquet: the columns of the CSV, typed, a row group for each run at most. Null is what was not reported.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::Type;

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Number(Option<f64>),
}

/// Points as a file, a group of rows at a time, so that memory does not grow with the history.
pub(crate) struct PointFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> PointFile<W> {
    /// `columns` are names with a value of the column's type.
    pub(crate) fn new(sink: W, columns: &[(String, Cell)]) -> Result<Self, ParquetError> {
        let fields = columns.iter().map(|(name, example)| field(name, example));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(Type::group_type_builder("points").with_fields(fields).build()?);
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
        Ok(Self {
            writer: SerializedFileWriter::new(sink, schema, properties)?,
        })
    }

    /// Writes rows; all have the columns of [`PointFile::new`] in their order.
    pub(crate) fn write(&mut self, rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let mut group = self.writer.next_row_group()?;
        for (column, example) in first.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(column));
            match example {
                Cell::Text(_) => write_column::<ByteArrayType, W>(&mut group, cells.map(Cell::bytes))?,
                Cell::Whole(_) => write_column::<Int64Type, W>(&mut group, cells.map(Cell::whole))?,
                Cell::Number(_) => write_column::<DoubleType, W>(&mut group, cells.map(Cell::number))?,
            }
        }
        group.close()?;
        Ok(())
    }

    pub(crate) fn close(self) -> Result<(), ParquetError> {
        self.writer.close().map(drop)
    }
}

fn write_column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.collect();
    // Definition levels: 1 for a value, 0 for null.
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(&values, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}

impl Cell {
    /// As CSV has it: a number with its full digits, and nothing where it was not reported, which is not 0.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.unwrap_or_default(),
            Self::Whole(number) => number.map_or_else(String::new, |number| number.to_string()),
            Self::Number(number) => number.map_or_else(String::new, |number| number.to_string()),
        }
    }

    fn bytes(&self) -> Option<ByteArray> {
        match self {
            Self::Text(text) => text.as_deref().map(ByteArray::from),
            Self::Whole(_) | Self::Number(_) => None,
        }
    }

    fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => *number,
            Self::Text(_) | Self::Number(_) => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) | Self::Whole(_) => None,
        }
    }
}

fn field(name: &str, example: &Cell) -> Result<Arc<Type>, ParquetError> {
    let physical = match example {
        Cell::Text(_) => PhysicalType::BYTE_ARRAY,
        Cell::Whole(_) => PhysicalType::INT64,
        Cell::Number(_) => PhysicalType::DOUBLE,
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = match example {
        Cell::Text(_) => builder
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8),
        Cell::Whole(_) | Cell::Number(_) => builder,
    };
    Ok(Arc::new(builder.build()?))
}
