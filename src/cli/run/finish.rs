//! The end of a job: `job.json`, the exit code, the failure's annotation, the table in the step summary.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Context as _;

use super::life::Lived;
use super::prepare::Places;
use super::provenance::{provenance, provenance_of_job};
use super::voice::Voice;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::fleet::engine_log;
use crate::github::workflow::WorkflowFiles;
use crate::job::{
    FailureClass, JobFailure, JobRecord, JobSpec, Outcome, PointRecord, RECORD_SCHEMA, RunnerProfile, Tried, result_file_name,
};
use crate::matrix::Row;
use crate::model::{JobId, RunnerName, Secret, Variable, escape_markdown};
use crate::system::cancellation::Cancellation;
use crate::system::files;
use crate::system::host;
use crate::system::redaction::redact_document;

/// When a job began.
#[derive(Debug, Clone)]
pub struct Beginning {
    since: Instant,
    started: String,
}

impl Beginning {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            since: Instant::now(),
            started: host::timestamp(),
        }
    }
}

/// The record of a job that lived.
pub fn record_of(
    spec: &JobSpec,
    commit: Option<String>,
    environment: &[Variable],
    lived: Lived,
    beginning: &Beginning,
    stop: &Cancellation,
) -> JobRecord {
    let Lived {
        failure,
        mut points,
        phases,
        served_model,
        facts,
        attempts,
        node,
        evals,
    } = lived;
    let points_of_row = if spec.row.is_evaluated_alone() { Vec::new() } else { spec.points() };
    for point in points_of_row {
        if !points.iter().any(|known| known.conc == point.conc) {
            let failure = failure
                .clone()
                .unwrap_or_else(|| JobFailure::new(FailureClass::Client, "the point was not reached"));
            let outcome = Outcome::Failed(JobFailure { log_tail: None, ..failure });
            points.push(PointRecord::new(point.conc, point.result_filename, outcome));
        }
    }
    let outcome = match failure.or_else(|| failure_of_points(&points)) {
        Some(failure) => Outcome::Failed(failure),
        None => Outcome::Ok,
    };
    let provenance = provenance_of_job(spec, commit, &node, served_model, facts, environment);
    JobRecord {
        schema: RECORD_SCHEMA.to_owned(),
        job_id: spec.id.clone(),
        exit_code: exit_of(&outcome, stop).code(),
        outcome,
        started: beginning.started.clone(),
        ended: host::timestamp(),
        seconds: beginning.since.elapsed().as_secs_f64(),
        row: spec.row.clone(),
        points,
        evals,
        phases,
        attempts,
        provenance,
    }
}

/// The record of a row that was refused before anything was started.
pub fn record_of_refusal(
    id: JobId,
    row: &Row,
    runner: &RunnerName,
    profile: &RunnerProfile,
    commit: Option<String>,
    reason: String,
    beginning: &Beginning,
) -> JobRecord {
    let outcome = Outcome::Failed(JobFailure::new(FailureClass::Invalid, reason));
    let point = |conc: &crate::model::Concurrency| {
        let name = result_file_name(crate::job::NameSubject {
            row,
            conc: *conc,
            runner_name: runner,
        });
        PointRecord::new(*conc, name, outcome.clone())
    };
    JobRecord {
        schema: RECORD_SCHEMA.to_owned(),
        job_id: id,
        exit_code: Exit::InvalidInput.code(),
        points: row.conc.as_slice().iter().map(point).collect(),
        outcome,
        started: beginning.started.clone(),
        ended: host::timestamp(),
        seconds: beginning.since.elapsed().as_secs_f64(),
        row: row.clone(),
        evals: Vec::new(),
        phases: Vec::new(),
        attempts: Vec::new(),
        provenance: provenance(profile, runner, None, commit),
    }
}

/// A job of which a point failed has failed; with one point its failure is the job's.
fn failure_of_points(points: &[PointRecord]) -> Option<JobFailure> {
    let failed: Vec<&JobFailure> = points.iter().filter_map(|point| point.outcome.failure()).collect();
    let first = failed.first()?;
    if points.len() == 1 {
        return Some((*first).clone());
    }
    Some(JobFailure {
        reason: format!("{} of {} points failed; the first: {}", failed.len(), points.len(), first.reason),
        ..(*first).clone()
    })
}

