//! Runner profiles: how jobs start on a kind of node, as data. A profile is a YAML file in `runners/`, found by the
//! runner's name; profiles inherit from each other with `extends`.

mod container;
mod docker;
mod document;
mod error;
mod load;
mod mount;
mod node;
mod retries;
mod schema;
mod slurm;
mod source;
mod telemetry;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::RunnerName;

use super::node::visible_choice;
use super::{Deadlines, PhaseTime, Retries};
use docker::docker_settings;
use document::{LauncherName, ProfileDocument};
use load::load_settings;
use slurm::slurm_settings;
use source::{check_name, with_ancestors};

pub use container::{ContainerNetwork, GpuRequest, PullPolicy};
pub use docker::DockerSettings;
pub use error::ProfileError;
pub use load::LoadSettings;
pub use mount::Mount;
pub use node::NodeSettings;
pub use schema::profile_schema;
pub use slurm::{SlurmContainer, SlurmSettings};
pub use telemetry::{ExporterAddress, ScrapeUrl, TelemetrySettings};

/// How jobs start on a kind of node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunnerProfile {
    /// Its name: the file's without extension.
    pub name: String,
    /// What starts the engine.
    pub launch: LaunchSettings,
    /// Whose GPUs the node has.
    pub vendor: GpuVendor,
    /// Folder of the model hub's cache on the node: `HF_HUB_CACHE` of the recipe.
    pub hf_cache: Option<String>,
    /// Names of variables of our own environment that the recipe gets too.
    pub pass_environment: Vec<String>,
    /// Variables that the recipe gets.
    pub environment: BTreeMap<String, String>,
    /// Names of variables of our own environment that the recipe gets as secrets.
    pub secrets: Vec<String>,
    /// Path of the engine's health check.
    pub health_path: String,
    /// How the engine is loaded.
    pub load: LoadSettings,
    /// The longest times.
    pub deadlines: Deadlines,
    /// Where GPUs of other nodes are sampled.
    pub telemetry: TelemetrySettings,
    /// What the node must be like.
    pub node: NodeSettings,
    /// How often a job that failed for the node's reasons is tried.
    pub retries: Retries,
    /// Commands around the job.
    pub hooks: Hooks,
}

/// What starts the engine, with what that needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "launcher", rename_all = "kebab-case")]
pub enum LaunchSettings {
    /// The recipe as a process of this machine.
    Local,
    /// A site's own script, which gets the recipe's environment and does the starting.
    Script {
        /// Its path, relative to the runner folder.
        path: String,
    },
    /// A container of Docker or Podman.
    Docker(DockerSettings),
    /// A job of Slurm.
    Slurm(SlurmSettings),
}

impl LaunchSettings {
    /// The launcher's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Script { .. } => "script",
            Self::Docker(_) => "docker",
            Self::Slurm(_) => "slurm",
        }
    }
}

impl LaunchSettings {
    /// Whether the engine runs on the machine of `imax run`, so that its port and its GPUs are this machine's.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Local | Self::Script { .. } | Self::Docker(_) => true,
            Self::Slurm(_) => false,
        }
    }
}

/// Whose GPUs a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuVendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// No GPU.
    None,
}

/// Commands around the job, each a line for `bash -c`; a failing one ends the job as infrastructure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hooks {
    /// Before the launch.
    pub pre: Vec<String>,
    /// After everything was stopped.
    pub post: Vec<String>,
}

/// Variables that any process of a recipe needs, and the choice of GPUs that the runner may have made for this job.
const ALWAYS_PASSED: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
];

