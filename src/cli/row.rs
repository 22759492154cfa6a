//! Reads the matrix row of a command from a file, stdin or the environment.

use std::io::Read as _;
use std::path::Path;

use crate::matrix::Row;
use crate::system::files::{self, FileError};

/// Why there is no row.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("no row: give a file with --row, or the JSON itself in IMAX_ROW")]
    Missing,
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot read the row from stdin: {0}")]
    Stdin(std::io::Error),
    #[error("{name} is not a matrix row: {source}")]
    Invalid { name: String, source: serde_json::Error },
}

/// Reads the row from its file, from stdin (`-`), or from `IMAX_ROW`, which contains the JSON itself.
///
/// # Errors
/// If there is no row, or an invalid one.
pub fn read_row(path: Option<&Path>) -> Result<Row, RowError> {
    let (name, text) = match path {
        Some(path) => read_file(path)?,
        None => ("IMAX_ROW".to_owned(), row_variable()?),
    };
    serde_json::from_str(&text).map_err(|source| RowError::Invalid { name, source })
}

fn read_file(path: &Path) -> Result<(String, String), RowError> {
    if path != Path::new("-") {
        let text = files::read_text(path)?;
        return Ok((path.display().to_string(), text));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(RowError::Stdin)?;
    Ok(("stdin".to_owned(), text))
}

fn row_variable() -> Result<String, RowError> {
    let text = std::env::var("IMAX_ROW").ok().filter(|text| !text.trim().is_empty());
    text.ok_or(RowError::Missing)
}
