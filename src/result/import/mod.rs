//! Files of other tools to points: tables of dashboards, results of load generators, published results. The format of a file is known by its
//! content, never by its name. Nothing is guessed: a row is read whole or refused with its place, what was found and what was expected.

mod collector;
mod deployment;
mod facts;
mod guidellm_table;
mod inferencex;
mod inferencex_dump;
mod load_generator;
mod mapping;
mod mlperf;
mod prism;
mod published;
mod pytorch_v3;
mod rhaiis;
mod subject;
mod table;
mod text;

use chrono::{DateTime, Utc};

pub use facts::{Facts, FactsError};
pub use inferencex_dump::{DUMP_TABLES, InferencexDump};
pub use mapping::{Mapping, MappingError};
pub use published::PublishedResult;

use super::{Json, JsonError, Point};

/// The tool that wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportFormat {
    /// `consolidated_dashboard.csv` of the RHAIIS dashboard, of 40 columns (2025) or 52.
    Rhaiis,
    /// `llmd-dashboard.csv` of the same dashboard, 51 columns.
    LlmdTable,
    /// GuideLLM's `benchmarks.csv`, with three lines of headers.
    GuidellmTable,
    /// Points of llm-d Prism.
    Prism,
    /// InferenceX's `agg_bmk.json` and `agg_*.json`, of before and after December 2025.
    Inferencex,
    /// A folder with a JSON file for each table of InferenceX's database.
    InferencexDump,
    /// A result of a load generator.
    LoadGenerator,
}

impl ImportFormat {
    /// The name in messages, and of the provider of its runs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rhaiis => "rhaiis-csv",
            Self::LlmdTable => "llm-d-csv",
            Self::GuidellmTable => "guidellm-csv",
            Self::Prism => "prism",
            Self::Inferencex => "inferencex",
            Self::InferencexDump => "inferencex-dump",
            Self::LoadGenerator => "load-generator",
        }
    }
}

/// What a user adds to a file: missing facts, names of its columns, translations of its values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportHints {
    pub facts: Facts,
    pub mapping: Mapping,
}

/// A run, with its points in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedRun {
    pub format: ImportFormat,
    /// The run's identity in its tool. A run without one is identified by its content.
    pub id: Option<String>,
    /// What was measured: a commit, else the engine and its version.
    pub commit: String,
    pub branch: Option<String>,
    pub date: DateTime<Utc>,
    pub points: Vec<Point>,
}

/// A row that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// `line 4, column 20 (measured rps)`, `[3]`.
    pub place: String,
    pub reason: String,
    /// The row as it was found.
    pub payload: String,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    pub runs: Vec<ImportedRun>,
    /// Results of other benchmarks, which are not points.
    pub published: Vec<PublishedResult>,
    pub refused: Vec<RefusedRow>,
}

impl Imported {
    /// Adds the result of a line, or the reason for its refusal.
    fn add_published(&mut self, read: Result<PublishedResult, String>, place: &str, record: &csv::StringRecord) {
        match read {
            Ok(result) => self.published.push(result),
            Err(reason) => self.refused.push(RefusedRow {
                place: place.to_owned(),
                reason,
                payload: record.iter().collect::<Vec<_>>().join(","),
            }),
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    Text(#[from] text::TextError),
    #[error("{0}")]
    Table(#[from] table::TableError),
    #[error("line {line}: {source}")]
    JsonLine { line: usize, source: JsonError },
    #[error("{0}")]
    Json(#[from] JsonError),
    #[error(
        "unknown format; expected a history, a CSV table of the RHAIIS or llm-d dashboard, of GuideLLM or MLPerf, points of Prism or \
         InferenceX, records of MLPerf or PyTorch, or a result of a load generator ({0})"
    )]
    Unknown(String),
}

/// Reads a file's bytes.
///
/// # Errors
/// [`ImportError`] for a file that is not of a known format; a row that is not understood is in [`Imported::refused`].
pub fn import(bytes: &[u8], hints: &ImportHints) -> Result<Imported, ImportError> {
    let text = text::decode(bytes)?;
    let start = text.trim_start();
    if start.starts_with(['{', '[']) {
        return import_json(&text, hints);
    }
    if mlperf::wrote_table(start) {
        return mlperf::read_table(start);
    }
    if guidellm_table::wrote(start) {
        return guidellm_table::read(&text, hints);
    }
    if let Some(format) = rhaiis::format_of(start, hints) {
        return rhaiis::read(&text, format, hints);
    }
    load_generator::read(&text, hints)
}

fn import_json(text: &str, hints: &ImportHints) -> Result<Imported, ImportError> {
    let documents = match Json::parse(text) {
        Ok(Json::List(items)) => items,
        Ok(document) => vec![document],
        Err(_) if pytorch_v3::wrote_lines(text) => return pytorch_v3::read_lines(text),
        // JSON lines are results of load generators, whose reader names the line that is broken.
        Err(_) => return load_generator::read(text, hints),
    };
    let first = documents.iter().find_map(Json::as_object);
    match first {
        Some(first) if inferencex::wrote(first) => Ok(inferencex::read(&documents, hints)),
        Some(first) if mlperf::wrote(first) => Ok(mlperf::read_summary(&documents)),
        Some(first) if pytorch_v3::wrote(first) => Ok(pytorch_v3::read(&documents)),
        Some(first) if prism::wrote(first) => Ok(prism::read(&documents, hints)),
        Some(_) | None => load_generator::read(text, hints),
    }
}
