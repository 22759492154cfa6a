//! Runner profiles: how jobs start on a kind of node. A profile is a YAML file in `runners/`, selected by the name of the runner, and can
//! inherit from another with `extends`.

mod document;
mod error;
mod launcher;
mod load;
mod node;
mod profiler;
mod retries;
mod schema;
mod source;
mod telemetry;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::RunnerName;

use super::node::visible_choice;
use super::{Deadlines, PhaseTime, Retries};
use document::ProfileDocument;
use load::load_settings;
use source::{ProfileSource, RunnerFolder, check_name};

pub use error::ProfileError;
pub use launcher::{LaunchRules, LaunchSettings, Launchers, NodesByRole, ProfileHead, SettingsError};
pub(crate) use launcher::{launcher_named, merged, section_value, typed_section};
pub use load::LoadSettings;
pub use node::NodeSettings;
pub use profiler::ProfilerSettings;
pub use schema::profile_schema;
pub use telemetry::{ScrapeUrl, TelemetrySettings};

/// How jobs start on a kind of node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunnerProfile {
    /// The file's name without extension.
    pub name: String,
    /// The launcher with its settings.
    pub launch: LaunchSettings,
    /// Vendor of the node's GPUs.
    pub vendor: GpuVendor,
    /// Folder of the model hub's cache on the node: `HF_HUB_CACHE` of the recipe.
    pub hf_cache: Option<String>,
    /// Names of environment variables of imax that are passed to the recipe.
    pub pass_environment: Vec<String>,
    /// Variables of the recipe.
    pub environment: BTreeMap<String, String>,
    /// Names of environment variables of imax that are passed to the recipe as secrets.
    pub secrets: Vec<String>,
    /// Path of the engine's health check, if it is not the default of the API.
    pub health_path: Option<String>,
    /// The load on the engine.
    pub load: LoadSettings,
    /// What records the engine's steps for rows that are profiled.
    pub profiler: ProfilerSettings,
    /// Deadline of each phase.
    pub deadlines: Deadlines,
    /// Exporters that sample the GPUs of other nodes.
    pub telemetry: TelemetrySettings,
    /// Requirements on the node.
    pub node: NodeSettings,
    /// Retries of jobs with infrastructure failures.
    pub retries: Retries,
    /// Commands around the job.
    pub hooks: Hooks,
}

/// Vendor of a node's GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GpuVendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// No GPU.
    None,
}

/// Hook commands, each run with `bash -c`; a failing one fails the job as infrastructure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hooks {
    /// Before the launch.
    pub pre: Vec<String>,
    /// After everything was stopped.
    pub post: Vec<String>,
}

