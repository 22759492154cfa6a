//! Runner profiles: how jobs start on a kind of node, as data. A profile is a YAML file in `runners/`, found by the
//! runner's name; profiles inherit from each other with `extends`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::profile_document::{DockerDocument, LauncherName, LoadDocument, ProfileDocument, SlurmDocument, inherit};
use super::{Deadlines, PhaseTime};

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

/// How the engine is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadSettings {
    /// Requests measured, for each request under way at once.
    pub prompts_per_concurrency: u32,
    /// Requests before the measurement, for each request under way at once.
    pub warmups_per_concurrency: u32,
    /// Lengths are drawn between this part of the asked length and the asked length; 1 is exactly the asked length.
    pub random_range_ratio: f64,
    /// Folder or hub name of the tokenizer, where it is not the model's.
    pub tokenizer: Option<String>,
    /// The API that is spoken, as `imax bench --backend` names it.
    pub backend: String,
}

impl Default for LoadSettings {
    /// The values of InferenceX's templates.
    fn default() -> Self {
        Self {
            prompts_per_concurrency: 10,
            warmups_per_concurrency: 2,
            random_range_ratio: 0.8,
            tokenizer: None,
            backend: "vllm".to_owned(),
        }
    }
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

/// A folder of the node inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mount {
    /// On the node.
    pub source: String,
    /// In the container.
    pub target: String,
    /// Whether the container may not write there.
    pub read_only: bool,
}

/// What a container needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DockerSettings {
    /// The engine's socket; `DOCKER_HOST` or the default where absent.
    pub socket: Option<String>,
    /// Ask for all NVIDIA GPUs by device request.
    pub gpus: bool,
    /// Devices by CDI name, such as `nvidia.com/gpu=all`.
    pub cdi_devices: Vec<String>,
    /// Device files, such as `/dev/kfd`.
    pub devices: Vec<String>,
    /// Further groups of the process, such as `video`.
    pub groups: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// The host's network; else the port is mapped.
    pub host_network: bool,
    /// The host's IPC namespace.
    pub host_ipc: bool,
    /// Size of `/dev/shm`, MiB.
    pub shm_size_mib: Option<u64>,
    /// `name=soft:hard`.
    pub ulimits: Vec<String>,
    /// Capabilities to add.
    pub capabilities: Vec<String>,
    /// Security options, such as `seccomp=unconfined`.
    pub security_options: Vec<String>,
    /// User, as `uid[:gid]`.
    pub user: Option<String>,
    /// All rights; only where nothing less will do.
    pub privileged: bool,
}

/// What a Slurm job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SlurmSettings {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--exclusive`.
    pub exclusive: bool,
    /// `--time`.
    pub time_limit: PhaseTime,
    /// The longest time in the queue.
    pub queue_deadline: PhaseTime,
    /// `--exclude`: nodes not to use.
    pub exclude: Option<String>,
    /// How GPUs are asked for, with `{gpus}` for their number, such as `--gres=gpu:{gpus}`.
    pub gpus_option: Option<String>,
    /// Further options of sbatch.
    pub extra_options: Vec<String>,
    /// What runs the image on the nodes.
    pub container: SlurmContainer,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// Folder in which imported images are kept, shared by the nodes.
    pub image_cache: Option<String>,
    /// `--container-remap-root`.
    pub remap_root: bool,
}

/// What runs the image on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlurmContainer {
    /// No container.
    None,
    /// Pyxis, a plugin of Slurm.
    Pyxis,
}

/// Why there is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No such file.
    #[error(
        "no runner profile {name}: {folder} has neither {name}.yaml nor launch_{name}.sh; write one of them, or name another with --profile"
    )]
    Missing {
        /// The profile's name.
        name: String,
        /// The runner folder.
        folder: String,
    },
    /// The YAML is wrong.
    #[error("runner profile {name}.yaml: {problem}")]
    Yaml {
        /// The profile's name.
        name: String,
        /// What the parser said, with line and column.
        problem: String,
    },
    /// A value is wrong.
    #[error("runner profile {name}.yaml has `{key}: {found}`; expected {expected}")]
    Value {
        /// The profile's name.
        name: String,
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// A profile extends itself, directly or not.
    #[error("runner profile {name}.yaml extends itself through {chain}; end the circle")]
    Circle {
        /// The profile's name.
        name: String,
        /// The names in between.
        chain: String,
    },
    /// The name could lead out of the folder.
    #[error("`{0}` cannot name a runner profile; expected ASCII letters, digits, `.`, `-` and `_`, not starting with a dot")]
    UnsafeName(String),
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

    /// Names of the variables of our own environment that a recipe gets.
    pub fn passed_variables(&self) -> impl Iterator<Item = &str> {
        ALWAYS_PASSED.into_iter().chain(self.pass_environment.iter().map(String::as_str))
    }
}

