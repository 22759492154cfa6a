//! The interface between profiles, rows and launchers. Each launcher implements [`LaunchRules`] in its own folder of `fleet`; the
//! list is passed in by whatever reads a profile, so that this room does not depend on any of them.

use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{GpuVendor, ProfileError};
use crate::matrix::Row;

/// What profiles and rows need to know of a launcher.
pub trait LaunchRules: Sync {
    /// The value of `launcher` in a profile, and the key of the launcher's own section.
    fn name(&self) -> &'static str;

    /// Whether a scheduler assigns nodes to its jobs, so that a row may span several.
    fn has_scheduler(&self) -> bool {
        false
    }

    /// Whether its jobs allocate nodes themselves and measure on them, so that a row may span several without a scheduler of imax's.
    fn allocates_nodes(&self) -> bool {
        false
    }

    /// Whether its jobs run a recipe.
    fn needs_recipe(&self) -> bool {
        true
    }

    /// Whether it has a section in profiles.
    fn has_settings(&self) -> bool {
        true
    }

    /// The schema of its section.
    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema;

    /// Reads its section from the text of a profile; other keys are ignored.
    ///
    /// # Errors
    /// The parser's message, with line and column.
    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String>;

    /// Merges a section with the inherited one: key by key, lists are replaced.
    fn inherit(&self, base: Value, child: Value) -> Value {
        merged(base, child)
    }

    /// Checks the section of a profile.
    ///
    /// # Errors
    /// An invalid value, or a missing required one.
    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError>;

    /// Files below the runner folder without which its jobs cannot start.
    fn runner_files(&self, _settings: &LaunchSettings) -> Vec<String> {
        Vec::new()
    }

    /// Whether its jobs need the image of a config entry.
    fn needs_image(&self, _settings: &LaunchSettings) -> bool {
        true
    }

    /// Checks that a row fits the nodes of a profile. Returns the number of nodes of each role for a row over several nodes.
    ///
    /// # Errors
    /// A sentence with the remedy.
    fn nodes_of_row(&self, settings: &LaunchSettings, row: &Row) -> Result<Option<NodesByRole>, String>;
}

pub type Launchers<'a> = &'a [&'a dyn LaunchRules];

/// The launcher with this name.
pub(crate) fn launcher_named<'a>(launchers: Launchers<'a>, name: &str) -> Option<&'a dyn LaunchRules> {
    launchers.iter().find(|launcher| launcher.name() == name).copied()
}

/// Values of the profile on which the check of a launcher's section depends.
#[derive(Debug, Clone, Copy)]
pub struct ProfileHead<'a> {
    /// The profile's name, for errors.
    pub name: &'a str,
    /// Vendor of the node's GPUs.
    pub vendor: GpuVendor,
}

impl ProfileHead<'_> {
    /// The error for an invalid value.
    pub fn invalid(&self, key: &'static str, found: impl Into<String>, expected: &'static str) -> ProfileError {
        ProfileError::Value {
            name: self.name.to_owned(),
            key,
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// Nodes of a row that spans several. The first nodes are those of the prefill workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodesByRole {
    /// Nodes of the prefill workers.
    pub prefill: u64,
    /// Nodes of the decode workers.
    pub decode: u64,
}

/// Where a launcher's engines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// On the machine of `imax run`, using its ports and GPUs.
    ThisMachine,
    /// On nodes assigned by a scheduler.
    ScheduledNodes,
    /// Outside: the job knows only the address.
    Elsewhere,
}

/// A launcher with its checked settings, which only it can read, and the properties that others need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaunchSettings {
    launcher: String,
    settings: Value,
    placement: Placement,
    gpu_ids: Vec<String>,
}

impl LaunchSettings {
    /// The launcher `local`, which has no settings: the recipe runs as a process of this machine.
    #[must_use]
    pub fn local() -> Self {
        Self {
            launcher: "local".to_owned(),
            settings: Value::Null,
            placement: Placement::ThisMachine,
            gpu_ids: Vec::new(),
        }
    }

    /// Wraps a launcher's checked settings.
    ///
    /// # Errors
    /// If they cannot be serialised as JSON.
    pub fn of(launcher: &dyn LaunchRules, profile: ProfileHead<'_>, settings: &impl Serialize) -> Result<Self, ProfileError> {
        let settings = serde_json::to_value(settings).map_err(|error| ProfileError::Yaml {
            name: profile.name.to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            launcher: launcher.name().to_owned(),
            settings,
            placement: if launcher.has_scheduler() {
                Placement::ScheduledNodes
            } else {
                Placement::ThisMachine
            },
            gpu_ids: Vec::new(),
        })
    }

    /// Sets the GPUs that the launcher restricts its engine to.
    #[must_use]
    pub fn with_gpu_ids(self, gpu_ids: Vec<String>) -> Self {
        Self { gpu_ids, ..self }
    }

    /// Whether the engine is not started by the job.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        match self.placement {
            Placement::Elsewhere => true,
            Placement::ThisMachine | Placement::ScheduledNodes => false,
        }
    }

    /// The same for an engine that is not started by the job.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self {
            placement: Placement::Elsewhere,
            ..self
        }
    }

    /// The launcher's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.launcher
    }

    /// The settings in the launcher's own type.
    ///
    /// # Errors
    /// If they belong to another launcher.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        T::deserialize(&self.settings).map_err(|error| SettingsError {
            launcher: self.launcher.clone(),
            problem: error.to_string(),
        })
    }

    /// Whether the engine runs on the machine of `imax run`, with its ports and GPUs.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        match self.placement {
            Placement::ThisMachine => true,
            Placement::ScheduledNodes | Placement::Elsewhere => false,
        }
    }

    /// The GPUs that the launcher restricts the engine to, by index or UUID; empty without a restriction.
    #[must_use]
    pub fn gpu_ids(&self) -> &[String] {
        &self.gpu_ids
    }
}

/// Settings that their launcher cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("launcher {launcher} cannot read its settings: {problem}; was this job resolved by another version of imax?")]
pub struct SettingsError {
    launcher: String,
    problem: String,
}

/// A section as JSON.
///
/// # Errors
/// If it cannot be serialised as JSON.
pub(crate) fn section_value(section: Option<impl Serialize>) -> Result<Option<Value>, String> {
    section
        .map(|section| serde_json::to_value(section).map_err(|error| error.to_string()))
        .transpose()
}

/// A section in its own type; the default if a profile has none.
///
/// # Errors
/// If it belongs to another launcher.
pub(crate) fn typed_section<T: DeserializeOwned + Default>(profile: ProfileHead<'_>, section: Option<Value>) -> Result<T, ProfileError> {
    section
        .map(serde_json::from_value)
        .transpose()
        .map(Option::unwrap_or_default)
        .map_err(|error| ProfileError::Yaml {
            name: profile.name.to_owned(),
            problem: error.to_string(),
        })
}

/// Merges `child` over `base`: keys of the child win, and a value that is not an object replaces the other.
pub(crate) fn merged(base: Value, child: Value) -> Value {
    match (base, child) {
        (Value::Object(base), Value::Object(child)) => {
            let set = child.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(base.into_iter().chain(set).collect::<Map<_, _>>())
        }
        (_, child) => child,
    }
}
