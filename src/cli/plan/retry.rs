//! Completing a run: what an earlier one measured is left out of the plan, and its results are kept for the report.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::action::{PLAN_ARTIFACT, PLAN_FILE, RESULTS_ARTIFACT};
use crate::cli::{Exit, Failure, OrExit as _, github};
use crate::github::{Client, DownloadError, GithubError, Marker, Repository, commented_run, download_run};
use crate::model::PointKey;
use crate::store::{self, RESULTS_FILE, artifacts};
use crate::system::files;

/// The folder of the copies, beside the plan file.
const FOLDER: &str = "earlier";

/// An earlier run of the same commit.
pub struct Earlier {
    measured: HashSet<PointKey>,
    /// The normalised documents as they were written.
    documents: Vec<Value>,
}

impl Earlier {
    /// That of an argument.
    ///
    /// # Errors
    /// As [`Earlier::load`].
    pub fn given(path: Option<&Path>) -> Result<Option<Self>, Failure> {
        path.map(Self::load).transpose()
    }

    /// Reads a folder that `imax collect` wrote, or its `agg_bmk.json`.
    ///
    /// # Errors
    /// Invalid input for what is no run.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let run = store::load_run(path)?;
        let measured = run
            .points
            .iter()
            .filter(|point| point.measurement().is_some())
            .map(|point| point.key.clone());
        let results = if path.is_dir() { path.join(RESULTS_FILE) } else { path.to_owned() };
        let documents = if results.is_file() {
            let text = artifacts::read_text(&results).or_exit(Exit::InvalidInput)?;
            serde_json::from_str(&text).or_exit(Exit::InvalidInput)?
        } else {
            Vec::new()
        };
        Ok(Self {
            measured: measured.collect(),
            documents,
        })
    }

    /// What it measured.
    pub fn measured(&self) -> &HashSet<PointKey> {
        &self.measured
    }

    /// Copies its results into a folder beside the plan file, a file each, as a job would have left them: the plan's artifact
    /// then carries them to the report.
    ///
    /// # Errors
    /// Infrastructure where they cannot be written.
    pub fn copy_beside(&self, plan_file: &Path) -> Result<(), Failure> {
        let folder = plan_file.parent().unwrap_or(Path::new("")).join(FOLDER);
        for (index, document) in self.documents.iter().enumerate() {
            files::write_json(&folder.join(format!("agg_{index}.json")), document).or_exit(Exit::Infrastructure)?;
        }
        Ok(())
    }
}

/// As much of a plan file as is needed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PlannedAt {
    #[serde(default)]
    head_sha: Option<String>,
}

/// What was found of a pull request's last run.
pub enum LastRun {
    /// What it measured.
    Results(Earlier),
    /// Nothing that counts, and why, as a sentence.
    None(String),
}

/// The results of the run that our comment on the pull request shows, where it ran on the same commit.
///
/// # Errors
/// Where GitHub refuses or does not answer, or the results cannot be unpacked.
pub fn last_run(pull_request: u64, head: &str) -> Result<LastRun, Failure> {
    let repository = std::env::var("GITHUB_REPOSITORY").ok();
    // The same default as that of the comment.
    let marker = Marker::new(&std::env::var("GITHUB_WORKFLOW").unwrap_or_else(|_| "imax".to_owned()));
    let folder = tempfile::tempdir().or_exit(Exit::Infrastructure)?;
    let run = github::talk(repository.as_deref(), async |client, repository| {
        fetched(client, repository, (pull_request, &marker), folder.path()).await
    })?;
    let Some(run) = run else {
        return Ok(LastRun::None("There is no earlier run to complete.".to_owned()));
    };
    if !folder.path().join(RESULTS_ARTIFACT).is_dir() {
        return Ok(LastRun::None(format!("Run {run} left no results.")));
    }
    match planned_at(&folder.path().join(PLAN_ARTIFACT).join(PLAN_FILE)) {
        Some(commit) if commit == head => Earlier::load(&folder.path().join(RESULTS_ARTIFACT)).map(LastRun::Results),
        Some(commit) => Ok(LastRun::None(format!("Run {run} measured {commit}, so nothing of it counts."))),
        None => Ok(LastRun::None(format!(
            "Run {run} does not say which commit it measured, so nothing of it counts."
        ))),
    }
}

async fn fetched(
    client: &Client,
    repository: &Repository,
    (pull_request, marker): (u64, &Marker),
    folder: &Path,
) -> Result<Option<u64>, DownloadError> {
    let run = match commented_run(client, repository, pull_request, marker).await? {
        Some(run) => run,
        None => return Ok(None),
    };
    let wanted = |name: &str| name == PLAN_ARTIFACT || name == RESULTS_ARTIFACT;
    match download_run(client, repository, run, folder, &wanted).await {
        Ok(_) => Ok(Some(run)),
        // A run that was deleted.
        Err(DownloadError::Github(GithubError::NotFound { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn planned_at(plan_file: &Path) -> Option<String> {
    let text = files::read_text(plan_file).ok()?;
    serde_json::from_str::<PlannedAt>(&text).ok()?.head_sha
}
