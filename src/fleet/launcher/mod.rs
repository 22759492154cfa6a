//! Launchers: each starts an engine on a kind of node, watches it and stops it. A launcher is one folder here, which holds its
//! section of profiles, its requests and its effects, and one line in [`KINDS`].

mod container;
mod docker;
mod endpoint;
mod launch_plan;
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
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fleet::engine_log::EngineLog;
use crate::fleet::job_state::Holding;
use crate::job::{Attempt, JobFailure, JobSpec, LaunchRules, LaunchSettings, Service, SettingsError};
use crate::model::{JobId, Secret, Variable};
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, ProcessError, StopReport};

pub(crate) use docker::read_registry_login;
pub use launch_plan::{LaunchInput, LaunchPlan, launch_plan};
pub(crate) use slurm::read_slurm_answers;

/// All launchers, in the order in which messages name them.
static KINDS: [&dyn LauncherKind; 5] = [&local::Local, &script::Script, &docker::Docker, &slurm::Slurm, &endpoint::Endpoint];

/// The rules of all launchers, for code that reads profiles.
#[must_use]
pub fn launch_rules() -> [&'static dyn LaunchRules; KINDS.len()] {
    KINDS.map(|kind| -> &dyn LaunchRules { kind })
}

/// A kind of launcher: its rules, and operations that need no job.
trait LauncherKind: LaunchRules {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError>;

    /// Removes the holding of a dead job. Returns whether there was anything to remove.
    fn remove<'a>(&'a self, _held: &'a Value, _removal: &'a Removal<'a>) -> BoxFuture<'a, Result<bool, LaunchError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Checks the services that jobs need. Blocks the thread.
    fn services(&self, _settings: &LaunchSettings, _until: Instant, _stop: &Cancellation) -> Vec<Service> {
        Vec::new()
    }
}

/// The job whose holding is removed, and the deadline.
struct Removal<'a> {
    job: &'a JobId,
    cancellation: &'a Cancellation,
    until: Instant,
}

fn kind(name: &str) -> Result<&'static dyn LauncherKind, LaunchError> {
    let found = KINDS.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| LaunchError::Unknown(name.to_owned()))
}

/// Everything that a launcher needs to start an engine.
#[derive(Clone, Copy)]
pub struct LaunchRequest<'a> {
    pub spec: &'a JobSpec,
    pub environment: &'a [Variable],
    /// The folder of the recipes.
    pub recipe_folder: &'a Path,
    /// The folder of runner profiles and launch scripts.
    pub runner_folder: &'a Path,
    /// The repository: the engine's working folder.
    pub repository: &'a Path,
    /// Output folder of the job.
    pub out: &'a Path,
    /// For the engine's stdout and stderr.
    pub log: &'a EngineLog,
    pub port: u16,
    pub cancellation: &'a Cancellation,
    /// Deadline of the attempt.
    pub until: Instant,
    /// Records attempts of operations that the launcher retries itself.
    pub tries: &'a Tries,
    pub say: &'a dyn Fn(&str),
}

/// Attempts of operations that a launcher retries itself, such as the pull of an image.
pub type Tries = Mutex<Vec<Attempt>>;

impl LaunchRequest<'_> {
    /// The input of the launch.
    fn input(&self) -> LaunchInput<'_> {
        LaunchInput {
            spec: self.spec,
            environment: self.environment,
            recipe_folder: self.recipe_folder,
            runner_folder: self.runner_folder,
            repository: self.repository,
            out: self.out,
            log: self.log.path(),
            port: self.port,
        }
    }
}

pub trait Launcher {
    /// The resources other than processes that the job will hold; written to the job's state before anything is started.
    fn holds(&self, spec: &JobSpec) -> Vec<Holding>;

    /// What [`Launcher::launch`] would start.
    ///
    /// # Errors
    /// If the launch would be refused before anything is started.
    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError>;

    /// Starts the engine. Returns once it is started, not when it is ready.
    ///
    /// # Errors
    /// If it could not be started. Anything left of the attempt is among what [`Launcher::holds`] returned, and the caller
    /// removes it.
    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>>;
}

/// Position of a started engine in a scheduler's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueState {
    /// There is no queue: the engine runs.
    NoQueue,
    Waiting {
        /// What waits, for people.
        what: String,
        /// The scheduler's reason.
        reason: String,
    },
    /// It has left the queue.
    Left {
        /// Where it runs, for people.
        place: String,
    },
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EngineAddress {
    /// Host name or address.
    pub host: String,
    pub port: u16,
    /// Path before the API's, without a final slash: empty, or `/openai`.
    pub base_path: String,
}

