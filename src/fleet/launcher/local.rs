//! Engines as processes of this machine: the recipe itself, or a site's own launch script that gets the same
//! environment and does the starting in its own way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::super::job_state::Holding;
use super::{Engine, LaunchError, LaunchRequest, Launcher};
use crate::job::JobSpec;
use crate::system::process::{Ending, Group, Input, StartedFrom, StopReport};

/// Runs the recipe with bash.
pub(super) struct Recipe;

impl Launcher for Recipe {
    fn holds(&self, _spec: &JobSpec) -> Vec<Holding> {
        Vec::new()
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        start(&request.recipe_folder.join(&request.spec.recipe.path), request)
    }
}

/// Runs a launch script with bash.
pub(super) struct Script {
    /// Its path below the runner folder.
    pub path: String,
}

impl Launcher for Script {
    fn holds(&self, _spec: &JobSpec) -> Vec<Holding> {
        Vec::new()
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let script = request.runner_folder.join(&self.path);
        if !script.is_file() {
            return Err(LaunchError::NoScript(script));
        }
        start(&script, request)
    }
}

fn start(script: &Path, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
    let group = Group::start(&StartedFrom {
        program: "bash",
        arguments: &[script.to_string_lossy().into_owned()],
        folder: request.repository,
        input: Input::Empty,
        environment: request.environment,
        job: request.spec.id.as_str(),
        log: request.log,
    })?;
    Ok(Box::new(LocalEngine(group)))
}

struct LocalEngine(Group);

impl Engine for LocalEngine {
    fn poll(&mut self) -> Result<Option<Ending>, LaunchError> {
        Ok(self.0.poll()?)
    }

    fn stop(&mut self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
        self.0.stop(grace, limit, hurry)
    }

    fn host(&self) -> &str {
        "127.0.0.1"
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}
