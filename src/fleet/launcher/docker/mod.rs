//! Engines in containers, through the socket of Docker or Podman. A container carries the job's id as its name and as
//! a label; nothing else is ever stopped or removed.

mod body;
mod cdi;
mod client;
mod container;
mod login;
mod progress;
mod pull;

use std::time::Duration;

use super::super::job_state::Holding;
use super::{Engine, LaunchError, LaunchRequest, Launcher};
use crate::job::{ContainerFolders, DockerSettings, JobSpec, container_plan};
use crate::system::runtime::block_on;
use client::{ANSWER, connect, remove_labelled};

pub use client::container_engine_version;
pub(super) use client::remove_containers;

/// Why a container engine could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// It cannot be reached.
    #[error("cannot reach the container engine at {socket}: {source}; is it running, and may this user use its socket?")]
    Connect {
        /// Its socket.
        socket: String,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// The image cannot be had.
    #[error("cannot pull the image {image}: {problem}")]
    Pull {
        /// The image.
        image: String,
        /// What went wrong, at each try.
        problem: String,
    },
    /// A request was refused.
    #[error("cannot {what}: {source}")]
    Request {
        /// What was asked.
        what: String,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// It takes a request and gives no answer.
    #[error("cannot {what}: the container engine gave no answer within {limit:?}")]
    NoAnswer {
        /// What was asked.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A container that was started is not to be found any more.
    #[error("the container, or its engine, is gone: {0}")]
    Lost(String),
    /// A setting of the profile is wrong.
    #[error("runner profile, key `docker.{key}`: `{found}`, expected {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// The engine would start the container without devices that it needs.
    #[error(
        "{engine} {version} leaves CDI devices out where it is asked through Docker's socket; {remedy}, or name the device files in `docker.devices`"
    )]
    NoCdi {
        /// The engine.
        engine: String,
        /// Its version.
        version: String,
        /// What helps.
        remedy: &'static str,
    },
    /// Threads or files for it cannot be had.
    #[error("cannot serve the container engine: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs the recipe in a container.
pub(super) struct Docker {
    settings: DockerSettings,
}

impl Docker {
    pub(super) fn new(settings: DockerSettings) -> Self {
        Self { settings }
    }

    fn socket(&self) -> String {
        let own = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let socket = self.settings.socket.clone().or(own);
        let socket = socket.unwrap_or_else(|| "/var/run/docker.sock".to_owned());
        if socket.contains("://") {
            socket
        } else {
            format!("unix://{socket}")
        }
    }
}

impl Launcher for Docker {
    fn holds(&self, spec: &JobSpec) -> Vec<Holding> {
        vec![Holding::Container {
            socket: self.socket(),
            name: spec.id.to_string(),
        }]
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let binary = std::env::current_exe().map_err(DockerError::Runtime)?;
        let folders = ContainerFolders {
            repository: request.repository,
            recipes: request.recipe_folder,
            out: request.out,
            binary: &binary,
        };
        let plan = container_plan(request.spec, &self.settings, request.environment, request.port, folders);
        let body = body::body(&plan, request.environment)?;
        let socket = self.socket();
        let connection = unless_ended(request, "connecting to the container engine", connect(&socket));
        let client = block_on(connection).map_err(DockerError::Runtime)??;
        let work = async {
            cdi::refuse_lost_devices(&client, &self.settings).await?;
            container::start(&client, &plan, body, request).await
        };
        let what = format!("starting the image {}", plan.image);
        match block_on(unless_ended(request, &what, work)).map_err(DockerError::Runtime)? {
            Ok(started) => Ok(Box::new(container::Container::follow(client, started, request.log)?)),
            Err(error) => {
                // The container may have been made before the attempt ended. Where this fails, the cause of the end stays the
                // cause, and the caller reaps what the launcher holds.
                let _ = block_on(remove_labelled(&client, request.spec.id.as_str(), ANSWER));
                Err(error)
            }
        }
    }
}

/// The work, or why it was not waited for: a signal, or the end of the attempt's time.
async fn unless_ended<T>(
    request: &LaunchRequest<'_>,
    what: &str,
    work: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, LaunchError> {
    tokio::select! {
        done = work => done.map_err(LaunchError::from),
        _ = request.stop.cancelled() => Err(LaunchError::Stopped),
        () = tokio::time::sleep_until(request.until.into()) => Err(LaunchError::Late(what.to_owned())),
    }
}
