//! A sweep on this machine: rows are executed one after another, and their results are collected as runs (`imax sweep`, `imax demo`).
//!
//! A sweep measures one variant or several, such as two commits. Several are measured alternately and in rounds, so that disturbances of
//! the machine affect all of them, and a comparison can estimate the variation between measurements.

mod fitness;
mod kept;
mod schedule;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::execution::{EvalOptions, ExecutedJob, ExecutionError, ExecutionRequest, JobEnd, LoadOverrides, execute};
use crate::git::commit::{CommitError, NewRepository};
use crate::matrix::plan::{Job, PlanFile, SearchSpace, jobs};
use crate::model::{RunnerLabel, RunnerName};
use crate::result::Point;
use crate::store::{self, GatherError, collect};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files::{self, FileError};
use schedule::{Turn, schedule};

/// What to execute, and where.
pub(crate) struct SweepRequest<'a> {
    /// What is measured, in turn.
    pub variants: Vec<Variant>,
    /// The repository in which commits of variants are checked out.
    pub repository: Option<&'a NewRepository>,
    pub recipe_dir: PathBuf,
    pub runner_dir: PathBuf,
    /// Name of the runner profile for all rows; by default the one of a row's runner.
    pub profile: Option<String>,
    /// The runner that rows of each label run as.
    pub runners: BTreeMap<RunnerLabel, RunnerName>,
    pub load: LoadOverrides,
    pub seed: u64,
    pub evals: EvalOptions,
    /// Keep the results of jobs that succeeded in an earlier sweep of the same folders.
    pub resume: bool,
    pub unfit_rows: UnfitRows,
    pub failed_jobs: FailedJobs,
}

/// What is done with rows that this machine cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnfitRows {
    LeaveOut,
    /// They are executed, and fail.
    Execute,
}

/// Whether a failed job ends the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedJobs {
    GoOn,
    EndSweep,
}

/// What a sweep measures under one name, such as a commit.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Its name in messages; empty where there is one variant.
    pub name: &'static str,
    /// The commit that is checked out before each of its jobs.
    pub commit: Option<String>,
    pub search_space: SearchSpace,
    /// The folder of each round: a folder for each job in `jobs/`, and the collected results. The first one has `plan.json`.
    pub rounds: Vec<PathBuf>,
}

/// A job of a sweep.
pub(crate) struct SweepJob<'a> {
    /// From 1, in the order of execution.
    pub number: usize,
    pub total: usize,
    pub variant: &'a Variant,
    pub job: &'a Job,
}

/// What happens to a job.
pub(crate) enum SweepStep<'a> {
    /// It is executed next.
    Starts,
    /// It ended. A job that failed may have some points.
    Ended { executed: &'a ExecutedJob, points: &'a [Point] },
    /// Its results are those of an earlier sweep.
    Kept { points: &'a [Point] },
    /// This machine cannot run it.
    LeftOut { reason: &'a str },
}

/// Called for each step.
pub(crate) type OnStep<'a> = &'a mut dyn FnMut(&SweepJob<'_>, SweepStep<'_>);

/// How a sweep ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SweepEnd {
    pub jobs: usize,
    /// Jobs that failed.
    pub failed: usize,
    /// How the first of them ended.
    pub first_failure: Option<JobEnd>,
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
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(
        "{} has results of an earlier sweep; continue it with --resume, or use another folder", .0.display()
    )]
    Occupied(PathBuf),
}

/// Executes the jobs and collects what they measured, also where some fail or the sweep is cancelled.
///
/// # Errors
/// [`SweepError`]. A failed job is not an error.
pub(crate) async fn run_sweep(
    request: &SweepRequest<'_>,
    on_step: OnStep<'_>,
    cancellation: &Cancellation,
) -> Result<SweepEnd, SweepError> {
    let mut planned = Vec::new();
    for variant in &request.variants {
        planned.push(jobs(variant.search_space.rows()));
    }
    write_plans(request, &planned)?;
    let end = run_jobs(request, &planned, on_step, cancellation).await?;
    for variant in &request.variants {
        collect_rounds(variant)?;
    }
    Ok(end)
}

