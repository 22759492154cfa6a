//! The results of a pull request's run, and those of them that count for another plan.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::artifact_names::{EVAL_PREFIX, JOB_PREFIX, PLAN_ARTIFACT, PLAN_FILE, RESULTS_ARTIFACT, is_eval_artifact};
use super::earlier_run::{EarlierRun, EarlierRunError, read_documents};
use crate::github::{Client, GithubError, RepositoryName, artifact_names, download_run, planned_jobs};
use crate::job::Outcome;
use crate::matrix::Row;
use crate::matrix::plan::{Plan, eval_identity};
use crate::model::PointKey;
use crate::store::{RESULTS_FILE, point_of_document};
use crate::system::untrusted;

/// A run with its artifacts, as far as they are reused.
pub(super) struct ReusedRun {
    pub(super) id: u64,
    pub(super) pull_request: u64,
    /// Each measured point with the fingerprint of the row that it was planned from.
    points: HashMap<PointKey, (String, Value)>,
    /// Folders with the score files of evaluated rows that passed, by identity.
    evals: HashMap<String, PathBuf>,
    /// Holds those folders.
    _folder: TempDir,
}

/// The part of a job's record that is needed here.
#[derive(Deserialize)]
struct JobRecord {
    row: Row,
    outcome: Outcome,
}

impl ReusedRun {
    /// Whether a run has collected results that GitHub still stores.
    ///
    /// # Errors
    /// [`GithubError`] if GitHub refuses or does not answer.
    pub(super) async fn has_results(client: &Client, repository: &RepositoryName, run: u64) -> Result<bool, GithubError> {
        let names = artifact_names(client, repository, run).await?;
        Ok(names.iter().any(|name| name == RESULTS_ARTIFACT))
    }

    /// Downloads what is reused of a run; `None` where plan or results are missing.
    ///
    /// # Errors
    /// [`EarlierRunError`].
    pub(super) async fn download(
        client: &Client,
        repository: &RepositoryName,
        run: u64,
        pull_request: u64,
    ) -> Result<Option<Self>, EarlierRunError> {
        let temporary = tempfile::tempdir().map_err(EarlierRunError::TemporaryFolder)?;
        let folder = temporary.path();
        let is_wanted = |name: &str| name == PLAN_ARTIFACT || name == RESULTS_ARTIFACT || is_eval_artifact(name);
        download_run(client, repository, run, folder, &is_wanted).await?;
        let plan = folder.join(PLAN_ARTIFACT).join(PLAN_FILE);
        let results = folder.join(RESULTS_ARTIFACT).join(RESULTS_FILE);
        if !plan.is_file() || !results.is_file() {
            return Ok(None);
        }
        let evaluated = evaluated_keys(folder);
        let is_record = |name: &str| name.strip_prefix(JOB_PREFIX).is_some_and(|key| evaluated.contains(key));
        download_run(client, repository, run, folder, &is_record).await?;
        let jobs = planned_jobs(&plan)?;
        Ok(Some(Self {
            id: run,
            pull_request,
            points: points_of(jobs.iter().map(|job| &job.row), read_documents(&results)?),
            evals: evaluated.iter().filter_map(|key| passed_eval(folder, key)).collect(),
            _folder: temporary,
        }))
    }

    /// The results that count for a plan: of points whose row has the same fingerprint in both, and of the same evaluations.
    ///
    /// # Errors
    /// A row without JSON form, in practice none.
    pub(super) fn valid_for(&self, plan: &Plan) -> Result<EarlierRun, serde_json::Error> {
        let mut earlier = EarlierRun::default();
        for row in &plan.benchmarks {
            for key in row.point_keys() {
                let found = self.points.get(&key);
                let found = found.filter(|(fingerprint, _)| row.recipe_fingerprint.as_ref() == Some(fingerprint));
                if let Some((_, document)) = found
                    && earlier.measured.insert(key)
                {
                    earlier.documents.push(document.clone());
                }
            }
        }
        for row in &plan.evals {
            let identity = eval_identity(row)?;
            if let Some(folder) = self.evals.get(&identity)
                && earlier.evaluated.insert(identity)
            {
                earlier.eval_files.push(score_files(folder));
            }
        }
        Ok(earlier)
    }
}

/// The points of documents, with the fingerprints of the rows that were planned. A point that no planned row has is left out.
fn points_of<'a>(rows: impl Iterator<Item = &'a Row>, documents: Vec<Value>) -> HashMap<PointKey, (String, Value)> {
    let mut fingerprints: HashMap<PointKey, &str> = HashMap::new();
    for row in rows {
        if let Some(fingerprint) = &row.recipe_fingerprint {
            fingerprints.extend(row.point_keys().into_iter().map(|key| (key, fingerprint.as_str())));
        }
    }
    let points = documents.into_iter().filter_map(|document| {
        let key = point_of_document(&document.to_string())?;
        let fingerprint = (*fingerprints.get(&key)?).to_owned();
        Some((key, (fingerprint, document)))
    });
    points.collect()
}

/// The keys of the jobs with scores, from the names of their folders.
fn evaluated_keys(folder: &Path) -> HashSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| is_eval_artifact(name))
        .filter_map(|name| name.strip_prefix(EVAL_PREFIX).map(str::to_owned))
        .collect()
}

/// The identity and the folder of a job's evaluation, where its record says that it passed. A job without a readable record is
/// evaluated again.
fn passed_eval(folder: &Path, key: &str) -> Option<(String, PathBuf)> {
    let text = untrusted::read_text(&folder.join(format!("{JOB_PREFIX}{key}")).join("job.json")).ok()?;
    let record: JobRecord = serde_json::from_str(&text).ok()?;
    if record.outcome.failure().is_some() || !record.row.is_evaluated_alone() {
        return None;
    }
    let identity = eval_identity(&record.row).ok()?;
    Some((identity, folder.join(format!("{EVAL_PREFIX}{key}"))))
}

/// The files that scores are read from, by name.
fn score_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_score = name == "meta_env.json" || (name.starts_with("results") && name.ends_with(".json"));
        let text = is_score.then(|| untrusted::read_text(&entry.path()).ok())??;
        Some((name, text.into_bytes()))
    });
    files.collect()
}
