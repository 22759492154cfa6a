//! Giving the plan away: the document on stdout, a line on stderr, and for GitHub step outputs, a summary and, where a
//! plan is over GitHub's limits, a file.

use std::path::{Path, PathBuf};

use super::{Documents, Request};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::github::workflow::WorkflowFiles;
use crate::matrix::plan::{self, ChangelogMetadata, Durations, Estimate, MATRIX_LIMIT, Options, Plan, PlanFile, SearchSpace, Totals};
use crate::system::files;

/// A matrix without jobs.
const EMPTY_MATRIX: &str = r#"{"include":[]}"#;
/// Where a plan over GitHub's limits goes.
const PLAN_FILE: &str = "imax-plan.json";

/// What is known of how long jobs will take.
pub struct Outlook {
    /// By what was said on the command line.
    pub estimate: Option<Estimate>,
    /// By earlier runs.
    pub durations: Option<Durations>,
}

/// Gives a plan.
///
/// # Errors
/// Where the plan does not fit even by name, as invalid input; where it cannot be written, as infrastructure.
pub fn plan(request: &Request, documents: &Documents, outlook: &Outlook, plan_file: Option<&Path>) -> Result<(), Failure> {
    let jobs = plan::jobs(documents.to_run().rows());
    let reason = match jobs.is_empty() {
        true => format!("{} But no job follows: {}.", request.reason, why_no_job(request)),
        false => request.reason.clone(),
    };
    let totals = Totals::of(request.change.added.len(), &jobs);
    let document = serde_json::to_string(documents.to_run()).or_exit(Exit::Infrastructure)?;
    let workflow = WorkflowFiles::from_environment();
    let mut written = plan_file.map(Path::to_owned);
    if workflow.takes_outputs() {
        let canary = if request.canary { plan::canary(&jobs) } else { None };
        let outputs = plan::outputs(&jobs, canary, &document).or_exit(Exit::InvalidInput)?;
        if outputs.needs_plan_file && written.is_none() {
            written = Some(PathBuf::from(PLAN_FILE));
        }
        let commit = |commit: Option<crate::git::Commit>| commit.map(|commit| commit.to_string()).unwrap_or_default();
        let plan_path = written.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let set = workflow.set_outputs([
            ("run", if jobs.is_empty() { "false" } else { "true" }),
            ("matrix", outputs.matrix.as_deref().unwrap_or_default()),
            ("batches", &outputs.batches),
            ("count", &totals.jobs.to_string()),
            ("search-space-config", outputs.search_space.as_deref().unwrap_or_default()),
            ("mode", &request.mode),
            ("fail-fast", if request.fail_fast { "true" } else { "false" }),
            ("reason", &reason),
            ("canary", outputs.canary.as_deref().unwrap_or(EMPTY_MATRIX)),
            ("plan-file", &plan_path),
            ("base-sha", &commit(request.change.base)),
            ("head-sha", &commit(request.change.head)),
        ]);
        set.or_exit(Exit::Infrastructure)?;
        if outputs.matrix.is_none() {
            output::say(&format!(
                "{} jobs are more than GitHub's {MATRIX_LIMIT} of one matrix: use the output `batches`; `matrix` is empty, so that using it fails",
                totals.jobs
            ));
        }
        if outputs.needs_plan_file {
            output::say(&format!(
                "the rows are over GitHub's limit of outputs: they are in {plan_path}, and the matrix has their ids"
            ));
        }
    }
    if let Some(path) = &written {
        let head = request.change.head.map(|head| head.to_string());
        files::write_json(path, &PlanFile::new(&jobs, &documents.whole, head)).or_exit(Exit::Infrastructure)?;
    }
    let known = outlook.durations.as_ref().and_then(|durations| durations.known(&jobs));
    let summary = plan::summary(&reason, totals, &jobs, outlook.estimate, known);
    workflow.add_summary(&summary).or_exit(Exit::Infrastructure)?;
    output::say(&format!("plan: {totals}"));
    output::emit(&format!("{document}\n"))
}

/// Why entries that are right lead to no job.
fn why_no_job(request: &Request) -> &'static str {
    let Options { evals_only, .. } = request.options;
    let evaluates = evals_only
        || request
            .change
            .added
            .iter()
            .all(|added| added.entry.evals_only || added.entry.all_evals);
    match (&request.earlier, evaluates) {
        (Some(_), _) => "the earlier run measured all of it",
        (None, true) => "no point of the configs can be evaluated (docs/configs.md says which can)",
        (None, false) => "the configs have no point that can be measured",
    }
}

/// Says that there is nothing to run, and why.
///
/// # Errors
/// Where it cannot be written.
pub fn nothing(reason: &str) -> Result<(), Failure> {
    let document = no_run("No run", reason)?;
    output::say(&format!("no run: {reason}"));
    output::emit(&format!("{document}\n"))
}

/// Says to the workflow that somebody has something to correct; the caller fails with the reason.
///
/// # Errors
/// Where it cannot be written.
pub fn refused(reason: &str) -> Result<(), Failure> {
    no_run("Refused", reason).map(drop)
}

/// The outputs and the summary of an event that leads to no run; gives the document.
fn no_run(verdict: &str, reason: &str) -> Result<String, Failure> {
    let nowhere = ChangelogMetadata {
        base_ref: String::new(),
        head_ref: String::new(),
        entries: Vec::new(),
    };
    let document = serde_json::to_string(&SearchSpace::new(Plan::default(), nowhere)).or_exit(Exit::Infrastructure)?;
    let workflow = WorkflowFiles::from_environment();
    let set = workflow.set_outputs([
        ("run", "false"),
        ("matrix", EMPTY_MATRIX),
        ("batches", "[]"),
        ("count", "0"),
        ("search-space-config", &document),
        ("mode", "none"),
        ("fail-fast", "false"),
        ("reason", reason),
        ("canary", EMPTY_MATRIX),
        ("plan-file", ""),
        ("base-sha", ""),
        ("head-sha", ""),
    ]);
    set.or_exit(Exit::Infrastructure)?;
    let summary = format!("### Sweep plan\n\n{verdict}: {reason}\n");
    workflow.add_summary(&summary).or_exit(Exit::Infrastructure)?;
    Ok(document)
}
