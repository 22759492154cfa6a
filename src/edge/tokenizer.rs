//! Finds and reads the `tokenizer.json` that belongs to a model: a file, or a folder that holds it.

use std::path::{Path, PathBuf};

use crate::load::{Tokenizer, TokenizerError};

/// Why there is no tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerFileError {
    /// Neither a file nor a folder with one.
    #[error(
        "no tokenizer at {searched}: expected a tokenizer.json, or a folder that holds one; name it with --tokenizer \
         (downloading by model name is not supported yet)"
    )]
    NotFound {
        /// Where it was looked for.
        searched: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] super::files::FileError),
    /// The file is not a tokenizer.
    #[error("{}: {source}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokenizerError,
    },
}

/// Reads the tokenizer from a file or a folder.
///
/// # Errors
/// [`TokenizerFileError`], naming what was looked at.
pub fn read(source: &str) -> Result<Tokenizer, TokenizerFileError> {
    let given = Path::new(source);
    let path = if given.is_dir() {
        given.join("tokenizer.json")
    } else {
        given.to_owned()
    };
    if !path.is_file() {
        return Err(TokenizerFileError::NotFound {
            searched: path.display().to_string(),
        });
    }
    let bytes = super::files::read(&path)?;
    Tokenizer::from_json(&bytes).map_err(|source| TokenizerFileError::Tokenizer { path, source })
}
