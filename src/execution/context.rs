//! The constants of a job.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::console::Console;
use super::error::ExecutionError;
use super::interruption::{Interruption, PhaseError};
use super::recipe_logs;
use super::request::{EvalOptions, ExecutionRequest};
use crate::fleet::engine_log::{self, EngineLog};
use crate::fleet::job_state::StateFolder;
use crate::git::checkout::Checkout;
use crate::job::{JobFailure, JobSpec, Phase, PhaseEnding, TRACE_FOLDER, diagnose};
use crate::model::{Secret, Variable};
use crate::system::cancellation::Cancellation;
use crate::system::host;
use crate::system::untrusted::UntrustedFolder;

/// Lines of the engine's log that a failure quotes.
const TAIL_LINES: usize = 40;
/// A cancelled job has stopped everything this long after the signal. The job must end within 7 s, because GitHub's runner kills all
/// processes after 10 s; the last second is for `job.json`.
const CANCEL_LIMIT: Duration = Duration::from_secs(6);

/// The constants that every phase of a job may use.
#[derive(Debug)]
pub(super) struct JobContext {
    pub spec: JobSpec,
    pub folders: JobFolders,
    /// The log of the engine, and of the profile's hooks.
    pub log: EngineLog,
    /// The output folder, for reading: the engine can write there.
    pub untrusted_out: UntrustedFolder,
    /// The environment of the engine.
    pub environment: Vec<Variable>,
    /// The secrets in the environment, the longest first.
    pub secrets: Vec<Secret>,
    /// The port of the engine.
    pub port: u16,
    /// The seed of random prompts.
    pub seed: u64,
    pub evals: EvalOptions,
    /// The look-up of the repository's commit, which runs in the background.
    pub checkout: Checkout,
    /// The state files of this user's jobs on this node.
    pub states: StateFolder,
    pub console: Console,
    pub cancellation: Cancellation,
    pub start: JobStart,
}

/// The folders of a job, all absolute.
#[derive(Debug)]
pub(super) struct JobFolders {
    /// Output of the job.
    pub out: PathBuf,
    /// The repository, which is the working folder of recipes and hooks.
    pub repository: PathBuf,
    pub recipes: PathBuf,
    pub runners: PathBuf,
}

/// The output folder, opened before an engine can replace what is in it.
#[derive(Debug)]
pub(super) struct OpenedOutput {
    pub folder: UntrustedFolder,
    pub log: EngineLog,
}

impl OpenedOutput {
    /// Opens the folder and begins an empty log in it.
    pub fn open(folders: &JobFolders) -> Result<Self, ExecutionError> {
        let path = folders.server_log();
        Ok(Self {
            folder: UntrustedFolder::open(&folders.out)?,
            log: EngineLog::create(path.clone()).map_err(|source| ExecutionError::Log { path, source })?,
        })
    }
}

/// When a job began.
#[derive(Debug)]
pub(super) struct JobStart {
    pub instant: Instant,
    /// RFC 3339 in UTC.
    pub timestamp: String,
}

impl JobStart {
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            timestamp: host::timestamp(),
        }
    }
}

impl JobFolders {
    /// Creates the output folder and finds the others.
    pub fn create(request: &ExecutionRequest) -> Result<Self, ExecutionError> {
        std::fs::create_dir_all(&request.out).map_err(|source| ExecutionError::OutputFolder {
            path: request.out.clone(),
            source,
        })?;
        Self::of(request)
    }

    /// Finds the folders and creates none.
    pub fn of(request: &ExecutionRequest) -> Result<Self, ExecutionError> {
        Ok(Self {
            out: absolute(&request.out)?,
            repository: std::env::current_dir().map_err(ExecutionError::WorkingFolder)?,
            recipes: absolute(&request.recipe_dir)?,
            runners: absolute(&request.runner_dir)?,
        })
    }

    /// Where the engine's profiler writes traces.
    pub fn traces(&self) -> PathBuf {
        self.out.join(TRACE_FOLDER)
    }

    /// The log of the engine, and of the profile's hooks.
    pub fn server_log(&self) -> PathBuf {
        self.out.join("server.log")
    }
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, ExecutionError> {
    std::path::absolute(path).map_err(|source| ExecutionError::Path {
        path: path.to_owned(),
        source,
    })
}

impl JobContext {
    /// When everything must be stopped; `None` while the job is not cancelled.
    pub fn cancel_deadline(&self) -> Option<Instant> {
        self.cancellation.requested_at().map(|since| since + CANCEL_LIMIT)
    }

    /// Fails if the job was cancelled.
    pub fn check_cancelled(&self) -> Result<(), PhaseError> {
        match self.cancellation.cause() {
            Some(cause) => Err(PhaseError::Interrupted(Interruption::Cancelled(cause))),
            None => Ok(()),
        }
    }

    /// The ending of a phase, and its failure, completed with the cause in the engine's log.
    pub fn explain(&self, phase: Phase, error: PhaseError) -> (PhaseEnding, JobFailure) {
        match error {
            PhaseError::Failed(failure) => (PhaseEnding::Failed, failure),
            PhaseError::Interrupted(interruption) => {
                let failure = interruption.failure(phase);
                let failure = if interruption.concerns_engine() {
                    self.with_log(failure)
                } else {
                    failure
                };
                (interruption.ending(), failure)
            }
        }
    }

    /// The failure with the cause that the engine's logs show, and the end of one of them.
    pub fn with_log(&self, mut failure: JobFailure) -> JobFailure {
        let output = self.log.tail(&self.secrets);
        // The engine's own log first: where a script starts the engine elsewhere, its output shows consequences only.
        let mut logs = recipe_logs::engine_log_tails(self);
        logs.push(output);
        let found = logs.iter().find_map(|log| Some((log, diagnose(log)?)));
        let quoted = found.as_ref().map_or(logs.last(), |(log, _)| Some(*log));
        let tail = engine_log::last_lines(quoted.map(String::as_str).unwrap_or_default(), TAIL_LINES);
        // A cause from the launcher is certain; one that is recognised in the log is a guess.
        if let Some((_, diagnosis)) = found.filter(|_| failure.cause.is_none()) {
            failure.reason = format!("{}: {} (log: {})", failure.reason, diagnosis.cause.sentence, diagnosis.line);
            failure.cause = Some(diagnosis.cause.code.to_owned());
        }
        failure.log_tail = (!tail.is_empty()).then_some(tail);
        failure
    }
}
