//! The earlier run that a plan completes: points that it measured are left out of the plan, and its results are kept for the
//! report.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::artifact_names::{PLAN_ARTIFACT, PLAN_FILE, RESULTS_ARTIFACT};
use crate::github::{
    self, Client, DownloadError, Downloaded, GithubError, Marker, PlanFileError, RepositoryName, commented_run, download_run,
};
use crate::model::PointKey;
use crate::store::artifacts::{self, ArtifactError};
use crate::store::{GatherError, RESULTS_FILE, load_run};
use crate::system::files::{self, FileError};
use crate::system::untrusted;

/// The folder of the copied results, beside the plan file.
const COPY_FOLDER: &str = "earlier";

/// The results of an earlier run of the same commit.
#[derive(Debug, Default)]
pub(super) struct EarlierRun {
    pub(super) measured: HashSet<PointKey>,
    /// The normalised documents as they were written.
    pub(super) documents: Vec<Value>,
    /// Identities of evaluated rows.
    pub(super) evaluated: HashSet<String>,
    /// The files of each of their evaluations, by name.
    pub(super) eval_files: Vec<Vec<(String, Vec<u8>)>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EarlierRunError {
    /// The folder or file is not a run.
    #[error(transparent)]
    Run(#[from] GatherError),
    #[error(transparent)]
    Results(#[from] ArtifactError),
    /// The results are not JSON.
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// The folder for downloads cannot be created.
    #[error("cannot create a temporary folder: {0}")]
    TemporaryFolder(io::Error),
    #[error(transparent)]
    Github(#[from] GithubError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Plan(#[from] PlanFileError),
}

impl EarlierRun {
    /// Reads a folder that `imax collect` wrote, or its `agg_bmk.json`.
    pub(super) fn load(path: &Path) -> Result<Self, EarlierRunError> {
        let run = load_run(path)?;
        let measured = run
            .points
            .iter()
            .filter(|point| point.measurement().is_some())
            .map(|point| point.key.clone());
        let results = if path.is_dir() { path.join(RESULTS_FILE) } else { path.to_owned() };
        Ok(Self {
            measured: measured.collect(),
            documents: read_documents(&results)?,
            ..Self::default()
        })
    }

    /// Whether there is something to report without any job.
    pub(super) fn has_results(&self) -> bool {
        !self.documents.is_empty() || !self.eval_files.is_empty()
    }

    /// Copies the results into a folder beside the plan file, one file each, as a job would have left them. The plan's
    /// artifact then carries them to the report.
    pub(super) fn copy_results(&self, plan_file: &Path) -> Result<(), FileError> {
        let folder = plan_file.parent().unwrap_or(Path::new("")).join(COPY_FOLDER);
        for (index, document) in self.documents.iter().enumerate() {
            files::write_json(&folder.join(format!("agg_{index}.json")), document)?;
        }
        for (index, evaluation) in self.eval_files.iter().enumerate() {
            for (name, bytes) in evaluation {
                files::write(&folder.join(format!("eval_{index}")).join(name), bytes)?;
            }
        }
        Ok(())
    }
}

pub(super) fn read_documents(results: &Path) -> Result<Vec<Value>, EarlierRunError> {
    if !results.is_file() {
        return Ok(Vec::new());
    }
    let text = artifacts::read_text(results)?;
    serde_json::from_str(&text).map_err(|source| EarlierRunError::Json {
        path: results.to_owned(),
        source,
    })
}

/// The last run of a pull request.
pub(super) enum LastRun {
    Usable(EarlierRun),
    /// No earlier run can be used; the reason is a sentence.
    Unusable(String),
}

/// The part of a plan file that is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PlanFileHead {
    #[serde(default)]
    head_sha: Option<String>,
}

/// The results of the run that imax's comment on the pull request names, if it measured the commit `head`.
pub(super) async fn last_run(pull_request: u64, head: &str) -> Result<LastRun, EarlierRunError> {
    let repository = std::env::var("GITHUB_REPOSITORY").ok();
    // `imax comment` has the same default.
    let marker = Marker::new(&std::env::var("GITHUB_WORKFLOW").unwrap_or_else(|_| "imax".to_owned()));
    let folder = tempfile::tempdir().map_err(EarlierRunError::TemporaryFolder)?;
    let (client, repository) = github::connect(repository.as_deref())?;
    let Some(run) = download_last_run(&client, &repository, pull_request, &marker, folder.path()).await? else {
        return Ok(LastRun::Unusable("There is no earlier run to complete.".to_owned()));
    };
    let results = folder.path().join(RESULTS_ARTIFACT);
    if !results.is_dir() {
        return Ok(LastRun::Unusable(format!("Run {run} has no results.")));
    }
    match planned_commit(&folder.path().join(PLAN_ARTIFACT).join(PLAN_FILE)) {
        Some(commit) if commit == head => EarlierRun::load(&results).map(LastRun::Usable),
        Some(commit) => Ok(LastRun::Unusable(format!(
            "Run {run} measured another commit, {commit}; its results are not used."
        ))),
        None => Ok(LastRun::Unusable(format!(
            "The plan of run {run} does not name its commit; its results are not used."
        ))),
    }
}

async fn download_last_run(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
    marker: &Marker,
    folder: &Path,
) -> Result<Option<u64>, DownloadError> {
    let Some(run) = commented_run(client, repository, pull_request, marker).await? else {
        return Ok(None);
    };
    match download_run(client, repository, run, folder, &is_needed)
        .await
        .and_then(Downloaded::with_all)
    {
        Ok(_) => Ok(Some(run)),
        // The run was deleted.
        Err(DownloadError::Github(GithubError::NotFound { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_needed(artifact: &str) -> bool {
    artifact == PLAN_ARTIFACT || artifact == RESULTS_ARTIFACT
}

fn planned_commit(plan_file: &Path) -> Option<String> {
    let text = untrusted::read_text(plan_file).ok()?;
    serde_json::from_str::<PlanFileHead>(&text).ok()?.head_sha
}
