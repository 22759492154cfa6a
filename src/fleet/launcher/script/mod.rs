//! The launcher `script`: a site's own script runs as a process on this machine. It gets the recipe's environment and starts the
//! engine in its own way: as a process, in a container, or on nodes that it allocates with Slurm. What it allocates there is cancelled.

mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::slurm::{HeldNames, RunnerJobs, configuration, remove_named};
use super::{Engine, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind, QueueState, Removal, process};
use crate::fleet::job_state::Holding;
use crate::job::{
    JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, SettingsError, section_value, typed_section,
};
use crate::matrix::Row;
use crate::system::cancellation::Cancellation;
use crate::system::host::is_on_path;
use crate::system::process::{Ending, StopReport};
use settings::{ScriptSection, ScriptSettings};

const NAME: &str = "script";
/// The tool without which this machine has no Slurm, and nothing has to be cancelled.
const SQUEUE: &str = "squeue";
/// Time for the first of two cancellations, while the script's processes are ended.
const EARLY_CANCEL: Duration = Duration::from_secs(3);

/// The launcher kind.
pub(super) struct Script;

/// The keys of a profile that this launcher reads.
#[derive(Deserialize)]
struct Section {
    script: Option<ScriptSection>,
}

impl LaunchRules for Script {
    fn name(&self) -> &'static str {
        NAME
    }

    fn allocates_nodes(&self) -> bool {
        true
    }

    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let path = String::json_schema(generator);
        let map = ScriptSection::json_schema(generator);
        json_schema!({
            "description": "The launch script: its path below the runner folder, or a map with more settings.",
            "anyOf": [path, map]
        })
    }

    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String> {
        let section: Section = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        section_value(section.script)
    }

    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        LaunchSettings::of(self, profile, &ScriptSettings::of(profile, typed_section(profile, section)?)?)
    }

    fn runner_files(&self, settings: &LaunchSettings) -> Vec<String> {
        let settings: Result<ScriptSettings, _> = settings.read();
        settings.map(|settings| vec![settings.path]).unwrap_or_default()
    }

    fn nodes_of_row(&self, _settings: &LaunchSettings, _row: &Row) -> Result<Option<NodesByRole>, String> {
        Ok(None)
    }
}

impl LauncherKind for Script {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(ScriptProcess {
            settings: settings.read()?,
        }))
    }

    fn remove<'a>(&'a self, held: &'a Value, removal: &'a Removal<'a>) -> BoxFuture<'a, Result<bool, LaunchError>> {
        Box::pin(async move {
            if !is_on_path(SQUEUE) {
                return Ok(false);
            }
            remove_named(held, removal).await
        })
    }
}

/// The launch script is missing.
#[derive(Debug, thiserror::Error)]
#[error("launch script {} does not exist; write it, or name another launcher in the runner profile", .0.display())]
struct MissingScript(PathBuf);

/// Runs a launch script with bash.
struct ScriptProcess {
    settings: ScriptSettings,
}

impl Launcher for ScriptProcess {
    fn holds(&self, spec: &JobSpec) -> Vec<Holding> {
        let Some(names) = self.slurm_names(spec) else {
            return Vec::new();
        };
        let what = format!("Slurm jobs named {}", names.join(" or "));
        let held = HeldNames {
            names,
            configuration: configuration(),
        };
        vec![Holding {
            launcher: NAME.to_owned(),
            what,
            data: json!(held),
            may_come_late: false,
        }]
    }

    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        let cancelled = self.slurm_names(input.spec).map(|names| names.join(", "));
        let settings = cancelled.map(|names| ("Slurm jobs that are cancelled, by name".to_owned(), names));
        Ok(LaunchPlan {
            settings: settings.into_iter().collect(),
            ..LaunchPlan::of_command(process::command(input.spec, &self.existing(input)?), input)
        })
    }

    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        Box::pin(self.start(request))
    }
}

impl ScriptProcess {
    fn existing(&self, input: &LaunchInput<'_>) -> Result<PathBuf, LaunchError> {
        let script = input.runner_folder.join(&self.settings.path);
        if script.is_file() {
            Ok(script)
        } else {
            Err(LaunchError::Launcher(MissingScript(script).into()))
        }
    }

    /// The names of the Slurm jobs that the script may submit; `None` where there is no Slurm, or none shall be cancelled.
    fn slurm_names(&self, spec: &JobSpec) -> Option<Vec<String>> {
        let names = self.settings.names_of(&spec.runner_name);
        (!names.is_empty() && is_on_path(SQUEUE)).then_some(names)
    }

    async fn start(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let script = self.existing(&request.input())?;
        let Some(names) = self.slurm_names(request.spec) else {
            return process::start(&script, request);
        };
        let held = HeldNames {
            names,
            configuration: configuration(),
        };
        let mut jobs = RunnerJobs::new(&request.spec.id, held);
        match jobs.clear(request).await {
            Ok(()) => {}
            Err(error @ (LaunchError::Stopped | LaunchError::Explained(_))) => return Err(error),
            // The tools are there, but no Slurm: the script may need none.
            Err(error) => {
                (request.say)(&format!(
                    "warning: the runner's Slurm jobs cannot be listed, so none is cancelled: {error}"
                ));
                return process::start(&script, request);
            }
        }
        Ok(Box::new(ScriptEngine {
            process: process::start(&script, request)?,
            jobs,
        }))
    }
}

/// A script that runs, with what it allocates.
struct ScriptEngine {
    process: Box<dyn Engine>,
    jobs: RunnerJobs,
}

impl Engine for ScriptEngine {
    fn queue_state_change<'a>(&'a self, known: &'a QueueState) -> BoxFuture<'a, QueueState> {
        Box::pin(self.jobs.queue_state_change(known))
    }

    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        self.process.ended()
    }

    /// Cancels the allocation twice: at once, so that the GPUs are free also where the script ignores SIGTERM, and after the script, which
    /// may have submitted another job in between.
    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        let until = Instant::now() + grace + limit;
        Box::pin(async move {
            let Self { process, jobs } = self;
            let (mut report, ()) = tokio::join!(process.stop(grace, limit, hurry), jobs.cancel_by_name(EARLY_CANCEL, hurry));
            if let Err(error) = jobs.end(hurry, until).await {
                report.left.push(format!("the Slurm jobs of the launch script, perhaps ({error})"));
            }
            report
        })
    }

    fn host(&self) -> String {
        self.process.host()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.process.facts()
    }
}
