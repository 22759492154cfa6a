//! Baselines of comparisons: files, a history, or the artifacts of earlier workflow runs.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::gather::PLAN_FILE;
use super::gather::{GatherError, RUN_FILE, gather, load_run};
use super::history::{HistoryHome, HistoryHomeError, HistoryReadError};
use crate::analysis::{History, HistoryError, HistoryRun, Run};
use crate::github::{self, BranchRuns, Client, DownloadError, GithubError, RepositoryName, WorkflowRun, download_run, is_on_branch};
use crate::model::PointKey;
use crate::system::untrusted;

/// The artifacts in which `imax action` stores the run that it collected: the second one in versions up to 0.2.
const COLLECTED: [&str; 2] = ["imax-results", "results_bmk"];
/// The artifact with the plan.
const PLAN_ARTIFACT: &str = "imax-plan";
/// Prefixes of the names of jobs' artifacts: results, and records.
const JOB_PREFIXES: [&str; 2] = ["bmk_", "job_"];
/// Maximum number of runs of a branch that are examined: most commits measure nothing, and the others only what they changed.
const MAX_BRANCH_RUNS: usize = 30;
/// Maximum number of runs that are examined until one has results. Each costs a request.
const MAX_EMPTY_RUNS: usize = 200;

/// The source of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// A folder or file, in the forms that [`load_run`] takes.
    Path(PathBuf),
    /// A history: its level of each point.
    History(HistoryHome),
    WorkflowRun(u64),
    /// The newest measurement of each point on a branch.
    Branch(String),
}

/// Invalid baseline argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseBaselineError {
    #[error("found {0:?} after `run:`, expected the number of a workflow run")]
    RunNumber(String),
    #[error(transparent)]
    History(#[from] HistoryHomeError),
}

impl FromStr for Baseline {
    type Err = ParseBaselineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some(("history", home)) => Self::History(home.parse()?),
            Some(("run", id)) => Self::WorkflowRun(id.parse().map_err(|_| ParseBaselineError::RunNumber(id.to_owned()))?),
            Some(("branch", name)) => Self::Branch(name.to_owned()),
            Some(("file", path)) => Self::Path(path.into()),
            Some(_) | None => Self::Path(text.into()),
        })
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::History(home) => write!(f, "history {home}"),
            Self::WorkflowRun(id) => write!(f, "run {id}"),
            Self::Branch(name) => f.write_str(name),
        }
    }
}

/// The repository and workflow of earlier runs, and the folder for their artifacts.
#[derive(Debug, Clone)]
pub(crate) struct WorkflowRuns {
    /// `owner/name`.
    pub repository: Option<String>,
    /// The workflow's file; `None` for any workflow.
    pub workflow: Option<String>,
    /// The folder for downloads, with a subfolder per run.
    pub folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// A file or folder is not a run.
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error(transparent)]
    History(#[from] HistoryReadError),
    /// GitHub refuses or does not answer.
    #[error(transparent)]
    Github(#[from] GithubError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The workflow run has no results.
    #[error("run {0} has no results among its artifacts")]
    NoResults(u64),
    /// GitHub names no commit for a workflow run.
    #[error(transparent)]
    Commit(#[from] HistoryError),
}

#[derive(Debug)]
pub(crate) enum LoadedBaseline {
    Run(Run),
    /// A history; its levels are the baseline.
    History(History),
    /// A branch without measurements.
    EmptyBranch(Run),
}

/// Reads a baseline; from a branch, only the points of `head`.
///
/// # Errors
/// [`BaselineError`].
pub(crate) async fn load(
    baseline: &Baseline,
    remote: &WorkflowRuns,
    history_runs: usize,
    head: &Run,
) -> Result<LoadedBaseline, BaselineError> {
    Ok(match baseline {
        Baseline::Path(path) => LoadedBaseline::Run(load_run(path)?),
        Baseline::History(home) => LoadedBaseline::History(home.newest(history_runs).await?),
        Baseline::WorkflowRun(id) => {
            let (client, repository) = github::connect(remote.repository.as_deref())?;
            let run = download(&client, &repository, *id, &remote.folder).await?;
            LoadedBaseline::Run(run.ok_or(BaselineError::NoResults(*id))?)
        }
        Baseline::Branch(name) => newest_points(remote, name, head).await?,
    })
}

/// The newest measurement on the branch of each point of a run.
async fn newest_points(remote: &WorkflowRuns, branch: &str, head: &Run) -> Result<LoadedBaseline, BaselineError> {
    let (client, repository) = github::connect(remote.repository.as_deref())?;
    let mut pages = BranchRuns::new(&client, &repository, remote.workflow.as_deref(), branch);
    let mut measured = Vec::new();
    let mut missing: BTreeSet<&PointKey> = head.points.iter().map(|point| &point.key).collect();
    let mut examined = 0;
    'pages: while let Some(page) = pages.next_page().await? {
        for workflow_run in page {
            let limit = if measured.is_empty() { MAX_EMPTY_RUNS } else { MAX_BRANCH_RUNS };
            if missing.is_empty() || examined >= limit {
                break 'pages;
            }
            examined += 1;
            let Some(run) = download(&client, &repository, workflow_run.id, &remote.folder).await? else {
                continue;
            };
            if !measures_branch(&client, &repository, branch, &workflow_run, &remote.folder).await? {
                continue;
            }
            for point in run.points.iter().filter(|point| point.measurement().is_some()) {
                missing.remove(&point.key);
            }
            let date = workflow_run.created_at.parse().unwrap_or_default();
            measured.push(HistoryRun::new(&workflow_run.head_sha, date, run)?);
        }
    }
    let is_empty = measured.is_empty();
    // A history starts with its oldest run, GitHub's list with the newest.
    measured.reverse();
    let run = History::new(measured).baseline(head);
    Ok(if is_empty {
        LoadedBaseline::EmptyBranch(run)
    } else {
        LoadedBaseline::Run(run)
    })
}

/// The part of a plan file that names its commit.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PlanHead {
    #[serde(default)]
    head_sha: String,
}

