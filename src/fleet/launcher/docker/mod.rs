//! The launcher `docker`: runs the recipe in a container of Docker or Podman, through the API on its socket. The container has the
//! job's id as its name and in the label [`plan::JOB_LABEL`]; other containers are never stopped or removed.
//!
//! "The daemon" is the program behind the socket (dockerd, or Podman's API service); "the engine" is the inference engine that the
//! recipe starts in the container. Reading order:
//!
//! - `settings`, `options`: the section `docker` of a runner profile, parsed and checked;
//! - `plan`, `create_request`: what the container will be, as a value, and that value as a request of the API;
//! - `client`: the connection, and the removal of a job's containers;
//! - `cdi`, `pull`, `progress`, `login`: before the start: support of devices, the image, progress of its pull, registry logins;
//! - `container`: the running container, as the [`Engine`] that a job waits for and stops.

mod cdi;
mod client;
mod container;
mod create_request;
mod login;
mod options;
mod plan;
mod progress;
mod pull;
mod settings;

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::ContainerFolders;
use super::{Engine, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind, Removal};
use crate::fleet::job_state::Holding;
use crate::job::{
    JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, Service, SettingsError, merged, section_value,
    typed_section,
};
use crate::matrix::Row;
use crate::system::cancellation::Cancellation;
use crate::system::environment;
use client::{REQUEST_TIMEOUT, connect, daemon_version, remove_containers, remove_labelled};
pub(crate) use login::read_registry_login;
use options::GpuRequest;
use plan::{ContainerPlan, container_plan};
use settings::{DockerDocument, DockerSettings, docker_settings, without_excluded};

/// Timeout of the version request.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);
const NAME: &str = "docker";

/// The kind of launcher: what can be done without a job. [`DockerLauncher`] launches a job.
pub(super) struct Docker;

/// The keys of a profile that this launcher reads.
#[derive(Deserialize)]
struct Section {
    docker: Option<DockerDocument>,
}

/// The data of a container in the job's state file, by which a later imax finds and removes it.
#[derive(Serialize, Deserialize)]
struct HeldContainer {
    socket: String,
}

impl LaunchRules for Docker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        DockerDocument::json_schema(generator)
    }

    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String> {
        let section: Section = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        section_value(section.docker)
    }

    fn inherit(&self, base: Value, child: Value) -> Value {
        let base = without_excluded(base, &child);
        merged(base, child)
    }

    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        let settings = docker_settings(profile, typed_section(profile, section)?)?;
        let gpu_ids = match &settings.gpus {
            GpuRequest::None | GpuRequest::All => Vec::new(),
            GpuRequest::Ids(ids) => ids.clone(),
        };
        Ok(LaunchSettings::of(self, profile, &settings)?.with_gpu_ids(gpu_ids))
    }

    fn nodes_of_row(&self, _settings: &LaunchSettings, _row: &Row) -> Result<Option<NodesByRole>, String> {
        Ok(None)
    }
}

impl LauncherKind for Docker {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(DockerLauncher {
            settings: settings.read()?,
        }))
    }

    fn remove<'a>(&'a self, held: &'a Value, removal: &'a Removal<'a>) -> BoxFuture<'a, Result<bool, LaunchError>> {
        Box::pin(async move {
            let HeldContainer { socket } = HeldContainer::deserialize(held).map_err(DockerError::State)?;
            remove_containers(&socket, removal).await
        })
    }

    fn services(&self, settings: &LaunchSettings, until: Instant, cancellation: &Cancellation) -> Vec<Service> {
        let limit = VERSION_TIMEOUT.min(until.saturating_duration_since(Instant::now()));
        let answer = match settings.read() {
            Ok(settings) => daemon_version(&DockerLauncher { settings }.socket(), limit, cancellation),
            Err(error) => Err(error.to_string()),
        };
        vec![Service {
            name: "container engine".to_owned(),
            answer,
        }]
    }
}

