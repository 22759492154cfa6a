//! An engine as a process of this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Engine, LaunchError, LaunchRequest};
use crate::system::process::{Ending, Group, Input, StartedFrom, StopReport};

/// Runs a script with bash and the recipe's environment.
pub(super) fn start(script: &Path, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
    let group = Group::start(&StartedFrom {
        program: "bash",
        arguments: &[script.to_string_lossy().into_owned()],
        folder: request.repository,
        input: Input::Empty,
        environment: request.environment,
        job: request.spec.id.as_str(),
        log: request.log,
    })?;
    Ok(Box::new(ProcessEngine(group)))
}

struct ProcessEngine(Group);

impl Engine for ProcessEngine {
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