impl RunnerProfile {
    /// The profile of a machine about which nothing is said: the recipe runs as a process.
    #[must_use]
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            launch: LaunchSettings::Local,
            vendor: GpuVendor::None,
            hf_cache: None,
            pass_environment: Vec::new(),
            environment: BTreeMap::new(),
            secrets: vec!["HF_TOKEN".to_owned()],
            health_path: "/health".to_owned(),
            load: LoadSettings::default(),
            deadlines: Deadlines::default(),
            telemetry: TelemetrySettings::default(),
            node: NodeSettings::default(),
            retries: Retries::default(),
            hooks: Hooks::default(),
        }
    }

    /// The profile of a repository's own `launch_<name>.sh`.
    #[must_use]
    pub fn of_script(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            launch: LaunchSettings::Script {
                path: format!("launch_{name}.sh"),
            },
            ..Self::local()
        }
    }

    /// Reads a profile and those that it extends. `read` gives the text of a file in the runner folder, or nothing.
    /// Where there is no `<name>.yaml` but a `launch_<name>.sh`, that script is the launcher.
    ///
    /// # Errors
    /// Where there is neither, or one of the files is wrong.
    pub fn load(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Self, ProfileError> {
        check_name(name)?;
        if read(&format!("{name}.yaml")).is_none() && read(&format!("launch_{name}.sh")).is_some() {
            return Ok(Self::of_script(name));
        }
        let document = with_ancestors(name, folder, read)?;
        checked(name, document)
    }

    /// The profile of a runner: its own, or where it has none the one of a machine about which nothing is said.
    ///
    /// # Errors
    /// As [`RunnerProfile::load`].
    pub fn of_runner(runner: &RunnerName, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Self, ProfileError> {
        let own = runner.profile_prefix();
        if read(&format!("{own}.yaml")).is_none() && read(&format!("launch_{own}.sh")).is_none() {
            return Ok(Self::local());
        }
        Self::load(own, folder, read)
    }

    /// Whether a job here should have a token of the model hub: one that loads models onto GPUs, and passes it on.
    #[must_use]
    pub fn wants_hub_token(&self) -> bool {
        self.vendor != GpuVendor::None && self.secrets.iter().any(|name| name == "HF_TOKEN")
    }

    /// The choice among the node's GPUs that a job gets, as a `*_VISIBLE_DEVICES` variable has it: that of its container, else
    /// that of its environment, which `lookup` knows.
    #[must_use]
    pub fn visible_choice(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match &self.launch {
            LaunchSettings::Docker(DockerSettings {
                gpus: GpuRequest::Ids(ids),
                ..
            }) => Some(ids.join(",")),
            LaunchSettings::Local | LaunchSettings::Script { .. } | LaunchSettings::Docker(_) | LaunchSettings::Slurm(_) => {
                visible_choice(self.vendor, lookup)
            }
        }
    }

    /// Names of the variables of our own environment that a recipe gets.
    pub fn passed_variables(&self) -> impl Iterator<Item = &str> {
        ALWAYS_PASSED.into_iter().chain(self.pass_environment.iter().map(String::as_str))
    }
}

fn checked(name: &str, document: ProfileDocument) -> Result<RunnerProfile, ProfileError> {
    let local = RunnerProfile::local();
    let ProfileDocument {
        extends: _,
        launcher,
        vendor,
        hf_cache,
        pass_environment,
        environment,
        secrets,
        health_path,
        load,
        deadlines,
        telemetry: telemetry_document,
        node: node_document,
        retries: retries_document,
        hooks,
        script,
        docker,
        slurm,
    } = document;
    let wrong = |key, found: &str, expected| ProfileError::Value {
        name: name.to_owned(),
        key,
        found: found.to_owned(),
        expected,
    };
    let launch = match launcher {
        None => return Err(wrong("launcher", "", "local, script, docker or slurm")),
        Some(LauncherName::Local) => LaunchSettings::Local,
        Some(LauncherName::Script) => LaunchSettings::Script {
            path: script.ok_or_else(|| wrong("script", "", "the script's path below the runner folder"))?,
        },
        Some(LauncherName::Docker) => LaunchSettings::Docker(docker_settings(name, docker.unwrap_or_default())?),
        Some(LauncherName::Slurm) => {
            LaunchSettings::Slurm(slurm_settings(name, vendor.unwrap_or(local.vendor), slurm.unwrap_or_default())?)
        }
    };
    let has_nodes = matches!(launch, LaunchSettings::Slurm(_));
    let health_path = health_path.unwrap_or(local.health_path);
    if !health_path.starts_with('/') || health_path.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("health-path", &health_path, "a path of a URL, such as /health"));
    }
    let hooks = hooks.unwrap_or_default();
    Ok(RunnerProfile {
        name: name.to_owned(),
        launch,
        vendor: vendor.unwrap_or(local.vendor),
        hf_cache,
        pass_environment: pass_environment.unwrap_or_default(),
        environment: environment.unwrap_or_default(),
        secrets: secrets.unwrap_or(local.secrets),
        health_path,
        load: load_settings(name, load.unwrap_or_default())?,
        deadlines: deadlines_of(deadlines.unwrap_or_default()),
        telemetry: telemetry::telemetry_settings(name, telemetry_document.unwrap_or_default(), has_nodes)?,
        node: node::node_settings(name, node_document.unwrap_or_default())?,
        retries: retries::retries(name, &retries_document.unwrap_or_default())?,
        hooks: Hooks {
            pre: hooks.pre.unwrap_or_default(),
            post: hooks.post.unwrap_or_default(),
        },
    })
}

fn deadlines_of(document: document::DeadlinesDocument) -> Deadlines {
    let default = Deadlines::default();
    Deadlines {
        preflight: document.preflight.unwrap_or(default.preflight),
        clean: document.clean.unwrap_or(default.clean),
        launch: document.launch.unwrap_or(default.launch),
        queue: document.queue.unwrap_or(default.queue),
        ready: document.ready.unwrap_or(default.ready),
        warm_up: document.warm_up.unwrap_or(default.warm_up),
        load: document.load.unwrap_or(default.load),
        eval: document.eval.unwrap_or(default.eval),
        collect: document.collect.unwrap_or(default.collect),
        stop: document.stop.unwrap_or(default.stop),
        stall: document.stall.unwrap_or(default.stall),
    }
}

#[cfg(test)]
mod tests;
