//! Errors of `execute`.

use std::io;
use std::path::PathBuf;

use crate::github::workflow::WorkflowFileError;
use crate::model::NameError;
use crate::system::files::FileError;
use crate::system::process::ProcessError;

/// Why a row was not executed, or its record not written. A job that fails is not an error: its record says so.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    #[error("cannot create the output folder {}", path.display())]
    OutputFolder { path: PathBuf, source: io::Error },
    /// The log of the engine cannot be created in it.
    #[error("cannot create {}", path.display())]
    Log { path: PathBuf, source: io::Error },
    /// A path cannot be made absolute.
    #[error("cannot make the path {} absolute", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("cannot determine the working folder")]
    WorkingFolder(#[source] io::Error),
    /// Orphaned processes could not be found and stopped.
    #[error(transparent)]
    Orphans(#[from] ProcessError),
    #[error("invalid runner name (--runner-name or RUNNER_NAME)")]
    RunnerName(#[from] NameError),
    /// The engine has no port to listen on.
    #[error("no free port for the engine")]
    NoFreePort(#[source] io::Error),
    /// The record cannot be written as JSON.
    #[error("cannot serialize the job record")]
    RecordJson(#[from] serde_json::Error),
    /// `job.json` cannot be written.
    #[error(transparent)]
    RecordFile(#[from] FileError),
    #[error(transparent)]
    Summary(#[from] WorkflowFileError),
}
