//! Launchers: what starts an engine on a kind of node, watches it and stops it. A launcher is one folder here, which holds its
//! section of profiles, its requests and its effects, and one line in [`KINDS`].

mod container;
mod docker;
mod local;
mod mount;
mod process;
mod script;
mod slurm;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde_json::Value;

use crate::fleet::job_state::Holding;
use crate::job::{Attempt, JobFailure, JobSpec, LaunchRules, LaunchSettings, Service, SettingsError};
use crate::model::{JobId, Secret, Variable};
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, ProcessError, StopReport};

/// All launchers, in the order in which messages name them.
static KINDS: [&dyn LauncherKind; 4] = [&local::Local, &script::Script, &docker::Docker, &slurm::Slurm];

/// The rules of all launchers, for whoever reads a profile.
#[must_use]
pub fn launch_rules() -> [&'static dyn LaunchRules; KINDS.len()] {
    KINDS.map(|kind| -> &dyn LaunchRules { kind })
}

/// A kind of launcher: its rules, and what needs no job.
trait LauncherKind: LaunchRules {
    /// The launcher of a profile.
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError>;

    /// Removes what a dead job held. Says whether there was something to remove.
    fn remove<'a>(&'a self, _held: &'a Value, _removal: &'a Removal<'a>) -> BoxFuture<'a, Result<bool, LaunchError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Asks the services that jobs need. Blocks the thread.
    fn services(&self, _settings: &LaunchSettings, _until: Instant, _stop: &Cancellation) -> Vec<Service> {
        Vec::new()
    }
}

/// Whose holding is removed, and for how long that is tried.
struct Removal<'a> {
    job: &'a JobId,
    stop: &'a Cancellation,
    until: Instant,
}

fn kind(name: &str) -> Result<&'static dyn LauncherKind, LaunchError> {
    let found = KINDS.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| LaunchError::Unknown(name.to_owned()))
}

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
    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>>;
}

/// Whether a scheduler has given a started engine its nodes.
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
    /// It waits no longer.
    Come {
        /// Where it runs, for people.
        place: String,
    },
}

/// A started engine. Dropping it stops it by force. Several may wait for it at the same time, and each wait may be dropped.
pub trait Engine: Send + Sync {
    /// Whether it waits in a scheduler's queue.
    fn turn(&self) -> Turn {
        Turn::NoQueue
    }

    /// Resolves when it waits or runs in another way than `known` says. The end of an engine is no turn.
    fn turn_after<'a>(&'a self, _known: &'a Turn) -> BoxFuture<'a, Turn> {
        Box::pin(std::future::pending())
    }

    /// Resolves when it has ended, and says how.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>>;

    /// Stops everything that came of it: politely for `grace` or until a request of `hurry`, then by force for `limit`.
    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport>;

    /// The host on which it listens.
    fn host(&self) -> String;

    /// The names of the nodes that a scheduler gave it, in the order in which roles share them.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
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
    /// No launcher has the name.
    #[error("unknown launcher `{0}`; was this written by another version of imax?")]
    Unknown(String),
    /// The settings are another launcher's.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What the launcher itself says.
    #[error(transparent)]
    Launcher(Box<dyn Error + Send + Sync>),
    /// It is known what ended the engine, and whose fault that is.
    #[error(transparent)]
    Explained(JobFailure),
    /// A signal came.
    #[error("ended by a signal")]
    Stopped,
    /// The time was over.
    #[error("{0} did not finish in time")]
    Late(String),
    /// A scheduler may still obey the request that failed so.
    #[error("{0}; the scheduler may still start the job")]
    Unanswered(Box<LaunchError>),
}

/// The launcher of a profile.
///
/// # Errors
/// Where the settings are those of another version.
pub fn launcher_of(settings: &LaunchSettings) -> Result<Box<dyn Launcher>, LaunchError> {
    Ok(kind(settings.name())?.launcher(settings)?)
}

/// The services that a profile's launcher needs, with their answers.
pub(super) fn services(settings: &LaunchSettings, until: Instant, stop: &Cancellation) -> Vec<Service> {
    kind(settings.name()).map_or_else(|_| Vec::new(), |kind| kind.services(settings, until, stop))
}

/// How long removing one holding of a dead job may take.
const REMOVAL: Duration = Duration::from_secs(20);

/// Removes what a dead job held. Says whether there was something to remove.
///
/// # Errors
/// Where it is still there, also because a signal came or the time was over.
pub async fn remove(holding: &Holding, job: &JobId, stop: &Cancellation, until: Instant) -> Result<bool, LaunchError> {
    let until = until.min(Instant::now() + REMOVAL);
    kind(&holding.launcher)?.remove(&holding.data, &Removal { job, stop, until }).await
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
