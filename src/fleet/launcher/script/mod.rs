//! The launcher `script`: a site's own script runs as a process on this machine. It gets the recipe's environment and starts the
//! engine in its own way.

use std::path::PathBuf;

use futures_util::future::LocalBoxFuture;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use super::{Engine, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind, process};
use crate::fleet::job_state::Holding;
use crate::job::{JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, SettingsError, section_value};
use crate::matrix::Row;

/// The launcher kind.
pub(super) struct Script;

/// The keys of a profile that this launcher reads.
#[derive(Deserialize)]
struct Section {
    script: Option<String>,
}

impl LaunchRules for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = String::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            "Path of the launch script below the runner folder.".into(),
        );
        schema
    }

    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String> {
        let section: Section = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        section_value(section.script)
    }

    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        let path = section.ok_or_else(|| profile.invalid("script", "", "the script's path below the runner folder"))?;
        LaunchSettings::of(self, profile, &path)
    }

    fn nodes_of_row(&self, _settings: &LaunchSettings, _row: &Row) -> Result<Option<NodesByRole>, String> {
        Ok(None)
    }
}

impl LauncherKind for Script {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(ScriptProcess { path: settings.read()? }))
    }
}

/// The launch script is missing.
#[derive(Debug, thiserror::Error)]
#[error("launch script {} does not exist; write it, or name another launcher in the runner profile", .0.display())]
struct MissingScript(PathBuf);

/// Runs a launch script with bash.
struct ScriptProcess {
    /// Path below the runner folder.
    path: String,
}

impl Launcher for ScriptProcess {
    fn holds(&self, _spec: &JobSpec) -> Vec<Holding> {
        Vec::new()
    }

    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        Ok(LaunchPlan::of_command(process::command(&self.existing(input)?), input))
    }

    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        Box::pin(async { process::start(&self.existing(&request.input())?, request) })
    }
}

impl ScriptProcess {
    fn existing(&self, input: &LaunchInput<'_>) -> Result<PathBuf, LaunchError> {
        let script = input.runner_folder.join(&self.path);
        if script.is_file() {
            Ok(script)
        } else {
            Err(LaunchError::Launcher(MissingScript(script).into()))
        }
    }
}
