//! The launcher `slurm`: engines as Slurm jobs, submitted with sbatch under the job's id as name and comment, followed with squeue,
//! and ended with scancel by their Slurm id. A Slurm job without our id is never touched, but for those of a launch script ([`runner_jobs`]).
//!
//! Pure: [`settings`], [`allocation`], [`request`] with [`script`] and [`step`], [`command`], [`answer`], [`verdict`]. With
//! effects: [`cluster`] calls Slurm's tools, [`watcher`] follows a job, [`batch`] is the engine, [`leftovers`] cleans up.

mod allocation;
mod answer;
mod answer_json;
mod batch;
mod cluster;
mod command;
mod error;
mod leftovers;
mod request;
mod runner_jobs;
mod script;
mod settings;
mod step;
mod verdict;
mod watcher;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::launch_plan::secret_names;
use super::{Engine, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind, Removal};
use crate::fleet::job_state::Holding;
use crate::job::{
    JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, Service, SettingsError, section_value, typed_section,
};
use crate::matrix::Row;
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::environment;
use crate::system::files;
use crate::system::tool;
use allocation::allocation;
use batch::Batch;
use cluster::{Cluster, SBATCH};
use error::{SlurmError, explained};
use leftovers::{cancel_arriving, cancel_named};
use request::{BatchFolders, BatchRequest, batch_request};
pub(super) use runner_jobs::{HeldNames, RunnerJobs, remove_named};
use script::secrets_file;
use settings::{SlurmContainer, SlurmDocument, SlurmSettings, slurm_settings};
use watcher::Watcher;

/// Time for a job's script to end the processes on its nodes, before Slurm is told to cancel the job.
const SCRIPT_END: Duration = Duration::from_secs(2);
/// Timeout of a tool that checks Slurm.
const SERVICE: Duration = Duration::from_secs(30);
const NAME: &str = "slurm";

/// The launcher kind.
pub(super) struct Slurm;

/// The keys of a profile that this launcher reads.
#[derive(Deserialize)]
struct Section {
    slurm: Option<SlurmDocument>,
}

/// What the job's state stores about a job in the queue.
#[derive(Serialize, Deserialize)]
struct Held {
    /// The job's name.
    name: String,
    /// `SLURM_CONF`, if it was set.
    configuration: Option<String>,
    /// The file with the job's secrets, until the job has read it.
    secrets: PathBuf,
}

impl LaunchRules for Slurm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_scheduler(&self) -> bool {
        true
    }

    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        SlurmDocument::json_schema(generator)
    }

    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String> {
        let section: Section = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        section_value(section.slurm)
    }

    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        let settings = slurm_settings(profile, typed_section(profile, section)?)?;
        LaunchSettings::of(self, profile, &settings)
    }

    fn needs_image(&self, settings: &LaunchSettings) -> bool {
        let settings: Result<SlurmSettings, _> = settings.read();
        settings.is_ok_and(|settings| match settings.container {
            SlurmContainer::None => false,
            SlurmContainer::Pyxis | SlurmContainer::Enroot => true,
        })
    }

    fn nodes_of_row(&self, settings: &LaunchSettings, row: &Row) -> Result<Option<NodesByRole>, String> {
        let settings = settings.read().map_err(|error| error.to_string())?;
        let allocation = allocation(row, &settings).map_err(|error| error.to_string())?;
        Ok(allocation.roles)
    }
}

impl LauncherKind for Slurm {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(Sbatch {
            settings: settings.read()?,
        }))
    }

    fn remove<'a>(&'a self, held: &'a Value, removal: &'a Removal<'a>) -> BoxFuture<'a, Result<bool, LaunchError>> {
        Box::pin(async move {
            let Held {
                name,
                configuration,
                secrets,
            } = Held::deserialize(held).map_err(SlurmError::State)?;
            let Removal { job, cancellation, until } = *removal;
            let found = cancel_named(&Cluster::new(job, configuration), &name, cancellation, until).await?;
            let _ = std::fs::remove_file(secrets);
            Ok(found)
        })
    }

    fn services(&self, _settings: &LaunchSettings, until: Instant, cancellation: &Cancellation) -> Vec<Service> {
        let answer_of = |program, arguments: &[&str]| {
            let limit = SERVICE.min(until.saturating_duration_since(Instant::now()));
            tool::answer_of(program, arguments, limit, cancellation).map_err(|error| error.to_string())
        };
        let version = answer_of("sinfo", &["--version"]).map(|text| text.trim().to_owned());
        // `scontrol ping` exits with 0 even if no controller answers, and only prints it.
        let controller = answer_of("scontrol", &["ping"]).and_then(|text| {
            if text.contains("UP") {
                Ok("controller is up".to_owned())
            } else {
                Err(text.lines().next().unwrap_or_default().to_owned())
            }
        });
        let service = |name: &str, answer| Service {
            name: name.to_owned(),
            answer,
        };
        vec![service("slurm", version), service("slurm controller", controller)]
    }
}

/// Runs the recipe as a Slurm job.
struct Sbatch {
    settings: SlurmSettings,
}

impl Sbatch {
    /// The file for the job's secrets, on a file system that the nodes share: home folders are, on most clusters.
    fn secrets_path(&self, job: &JobId) -> PathBuf {
        let own = self.settings.secrets_folder.as_ref().map(PathBuf::from);
        own.or_else(|| environment::path("HOME").map(|home| home.join(".local/state/imax/secrets")))
            .unwrap_or_else(std::env::temp_dir)
            .join(format!("{job}.env"))
    }
}