/// Variables that every recipe needs, and the GPU selection of the runner.
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
    /// The built-in profile, for a machine without one: the recipe runs as a process.
    #[must_use]
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            launch: LaunchSettings::local(),
            vendor: GpuVendor::None,
            hf_cache: None,
            pass_environment: Vec::new(),
            environment: BTreeMap::new(),
            secrets: vec!["HF_TOKEN".to_owned()],
            health_path: None,
            load: LoadSettings::default(),
            profiler: ProfilerSettings::default(),
            deadlines: Deadlines::default(),
            telemetry: TelemetrySettings::default(),
            node: NodeSettings::default(),
            retries: Retries::default(),
            hooks: Hooks::default(),
        }
    }

    /// Loads a profile and those that it extends. `read` returns the text of a file in the runner folder, if it exists.
    /// Without a `<name>.yaml`, `launch_<name>.sh` is used with the launcher `script`.
    ///
    /// # Errors
    /// If neither exists, or one of the files is invalid.
    pub fn load(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>, launchers: Launchers<'_>) -> Result<Self, ProfileError> {
        check_name(name)?;
        let source = if read(&format!("{name}.yaml")).is_none() && read(&format!("launch_{name}.sh")).is_some() {
            ProfileSource::of_script(format!("launch_{name}.sh"))
        } else {
            let folder = RunnerFolder {
                launchers,
                path: folder,
                read,
            };
            folder.with_ancestors(name)?
        };
        checked(name, source, launchers)
    }

    /// The profile of a runner, or [`RunnerProfile::local`] if it has none.
    ///
    /// # Errors
    /// As [`RunnerProfile::load`].
    pub fn of_runner(
        runner: &RunnerName,
        folder: &str,
        read: &dyn Fn(&str) -> Option<String>,
        launchers: Launchers<'_>,
    ) -> Result<Self, ProfileError> {
        let own = runner.profile_prefix();
        if read(&format!("{own}.yaml")).is_none() && read(&format!("launch_{own}.sh")).is_none() {
            return Ok(Self::local());
        }
        Self::load(own, folder, read, launchers)
    }

    /// Whether jobs need a token of the model hub: those that use GPUs and pass the token to the recipe.
    #[must_use]
    pub fn wants_hub_token(&self) -> bool {
        self.vendor != GpuVendor::None && self.secrets.iter().any(|name| name == "HF_TOKEN")
    }

    /// The GPU selection of a job in the syntax of `*_VISIBLE_DEVICES`: that of its container, or else that of its environment, which
    /// `lookup` reads.
    #[must_use]
    pub fn visible_choice(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match self.launch.gpu_ids() {
            [] => visible_choice(self.vendor, lookup),
            ids => Some(ids.join(",")),
        }
    }

    /// Whether a site's own script starts the engine.
    #[must_use]
    pub fn is_launch_script(&self) -> bool {
        self.launch.name() == source::SCRIPT
    }

    /// Whether the recipe gets all environment variables of imax: `pass-environment: ['*']`, and launch scripts without a profile.
    #[must_use]
    pub fn passes_whole_environment(&self) -> bool {
        self.pass_environment.iter().any(|name| name == source::WHOLE_ENVIRONMENT)
    }

    /// Names of the environment variables of imax that are passed to the recipe.
    pub fn passed_variables(&self) -> impl Iterator<Item = &str> {
        ALWAYS_PASSED.into_iter().chain(self.pass_environment.iter().map(String::as_str))
    }
}

fn checked(name: &str, source: ProfileSource, launchers: Launchers<'_>) -> Result<RunnerProfile, ProfileError> {
    let local = RunnerProfile::local();
    let ProfileSource { document, mut sections } = source;
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
        profiler,
        deadlines,
        telemetry: telemetry_document,
        node: node_document,
        retries: retries_document,
        hooks,
    } = document;
    let vendor = vendor.unwrap_or(local.vendor);
    let head = ProfileHead { name, vendor };
    let launcher = known_launcher(name, launcher.as_deref(), launchers)?;
    let launch = launcher.check_section(head, sections.remove(launcher.name()))?;
    if let Some(path) = &health_path
        && (!path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        return Err(head.invalid("health-path", path.clone(), "a path of a URL, such as /health"));
    }
    let hooks = hooks.unwrap_or_default();
    Ok(RunnerProfile {
        name: name.to_owned(),
        launch,
        vendor,
        hf_cache,
        pass_environment: pass_environment.unwrap_or_default(),
        environment: environment.unwrap_or_default(),
        secrets: secrets.unwrap_or(local.secrets),
        health_path,
        load: load_settings(name, load.unwrap_or_default())?,
        profiler: profiler::profiler(name, profiler.unwrap_or_default())?,
        deadlines: deadlines_of(deadlines.unwrap_or_default()),
        telemetry: telemetry::telemetry_settings(name, telemetry_document.unwrap_or_default(), launcher.has_scheduler())?,
        node: node::node_settings(name, node_document.unwrap_or_default())?,
        retries: retries::retries(name, &retries_document.unwrap_or_default())?,
        hooks: Hooks {
            pre: hooks.pre.unwrap_or_default(),
            post: hooks.post.unwrap_or_default(),
        },
    })
}

