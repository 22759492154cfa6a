//! The formats of a report, and rendering a view in one of them.

use parquet::errors::ParquetError;

use super::{Budget, SideBySide, TextStyle, View, csv, csv_of_several, html, json, json_of_several, junit, sarif, summary, table};

/// A format of a report. Names and descriptions for users are in `cli/report_format.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Table,
    Markdown,
    Csv,
    Json,
    Html,
    Junit,
    Sarif,
    Parquet,
}

/// Why a report cannot be written in a format.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A value has no JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value has no XML form.
    #[error(transparent)]
    Junit(#[from] quick_junit::SerializeError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("cannot decompress the script and style of pages, which are part of this program: {0}")]
    Script(#[from] std::io::Error),
    /// A binary format was requested as text.
    #[error("Parquet is a binary format; use imax report with --out FILE")]
    NotText,
    /// Several runs were requested in a format that shows one run.
    #[error("several runs can be shown as table, markdown, csv or json; compare two at a time for other formats")]
    OneRunOnly,
}

impl Format {
    /// All formats, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Table,
        Self::Markdown,
        Self::Csv,
        Self::Json,
        Self::Html,
        Self::Junit,
        Self::Sarif,
        Self::Parquet,
    ];

    /// The report as bytes of a file.
    ///
    /// # Errors
    /// [`RenderError`] if a value cannot be encoded.
    pub fn bytes(self, view: &View, title: &str) -> Result<Vec<u8>, RenderError> {
        match self {
            Self::Parquet => Ok(super::parquet(view)?),
            Self::Table | Self::Markdown | Self::Csv | Self::Json | Self::Html | Self::Junit | Self::Sarif => {
                Ok(self.text(view, title, TextStyle::default())?.into_bytes())
            }
        }
    }

    /// The report as text; the style is that of a table.
    ///
    /// # Errors
    /// [`RenderError`] for a binary format, or if a value cannot be encoded.
    pub fn text(self, view: &View, title: &str, style: TextStyle) -> Result<String, RenderError> {
        Ok(match self {
            Self::Table => table(view, style),
            Self::Markdown => summary(view, Budget::FILE),
            Self::Csv => csv(view),
            Self::Json => format!("{}\n", json(view)?),
            Self::Html => html(view, title)?,
            Self::Junit => junit(view)?,
            Self::Sarif => sarif(view, env!("CARGO_PKG_VERSION"))?,
            Self::Parquet => return Err(RenderError::NotText),
        })
    }

    /// The report of several runs as text; the style is that of a table.
    ///
    /// # Errors
    /// [`RenderError`] for a format that shows one run, or if a value cannot be encoded.
    pub fn text_of_several(self, runs: &SideBySide, style: TextStyle) -> Result<String, RenderError> {
        match self {
            Self::Table => Ok(runs.table(style)),
            Self::Markdown => Ok(runs.markdown()),
            Self::Csv => Ok(csv_of_several(&runs.views())),
            Self::Json => Ok(format!("{}\n", json_of_several(&runs.views())?)),
            Self::Html | Self::Junit | Self::Sarif | Self::Parquet => Err(RenderError::OneRunOnly),
        }
    }
}
