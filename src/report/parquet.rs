//! The report as Parquet, for data frames and SQL engines: the columns of the CSV report, with texts as strings, numbers as doubles,
//! and null for unknown values.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::csv::{Cell, rows};
use super::view::View;

/// The report as the bytes of a Parquet file.
///
/// # Errors
/// None in practice: all columns have as many values as there are rows.
pub fn parquet(view: &View) -> Result<Vec<u8>, ParquetError> {
    let (names, rows) = rows(view);
    // A column has the type double if none of its values is a text.
    let is_text = |column: usize| rows.iter().any(|row| matches!(row[column], Cell::Text(_)));
    let texts: Vec<bool> = (0..names.len()).map(is_text).collect();
    let fields = names.iter().zip(&texts).map(|(name, text)| field(name, *text));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("imax").with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (column, text) in texts.iter().enumerate() {
        let Some(mut target) = group.next_column()? else { break };
        let cells = rows.iter().map(|row| &row[column]);
        // Definition levels: 1 for a value, 0 for null.
        if *text {
            let values: Vec<Option<ByteArray>> = cells
                .map(|cell| cell.text().map(|text| ByteArray::from(text.into_bytes())))
                .collect();
            let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let values: Vec<ByteArray> = values.into_iter().flatten().collect();
            target.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
        } else {
            let values: Vec<Option<f64>> = cells.map(Cell::number).collect();
            let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let values: Vec<f64> = values.into_iter().flatten().collect();
            target.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
        }
        target.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn field(name: &str, text: bool) -> Result<Arc<Type>, ParquetError> {
    let physical = if text { PhysicalType::BYTE_ARRAY } else { PhysicalType::DOUBLE };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = if text {
        builder
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8)
    } else {
        builder
    };
    Ok(Arc::new(builder.build()?))
}
