//! A sweep on this machine: rows are executed one after another, and their results are collected as a run (`imax sweep`, `imax demo`).

mod fitness;
mod kept;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::execution::{EvalOptions, ExecutedJob, ExecutionError, ExecutionRequest, JobEnd, LoadOverrides, execute};
use crate::matrix::plan::{Job, PlanFile, SearchSpace, jobs};
use crate::model::{RunnerLabel, RunnerName};
use crate::store::{self, GatherError, collect};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files::{self, FileError};

/// What to execute, and where.
pub(crate) struct SweepRequest {
    pub search_space: SearchSpace,
    /// The folder of the run: `plan.json`, a folder for each job in `jobs/`, and the collected results.
    pub folder: PathBuf,
    pub recipe_dir: PathBuf,
    pub runner_dir: PathBuf,
    /// Name of the runner profile for all rows; by default the one of a row's runner.
    pub profile: Option<String>,
    /// The runner that rows of each label run as.
    pub runners: BTreeMap<RunnerLabel, RunnerName>,
    pub load: LoadOverrides,
    pub seed: u64,
    pub evals: EvalOptions,
    /// Keep the results of jobs that succeeded in an earlier sweep of the same folder.
    pub resume: bool,
    /// Leave out rows that this machine cannot run; else they are executed and fail.
    pub leave_out_unfit: bool,
}

/// What happens to a job.
pub(crate) enum SweepStep<'a> {
    /// It is executed next.
    Starts,
    /// It ended.
    Ended(&'a ExecutedJob),
    /// Its results are those of an earlier sweep.
    Kept,
    /// This machine cannot run it.
    LeftOut { reason: &'a str },
}

/// Called for each step.
pub(crate) type OnStep<'a> = &'a mut dyn FnMut(&Job, SweepStep<'_>);

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SweepEnd {
    pub jobs: usize,
    /// Jobs that failed.
    pub failed: usize,
    /// Jobs that this machine cannot run.
    pub left_out: usize,
    /// What cancelled it.
    pub cancelled: Option<CancelCause>,
}

/// Why a sweep could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error(transparent)]
    Collect(#[from] collect::CollectError),
    #[error(
        "{} has results of an earlier sweep; go on with it by --resume, or name another folder", .0.display()
    )]
    Occupied(PathBuf),
}

/// Executes the jobs and collects what they measured, also where some fail or the sweep is cancelled.
///
/// # Errors
/// [`SweepError`]. A job that fails is no error.
pub(crate) async fn run_sweep(request: &SweepRequest, on_step: OnStep<'_>, cancellation: &Cancellation) -> Result<SweepEnd, SweepError> {
    let planned = jobs(request.search_space.rows());
    let plan_file = request.folder.join("plan.json");
    if !request.resume && plan_file.exists() {
        return Err(SweepError::Occupied(request.folder.clone()));
    }
    files::write_json(&plan_file, &PlanFile::new(&planned, &request.search_space, None))?;
    let folder = request.folder.join("jobs");
    let end = run_jobs(request, &planned, &folder, on_step, cancellation).await?;
    if folder.is_dir() {
        collect::write_run(&request.folder, store::gather(&folder, Some(&plan_file))?)?;
    }
    Ok(end)
}

async fn run_jobs(
    request: &SweepRequest,
    planned: &[Job],
    folder: &Path,
    on_step: OnStep<'_>,
    cancellation: &Cancellation,
) -> Result<SweepEnd, SweepError> {
    let mut end = SweepEnd {
        jobs: planned.len(),
        failed: 0,
        left_out: 0,
        cancelled: None,
    };
    let mut examined = fitness::Examined::default();
    for job in planned {
        let out = folder.join(&job.id);
        if request.resume && kept::has_succeeded(&out, &job.row) {
            on_step(job, SweepStep::Kept);
            continue;
        }
        let request_of_job = execution_request(request, job, out);
        if request.leave_out_unfit
            && let Some(reason) = examined.unfitness(&request_of_job, cancellation)
        {
            on_step(job, SweepStep::LeftOut { reason: &reason });
            end.left_out += 1;
            continue;
        }
        if let Some(cause) = cancellation.cause() {
            end.cancelled = Some(cause);
            break;
        }
        on_step(job, SweepStep::Starts);
        let executed = Box::pin(execute(request_of_job, cancellation)).await?;
        on_step(job, SweepStep::Ended(&executed));
        match executed.end {
            JobEnd::Success => {}
            JobEnd::MeasurementFailed | JobEnd::InvalidInput | JobEnd::Infrastructure => end.failed += 1,
            JobEnd::Interrupted | JobEnd::Terminated => {
                end.cancelled = cancellation.cause();
                break;
            }
        }
    }
    Ok(end)
}

fn execution_request(request: &SweepRequest, job: &Job, out: PathBuf) -> ExecutionRequest {
    ExecutionRequest {
        row: job.row.clone(),
        out,
        recipe_dir: request.recipe_dir.clone(),
        runner_dir: request.runner_dir.clone(),
        profile: request.profile.clone(),
        runner_name: request.runners.get(&job.runner).map(ToString::to_string),
        port: None,
        load: request.load.clone(),
        seed: request.seed,
        evals: request.evals.clone(),
        quiet: true,
    }
}