/// Errors of this launcher.
#[derive(Debug, thiserror::Error)]
pub(super) enum DockerError {
    /// The daemon cannot be reached.
    #[error("cannot reach the container engine at {socket}: {source}; check that it runs and that this user may use its socket")]
    Connect { socket: String, source: bollard::errors::Error },
    /// The image cannot be pulled.
    #[error("cannot pull the image {image}: {problem}")]
    Pull {
        image: String,
        /// What failed, at each attempt.
        problem: String,
    },
    /// A request was refused.
    #[error("cannot {what}: {source}")]
    Request {
        /// The request, as in "cannot {what}".
        what: String,
        source: bollard::errors::Error,
    },
    /// The daemon accepts a request and does not answer.
    #[error("cannot {what}: the container engine did not answer within {limit:?}")]
    NoAnswer {
        /// The request, as in "cannot {what}".
        what: String,
        limit: Duration,
    },
    /// A started container was removed by another process, or the daemon stopped.
    #[error("lost the container or the connection to the container engine: {0}")]
    Lost(String),
    /// Invalid setting in the profile.
    #[error("runner profile, key `docker.{key}`: `{found}`, expected {expected}")]
    Setting {
        key: &'static str,
        found: String,
        expected: &'static str,
    },
    /// The daemon would start the container without its devices.
    #[error(
        "{engine} {version} ignores CDI devices that are requested through Docker's socket; {remedy}, or name the device files in `docker.devices`"
    )]
    NoCdi {
        engine: String,
        version: String,
        remedy: &'static str,
    },
    /// A job's state cannot be read.
    #[error("cannot read the container in the job's state: {0}")]
    State(serde_json::Error),
    /// A thread or a file cannot be created.
    #[error("cannot work with the container engine: {0}")]
    Runtime(#[from] std::io::Error),
}

impl From<DockerError> for LaunchError {
    fn from(error: DockerError) -> Self {
        Self::Launcher(error.into())
    }
}

/// Launches a job with the settings of its profile.
struct DockerLauncher {
    settings: DockerSettings,
}

impl DockerLauncher {
    /// The daemon's address as a URL: the profile's, else `DOCKER_HOST`, else Docker's default.
    fn socket(&self) -> String {
        let socket = self.settings.socket.clone().or_else(|| environment::text("DOCKER_HOST"));
        let socket = socket.unwrap_or_else(|| "/var/run/docker.sock".to_owned());
        if socket.contains("://") {
            socket
        } else {
            format!("unix://{socket}")
        }
    }
}

impl Launcher for DockerLauncher {
    fn holds(&self, spec: &JobSpec) -> Vec<Holding> {
        vec![Holding {
            launcher: NAME.to_owned(),
            what: format!("container {}", spec.id),
            data: json!(HeldContainer { socket: self.socket() }),
            // The daemon drops a request whose client disconnected, so no container can appear after this process has ended.
            may_come_late: false,
        }]
    }

    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        let plan = self.container_plan(input)?;
        let mut settings = vec![("socket".to_owned(), self.socket())];
        settings.extend(create_request::requested_settings(&plan)?);
        let environment = plan.environment.iter().filter_map(|text| text.split_once('='));
        Ok(LaunchPlan {
            command: plan.command,
            stdin: None,
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            secrets: plan.secrets,
            mounts: plan.mounts,
            settings,
            files: Vec::new(),
        })
    }

    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        Box::pin(self.start(request))
    }
}

impl DockerLauncher {
    fn container_plan(&self, input: &LaunchInput<'_>) -> Result<ContainerPlan, DockerError> {
        let binary = std::env::current_exe().map_err(DockerError::Runtime)?;
        let folders = ContainerFolders {
            repository: input.repository,
            recipes: input.recipe_folder,
            out: input.out,
            binary: &binary,
        };
        Ok(container_plan(input.spec, &self.settings, input.environment, input.port, folders))
    }

    async fn start(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let plan = self.container_plan(&request.input())?;
        let create_request = create_request::create_request(&plan, request.environment)?;
        let socket = self.socket();
        let connection = until_cancelled(request, "connecting to the container engine", connect(&socket));
        let client = connection.await?;
        let work = async {
            cdi::check_support(&client, &self.settings).await?;
            container::start(&client, &plan, create_request, request).await
        };
        let what = format!("starting the image {}", plan.image);
        match until_cancelled(request, &what, work).await {
            Ok(started) => {
                tracing::debug!(job = %request.spec.id, image = %plan.image, "container started");
                Ok(Box::new(container::Container::follow(client, started, request.log)?))
            }
            Err(error) => {
                // The container may have been created before the attempt ended. If its removal fails, the original cause is reported, and the
                // caller reaps the launcher's holdings.
                let _ = remove_labelled(&client, request.spec.id.as_str(), REQUEST_TIMEOUT).await;
                Err(error)
            }
        }
    }
}

