//! `run.json`: a run as a file, with the version of its format. It also has the failed points and the problems, which would break
//! readers of `agg_bmk.json`.

use serde::{Deserialize, Serialize};

use super::Run;

/// The format of `run.json`; the number after the slash grows when a reader must change.
pub const RUN_SCHEMA: &str = "imax-run/1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDocument {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    pub run: Run,
}

/// Why a file is not a valid run.
#[derive(Debug, thiserror::Error)]
pub enum RunDocumentError {
    /// It is not JSON, or has another structure.
    #[error("invalid run file: {0}")]
    Form(#[from] serde_json::Error),
    /// It has another version.
    #[error("the run file has schema {0:?}, expected {RUN_SCHEMA:?}; collect the artifacts again with this imax")]
    Schema(String),
}

impl RunDocument {
    /// The file of a run.
    #[must_use]
    pub fn of(run: Run) -> Self {
        Self {
            schema: RUN_SCHEMA.to_owned(),
            run,
        }
    }

    /// Reads a file. The points are sorted, in case the file was edited.
    ///
    /// # Errors
    /// [`RunDocumentError`] for other JSON or another version.
    pub fn parse(text: &str) -> Result<Run, RunDocumentError> {
        let document: Self = serde_json::from_str(text)?;
        if document.schema != RUN_SCHEMA {
            return Err(RunDocumentError::Schema(document.schema));
        }
        let mut run = document.run;
        run.points.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(run)
    }
}
