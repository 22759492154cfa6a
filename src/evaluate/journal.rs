//! The journal of answers: one JSON line for each, appended on arrival, so that a resumed evaluation does not repeat requests. The
//! key is the hash of the whole request (model, prompt, limits), so answers of a changed task are not reused.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::eval::request::ModelAnswer;
use crate::system::untrusted;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the journal {}: {source}", path.display())]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// The system error.
    pub source: io::Error,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<String, ModelAnswer>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    request: String,
    answer: ModelAnswer,
}

impl Journal {
    /// Opens a journal. Without `resume` an existing one is deleted.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, resume: bool) -> Result<Self, JournalError> {
        let journal_error = |source| JournalError {
            path: path.to_owned(),
            source,
        };
        let mut known = HashMap::new();
        let mut is_truncated = false;
        if resume && path.exists() {
            let mut text = Vec::new();
            let before = untrusted::open_regular(path).map_err(journal_error)?;
            before.take(untrusted::MAX_TEXT).read_to_end(&mut text).map_err(journal_error)?;
            is_truncated = !text.is_empty() && !text.ends_with(b"\n");
            // The interruption may have truncated the last line.
            let lines = text
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            known.extend(lines.map(|line| (line.request, line.answer)));
        } else if path.exists() {
            std::fs::remove_file(path).map_err(journal_error)?;
        }
        let mut file = untrusted::append(path).map_err(journal_error)?;
        if is_truncated {
            file.write_all(b"\n").map_err(journal_error)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            known,
        })
    }

    /// The answer to the request with this hash.
    #[must_use]
    pub fn answer(&self, request: &str) -> Option<&ModelAnswer> {
        self.known.get(request)
    }

    /// Appends an answer.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&mut self, request: &str, answer: &ModelAnswer) -> Result<(), JournalError> {
        let line = Line {
            request: request.to_owned(),
            answer: answer.clone(),
        };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            // One write per line, so that a killed process leaves at most one incomplete line, the last.
            self.file.write_all(&bytes)
        });
        written.map_err(|source| JournalError {
            path: self.path.clone(),
            source,
        })
    }

    /// Removes the journal; call when all answers are in the sample files.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn finish(self) -> Result<(), JournalError> {
        std::fs::remove_file(&self.path).map_err(|source| JournalError { path: self.path, source })
    }
}
