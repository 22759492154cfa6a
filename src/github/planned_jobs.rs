//! The jobs of a plan file, and the jobs of a workflow run that execute them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::jobs::WorkflowJob;
use crate::matrix::Row;
use crate::system::files::FileError;
use crate::system::untrusted;

/// A job of the plan.
#[derive(Debug, Deserialize)]
pub(crate) struct PlannedJob {
    /// Its name in GitHub's list of jobs.
    pub name: String,
    pub row: Row,
}

#[derive(Deserialize)]
struct PlanDocument {
    jobs: Vec<PlannedJob>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanFileError {
    #[error(transparent)]
    Read(#[from] FileError),
    #[error("{}: expected the plan file of imax plan: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

/// The jobs of a plan file.
///
/// # Errors
/// [`PlanFileError`].
pub(crate) fn planned_jobs(path: &Path) -> Result<Vec<PlannedJob>, PlanFileError> {
    let text = untrusted::read_text(path)?;
    let plan: PlanDocument = serde_json::from_str(&text).map_err(|source| PlanFileError::Json {
        path: path.to_owned(),
        source,
    })?;
    Ok(plan.jobs)
}

/// For each planned job, the job of the workflow run that executes it, if GitHub lists it. Names of jobs in called workflows begin with
/// the callers' names: `sweep / batch 1 / <name>`. Jobs of the same name are matched in order.
pub(super) fn workflow_jobs_of<'a>(planned: &[PlannedJob], jobs: &'a [WorkflowJob]) -> Vec<Option<&'a WorkflowJob>> {
    let mut by_name: HashMap<&str, Vec<&WorkflowJob>> = HashMap::new();
    for job in jobs.iter().rev() {
        if let Some(planned) = planned.iter().find(|planned| executes(job, planned)) {
            by_name.entry(planned.name.as_str()).or_default().push(job);
        }
    }
    planned
        .iter()
        .map(|planned| by_name.get_mut(planned.name.as_str())?.pop())
        .collect()
}

fn executes(job: &WorkflowJob, planned: &PlannedJob) -> bool {
    match job.name.strip_suffix(planned.name.as_str()) {
        Some(callers) => callers.is_empty() || callers.ends_with("/ "),
        None => false,
    }
}
