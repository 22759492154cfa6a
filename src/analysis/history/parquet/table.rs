//! Tables of optional values as Parquet, the one place that writes the format.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::Type;

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8.
    Text,
    Integer,
    /// Milliseconds since 1970.
    Time,
    Number,
}

/// A value of a row; `None` is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(Option<String>),
    /// For [`ColumnKind::Integer`] and [`ColumnKind::Time`].
    Whole(Option<i64>),
    Number(Option<f64>),
}

impl Cell {
    /// Null of any column.
    pub const NULL: Self = Self::Text(None);

    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    #[must_use]
    pub fn optional(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }

    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::Whole(_) => ColumnKind::Integer,
            Self::Number(_) => ColumnKind::Number,
        }
    }

    /// As CSV has it: a number with its full digits, and nothing where it was not reported, which is not 0.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.unwrap_or_default(),
            Self::Whole(number) => number.map_or_else(String::new, |number| number.to_string()),
            Self::Number(number) => number.map_or_else(String::new, |number| number.to_string()),
        }
    }

    fn as_bytes(&self) -> Option<ByteArray> {
        match self {
            Self::Text(text) => text.as_deref().map(ByteArray::from),
            Self::Whole(_) | Self::Number(_) => None,
        }
    }

    fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => *number,
            Self::Text(_) | Self::Number(_) => None,
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) | Self::Whole(_) => None,
        }
    }
}

/// A table that is written a group of rows at a time, so that memory does not grow with it.
pub struct TableWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    kinds: Vec<ColumnKind>,
}

impl<W: Write + Send> TableWriter<W> {
    /// # Errors
    /// The library's, for a sink that cannot be written.
    pub fn new(sink: W, table: &str, columns: &[(String, ColumnKind)]) -> Result<Self, ParquetError> {
        let fields = columns
            .iter()
            .map(|(name, kind)| field(name, *kind))
            .collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(Type::group_type_builder(table).with_fields(fields).build()?);
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
        Ok(Self {
            writer: SerializedFileWriter::new(sink, schema, Arc::new(properties.build()))?,
            kinds: columns.iter().map(|(_, kind)| *kind).collect(),
        })
    }

    /// Writes rows as a group; each has the columns in their order. A cell of another kind than its column's is null.
    ///
    /// # Errors
    /// The library's, for a sink that cannot be written.
    pub fn write(&mut self, rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (index, kind) in self.kinds.iter().enumerate() {
            let cells = rows.iter().map(|row| row.get(index));
            match kind {
                ColumnKind::Text => write_column::<ByteArrayType, W>(&mut group, cells.map(|cell| cell?.as_bytes()))?,
                ColumnKind::Integer | ColumnKind::Time => write_column::<Int64Type, W>(&mut group, cells.map(|cell| cell?.as_integer()))?,
                ColumnKind::Number => write_column::<DoubleType, W>(&mut group, cells.map(|cell| cell?.as_number()))?,
            }
        }
        group.close()?;
        Ok(())
    }

    /// Writes the file's end.
    ///
    /// # Errors
    /// The library's, for a sink that cannot be written.
    pub fn close(self) -> Result<(), ParquetError> {
        self.writer.close().map(drop)
    }

    /// Writes the file's end and gives the sink back.
    ///
    /// # Errors
    /// The library's, for a sink that cannot be written.
    pub fn finish(self) -> Result<W, ParquetError> {
        self.writer.into_inner()
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

fn field(name: &str, kind: ColumnKind) -> Result<Arc<Type>, ParquetError> {
    let physical = match kind {
        ColumnKind::Text => PhysicalType::BYTE_ARRAY,
        ColumnKind::Integer | ColumnKind::Time => PhysicalType::INT64,
        ColumnKind::Number => PhysicalType::DOUBLE,
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = match kind {
        ColumnKind::Text => builder
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8),
        ColumnKind::Time => builder.with_converted_type(ConvertedType::TIMESTAMP_MILLIS),
        ColumnKind::Integer | ColumnKind::Number => builder,
    };
    Ok(Arc::new(builder.build()?))
}
