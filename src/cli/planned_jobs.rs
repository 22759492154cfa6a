//! The jobs of a plan file, and which jobs of a workflow run they became.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::{Exit, Failure, OrExit as _};
use crate::github::WorkflowJob;
use crate::matrix::Row;
use crate::system::files;

/// A job that the plan asks for.
#[derive(Debug, Deserialize)]
pub struct PlannedJob {
    /// Its name in GitHub's list of jobs.
    pub name: String,
    /// What it measures.
    pub row: Row,
}

#[derive(Deserialize)]
struct Plan {
    jobs: Vec<PlannedJob>,
}

/// The jobs of a plan file.
///
/// # Errors
/// Invalid input for a file that is none.
pub fn planned_jobs(path: &Path) -> Result<Vec<PlannedJob>, Failure> {
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    let plan: Result<Plan, _> = serde_json::from_str(&text);
    let plan = plan.with_context(|| format!("{}: expected the plan file of imax plan", path.display()));
    Ok(plan.or_exit(Exit::InvalidInput)?.jobs)
}

/// The job of the run that each planned one became, as far as GitHub lists it. Jobs of called workflows have the callers' names in
/// front: `sweep / batch 1 / <name>`. Jobs of one name are told apart by nothing but their order.
#[must_use]
pub fn started<'a>(planned: &[PlannedJob], jobs: &'a [WorkflowJob]) -> Vec<Option<&'a WorkflowJob>> {
    let mut by_name: HashMap<&str, Vec<&WorkflowJob>> = HashMap::new();
    for job in jobs.iter().rev() {
        let own = planned.iter().map(|planned| planned.name.as_str());
        let own = own
            .into_iter()
            .find(|name| job.name == *name || job.name.ends_with(&format!("/ {name}")));
        if let Some(name) = own {
            by_name.entry(name).or_default().push(job);
        }
    }
    planned
        .iter()
        .map(|planned| by_name.get_mut(planned.name.as_str())?.pop())
        .collect()
}
