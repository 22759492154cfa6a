//! Publishes a plan: step outputs and summary for the workflow, and the plan file.

use std::path::PathBuf;

use super::Warn;
use super::durations::recorded_durations;
use super::earlier_run::EarlierRun;
use super::plan::{SweepPlan, SweepRequest};
use super::priorities::{PrioritiesError, prioritise};
use crate::git::Commit;
use crate::github::workflow::{WorkflowFileError, WorkflowFiles};
use crate::matrix::plan::{self, ChangelogMetadata, Job, MATRIX_LIMIT, OutputError, Plan, PlanFile, SearchSpace, Totals};
use crate::model::escape_markdown;
use crate::store::artifacts::ArtifactError;
use crate::system::files::{self, FileError};

/// A matrix without jobs.
const EMPTY_MATRIX: &str = r#"{"include":[]}"#;
/// The default plan file of a plan that exceeds GitHub's limits.
const DEFAULT_PLAN_FILE: &str = "imax-plan.json";

/// Outputs of a plan, and estimates of its duration.
#[derive(Debug)]
pub(crate) struct PublishOptions {
    pub plan_file: Option<PathBuf>,
    /// A folder with job records of earlier runs, for the estimate of GPU-hours.
    pub job_records: Option<PathBuf>,
}

pub(crate) struct Published {
    pub totals: Totals,
    /// The search space to run, as JSON.
    pub search_space: String,
    /// Its jobs.
    pub jobs: Vec<Job>,
    /// Rows that no node of their label would run, a sentence each.
    pub refused: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The search space has no JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The plan exceeds GitHub's limits even if the outputs contain only ids.
    #[error(transparent)]
    Outputs(#[from] OutputError),
    #[error(transparent)]
    Workflow(#[from] WorkflowFileError),
    #[error(transparent)]
    Write(#[from] FileError),
    #[error(transparent)]
    JobRecords(#[from] ArtifactError),
    #[error(transparent)]
    Priorities(#[from] PrioritiesError),
}

/// Publishes a plan.
///
/// # Errors
/// [`PublishError`].
pub(crate) fn publish(
    plan: &SweepPlan,
    options: &PublishOptions,
    workflow: &WorkflowFiles,
    warn: Warn<'_>,
) -> Result<Published, PublishError> {
    let PublishOptions { plan_file, job_records } = options;
    let durations = match job_records {
        Some(folder) => Some(recorded_durations(folder, warn)?),
        None => None,
    };
    let sweep = &plan.sweep;
    let mut jobs = plan::jobs(plan.to_run().rows());
    prioritise(&mut jobs, &sweep.job.queue, &sweep.job)?;
    let published = Published {
        totals: Totals::of(sweep.change.added.len(), &jobs),
        search_space: serde_json::to_string(&plan.to_run().clone().for_inferencex())?,
        jobs,
        refused: plan.refused.iter().map(ToString::to_string).collect(),
    };
    let jobs = &published.jobs;
    let reason = if jobs.is_empty() && sweep.reused.is_some() && sweep.earlier.as_ref().is_some_and(EarlierRun::has_results) {
        format!("{} Nothing is measured again.", sweep.reason)
    } else if jobs.is_empty() {
        format!("{} But no job follows: {}.", sweep.reason, why_no_job(sweep))
    } else {
        sweep.reason.clone()
    };
    let mut plan_file = plan_file.clone();
    if workflow.takes_outputs() {
        set_outputs(sweep, jobs, &published, &reason, &mut plan_file, workflow, warn)?;
    }
    if let Some(path) = &plan_file {
        let head = sweep.change.head.map(|head| head.to_string());
        files::write_json(path, &PlanFile::new(jobs, &plan.whole, head))?;
    }
    let known = durations.as_ref().and_then(|durations| durations.known(jobs));
    workflow.add_summary(&plan::summary(&reason, published.totals, jobs, plan.estimate, known))?;
    if !published.refused.is_empty() {
        workflow.add_summary(&refused_list(&published.refused))?;
    }
    if let (Some(earlier), Some(path)) = (&sweep.earlier, &options.plan_file) {
        earlier.copy_results(path)?;
    }
    Ok(published)
}

/// The list for the step summary.
fn refused_list(refused: &[String]) -> String {
    let lines: Vec<String> = refused
        .iter()
        .map(|sentence| format!("- {}\n", escape_markdown(sentence)))
        .collect();
    format!("\n#### Rows that cannot run\n\n{}", lines.concat())
}

/// Sets the step outputs. `plan_file` becomes the default one if the plan needs a file and none is named.
fn set_outputs(
    sweep: &SweepRequest,
    jobs: &[Job],
    published: &Published,
    reason: &str,
    plan_file: &mut Option<PathBuf>,
    workflow: &WorkflowFiles,
    warn: Warn<'_>,
) -> Result<(), PublishError> {
    let canary = if sweep.canary { plan::canary(jobs) } else { None };
    let outputs = plan::outputs(jobs, canary, &published.search_space)?;
    if outputs.needs_plan_file && plan_file.is_none() {
        *plan_file = Some(PathBuf::from(DEFAULT_PLAN_FILE));
    }
    let plan_path = plan_file.as_deref().map_or_else(String::new, |path| path.display().to_string());
    let has_results = !jobs.is_empty() || sweep.earlier.as_ref().is_some_and(EarlierRun::has_results);
    workflow.set_outputs([
        ("run", if jobs.is_empty() { "false" } else { "true" }),
        ("report", if has_results { "true" } else { "false" }),
        (
            "reused-run",
            &sweep.reused.as_ref().map_or_else(String::new, |reused| reused.id.to_string()),
        ),
        ("matrix", outputs.matrix.as_deref().unwrap_or_default()),
        ("batches", &outputs.batches),
        ("count", &jobs.len().to_string()),
        ("search-space-config", outputs.search_space.as_deref().unwrap_or_default()),
        ("mode", &sweep.mode),
        ("fail-fast", if sweep.fail_fast { "true" } else { "false" }),
        ("reason", reason),
        ("canary", outputs.canary.as_deref().unwrap_or(EMPTY_MATRIX)),
        ("environment", &environment_lines(&sweep.job.environment)),
        ("plan-file", &plan_path),
        ("base-sha", &hash_of(sweep.change.base)),
        ("head-sha", &hash_of(sweep.change.head)),
    ])?;
    if outputs.matrix.is_none() {
        warn(&format!(
            "{} jobs exceed GitHub's limit of {MATRIX_LIMIT} jobs in a matrix: use the output `batches`; `matrix` is empty, so a job that uses it fails",
            jobs.len()
        ));
    }
    if outputs.needs_plan_file {
        warn(&format!(
            "the rows exceed GitHub's limit for outputs: they are in {plan_path}, and the matrix has only their ids"
        ));
    }
    Ok(())
}

/// A line `NAME=VALUE` for each variable; values have no line breaks.
fn environment_lines(variables: &[(String, String)]) -> String {
    let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.join("\n")
}

fn hash_of(commit: Option<Commit>) -> String {
    commit.map(|commit| commit.to_string()).unwrap_or_default()
}

/// Why valid entries result in no job.
fn why_no_job(sweep: &SweepRequest) -> &'static str {
    let mut entries = sweep.change.added.iter().map(|added| &added.entry);
    let evaluates_only = sweep.options.evals_only || entries.all(|entry| entry.evals_only || entry.all_evals);
    match (&sweep.earlier, evaluates_only) {
        (Some(_), _) => "the earlier run measured all points",
        (None, _) if sweep.filters.iter().any(|filter| !filter.is_empty()) => "no row passes the filters",
        (None, true) => "no point of the configs can be evaluated (docs/reference/configs.md says which can)",
        (None, false) => "no point of the configs can be measured",
    }
}

/// Why there is no plan to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoRun {
    /// The event does not trigger a sweep.
    NotTriggered,
    /// Somebody must correct something before it can be planned.
    Refused,
}

/// Publishes that nothing is run, and why. Returns an empty search space as JSON.
///
/// # Errors
/// [`PublishError`].
pub(crate) fn publish_no_run(no_run: NoRun, reason: &str, workflow: &WorkflowFiles) -> Result<String, PublishError> {
    let metadata = ChangelogMetadata {
        base_ref: String::new(),
        head_ref: String::new(),
        entries: Vec::new(),
    };
    let search_space = serde_json::to_string(&SearchSpace::new(Plan::default(), metadata))?;
    workflow.set_outputs([
        ("run", "false"),
        ("report", "false"),
        ("reused-run", ""),
        ("matrix", EMPTY_MATRIX),
        ("batches", "[]"),
        ("count", "0"),
        ("search-space-config", &search_space),
        ("mode", "none"),
        ("fail-fast", "false"),
        ("reason", reason),
        ("canary", EMPTY_MATRIX),
        ("environment", ""),
        ("plan-file", ""),
        ("base-sha", ""),
        ("head-sha", ""),
    ])?;
    let verdict = match no_run {
        NoRun::NotTriggered => "No run",
        NoRun::Refused => "Refused",
    };
    workflow.add_summary(&format!("### Sweep plan\n\n{verdict}: {reason}\n"))?;
    Ok(search_space)
}