fn known_launcher<'a>(profile: &str, name: Option<&str>, launchers: Launchers<'a>) -> Result<&'a dyn LaunchRules, ProfileError> {
    let name = name.unwrap_or_default();
    launcher_named(launchers, name).ok_or_else(|| ProfileError::Value {
        name: profile.to_owned(),
        key: "launcher",
        found: name.to_owned(),
        expected: Cow::Owned(one_of(launchers)),
    })
}

/// The names of launchers as text: `a, b or c`.
fn one_of(launchers: Launchers<'_>) -> String {
    let names: Vec<&str> = launchers.iter().map(|launcher| launcher.name()).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
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
        recipe: document.recipe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::launcher::launch_rules;

    fn load(name: &str, files: &[(&str, &str)]) -> Result<RunnerProfile, ProfileError> {
        let read = |path: &str| files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned());
        RunnerProfile::load(name, "runners", &read, &launch_rules())
    }

    #[test]
    fn profile_inherits_key_by_key() {
        let base = "launcher: local\nvendor: nvidia\nenvironment: {A: '1', B: '1'}\ndeadlines: {ready: 1h, load: 2h}\n";
        let child = "extends: base\nenvironment: {B: '2'}\ndeadlines: {ready: 90s}\n";
        let profile = load("h100-a", &[("base.yaml", base), ("h100-a.yaml", child)]).unwrap();
        assert_eq!((profile.name.as_str(), profile.vendor), ("h100-a", GpuVendor::Nvidia));
        let environment = [("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(profile.environment, BTreeMap::from(environment));
        assert_eq!(
            (profile.deadlines.ready, profile.deadlines.load),
            (PhaseTime::seconds(90), PhaseTime::seconds(7200))
        );
    }

    #[test]
    fn launcher_section_inherits_key_by_key() {
        let base = "launcher: slurm\nslurm: {partition: a, account: x}\n";
        let child = "extends: base\nslurm: {partition: b}\n";
        let both = load("p", &[("base.yaml", base), ("p.yaml", child)]).unwrap();
        let written = load("p", &[("p.yaml", "launcher: slurm\nslurm: {partition: b, account: x}\n")]).unwrap();
        assert_eq!(both.launch, written.launch);
    }

    #[test]
    fn launch_script_is_a_profile() {
        let profile = load("h200-x", &[("launch_h200-x.sh", "#!/bin/bash")]).unwrap();
        let written = load("p", &[("p.yaml", "launcher: script\nscript: launch_h200-x.sh\n")]).unwrap();
        assert_eq!((profile.name.as_str(), profile.launch), ("h200-x", written.launch));
    }

    #[test]
    fn errors_name_key_value_and_remedy() {
        for (text, message) in [
            (
                "launcher: local\nlauncer: x\n",
                "unknown key `launcer` in line 2; expected one of `extends`, `launcher`",
            ),
            ("launcher: local\nlocal: {}\n", "unknown key `local`"),
            (
                "launcher: kubernetes\n",
                "`launcher: kubernetes`; expected local, script, docker, slurm or endpoint",
            ),
            ("vendor: amd\n", "expected local, script, docker, slurm or endpoint"),
            ("launcher: local\ndeadlines: {ready: 90}\n", "90"),
            ("launcher: local\ndeadlines: {reddy: 90s}\n", "reddy"),
            ("launcher: local\nslurm: {partitoin: a}\n", "partitoin"),
            ("launcher: local\nload: {random-range-ratio: 1.5}\n", "up to 1"),
            ("launcher: local\nretries: {attempts: 0}\n", "`retries.attempts: 0`"),
            ("launcher: local\nretries: {backoff: 0.5}\n", "`retries.backoff: 0.5`"),
            ("launcher: local\nhealth-path: health\n", "such as /health"),
            ("launcher: script\n", "`script: `; expected the script's path"),
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
