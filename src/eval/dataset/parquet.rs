//! Parquet to records. Nested columns become objects and lists; times become whole numbers in the unit of the file.

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Number, Value};

use super::Document;
use crate::model::fenced;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Document>, String> {
    // The library panics on some damaged pages.
    fenced(|| read_rows(bytes)).map_err(|panic| panic.to_string())?
}

fn read_rows(bytes: &[u8]) -> Result<Vec<Document>, String> {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(|error| error.to_string())?;
    let rows = reader.get_row_iter(None).map_err(|error| error.to_string())?;
    rows.map(|row| row.map(object).map_err(|error| error.to_string())).collect()
}

fn object(row: Row) -> Document {
    row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect()
}

fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => flag.into(),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) | Field::Date(number) | Field::TimeMillis(number) => number.into(),
        Field::Long(number) | Field::TimeMicros(number) | Field::TimestampMillis(number) | Field::TimestampMicros(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float16(number) => float(number.to_f64()),
        Field::Float(number) => float(f64::from(number)),
        Field::Double(number) => float(number),
        Field::Decimal(_) => field.to_string().into(),
        Field::Str(text) => text.into(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned().into(),
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            let entries = map.entries().iter();
            let named = entries.map(|(key, item)| match value(key.clone()) {
                Value::String(name) => (name, value(item.clone())),
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    (other.to_string(), value(item.clone()))
                }
            });
            Value::Object(named.collect())
        }
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