fn check_name(name: &str) -> Result<(), ProfileError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(ProfileError::UnsafeName(name.to_owned()));
    }
    Ok(())
}

fn with_ancestors(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<ProfileDocument, ProfileError> {
    let mut chain = vec![name.to_owned()];
    let mut document = parse(name, folder, read)?;
    while let Some(base) = document.extends.take() {
        check_name(&base)?;
        if chain.contains(&base) {
            chain.push(base);
            return Err(ProfileError::Circle {
                name: name.to_owned(),
                chain: chain.join(" -> "),
            });
        }
        let mut parent = parse(&base, folder, read)?;
        let next = parent.extends.take();
        document = inherit(parent, document);
        document.extends = next;
        chain.push(base);
    }
    Ok(document)
}

fn parse(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<ProfileDocument, ProfileError> {
    let text = read(&format!("{name}.yaml")).ok_or_else(|| ProfileError::Missing {
        name: name.to_owned(),
        folder: folder.to_owned(),
    })?;
    serde_saphyr::from_str(&text).map_err(|error| ProfileError::Yaml {
        name: name.to_owned(),
        problem: error.to_string(),
    })
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
        Some(LauncherName::Slurm) => LaunchSettings::Slurm(slurm_settings(name, slurm.unwrap_or_default())?),
    };
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
        hooks: Hooks {
            pre: hooks.pre.unwrap_or_default(),
            post: hooks.post.unwrap_or_default(),
        },
    })
}

fn load_settings(name: &str, document: LoadDocument) -> Result<LoadSettings, ProfileError> {
    let default = LoadSettings::default();
    let settings = LoadSettings {
        prompts_per_concurrency: document.prompts_per_concurrency.unwrap_or(default.prompts_per_concurrency),
        warmups_per_concurrency: document.warmups_per_concurrency.unwrap_or(default.warmups_per_concurrency),
        random_range_ratio: document.random_range_ratio.unwrap_or(default.random_range_ratio),
        tokenizer: document.tokenizer,
        backend: document.backend.unwrap_or(default.backend),
    };
    let wrong = |key, found: String, expected| ProfileError::Value {
        name: name.to_owned(),
        key,
        found,
        expected,
    };
    if settings.prompts_per_concurrency == 0 {
        return Err(wrong("load.prompts-per-concurrency", "0".to_owned(), "a whole number from 1"));
    }
    if !(settings.random_range_ratio > 0.0 && settings.random_range_ratio <= 1.0) {
        let found = settings.random_range_ratio.to_string();
        return Err(wrong("load.random-range-ratio", found, "a number over 0, up to 1"));
    }
    Ok(settings)
}

fn deadlines_of(document: super::profile_document::DeadlinesDocument) -> Deadlines {
    let default = Deadlines::default();
    Deadlines {
        preflight: document.preflight.unwrap_or(default.preflight),
        clean: document.clean.unwrap_or(default.clean),
        launch: document.launch.unwrap_or(default.launch),
        ready: document.ready.unwrap_or(default.ready),
        warm_up: document.warm_up.unwrap_or(default.warm_up),
        load: document.load.unwrap_or(default.load),
        eval: document.eval.unwrap_or(default.eval),
        collect: document.collect.unwrap_or(default.collect),
        stop: document.stop.unwrap_or(default.stop),
        stall: document.stall.unwrap_or(default.stall),
    }
}

fn docker_settings(name: &str, document: DockerDocument) -> Result<DockerSettings, ProfileError> {
    Ok(DockerSettings {
        socket: document.socket,
        gpus: document.gpus.unwrap_or(false),
        cdi_devices: document.cdi_devices.unwrap_or_default(),
        devices: document.devices.unwrap_or_default(),
        groups: document.groups.unwrap_or_default(),
        mounts: mounts(name, "docker.mounts", document.mounts)?,
        host_network: document.host_network.unwrap_or(true),
        host_ipc: document.host_ipc.unwrap_or(false),
        shm_size_mib: document.shm_size_mib,
        ulimits: document.ulimits.unwrap_or_default(),
        capabilities: document.capabilities.unwrap_or_default(),
        security_options: document.security_options.unwrap_or_default(),
        user: document.user,
        privileged: document.privileged.unwrap_or(false),
    })
}

