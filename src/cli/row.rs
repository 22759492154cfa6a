//! Reads the matrix row of a command from a file, stdin or the environment.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::{Exit, Failure, OrExit as _};
use crate::matrix::Row;
use crate::system::files;

/// Reads the row from its file, from stdin (`-`), or from `IMAX_ROW`, which contains the JSON itself.
///
/// # Errors
/// Usage without a row; invalid input for an invalid one.
pub fn read_row(path: Option<&Path>) -> Result<Row, Failure> {
    let (name, text) = match path {
        Some(path) => read_file(path)?,
        None => ("IMAX_ROW".to_owned(), row_variable()?),
    };
    serde_json::from_str(&text)
        .with_context(|| format!("{name} is not a matrix row"))
        .or_exit(Exit::InvalidInput)
}

fn read_file(path: &Path) -> Result<(String, String), Failure> {
    if path != Path::new("-") {
        let text = files::read_text(path)?;
        return Ok((path.display().to_string(), text));
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.context("cannot read the row from stdin").or_exit(Exit::InvalidInput)?;
    Ok(("stdin".to_owned(), text))
}

fn row_variable() -> Result<String, Failure> {
    let text = std::env::var("IMAX_ROW").ok().filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| anyhow!("no row: give a file with --row, or the JSON itself in IMAX_ROW"))
        .or_exit(Exit::Usage)
}
