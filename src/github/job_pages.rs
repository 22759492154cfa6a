//! The pages of the jobs behind planned points.

use std::collections::BTreeMap;

use super::client::{Client, RepositoryName};
use super::error::GithubError;
use super::jobs::jobs_of_run;
use super::planned_jobs::{PlannedJob, workflow_jobs_of};
use crate::model::PointKey;

/// The page of the job that measures each point of a plan, as far as GitHub lists it.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn job_pages(
    client: &Client,
    repository: &RepositoryName,
    run_id: u64,
    planned: &[PlannedJob],
) -> Result<BTreeMap<PointKey, String>, GithubError> {
    let jobs = jobs_of_run(client, repository, run_id).await?;
    let mut pages = BTreeMap::new();
    for (planned, job) in planned.iter().zip(workflow_jobs_of(planned, &jobs)) {
        let Some(page) = job.and_then(|job| job.html_url.as_ref()) else {
            continue;
        };
        for key in planned.row.point_keys() {
            pages.insert(key, page.clone());
        }
    }
    Ok(pages)
}
