//! Execution of a job: from a matrix row to its results and `job.json`.
//!
//! A row names a model, an engine, a runner label and one or more concurrencies; each concurrency is a *point* of the job, with a
//! result of its own. The *recipe* is the script that starts the engine, and the *runner profile* states how this kind of node runs
//! jobs: which *launcher* starts the recipe (as a process, in a container, by a scheduler), deadlines, hooks. A recipe has one of two
//! styles. An `EngineOnly` recipe only starts the engine, and imax loads it. A `SelfContained` recipe starts the engine, measures it
//! and writes the results itself (as the recipes of InferenceX do); imax only waits for its exit.
//!
//! `execute` resolves the row to a job, runs it and writes its record. The files, in the order in which a job uses them:
//!
//! - `request`, `spec`, `environment` (with `script_environment`): the input, the job specification that it resolves to, and the
//!   recipe's environment;
//! - `context`, `progress`, `phase`: the constants of a job, its state so far, and the frame of a phase with its deadline;
//! - `attempts`, `attempt`: an attempt is a sequence of phases; a job is attempted again if the node failed;
//! - `preflight`, `load_preparation`, `clean`, `launch`, `queue`, `ready`, `load_points` (with `load_settings`), `evals`, `stop`,
//!   `collect`: the phases, in order; `self_contained` replaces those from `ready` to `evals` for recipes of that style, with
//!   `recipe_phases`, `workspace`, `job_results`, `replay_results`, `recipe_evals`, `recipe_logs` and `package_power` for the files that
//!   recipes and launch scripts write;
//! - `lent_binary`: imax itself, for its library in the containers of launch scripts;
//! - `engine`, `supervision`, `interruption`: the running engine, and how a phase is interrupted by its exit, a deadline or a signal;
//! - `watchdog`: a child process that stops the job if this process is killed;
//! - `traces`: what the engine's profiler wrote, for rows that are profiled;
//! - `hooks`, `sampling`, `secret_scan`: commands of the profile around a job, samples of GPUs and host, removal of secrets from files;
//! - `record`, `job_end`, `provenance`, `publish`, `summary`, `console`: `job.json`, the exit code, the step summary, printed lines.
//! - `dry_run`: what `execute` would start and write, without any of it.
//!
//! Two commands use parts of it without a job: `node_examination` (`imax doctor`) and `external_engine` (`imax ready`).

mod attempt;
mod attempts;
mod blocking;
mod clean;
mod collect;
mod console;
mod context;
mod dry_run;
mod engine;
mod environment;
mod error;
mod evals;
mod external_engine;
mod hooks;
mod interruption;
mod job_end;
mod job_results;
mod launch;
mod lent_binary;
mod load_points;
mod load_preparation;
mod load_settings;
mod node_examination;
mod output_folder;
mod package_power;
mod phase;
mod preflight;
mod progress;
mod provenance;
mod publish;
mod queue;
mod ready;
mod recipe_evals;
mod recipe_failure;
mod recipe_logs;
mod recipe_phases;
mod record;
mod replay_results;
mod request;
mod sampling;
mod script_environment;
mod secret_scan;
mod self_contained;
mod spec;
mod stop;
mod summary;
mod supervision;
mod traces;
mod watchdog;
mod workspace;

use std::time::Duration;

use tracing::{Instrument as _, info_span};

use crate::fleet::job_state::StateFolder;
use crate::fleet::launcher::secrets_of;
use crate::git::checkout::Checkout;
use crate::github::is_github_actions;
use crate::job::{JobRecord, JobSpec};
use crate::matrix::Row;
use crate::model::RunnerName;
use crate::model::with_causes;
use crate::system::cancellation::Cancellation;
use crate::system::ports;
use crate::system::process::adopt_orphans;
use console::Console;
use context::{JobContext, JobFolders, JobStart, OpenedOutput};
pub use dry_run::{DryRunError, JobPlan, PhaseDeadline, plan_job};
pub use error::ExecutionError;
pub use external_engine::{ExternalEngine, ExternalEngineError, wait_for_external_engine};
pub use job_end::JobEnd;
pub use node_examination::{Examination, ExaminationError, ExaminationRequest, examine};
use output_folder::HeldFolder;
use progress::Progress;
pub use request::{EvalOptions, ExecutionRequest, LoadOverrides};
pub use spec::RunnerProfileError;
use watchdog::Watchdog;
pub use watchdog::watch;

/// How long `job.json` waits for git to name the commit.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A job that has ended, whatever its outcome.
#[derive(Debug)]
pub struct ExecutedJob {
    /// The content of `job.json`.
    pub record: JobRecord,
    /// How the job ended, as its caller sees it.
    pub end: JobEnd,
}

