//! The formats of a report, as arguments.

use clap::ValueEnum;

use crate::report::Format;

/// A format by the name of its flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For a terminal.
    Table,
    /// GitHub's markdown.
    Markdown,
    /// For spreadsheets: every number with its full digits.
    Csv,
    /// For programs.
    Json,
    /// One self-contained page with plots.
    Html,
    /// JUnit XML: a point is a test case.
    Junit,
    /// SARIF: a regression is an alert of GitHub's code scanning.
    Sarif,
    /// For data frames: the columns of the CSV; needs --out.
    Parquet,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Table => Self::Table,
            FormatArg::Markdown => Self::Markdown,
            FormatArg::Csv => Self::Csv,
            FormatArg::Json => Self::Json,
            FormatArg::Html => Self::Html,
            FormatArg::Junit => Self::Junit,
            FormatArg::Sarif => Self::Sarif,
            FormatArg::Parquet => Self::Parquet,
        }
    }
}
