//! What executing a row would start and write. Nothing is started, and no file or folder is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::context::JobFolders;
use super::environment::engine_environment;
use super::error::ExecutionError;
use super::request::ExecutionRequest;
use super::spec::{self, JobSpecError};
use crate::fleet::job_state::StateFolder;
use crate::fleet::launcher::{LaunchError, LaunchInput, LaunchPlan, launch_plan};
use crate::job::{GpuVendor, JobSpec, Phase, RecipeStyle};
use crate::system::ports;

/// What executing a row would do.
#[derive(Debug)]
pub struct JobPlan {
    pub spec: JobSpec,
    /// The port of the engine: the one that was asked for, or one that is free now.
    pub port: u16,
    /// The output folder, absolute.
    pub out: PathBuf,
    /// Working folder of the recipe and the hooks.
    pub repository: PathBuf,
    pub launch: LaunchPlan,
    /// The phases of the job, in order.
    pub deadlines: Vec<PhaseDeadline>,
    /// Files that the job writes if it succeeds, absolute; those with a time in their names are left out.
    pub files: Vec<PathBuf>,
    /// The file that exists while the job runs, for its clean-up by a later job.
    pub state_file: PathBuf,
}

/// How long a phase may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseDeadline {
    pub phase: Phase,
    pub limit: Duration,
    /// Whether the phase is repeated, with this limit, for each concurrency.
    pub for_each_point: bool,
}

/// Why a row would be refused.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The profile, the recipe or the recorded sessions do not fit the row.
    #[error("the row would be refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The launcher would refuse it.
    #[error("the launch would fail")]
    Launch(#[from] LaunchError),
}

impl From<JobSpecError> for DryRunError {
    fn from(error: JobSpecError) -> Self {
        Self::Refused(error.into())
    }
}

/// Resolves a row as [`super::execute`] does, up to the launch.
///
/// # Errors
/// If the row would be refused before its engine is started.
pub fn plan_job(request: &ExecutionRequest) -> Result<JobPlan, DryRunError> {
    let folders = JobFolders::of(request)?;
    let runner = spec::runner_name(request.runner_name.as_deref()).map_err(ExecutionError::from)?;
    let spec = spec::resolve_job(request, &runner, &folders)?;
    let port = match request.port {
        Some(port) => port,
        None => ports::free_port().map_err(ExecutionError::NoFreePort)?,
    };
    let environment = engine_environment(&spec, &folders, port);
    let launch = launch_plan(&LaunchInput {
        spec: &spec,
        environment: &environment,
        recipe_folder: &folders.recipes,
        runner_folder: &folders.runners,
        repository: &folders.repository,
        out: &folders.out,
        log: &folders.server_log(),
        port,
    })?;
    Ok(JobPlan {
        deadlines: deadlines(&spec, launch.command.is_empty()),
        files: files(&spec, &folders.out),
        state_file: StateFolder::from_environment().file(&spec.id),
        port,
        launch,
        out: folders.out,
        repository: folders.repository,
        spec,
    })
}

/// The phases that the job will have. A queue is that of a scheduler, which is never on this machine.
fn deadlines(spec: &JobSpec, starts_nothing: bool) -> Vec<PhaseDeadline> {
    let row = &spec.row;
    let loads = !row.is_evaluated_alone();
    let waits = spec.recipe_style() == RecipeStyle::EngineOnly;
    let has_queue = !starts_nothing && !spec.profile.launch.is_on_this_machine();
    let is_part = |phase: Phase| match phase {
        Phase::Preflight | Phase::Clean | Phase::Launch | Phase::Collect | Phase::Stop => true,
        Phase::Queue => has_queue,
        Phase::Ready => waits,
        Phase::WarmUp => waits && loads,
        Phase::Load => !waits || loads,
        Phase::Eval => waits && row.is_evaluated(),
    };
    let parts = Phase::ALL.into_iter().filter(|phase| is_part(*phase));
    parts
        .map(|phase| PhaseDeadline {
            phase,
            limit: if phase == Phase::Load && !waits {
                spec.recipe_deadline().duration()
            } else {
                spec.profile.deadlines.of(phase)
            },
            for_each_point: matches!(phase, Phase::WarmUp | Phase::Load) && waits,
        })
        .collect()
}

fn files(spec: &JobSpec, out: &Path) -> Vec<PathBuf> {
    let mut names = vec!["server.log".to_owned()];
    if !spec.row.is_evaluated_alone() {
        for point in spec.points() {
            names.push(format!("{}.json", point.result_filename));
            names.push(format!("agg_{}.json", point.result_filename));
        }
    }
    let is_here = spec.profile.launch.is_on_this_machine();
    let has_gpus = match spec.profile.vendor {
        GpuVendor::None => false,
        GpuVendor::Nvidia | GpuVendor::Amd => is_here,
    };
    if has_gpus || !spec.profile.telemetry.dcgm.is_empty() {
        names.push("gpu_metrics.csv".to_owned());
    }
    if is_here {
        names.push("host_metrics.csv".to_owned());
    }
    if spec.row.is_evaluated() {
        names.push("meta_env.json".to_owned());
    }
    names.push("job.json".to_owned());
    names.into_iter().map(|name| out.join(name)).collect()
}
