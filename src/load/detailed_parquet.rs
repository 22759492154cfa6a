//! The lines of [`super::detailed`] as a Parquet file (<https://parquet.apache.org/docs/file-format/>), which data frames read
//! faster than JSON and which takes a tenth of the space.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::detailed::Line;
use super::measured::Measured;

const SCHEMA: &str = "
message requests {
  REQUIRED BYTE_ARRAY request (UTF8);
  REQUIRED INT64 scheduled_unix_ns;
  REQUIRED INT64 sent_unix_ns;
  OPTIONAL DOUBLE connect_ms;
  OPTIONAL INT64 first_token_unix_ns;
  OPTIONAL INT64 last_token_unix_ns;
  REQUIRED INT64 ended_unix_ns;
  REQUIRED INT32 chunks;
  REQUIRED INT32 merged_chunks;
  REQUIRED INT32 input_tokens;
  REQUIRED INT32 asked_output_tokens;
  OPTIONAL INT32 reported_input_tokens;
  OPTIONAL INT32 reported_output_tokens;
  OPTIONAL INT32 reported_cached_tokens;
  OPTIONAL BYTE_ARRAY failure (UTF8);
  OPTIONAL BYTE_ARRAY detail (UTF8);
  OPTIONAL INT32 server;
}
";

type Sink<'a, 'b> = &'a mut SerializedRowGroupWriter<'b, Vec<u8>>;

/// Rows per row group. A group is built in memory.
const GROUP_ROWS: usize = 1 << 16;

/// The file's bytes, one row a request in the order of the plan.
///
/// # Errors
/// The library's. None is expected, because the schema is fixed and the output is in memory.
pub fn file(measured: &Measured) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for records in measured.run.records.chunks(GROUP_ROWS) {
        let rows: Vec<Line> = records.iter().map(|record| Line::of(measured, record)).collect();
        write_group(writer.next_row_group()?, &rows)?;
    }
    writer.into_inner()
}

fn write_group(mut group: SerializedRowGroupWriter<'_, Vec<u8>>, rows: &[Line]) -> Result<(), ParquetError> {
    column::<ByteArrayType>(&mut group, rows, |row| Some(ByteArray::from(row.request.as_str())))?;
    column::<Int64Type>(&mut group, rows, |row| Some(row.scheduled_unix_ns.cast_signed()))?;
    column::<Int64Type>(&mut group, rows, |row| Some(row.sent_unix_ns.cast_signed()))?;
    column::<DoubleType>(&mut group, rows, |row| row.connect_ms)?;
    column::<Int64Type>(&mut group, rows, |row| row.first_token_unix_ns.map(u64::cast_signed))?;
    column::<Int64Type>(&mut group, rows, |row| row.last_token_unix_ns.map(u64::cast_signed))?;
    column::<Int64Type>(&mut group, rows, |row| Some(row.ended_unix_ns.cast_signed()))?;
    column::<Int32Type>(&mut group, rows, |row| Some(i32::try_from(row.chunks).unwrap_or(i32::MAX)))?;
    column::<Int32Type>(&mut group, rows, |row| Some(row.merged_chunks.cast_signed()))?;
    column::<Int32Type>(&mut group, rows, |row| Some(row.input_tokens.cast_signed()))?;
    column::<Int32Type>(&mut group, rows, |row| Some(row.asked_output_tokens.cast_signed()))?;
    column::<Int32Type>(&mut group, rows, |row| row.reported_input_tokens.map(u32::cast_signed))?;
    column::<Int32Type>(&mut group, rows, |row| row.reported_output_tokens.map(u32::cast_signed))?;
    column::<Int32Type>(&mut group, rows, |row| row.reported_cached_tokens.map(u32::cast_signed))?;
    column::<ByteArrayType>(&mut group, rows, |row| row.failure.as_deref().map(ByteArray::from))?;
    column::<ByteArrayType>(&mut group, rows, |row| row.detail.as_deref().map(ByteArray::from))?;
    column::<Int32Type>(&mut group, rows, |row| row.server.and_then(|server| i32::try_from(server).ok()))?;
    group.close()?;
    Ok(())
}

/// Writes the next column. A required column has a value in every row, and the writer ignores its definition levels.
fn column<T: DataType>(group: Sink<'_, '_>, rows: &[Line], value: impl Fn(&Line) -> Option<T::T>) -> Result<(), ParquetError> {
    let found: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = found.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = found.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns than are written".to_owned()));
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::measured::tests_support::measured;
    use crate::load::{Failure, Reason, Record};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    #[test]
    fn can_be_read_again_with_what_is_missing() {
        let failed = Record {
            index: 1,
            failure: Some(Failure::new(Reason::NoTokens, "nothing came")),
            ..Record::default()
        };
        let whole = Record {
            reported_output_tokens: Some(9),
            prompt_tokens: 7,
            ..Record::default()
        };
        let bytes = file(&measured(vec![whole, failed])).unwrap();
        let reader = SerializedFileReader::new(parquet_bytes(&bytes)).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].get_string(0).unwrap().as_str(), rows[0].get_int(9).unwrap()),
            ("imax-0", 7)
        );
        assert_eq!(rows[0].get_int(12).unwrap(), 9);
        assert!(rows[0].is_null(14).unwrap() && rows[1].is_null(12).unwrap());
        assert_eq!(rows[1].get_string(14).unwrap(), "no_tokens");
    }

    fn parquet_bytes(bytes: &[u8]) -> std::fs::File {
        use std::io::{Seek as _, Write as _};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }
}