/// The result of the work, or an error on a signal or at the deadline of the phase launch.
async fn until_cancelled<T>(
    request: &LaunchRequest<'_>,
    what: &str,
    work: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, LaunchError> {
    tokio::select! {
        done = work => done.map_err(LaunchError::from),
        _ = request.cancellation.cancelled() => Err(LaunchError::Stopped),
        () = tokio::time::sleep_until(request.until.into()) => Err(LaunchError::Late(what.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::launcher::launch_rules;
    use crate::job::RunnerProfile;
    use options::ContainerNetwork;

    fn load(files: &[(&str, &str)]) -> Result<RunnerProfile, ProfileError> {
        let read = |path: &str| files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned());
        RunnerProfile::load("p", "runners", &read, &launch_rules())
    }

    fn settings(files: &[(&str, &str)]) -> DockerSettings {
        load(files).unwrap().launch.read().unwrap()
    }

    #[test]
    fn section_inherits_key_by_key() {
        let base = "launcher: docker\ndocker: {gpus: true, shm-size-mib: 64}\n";
        let child = "extends: base\ndocker: {mounts: ['/data:/mnt/data:ro']}\n";
        let docker = settings(&[("base.yaml", base), ("p.yaml", child)]);
        assert_eq!(
            (&docker.gpus, docker.shm_size_mib, docker.privileged),
            (&GpuRequest::All, Some(64), false)
        );
        assert!(docker.mounts[0].read_only);
    }

    #[test]
    fn exclusive_key_replaces_the_inherited_one() {
        let base = "launcher: docker\nvendor: nvidia\ndocker: {gpus: true, host-network: true}\n";
        let child = "extends: base\ndocker: {gpu-ids: [0, 1], network: bench}\n";
        let docker = settings(&[("base.yaml", base), ("p.yaml", child)]);
        assert!(matches!(docker.gpus, GpuRequest::Ids(_)), "{:?}", docker.gpus);
        assert!(matches!(docker.network, ContainerNetwork::Named(_)), "{:?}", docker.network);
    }

    #[test]
    fn gpu_ids_take_precedence_over_the_environment() {
        let profile = |text: &str| load(&[("p.yaml", text)]).unwrap();
        let variable = |name: &str| (name == "CUDA_VISIBLE_DEVICES").then(|| "0,1".to_owned());
        let some = profile("launcher: docker\nvendor: nvidia\ndocker: {gpu-ids: [4, '5', GPU-6f]}\n");
        assert_eq!(some.visible_choice(&variable).as_deref(), Some("4,5,GPU-6f"));
        let all = profile("launcher: docker\nvendor: nvidia\ndocker: {gpus: true}\n");
        assert_eq!(all.visible_choice(&variable).as_deref(), Some("0,1"));
    }

    #[test]
    fn errors_name_key_value_and_remedy() {
        for (section, message) in [
            ("{mounts: [a]}", "`docker.mounts: a`"),
            ("{gpus: true, gpu-ids: [0, 1]}", "one of both"),
            ("{host-network: true, network: fleet}", "exclude each other"),
            ("{network: none}", "`docker.network: none`"),
            ("{runtime: ''}", "such as nvidia"),
            ("{memory-mib: 0}", "0"),
            ("{cpuset: 7-0}", "such as 0-15,32-47"),
            ("{tmpfs: [scratch]}", "`docker.tmpfs: scratch`"),
            ("{pull: never}", "never"),
            ("{gpuz: true}", "gpuz"),
        ] {
            let text = format!("launcher: docker\ndocker: {section}\n");
            let error = load(&[("p.yaml", &text)]).unwrap_err().to_string();
            assert!(error.contains(message), "{section}: {error}");
        }
    }
}