fn slurm_settings(name: &str, document: SlurmDocument) -> Result<SlurmSettings, ProfileError> {
    let container = match document.container.as_deref() {
        None | Some("none") => SlurmContainer::None,
        Some("pyxis") => SlurmContainer::Pyxis,
        Some(other) => {
            return Err(ProfileError::Value {
                name: name.to_owned(),
                key: "slurm.container",
                found: other.to_owned(),
                expected: "none or pyxis",
            });
        }
    };
    Ok(SlurmSettings {
        partition: document.partition,
        account: document.account,
        qos: document.qos,
        exclusive: document.exclusive.unwrap_or(false),
        time_limit: document.time_limit.unwrap_or(PhaseTime::seconds(4 * 3600)),
        queue_deadline: document.queue_deadline.unwrap_or(PhaseTime::seconds(6 * 3600)),
        exclude: document.exclude,
        gpus_option: document.gpus_option,
        extra_options: document.extra_options.unwrap_or_default(),
        container,
        mounts: mounts(name, "slurm.mounts", document.mounts)?,
        image_cache: document.image_cache,
        remap_root: document.remap_root.unwrap_or(false),
    })
}

/// `source:target[:ro]`.
fn mounts(name: &str, key: &'static str, list: Option<Vec<String>>) -> Result<Vec<Mount>, ProfileError> {
    let mount = |text: String| {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] => (*source, *target, false),
            [source, target, "ro"] => (*source, *target, true),
            [source, target, "rw"] => (*source, *target, false),
            _ => ("", "", false),
        };
        if source.is_empty() || !target.starts_with('/') {
            return Err(ProfileError::Value {
                name: name.to_owned(),
                key,
                found: text,
                expected: "`source:target` or `source:target:ro` with an absolute target",
            });
        }
        Ok(Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        })
    };
    list.unwrap_or_default().into_iter().map(mount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, files: &[(&str, &str)]) -> Result<RunnerProfile, ProfileError> {
        let read = |path: &str| files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned());
        RunnerProfile::load(name, "runners", &read)
    }

    #[test]
    fn a_profile_inherits_key_by_key() {
        let base = "launcher: docker\nvendor: nvidia\nenvironment: {A: '1', B: '1'}\ndeadlines: {ready: 1h, load: 2h}\ndocker: {gpus: true, shm-size-mib: 64}\n";
        let child = "extends: base\nenvironment: {B: '2'}\ndeadlines: {ready: 90s}\ndocker: {mounts: ['/data:/mnt/data:ro']}\n";
        let profile = load("h100-a", &[("base.yaml", base), ("h100-a.yaml", child)]).unwrap();
        assert_eq!((profile.name.as_str(), profile.vendor), ("h100-a", GpuVendor::Nvidia));
        assert_eq!(
            profile.environment,
            BTreeMap::from([("A", "1"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())))
        );
        assert_eq!(
            (profile.deadlines.ready, profile.deadlines.load),
            (PhaseTime::seconds(90), PhaseTime::seconds(7200))
        );
        let LaunchSettings::Docker(docker) = profile.launch else {
            panic!("{:?}", profile.launch)
        };
        assert_eq!((docker.gpus, docker.shm_size_mib, docker.privileged), (true, Some(64), false));
        assert!(docker.mounts[0].read_only);
    }

    #[test]
    fn a_launch_script_is_a_profile() {
        let profile = load("h200-x", &[("launch_h200-x.sh", "#!/bin/bash")]).unwrap();
        assert_eq!(
            profile.launch,
            LaunchSettings::Script {
                path: "launch_h200-x.sh".to_owned()
            }
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("launcher: local\nlauncer: x\n", "launcer"),
            ("launcher: kubernetes\n", "kubernetes"),
            ("vendor: amd\n", "expected local, script, docker or slurm"),
            ("launcher: local\ndeadlines: {ready: 90}\n", "90"),
            ("launcher: docker\ndocker: {mounts: [a]}\n", "`docker.mounts: a`"),
            ("launcher: slurm\nslurm: {container: x}\n", "expected none or pyxis"),
            ("launcher: local\nload: {random-range-ratio: 1.5}\n", "up to 1"),
            ("launcher: local\nhealth-path: health\n", "such as /health"),
            ("extends: p\n", "p -> p"),
            ("extends: ../x\n", "cannot name a runner profile"),
            ("extends: gone\n", "no runner profile gone"),
        ] {
            let error = load("p", &[("p.yaml", text)]).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(matches!(load("q", &[]), Err(ProfileError::Missing { .. })));
    }
}