/// `SLURM_CONF`, if it is set.
pub(super) fn configuration() -> Option<String> {
    environment::text("SLURM_CONF")
}

impl Launcher for Sbatch {
    fn holds(&self, spec: &JobSpec) -> Vec<Holding> {
        let held = Held {
            name: spec.id.to_string(),
            configuration: configuration(),
            secrets: self.secrets_path(&spec.id),
        };
        vec![Holding {
            launcher: NAME.to_owned(),
            what: format!("slurm job {}", spec.id),
            data: json!(held),
            may_come_late: true,
        }]
    }

    fn plan(&self, input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        let secret_names = secret_names(input.environment);
        let secrets = (!secret_names.is_empty()).then(|| self.secrets_path(&input.spec.id));
        let batch = self.batch(input, secrets.as_deref())?;
        let BatchRequest {
            arguments,
            environment,
            script,
            mounts,
        } = batch;
        Ok(LaunchPlan {
            command: std::iter::once(SBATCH.to_owned()).chain(arguments).collect(),
            stdin: Some(script),
            environment,
            secrets: secret_names,
            mounts,
            settings: Vec::new(),
            files: secrets.into_iter().collect(),
        })
    }

    fn launch<'a>(&'a self, request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        Box::pin(self.submit(request))
    }
}

impl Sbatch {
    fn batch(&self, input: &LaunchInput<'_>, secrets: Option<&Path>) -> Result<BatchRequest, SlurmError> {
        let binary = std::env::current_exe().map_err(|source| SlurmError::Start { tool: "imax", source })?;
        let folders = BatchFolders {
            repository: input.repository,
            recipes: input.recipe_folder,
            runners: input.runner_folder,
            out: input.out,
            binary: &binary,
            log: input.log,
            secrets,
        };
        Ok(batch_request(input.spec, &self.settings, input.environment, input.port, folders)?)
    }

    async fn submit(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let job = &request.spec.id;
        let text = secrets_file(request.environment);
        let secrets = text.as_ref().map(|_| self.secrets_path(job));
        let batch = self.batch(&request.input(), secrets.as_deref())?;
        let mut cluster = Cluster::new(job, configuration());
        cluster.learn_version(request.cancellation).await.map_err(explained)?;
        if let (Some(path), Some(text)) = (&secrets, &text) {
            write_secrets(path, text)?;
        }
        let limit = request.until.saturating_duration_since(Instant::now());
        match cluster.submit(&batch, limit, request.cancellation).await {
            Ok(number) => {
                tracing::debug!(%job, number, "Slurm job submitted");
                Ok(Box::new(Batch {
                    watcher: Watcher::start(cluster.clone(), number),
                    cluster,
                    number,
                    name: job.to_string(),
                    secrets,
                    image: (self.settings.container != SlurmContainer::None).then(|| request.spec.row.image.to_string()),
                    gone: false,
                }))
            }
            Err(error) => {
                let may_come = error.may_have_been_received()
                    && !cancel_arriving(&cluster, job.as_str(), &request.cancellation.for_next_request()).await;
                if let Some(path) = secrets {
                    let _ = std::fs::remove_file(path);
                }
                let error = explained(error);
                Err(if may_come {
                    LaunchError::Unanswered(Box::new(error))
                } else {
                    error
                })
            }
        }
    }
}

fn write_secrets(path: &Path, text: &str) -> Result<(), SlurmError> {
    files::write_private(path, text.as_bytes()).map_err(|source| SlurmError::Secrets {
        path: path.to_owned(),
        source,
    })
}

/// Reads a text as the answer of each of Slurm's commands, for fuzzing.
pub(crate) fn read_slurm_answers(text: &str) {
    drop(answer::submitted(text));
    drop(answer::parse_queue(text));
    drop(answer::parse_named(text, "imax-1", 0));
    drop(answer::parse_steps(text));
    drop(answer::parse_job(text).map(|view| verdict::end_of(1, &view, Some(text))));
    drop(answer_json::parse_queue_json(text, 7));
    drop(answer_json::parse_accounting_json(text, 7));
    let _ = (answer::node_address(text), answer::canceller_of(text));
}

#[cfg(test)]
mod tests {
    use crate::fleet::launcher::launch_rules;
    use crate::job::RunnerProfile;

    #[test]
    fn errors_name_key_value_and_remedy() {
        for (section, message) in [
            ("{container: x}", "expected one of none, pyxis, enroot"),
            ("{container: enroot}", "`slurm.image-cache: `"),
            ("{partition: 'a b'}", "one word"),
            ("{gpus-option: --exclusive}", "--gres=gpu:{gpus}"),
            ("{extra-options: [--job-name=x]}", "imax does not set itself"),
            ("{extra-options: [-Jx]}", "imax does not set itself"),
            ("{extra-options: [mem=0]}", "such as --mem=0"),
            ("{image-cache: images}", "an absolute path"),
            ("{gpus-per-node: 0}", "a whole number from 1"),
            ("{time-limit: 0s}", "a time over 0"),
        ] {
            let text = format!("launcher: slurm\nslurm: {section}\n");
            let read = |path: &str| (path == "p.yaml").then(|| text.clone());
            let error = RunnerProfile::load("p", "runners", &read, &launch_rules()).unwrap_err().to_string();
            assert!(error.contains(message), "{section}: {error}");
        }
    }
}
