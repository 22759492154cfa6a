//! Engines in containers, through the socket of Docker or Podman. A container carries the job's id as its name and as
//! a label; nothing else is ever stopped or removed.

mod body;
mod cdi;
mod container;
mod pull;

use std::collections::HashMap;

use bollard::Docker as Client;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::runtime::Runtime;

use super::super::job_state::Holding;
use super::{Engine, LaunchError, LaunchRequest, Launcher};
use crate::job::{ContainerFolders, DockerSettings, JOB_LABEL, JobId, JobSpec, container_plan};

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
        let runtime = runtime()?;
        let client = runtime.block_on(connect(&self.socket()))?;
        let started = runtime.block_on(async {
            cdi::refuse_lost_devices(&client, &self.settings).await?;
            let work = container::start(&client, &plan, body, request.log, request.tries);
            let limit = tokio::time::Instant::from_std(request.until);
            tokio::select! {
                started = work => started.map_err(LaunchError::from),
                _ = request.stop.stopped() => Err(LaunchError::Stopped),
                () = tokio::time::sleep_until(limit) => Err(LaunchError::Late(format!("starting the image {}", plan.image))),
            }
        });
        match started {
            Ok(started) => Ok(Box::new(container::Container::follow(runtime, client, started, request.log)?)),
            Err(error) => {
                // The container may have been made before the attempt ended.
                runtime.block_on(remove_labelled(&client, request.spec.id.as_str()))?;
                Err(error)
            }
        }
    }
}

/// What the container engine says of itself.
///
/// # Errors
/// A sentence that says why it does not answer.
pub fn container_engine_version(settings: &DockerSettings, limit: std::time::Duration) -> Result<String, String> {
    let socket = Docker::new(settings.clone()).socket();
    let runtime = runtime().map_err(|error| error.to_string())?;
    let asked = runtime.block_on(async {
        let ask = async {
            let client = connect(&socket).await.map_err(|error| error.to_string())?;
            client.version().await.map_err(|error| error.to_string())
        };
        tokio::time::timeout(limit, ask).await
    });
    let version = asked.map_err(|_| format!("no answer from {socket} within {limit:?}"))??;
    let name = version
        .components
        .and_then(|components| components.into_iter().next())
        .map(|component| component.name);
    Ok(format!(
        "{} {} at {socket}",
        name.unwrap_or_else(|| "engine".to_owned()),
        version.version.unwrap_or_default()
    ))
}

/// Removes the containers that carry the job's label. Says whether there were any.
///
/// # Errors
/// Where the container engine cannot be reached or refuses.
pub(super) fn remove_containers(socket: &str, job: &JobId) -> Result<bool, DockerError> {
    runtime()?.block_on(async {
        let client = connect(socket).await?;
        remove_labelled(&client, job.as_str()).await
    })
}

async fn remove_labelled(client: &Client, job: &str) -> Result<bool, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{JOB_LABEL}={job}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let list = client.list_containers(Some(options)).await.map_err(|source| DockerError::Request {
        what: "list containers".to_owned(),
        source,
    })?;
    // The filter is the engine's work; that each really carries the label is looked at again before it is removed.
    let ours = list.iter().filter(|container| {
        let labels = container.labels.as_ref();
        labels.and_then(|labels| labels.get(JOB_LABEL)).is_some_and(|label| label == job)
    });
    let ids: Vec<String> = ours.filter_map(|container| container.id.clone()).collect();
    for id in &ids {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        client
            .remove_container(id, Some(options))
            .await
            .map_err(|source| DockerError::Request {
                what: format!("remove the container {id}"),
                source,
            })?;
    }
    Ok(!ids.is_empty())
}

fn runtime() -> Result<Runtime, DockerError> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

async fn connect(socket: &str) -> Result<Client, DockerError> {
    let problem = |source| DockerError::Connect {
        socket: socket.to_owned(),
        source,
    };
    let client = Client::connect_with_host(socket).map_err(problem)?;
    // Old engines refuse requests of a newer version of the API.
    client.negotiate_version().await.map_err(problem)
}