/// Whether a run measured a commit of the branch. A run dispatched from a branch can measure a commit of another one.
async fn measures_branch(
    client: &Client,
    repository: &RepositoryName,
    branch: &str,
    run: &WorkflowRun,
    folder: &Path,
) -> Result<bool, BaselineError> {
    let folder = folder.join(run.id.to_string());
    download_run(client, repository, run.id, &folder, &|name| name == PLAN_ARTIFACT)
        .await?
        .with_all()?;
    // A workflow without a plan measures the commit that it runs on.
    let Ok(plan) = untrusted::read_text(&folder.join(PLAN_FILE)) else {
        return Ok(true);
    };
    let planned = serde_json::from_str::<PlanHead>(&plan)
        .map(|plan| plan.head_sha)
        .unwrap_or_default();
    if planned.is_empty() || planned == run.head_sha {
        return Ok(true);
    }
    Ok(is_on_branch(client, repository, branch, &planned).await?)
}

/// The results of a workflow run: those that its report collected, otherwise those of its jobs; `None` if nothing was measured.
async fn download(client: &Client, repository: &RepositoryName, id: u64, folder: &Path) -> Result<Option<Run>, BaselineError> {
    let folder = folder.join(id.to_string());
    for name in COLLECTED {
        download_run(client, repository, id, &folder, &|artifact| artifact == name)
            .await?
            .with_all()?;
        let collected = folder.join(name);
        if collected.join(RUN_FILE).is_file() {
            return Ok(Some(load_run(&collected)?));
        }
    }
    let is_of_job = |name: &str| JOB_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    download_run(client, repository, id, &folder, &is_of_job).await?.with_all()?;
    let run = gather(&folder, None)?.assembly.run;
    Ok(Some(run).filter(|run| !run.points.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baseline_without_prefix_is_a_path() {
        for (text, baseline) in [
            ("runs/main", Baseline::Path("runs/main".into())),
            ("file:history:1", Baseline::Path("history:1".into())),
            ("history:h", Baseline::History(HistoryHome::Folder("h".into()))),
            ("run:16890123456", Baseline::WorkflowRun(16_890_123_456)),
            ("branch:release/1.0", Baseline::Branch("release/1.0".to_owned())),
            ("c:/runs", Baseline::Path("c:/runs".into())),
        ] {
            assert_eq!(text.parse(), Ok(baseline), "{text}");
        }
        assert!("run:main".parse::<Baseline>().is_err());
    }
}
