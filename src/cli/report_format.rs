//! The formats of a report as values of `--format`.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::report::Format;

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Table => ("table", "For a terminal"),
            Self::Markdown => ("markdown", "GitHub's markdown"),
            Self::Csv => ("csv", "For spreadsheets: every number with its full digits"),
            Self::Json => ("json", "For programs"),
            Self::Html => ("html", "One self-contained page with plots"),
            Self::Junit => ("junit", "JUnit XML: a point is a test case"),
            Self::Sarif => ("sarif", "SARIF: a regression is an alert of GitHub's code scanning"),
            Self::Parquet => ("parquet", "For data frames: the columns of the CSV; needs --out"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
