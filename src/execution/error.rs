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
    /// Another run has it.
    #[error("another imax run writes to {}; give each run an --out of its own", .0.display())]
    FolderInUse(PathBuf),
    /// The file that keeps other runs out cannot be locked.
    #[error("cannot lock {}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    /// A result of an earlier job cannot be removed.
    #[error("cannot remove {}, a file of an earlier job; remove it, or give another --out", path.display())]
    EarlierResult { path: PathBuf, source: io::Error },
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
