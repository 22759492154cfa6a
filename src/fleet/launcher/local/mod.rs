//! The launcher `local`: the recipe runs as a process on this machine.

use std::path::PathBuf;

use futures_util::future::LocalBoxFuture;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::{Engine, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind, process};
use crate::fleet::job_state::Holding;
use crate::job::{JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, SettingsError};
use crate::matrix::Row;

/// The launcher kind.
pub(super) struct Local;

impl LaunchRules for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn has_settings(&self) -> bool {
        false
    }

    fn section_schema(&self, _generator: &mut SchemaGenerator) -> Schema {
        false.into()
    }

    fn read_section(&self, _yaml: &str) -> Result<Option<Value>, String> {
        Ok(None)
    }

    fn check_section(&self, _profile: ProfileHead<'_>, _section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        Ok(LaunchSettings::local())
    }

    fn needs_image(&self, _settings: &LaunchSettings) -> bool {
        false
    }

    fn nodes_of_row(&self, _settings: &LaunchSettings, _row: &Row) -> Result<Option<NodesByRole>, String> {
        Ok(None)
    }
}

impl LauncherKind for Local {
    fn launcher(&self, _settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(RecipeProcess))
    }
}

/// Runs the recipe with bash.
struct RecipeProcess;

impl Launcher for RecipeProcess {
    fn holds(&self, _spec: &JobSpec) -> Vec<Holding> {
        Vec::new()
    }

    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        Ok(LaunchPlan::of_command(process::command(input.spec, &recipe(input)), input))
    }

    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        Box::pin(async { process::start(&recipe(&request.input()), request) })
    }
}

fn recipe(input: &LaunchInput<'_>) -> PathBuf {
    input.recipe_folder.join(input.spec.recipe_path())
}
