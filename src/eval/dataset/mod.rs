//! Documents of a data set: parses JSON lines, JSON, CSV and Parquet to records, and selects the files of a repository that belong to
//! a configuration and a split.

mod files;
mod parquet;
#[cfg(test)]
mod tests;

use indexmap::IndexSet;
use serde_json::{Map, Value};

pub use files::choose;

/// One record: a question and its other fields, in the order of the columns.
pub type Document = Map<String, Value>;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A list of objects, or one object on each line.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format by the extension of a file name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        match ending.as_str() {
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "csv" | "tsv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Why there are no documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The content does not have the format of the file extension.
    #[error("{file}: {reason}")]
    Malformed {
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No file of the repository belongs to the split.
    #[error("no file for {wanted} among {files} files{hint}")]
    NoFile {
        /// Configuration and split.
        wanted: String,
        /// How many files there are.
        files: usize,
        /// The alternatives, as the end of the message.
        hint: String,
    },
}

/// The documents of one file.
///
/// # Errors
/// [`DataError::Malformed`], with the line if the format has lines.
pub fn read(file: &str, format: Format, bytes: &[u8]) -> Result<Vec<Document>, DataError> {
    let malformed = |reason: String| DataError::Malformed {
        file: file.to_owned(),
        reason,
    };
    let documents = match format {
        Format::Json => read_json(bytes).map_err(malformed)?,
        Format::Csv => read_csv(file, bytes).map_err(malformed)?,
        Format::Parquet => parquet::read(bytes).map_err(malformed)?,
    };
    Ok(with_all_columns(documents))
}

fn read_json(bytes: &[u8]) -> Result<Vec<Document>, String> {
    let object = |value: Value, place: &str| match value {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(format!("{place} is not an object, expected the fields of a question"))
        }
    };
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        let list: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let items = list.into_iter().enumerate();
        return items.map(|(index, value)| object(value, &format!("item {}", index + 1))).collect();
    }
    let mut documents = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let value = serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", index + 1))?;
        documents.push(object(value, &format!("line {}", index + 1))?);
    }
    Ok(documents)
}

/// A column with only numbers is numeric, as in pandas; an empty value is missing.
fn read_csv(file: &str, bytes: &[u8]) -> Result<Vec<Document>, String> {
    let separator = if file.to_ascii_lowercase().ends_with(".tsv") { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(bytes);
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| error.to_string())?
        .iter()
        .map(str::to_owned)
        .collect();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut documents = vec![Document::new(); records.len()];
    for (column, name) in names.iter().enumerate() {
        let texts = || records.iter().map(|record| record.get(column).unwrap_or_default());
        let told = || texts().filter(|text| !text.is_empty());
        let whole = told().all(|text| text.parse::<i64>().is_ok()) && texts().all(|text| !text.is_empty());
        let number = told().next().is_some() && told().all(|text| text.parse::<f64>().is_ok());
        for (document, text) in documents.iter_mut().zip(texts()) {
            let value = match text {
                "" => Value::Null,
                text if whole => text.parse::<i64>().map_or(Value::Null, Value::from),
                text if number => text.parse::<f64>().map_or(Value::Null, Value::from),
                text => text.into(),
            };
            document.insert(name.clone(), value);
        }
    }
    Ok(documents)
}

/// Every document gets every column; a missing one is null.
fn with_all_columns(documents: Vec<Document>) -> Vec<Document> {
    let mut columns: IndexSet<String> = IndexSet::new();
    for document in &documents {
        for name in document.keys() {
            if !columns.contains(name) {
                columns.insert(name.clone());
            }
        }
    }
    if documents.iter().all(|document| document.len() == columns.len()) {
        return documents;
    }
    documents
        .into_iter()
        .map(|mut document| {
            columns
                .iter()
                .map(|name| (name.clone(), document.remove(name).unwrap_or(Value::Null)))
                .collect()
        })
        .collect()
}