/// Executes a row and writes `job.json`, also if the row is refused or the job fails.
///
/// # Errors
/// If the output folder, the runner's name or a port cannot be used, or `job.json` cannot be written.
pub async fn execute(request: ExecutionRequest, cancellation: &Cancellation) -> Result<ExecutedJob, ExecutionError> {
    let start = JobStart::now();
    adopt_orphans()?;
    let folders = JobFolders::create(&request)?;
    // Git compares every file of the repository with its index, which may take long: the look-up starts first and is awaited last.
    let checkout = Checkout::look_up(folders.repository.clone());
    let runner = spec::runner_name(request.runner_name.as_deref())?;
    let _held = HeldFolder::take(&folders.out)?;
    let cleared = output_folder::clear(&folders.out, &request.row, &runner)?;
    let spec = match spec::resolve_job(&request, &runner, &folders) {
        Ok(spec) => spec,
        Err(error) => {
            checkout.wait(COMMIT_TIMEOUT, cancellation).await;
            return refuse(&request.row, &runner, &folders, checkout.commit(), with_causes(&error), &start);
        }
    };
    let port = match request.port {
        Some(port) => port,
        None => ports::free_port().map_err(ExecutionError::NoFreePort)?,
    };
    let ctx = context(request, spec, folders, checkout, port, start, cancellation)?;
    announce(&ctx, cleared);
    let watchdog = start_watchdog(&ctx);
    let _lent = lent_binary::lend(&ctx);
    let mut progress = Progress::new(ctx.spec.profile.deadlines);
    let span = info_span!("job", id = %ctx.spec.id, row = %ctx.spec.row.curve_key());
    let failure = Box::pin(attempts::run_attempts(&ctx, &mut progress).instrument(span)).await;
    // If the job failed early, git may still be busy.
    ctx.checkout.wait(COMMIT_TIMEOUT, cancellation).await;
    let (record, end) = record::of_finished_job(&ctx, progress, failure);
    if let Some(watchdog) = watchdog {
        watchdog.dismiss();
    }
    publish::publish(&record, &ctx.folders, &ctx.console, &ctx.secrets)?;
    Ok(ExecutedJob { record, end })
}

/// Without a watchdog the job runs all the same, because a later one can clean up after it.
fn start_watchdog(ctx: &JobContext) -> Option<Watchdog> {
    Watchdog::start(&ctx.spec.id, &ctx.folders.out)
        .inspect_err(|error| {
            ctx.console.line(&format!(
                "no watchdog: {error}; if imax is killed, `imax run --reap` stops what this job started"
            ));
        })
        .ok()
}

fn context(
    request: ExecutionRequest,
    spec: JobSpec,
    folders: JobFolders,
    checkout: Checkout,
    port: u16,
    start: JobStart,
    cancellation: &Cancellation,
) -> Result<JobContext, ExecutionError> {
    let output = OpenedOutput::open(&folders)?;
    let environment = environment::engine_environment(&spec, &folders, port);
    let secrets = secrets_of(&environment);
    Ok(JobContext {
        console: Console::new(is_github_actions(), request.quiet, secrets.clone()),
        spec,
        folders,
        log: output.log,
        untrusted_out: output.folder,
        environment,
        secrets,
        port,
        seed: request.seed,
        evals: request.evals,
        checkout,
        states: StateFolder::from_environment(),
        cancellation: cancellation.clone(),
        start,
    })
}

fn announce(ctx: &JobContext, cleared: usize) {
    let JobContext { spec, console, .. } = ctx;
    console.line(&format!("job {}: {} on {}", spec.id, spec.row.curve_key(), spec.runner_name));
    if let Some(recipe) = &spec.recipe {
        console.line(&format!("recipe {}: {}", recipe.path, recipe.chosen));
    }
    console.line(&format!("profile {}, launcher {}", spec.profile.name, spec.profile.launch.name()));
    if cleared > 0 {
        console.line(&format!(
            "removed {cleared} files of an earlier job from {}",
            ctx.folders.out.display()
        ));
    }
}

/// Writes the record of a row that cannot be run. Nothing was started.
fn refuse(
    row: &Row,
    runner: &RunnerName,
    folders: &JobFolders,
    commit: Option<String>,
    reason: String,
    start: &JobStart,
) -> Result<ExecutedJob, ExecutionError> {
    let record = record::of_refused_row(row, runner, commit, reason, start);
    let console = Console::new(is_github_actions(), false, Vec::new());
    publish::publish(&record, folders, &console, &[])?;
    Ok(ExecutedJob {
        record,
        end: JobEnd::InvalidInput,
    })
}