/// What the job's end means to the caller.
pub fn exit_of(outcome: &Outcome, stop: &Cancellation) -> Exit {
    let Some(failure) = outcome.failure() else {
        return Exit::Success;
    };
    match failure.class {
        FailureClass::Server | FailureClass::Client | FailureClass::Timeout => Exit::MeasurementFailed,
        FailureClass::Infra | FailureClass::Missing => Exit::Infrastructure,
        FailureClass::Invalid => Exit::InvalidInput,
        FailureClass::Cancelled => stop.cause().map_or(Exit::Interrupted, Exit::from),
    }
}

/// Writes `job.json` and says how it ended. Reasons quote what engines answer and print, so secrets are taken out of all of it.
pub fn publish(record: &JobRecord, places: &Places, voice: &Voice, secrets: &[Secret]) -> Result<(), Failure> {
    let file = places.out.join("job.json");
    let document = serde_json::to_value(record)
        .context("the record has no JSON form")
        .or_exit(Exit::Infrastructure)?;
    let document = redact_document(document, secrets);
    if files::write_json(&file, &document).is_err() {
        // Where the disk is full, the end of the log and the record are worth more than all of the log.
        let _ = engine_log::shorten(&places.out.join("server.log"));
        files::write_json(&file, &document).or_exit(Exit::Infrastructure)?;
    }
    match serde_json::from_value(document) {
        Ok(shown) => WorkflowFiles::from_environment()
            .add_summary(&summary(&shown))
            .or_exit(Exit::Infrastructure)?,
        Err(error) => voice.line(&format!(
            "warning: no summary, because a name in {} held a secret: {error}",
            file.display()
        )),
    }
    match &record.outcome {
        Outcome::Ok => voice.line(&format!("done in {:.1} s: {}", record.seconds, places.out.display())),
        Outcome::Failed(failure) => {
            if let Some(tail) = &failure.log_tail {
                voice.folded("end of server.log", tail);
            }
            voice.failure(&format!("benchmark failed ({})", failure.class.as_str()), &failure.reason);
        }
    }
    Ok(())
}

/// The job's table for the step summary.
fn summary(record: &JobRecord) -> String {
    let row = &record.row;
    let mut text = format!(
        "### {} on {}\n\n",
        cell(&row.curve_key().to_string()),
        cell(record.provenance.runner_name.as_str())
    );
    text.push_str("| concurrency | outcome |\n|---:|---|\n");
    for point in &record.points {
        let outcome = match &point.outcome {
            Outcome::Ok => "measured".to_owned(),
            Outcome::Failed(failure) => format!("**{}**: {}", failure.class.as_str(), cell(&failure.reason)),
        };
        let _ = writeln!(text, "| {} | {outcome} |", point.conc);
    }
    for attempt in record.attempts.iter().filter(|attempt| attempt.problem.is_some()) {
        let problem = attempt.problem.as_deref().map(cell).unwrap_or_default();
        let what = match attempt.what {
            Tried::Job => "job",
            Tried::ImagePull => "image pull",
        };
        let _ = writeln!(text, "\n{what}, try {} of {}: {problem}", attempt.number, attempt.of);
    }
    text.push_str(&evals_table(record));
    text.push_str("\n| phase | time | |\n|---|---:|---|\n");
    for phase in &record.phases {
        let conc = phase.conc.map(|conc| format!(" (concurrency {conc})")).unwrap_or_default();
        let reason = phase.reason.as_deref().map(cell).unwrap_or_default();
        let _ = writeln!(text, "| {}{conc} | {:.1} s | {reason} |", phase.phase, phase.seconds);
    }
    text
}

/// The scores, where there are any.
fn evals_table(record: &JobRecord) -> String {
    if record.evals.is_empty() {
        return String::new();
    }
    let mut text = "\n| task | concurrency | score | 95% interval | verdict |\n|---|---:|---:|---|---|\n".to_owned();
    for eval in &record.evals {
        let error = eval.stderr.map(|error| format!(" ± {error:.4}")).unwrap_or_default();
        let score = eval.score.map_or_else(|| "none".to_owned(), |score| format!("{score:.4}{error}"));
        let interval = eval
            .interval_95
            .map(|[low, high]| format!("{low:.4} to {high:.4}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {score} | {interval} | {} |",
            cell(&eval.task),
            eval.conc,
            cell(&eval.verdict)
        );
    }
    text
}

/// Text from outside in a table's cell, not longer than a cell should be.
fn cell(text: &str) -> String {
    const LONGEST: usize = 300;
    let text: String = text.chars().take(LONGEST).collect();
    escape_markdown(&text)
}
