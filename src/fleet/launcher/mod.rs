//! Launchers: what starts an engine on a kind of node, watches it and stops it. Each is one file and one line in
//! [`launcher_of`].

mod docker;
mod local;
mod slurm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::fleet::job_state::Holding;
use crate::job::{Attempt, JobFailure, JobSpec, LaunchSettings};
use crate::model::{JobId, Secret, Variable};
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, ProcessError, StopReport};
pub use docker::{DockerError, container_engine_version};
pub use slurm::SlurmError;

/// What a launcher needs to start an engine.
#[derive(Clone, Copy)]
pub struct LaunchRequest<'a> {
    /// The job.
    pub spec: &'a JobSpec,
    /// The engine's environment.
    pub environment: &'a [Variable],
    /// The folder of the recipes.
    pub recipe_folder: &'a Path,
    /// The folder of runner profiles and launch scripts.
    pub runner_folder: &'a Path,
    /// The repository: the engine's working folder.
    pub repository: &'a Path,
    /// Where the job's files go.
    pub out: &'a Path,
    /// Where the engine's stdout and stderr go.
    pub log: &'a Path,
    /// The port that the engine listens on.
    pub port: u16,
    /// Ends the attempt.
    pub stop: &'a Cancellation,
    /// When the attempt's time is over.
    pub until: Instant,
    /// Where tries of what the launcher repeats by itself are noted.
    pub tries: &'a Tries,
    /// Tells people what is waited for.
    pub say: &'a dyn Fn(&str),
}

/// Tries of what a launcher repeats by itself, such as the pull of an image.
pub type Tries = Mutex<Vec<Attempt>>;

/// Starts engines in one way.
pub trait Launcher {
    /// What the job would hold beside processes, to be written down before anything is started.
    fn holds(&self, spec: &JobSpec) -> Vec<Holding>;

    /// Starts the engine. Returns when it was started, not when it is ready.
    ///
    /// # Errors
    /// Where it could not be started. What is left of the attempt is among what [`Launcher::holds`] named, and the caller
    /// removes it.
    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError>;
}

/// Whether a started engine's turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// There is no queue: what is started runs.
    NoQueue,
    /// It waits.
    Waits {
        /// What waits, for people.
        what: String,
        /// Why, as the scheduler names it.
        reason: String,
    },
    /// It waits no more.
    Come {
        /// Where it runs, for people.
        place: String,
    },
}

/// A started engine. Dropping it stops it by force.
pub trait Engine: Send {
    /// Whether it waits in a scheduler's queue.
    fn turn(&mut self) -> Turn {
        Turn::NoQueue
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn poll(&mut self) -> Result<Option<Ending>, LaunchError>;

    /// Stops everything that came of it: politely for `grace` or until `hurry` says so, then by force for `limit`.
    fn stop(&mut self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport;

    /// The host on which it listens.
    fn host(&self) -> &str;

    /// The names of the nodes that a scheduler gave it, in the order in which roles share them.
    fn nodes(&self) -> &[String] {
        &[]
    }

    /// What is known of it for the result's provenance, such as the image's digest.
    fn facts(&self) -> BTreeMap<String, String>;
}

/// Why an engine could not be started or watched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A launch script is not there.
    #[error("launch script {} is not there; write it, or name another launcher in the runner profile", .0.display())]
    NoScript(PathBuf),
    /// The scheduler failed.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// It is known what ended the engine, and whose fault that is.
    #[error(transparent)]
    Explained(JobFailure),
    /// The container engine failed.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// A signal came.
    #[error("ended by a signal")]
    Stopped,
    /// The time was over.
    #[error("{0} was not over in time")]
    Late(String),
    /// A scheduler may still obey the request that failed so.
    #[error("{0}; what was asked for may still come")]
    Unanswered(Box<LaunchError>),
}

/// The launcher of a profile.
#[must_use]
pub fn launcher_of(settings: &LaunchSettings) -> Box<dyn Launcher> {
    match settings {
        LaunchSettings::Local => Box::new(local::Recipe),
        LaunchSettings::Script { path } => Box::new(local::Script { path: path.clone() }),
        LaunchSettings::Docker(settings) => Box::new(docker::Docker::new(settings.clone())),
        LaunchSettings::Slurm(settings) => Box::new(slurm::Slurm::new(settings.clone())),
    }
}

/// How long what a dead job held has to go.
const REMOVAL: Duration = Duration::from_secs(20);

/// Removes what a dead job held. Says whether there was something to remove.
///
/// # Errors
/// Where it is still there, also because a signal came or the time was over.
pub fn remove(holding: &Holding, job: &JobId, stop: &Cancellation, until: Instant) -> Result<bool, LaunchError> {
    let until = until.min(Instant::now() + REMOVAL);
    match holding {
        Holding::Container { socket, name: _ } => docker::remove_containers(socket, job, stop, until),
        Holding::SlurmJob {
            name,
            configuration,
            secrets,
        } => {
            let found = slurm::remove_jobs(name, configuration.as_deref(), job, stop, until)?;
            if let Some(path) = secrets {
                let _ = std::fs::remove_file(path);
            }
            Ok(found)
        }
    }
}

/// The secrets of an environment, the longest first: one may be part of another.
#[must_use]
pub fn secrets_of(environment: &[Variable]) -> Vec<Secret> {
    use crate::model::VariableValue;
    let secret = |variable: &Variable| match &variable.value {
        VariableValue::Plain(_) => None,
        VariableValue::Secret(secret) => Some(secret.clone()),
    };
    let mut secrets: Vec<Secret> = environment.iter().filter_map(secret).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    secrets
}
