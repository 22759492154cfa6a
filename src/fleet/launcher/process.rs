//! An engine as a process on this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{Engine, LaunchError, LaunchRequest};
use crate::job::JobSpec;
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, Group, Input, StartedFrom, StopReport};

const BASH: &str = "bash";

/// The command that [`start`] runs.
pub(super) fn command(spec: &JobSpec, script: &Path) -> Vec<String> {
    spec.recipe_command(script.to_string_lossy().into_owned())
}

/// Runs a script with bash and the recipe's environment, under a profiler if the row asks for one.
pub(super) fn start(script: &Path, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
    let command = command(request.spec, script);
    let (program, arguments) = command
        .split_first()
        .map_or((BASH, &[][..]), |(program, rest)| (program.as_str(), rest));
    let group = Group::start(&StartedFrom {
        program,
        arguments,
        folder: request.repository,
        input: Input::Empty,
        environment: request.environment,
        job: request.spec.id.as_str(),
        log: &request.log.file(),
    })?;
    Ok(Box::new(ProcessEngine(Mutex::new(group))))
}

struct ProcessEngine(Mutex<Group>);

impl Engine for ProcessEngine {
    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        Box::pin(async { Ok(self.0.lock().await.wait().await?) })
    }

    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(self.0.get_mut().terminate(grace, limit, hurry))
    }

    fn host(&self) -> String {
        "127.0.0.1".to_owned()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}
