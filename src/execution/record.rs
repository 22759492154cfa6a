//! The record of a job: the content of `job.json`.

use super::context::{JobContext, JobStart};
use super::job_end::JobEnd;
use super::progress::Progress;
use super::provenance::{provenance, provenance_of_job};
use super::spec::new_job_id;
use crate::job::{FailureClass, JobFailure, JobRecord, NameSubject, Outcome, PointRecord, RECORD_SCHEMA, RunnerProfile, result_file_name};
use crate::matrix::Row;
use crate::model::{Concurrency, RunnerName};
use crate::system::host;

/// The record of a job that ran. `failure` is why it failed as a whole.
pub(super) fn of_finished_job(ctx: &JobContext, mut progress: Progress, failure: Option<JobFailure>) -> (JobRecord, JobEnd) {
    add_missing_points(ctx, &mut progress, failure.as_ref());
    let outcome = match failure.or_else(|| failure_of_points(&progress.points)) {
        Some(failure) => Outcome::Failed(failure),
        None => Outcome::Ok,
    };
    let end = JobEnd::of(&outcome, ctx.cancellation.cause());
    let provenance = provenance_of_job(ctx, &progress);
    let Progress {
        journal,
        points,
        evals,
        attempts,
        image_pulls,
        node: _,
        engine: _,
        left_behind: _,
        traces,
        profiled_loads: _,
    } = progress;
    let pulls = image_pulls.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let record = JobRecord {
        schema: RECORD_SCHEMA.to_owned(),
        job_id: ctx.spec.id.clone(),
        exit_code: end.code(),
        outcome,
        started: ctx.start.timestamp.clone(),
        ended: host::timestamp(),
        seconds: ctx.start.instant.elapsed().as_secs_f64(),
        row: ctx.spec.row.clone(),
        points,
        evals,
        traces,
        phases: journal.into_phases(),
        attempts: attempts.into_iter().chain(pulls).collect(),
        provenance,
    };
    (record, end)
}

/// Adds the points that were not loaded; they failed for the job's reason.
fn add_missing_points(ctx: &JobContext, progress: &mut Progress, failure: Option<&JobFailure>) {
    if ctx.spec.row.is_evaluated_alone() {
        return;
    }
    for point in ctx.spec.points() {
        if progress.points.iter().any(|known| known.conc == point.conc) {
            continue;
        }
        let failure = failure.cloned();
        let failure = failure.unwrap_or_else(|| JobFailure::new(FailureClass::Client, "the point was not loaded"));
        let outcome = Outcome::Failed(JobFailure { log_tail: None, ..failure });
        progress.points.push(PointRecord::new(point.conc, point.result_filename, outcome));
    }
}

/// The failure of a job of which a point failed. With a single point, it is the point's failure.
fn failure_of_points(points: &[PointRecord]) -> Option<JobFailure> {
    let failed: Vec<&JobFailure> = points.iter().filter_map(|point| point.outcome.failure()).collect();
    let first = (*failed.first()?).clone();
    if points.len() == 1 {
        return Some(first);
    }
    Some(JobFailure {
        reason: format!("{} of {} points failed; the first: {}", failed.len(), points.len(), first.reason),
        ..first
    })
}

/// The record of a row that was refused before anything was started.
pub(super) fn of_refused_row(row: &Row, runner: &RunnerName, commit: Option<String>, reason: String, start: &JobStart) -> JobRecord {
    let outcome = Outcome::Failed(JobFailure::new(FailureClass::Invalid, reason));
    let points = row.conc.as_slice().iter();
    JobRecord {
        schema: RECORD_SCHEMA.to_owned(),
        job_id: new_job_id(),
        exit_code: JobEnd::InvalidInput.code(),
        points: points.map(|conc| refused_point(row, *conc, runner, &outcome)).collect(),
        outcome,
        started: start.timestamp.clone(),
        ended: host::timestamp(),
        seconds: start.instant.elapsed().as_secs_f64(),
        row: row.clone(),
        evals: Vec::new(),
        traces: Vec::new(),
        phases: Vec::new(),
        attempts: Vec::new(),
        provenance: provenance(&RunnerProfile::local(), runner, None, commit),
    }
}

fn refused_point(row: &Row, conc: Concurrency, runner: &RunnerName, outcome: &Outcome) -> PointRecord {
    let name = result_file_name(NameSubject {
        row,
        conc,
        runner_name: runner,
    });
    PointRecord::new(conc, name, outcome.clone())
}