fn plan_file(round: &Path) -> PathBuf {
    round.join("plan.json")
}

fn jobs_folder(round: &Path) -> PathBuf {
    round.join("jobs")
}

fn write_plans(request: &SweepRequest<'_>, planned: &[Vec<Job>]) -> Result<(), SweepError> {
    for (variant, jobs) in request.variants.iter().zip(planned) {
        let Some(first) = variant.rounds.first() else { continue };
        let file = plan_file(first);
        if !request.resume && file.exists() {
            return Err(SweepError::Occupied(first.clone()));
        }
        files::write_json(&file, &PlanFile::new(jobs, &variant.search_space, None))?;
    }
    Ok(())
}

fn collect_rounds(variant: &Variant) -> Result<(), SweepError> {
    for (round, folder) in variant.rounds.iter().enumerate() {
        let measured = jobs_folder(folder);
        if !measured.is_dir() {
            continue;
        }
        // Later rounds have only some of the plan's jobs.
        let plan = (round == 0).then(|| plan_file(folder));
        collect::write_run(folder, store::gather(&measured, plan.as_deref())?)?;
    }
    Ok(())
}

async fn run_jobs(
    request: &SweepRequest<'_>,
    planned: &[Vec<Job>],
    on_step: OnStep<'_>,
    cancellation: &Cancellation,
) -> Result<SweepEnd, SweepError> {
    let turns = schedule(&request.variants, planned);
    let mut end = SweepEnd {
        jobs: turns.len(),
        ..SweepEnd::default()
    };
    let mut examined = fitness::Examined::default();
    for (index, turn) in turns.iter().enumerate() {
        let Turn { variant, round, job } = *turn;
        let sweep_job = SweepJob {
            number: index + 1,
            total: turns.len(),
            variant,
            job,
        };
        let out = jobs_folder(round).join(&job.id);
        if request.resume && kept::has_succeeded(&out, &job.row) {
            let points = points_of(&out)?;
            on_step(&sweep_job, SweepStep::Kept { points: &points });
            continue;
        }
        check_out(request, variant)?;
        let request_of_job = execution_request(request, job, out.clone());
        if request.unfit_rows == UnfitRows::LeaveOut
            && let Some(reason) = examined.unfitness(&request_of_job, cancellation)
        {
            on_step(&sweep_job, SweepStep::LeftOut { reason: &reason });
            end.left_out += 1;
            continue;
        }
        if let Some(cause) = cancellation.cause() {
            end.cancelled = Some(cause);
            break;
        }
        on_step(&sweep_job, SweepStep::Starts);
        let executed = Box::pin(execute(request_of_job, cancellation)).await?;
        let points = points_of(&out)?;
        let ended = SweepStep::Ended {
            executed: &executed,
            points: &points,
        };
        on_step(&sweep_job, ended);
        match executed.end {
            JobEnd::Success => {}
            JobEnd::MeasurementFailed | JobEnd::InvalidInput | JobEnd::Infrastructure => {
                end.failed += 1;
                end.first_failure.get_or_insert(executed.end);
                if request.failed_jobs == FailedJobs::EndSweep {
                    break;
                }
            }
            JobEnd::Interrupted | JobEnd::Terminated => {
                end.cancelled = cancellation.cause();
                break;
            }
        }
    }
    Ok(end)
}

fn check_out(request: &SweepRequest<'_>, variant: &Variant) -> Result<(), CommitError> {
    match (request.repository, &variant.commit) {
        (Some(repository), Some(commit)) => repository.check_out(commit),
        (_, None) | (None, Some(_)) => Ok(()),
    }
}

/// The points in a job's folder, measured or failed.
fn points_of(out: &Path) -> Result<Vec<Point>, GatherError> {
    Ok(store::gather(out, None)?.assembly.run.points)
}

fn execution_request(request: &SweepRequest<'_>, job: &Job, out: PathBuf) -> ExecutionRequest {
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
