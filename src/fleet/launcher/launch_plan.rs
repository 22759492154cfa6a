//! The plan of a launch as a value, for `imax run --dry-run`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::LaunchError;
use super::mount::Mount;
use crate::job::JobSpec;
use crate::model::{Variable, VariableValue};

/// Input of a launch: the values of a [`super::LaunchRequest`] without the handles for starting something.
#[derive(Debug, Clone, Copy)]
pub struct LaunchInput<'a> {
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
    /// File for the engine's stdout and stderr.
    pub log: &'a Path,
    pub port: u16,
}

/// What a launcher would start. Contains no secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaunchPlan {
    /// Program and arguments; empty for a launcher that starts nothing.
    pub command: Vec<String>,
    /// Input of the program on stdin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The command's variables and their values, without secrets.
    pub environment: Vec<(String, String)>,
    /// Names of the secrets that are passed to the command.
    pub secrets: Vec<String>,
    pub mounts: Vec<Mount>,
    /// Other settings by the names of the launcher's interface: image, network, devices.
    pub settings: Vec<(String, String)>,
    /// Files that the launcher writes outside the job's folder.
    pub files: Vec<PathBuf>,
}

impl LaunchPlan {
    /// A command on this machine with the environment of the job.
    pub(super) fn of_command(command: Vec<String>, input: &LaunchInput<'_>) -> Self {
        Self {
            command,
            environment: plain_variables(input.environment),
            secrets: secret_names(input.environment),
            ..Self::default()
        }
    }
}

/// The plan for an input. Nothing is started or written, and no request is sent.
///
/// # Errors
/// If the launch would be refused before anything is started.
pub fn launch_plan(input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
    super::launcher_of(&input.spec.profile.launch)?.plan(input)
}

fn plain_variables(environment: &[Variable]) -> Vec<(String, String)> {
    environment
        .iter()
        .filter_map(|variable| match &variable.value {
            VariableValue::Plain(text) => Some((variable.name.clone(), text.clone())),
            VariableValue::Secret(_) => None,
        })
        .collect()
}

pub(super) fn secret_names(environment: &[Variable]) -> Vec<String> {
    environment
        .iter()
        .filter_map(|variable| match &variable.value {
            VariableValue::Plain(_) => None,
            VariableValue::Secret(_) => Some(variable.name.clone()),
        })
        .collect()
}