impl EngineAddress {
    /// Parses a URL such as `http://127.0.0.1:8000`; without a port, that of the scheme is used. A final `/v1` belongs to the API.
    /// `None` for another scheme, and for a URL with user, query or fragment.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !is_plain || url.scheme() != "http" {
            return None;
        }
        let path = url.path().trim_end_matches('/');
        Some(Self {
            host: url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_or_known_default()?,
            base_path: path.strip_suffix("/v1").unwrap_or(path).to_owned(),
        })
    }

    /// Its URL without a final slash. An IPv6 address is enclosed in brackets (RFC 3986, section 3.2.2).
    #[must_use]
    pub fn url(&self) -> String {
        let Self { host, port, base_path } = self;
        if host.contains(':') {
            format!("http://[{host}]:{port}{base_path}")
        } else {
            format!("http://{host}:{port}{base_path}")
        }
    }
}

/// A started engine. Dropping it kills it. Several tasks may wait for it at the same time, and each wait may be dropped.
pub trait Engine: Send + Sync {
    /// Its position in a scheduler's queue.
    fn queue_state(&self) -> QueueState {
        QueueState::NoQueue
    }

    /// Resolves when the position differs from `known`. The end of an engine is not a change of position.
    fn queue_state_change<'a>(&'a self, _known: &'a QueueState) -> BoxFuture<'a, QueueState> {
        Box::pin(std::future::pending())
    }

    /// Resolves when it has ended.
    ///
    /// # Errors
    /// If its end cannot be determined.
    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>>;

    /// Stops the engine and its processes: SIGTERM first; SIGKILL after `grace` or on cancellation of `hurry`, waiting at most `limit`.
    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport>;

    fn host(&self) -> String;

    /// The address on which it listens, `port` being the job's.
    fn address(&self, port: u16) -> EngineAddress {
        EngineAddress {
            host: self.host(),
            port,
            base_path: String::new(),
        }
    }

    /// The names of the nodes that a scheduler assigned, in the order in which roles share them.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Facts for the result's provenance, such as the image's digest.
    fn facts(&self) -> BTreeMap<String, String>;
}

/// Why an engine could not be started or watched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No launcher has this name.
    #[error("unknown launcher `{0}`; the file may be from another version of imax")]
    Unknown(String),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Launcher(Box<dyn Error + Send + Sync>),
    /// The cause and the failure class are known.
    #[error(transparent)]
    Explained(JobFailure),
    #[error("ended by a signal")]
    Stopped,
    #[error("{0} did not finish in time")]
    Late(String),
    /// The scheduler may still carry out the failed request.
    #[error("{0}; the scheduler may still start the job")]
    Unanswered(Box<LaunchError>),
}

/// The launcher of a profile.
///
/// # Errors
/// If the settings are those of another version.
pub fn launcher_of(settings: &LaunchSettings) -> Result<Box<dyn Launcher>, LaunchError> {
    Ok(kind(settings.name())?.launcher(settings)?)
}

/// The services that a profile's launcher needs, with their answers.
pub(super) fn services(settings: &LaunchSettings, until: Instant, cancellation: &Cancellation) -> Vec<Service> {
    kind(settings.name()).map_or_else(|_| Vec::new(), |kind| kind.services(settings, until, cancellation))
}

/// Timeout for the removal of one holding of a dead job.
const REMOVAL: Duration = Duration::from_secs(20);

/// Removes a holding of a dead job. Returns whether there was anything to remove.
///
/// # Errors
/// If it is still there, also because of a signal or the deadline.
pub async fn remove(holding: &Holding, job: &JobId, cancellation: &Cancellation, until: Instant) -> Result<bool, LaunchError> {
    let until = until.min(Instant::now() + REMOVAL);
    kind(&holding.launcher)?
        .remove(&holding.data, &Removal { job, cancellation, until })
        .await
}

/// The secrets in an environment, the longest first: one may be part of another.
#[must_use]
pub fn secrets_of(environment: &[Variable]) -> Vec<Secret> {
    use crate::model::VariableValue;
    let secrets = environment.iter().filter_map(|variable| match &variable.value {
        VariableValue::Plain(_) => None,
        VariableValue::Secret(secret) => Some(secret.clone()),
    });
    let mut secrets: Vec<Secret> = secrets.collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    secrets
}
