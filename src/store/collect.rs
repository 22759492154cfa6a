//! Collects the artifacts of a run into `agg_bmk.json`, `agg_eval_all.json`, `run_stats.json` and `run.json`. The two `compat`
//! functions write the lists of collect_results.py and collect_eval_results.py.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::gather::{Gathered, PLAN_FILE, RESULTS_FILE, RUN_FILE, Unreadable, compat_eval_sets};
use super::history::{self, HistoryFolderError};
use crate::analysis::{HardwareStats, HistoryError, HistoryRun, Run, RunDocument};
use crate::github::{Client, DownloadError, Downloaded, RepositoryName, download_run};
use crate::result::{self, Dialect, EvalSort, Json, JsonError, Object};
use crate::store::artifacts::{self, ArtifactError};
use crate::system::files::{self, FileError};

/// Which artifacts of a workflow run are downloaded.
#[derive(Debug)]
pub(crate) struct RunDownload {
    pub run_id: u64,
    pub folder: PathBuf,
    /// Globs for the artifacts' names; empty for all artifacts.
    pub names: Vec<Glob>,
    /// Whether the caller has the plan, so that points without a result are known.
    pub has_plan: bool,
}

/// The artifacts of a workflow run on disk.
#[derive(Debug)]
pub(crate) struct RunArtifacts {
    pub downloaded: Downloaded,
    /// The plan file, if it is among the artifacts.
    pub plan: Option<PathBuf>,
}

/// Why the artifacts of a workflow run cannot be downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunDownloadError {
    #[error(transparent)]
    Names(#[from] globset::Error),
    /// GitHub returned an error, or the artifacts are invalid.
    #[error(transparent)]
    Download(#[from] DownloadError),
}

/// Downloads artifacts of a workflow run. Downloads of an earlier, interrupted call are kept.
///
/// # Errors
/// [`RunDownloadError`].
pub(crate) async fn download(
    client: &Client,
    repository: &RepositoryName,
    request: &RunDownload,
) -> Result<RunArtifacts, RunDownloadError> {
    let RunDownload { run_id, folder, names, .. } = request;
    let globs = glob_set(names)?;
    let downloaded = download_run(client, repository, *run_id, folder, &|name| {
        globs.is_empty() || globs.is_match(name)
    })
    .await?;
    let plan = Some(folder.join(PLAN_FILE)).filter(|plan| plan.is_file());
    // The plan names the points of an artifact that was refused; without it they would be missing from every count.
    let downloaded = if plan.is_some() || request.has_plan {
        downloaded
    } else {
        downloaded.with_all()?
    };
    Ok(RunArtifacts { downloaded, plan })
}

fn glob_set(globs: &[Glob]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.clone());
    }
    set.build()
}

/// How a run is added to a history.
#[derive(Debug)]
pub(crate) struct HistoryEntry {
    /// The folder of the history, created if it is missing.
    pub folder: PathBuf,
    /// Number of runs to keep, newest first.
    pub keep: usize,
    pub commit: String,
    pub branch: Option<String>,
    pub run_id: Option<String>,
    /// The date of the measurement.
    pub date: DateTime<Utc>,
}

/// Why a run cannot be added to a history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryEntryError {
    /// The commit is not known.
    #[error("--history needs the commit that was measured, from --commit or GITHUB_SHA")]
    Commit(#[from] HistoryError),
    /// The history cannot be read or written.
    #[error(transparent)]
    Folder(#[from] HistoryFolderError),
}

/// Adds a run to a history and returns its file; `None` if no point was measured, since such a run has no information about noise.
///
/// # Errors
/// [`HistoryEntryError`].
pub(crate) fn add_to_history(run: &Run, entry: HistoryEntry) -> Result<Option<PathBuf>, HistoryEntryError> {
    if run.measured() == 0 {
        return Ok(None);
    }
    let HistoryEntry {
        folder,
        keep,
        commit,
        branch,
        run_id,
        date,
    } = entry;
    let run = HistoryRun {
        branch,
        run_id,
        ..HistoryRun::new(&commit, date, run.clone())?
    };
    Ok(Some(history::append(&folder, &run, keep)?))
}

/// Why the files of a run cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error(transparent)]
    Write(#[from] FileError),
    /// The statistics have no JSON form.
    #[error(transparent)]
    Stats(#[from] serde_json::Error),
}

/// Writes the files of a run into a folder, and returns the text of `run_stats.json`.
///
/// # Errors
/// [`CollectError`].
pub(crate) fn write_run(out: &Path, gathered: Gathered) -> Result<String, CollectError> {
    let Gathered { assembly, mut evals } = gathered;
    let stats = format!("{}\n", serde_json::to_string_pretty(&by_cluster(assembly.run.stats()))?);
    result::sort_eval_rows(&mut evals, EvalSort::default());
    let sources: Vec<PathBuf> = assembly.sources.iter().map(PathBuf::from).collect();
    let run = RunDocument::of(assembly.run);
    files::write(&out.join("agg_eval_all.json"), list_of(evals).as_bytes())?;
    files::write(&out.join("run_stats.json"), stats.as_bytes())?;
    // The two large files are written in parallel. The run is not indented, because only programs read it.
    let (results, written) = rayon::join(
        || write_list_of_files(&out.join(RESULTS_FILE), &sources),
        || files::write_with(&out.join(RUN_FILE), |file| Ok(serde_json::to_writer(file, &run)?)),
    );
    results?;
    written?;
    Ok(stats)
}

/// Labels of clusters without `cluster:`, as calc_success_rate.py writes them.
fn by_cluster(by_label: BTreeMap<String, HardwareStats>) -> BTreeMap<String, HardwareStats> {
    let mut stats: BTreeMap<String, HardwareStats> = BTreeMap::new();
    for (label, found) in by_label {
        let entry = stats
            .entry(label.strip_prefix("cluster:").unwrap_or(&label).to_owned())
            .or_default();
        entry.n_success += found.n_success;
        entry.total += found.total;
    }
    stats
}

/// Writes documents as one list, byte for byte as in their files: those of other producers may have keys unknown to imax.
/// Only one of them is in memory at a time, because a sweep has thousands.
fn write_list_of_files(path: &Path, sources: &[PathBuf]) -> Result<(), FileError> {
    files::write_with(path, |file| {
        let mut separator = "[\n";
        for source in sources {
            let text = artifacts::read_text(source).map_err(io::Error::other)?;
            write!(file, "{separator}{}", text.trim())?;
            separator = ",\n";
        }
        file.write_all(if sources.is_empty() { b"[]\n" } else { b"\n]\n" })
    })
}

fn list_of(rows: Vec<Object>) -> String {
    let list = Json::List(rows.into_iter().map(Json::Object).collect());
    format!("{}\n", list.to_pretty())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CompatError {
    /// The folder of artifacts cannot be listed.
    #[error(transparent)]
    Folder(ArtifactError),
    #[error(transparent)]
    File(ArtifactError),
    /// A file is not JSON.
    #[error("{}", path.display())]
    Json { path: PathBuf, source: JsonError },
    #[error(transparent)]
    Eval(#[from] Unreadable),
    #[error(transparent)]
    Write(#[from] FileError),
}

/// All JSON files below a folder as one list, as collect_results.py writes them.
///
/// # Errors
/// [`CompatError`].
pub(crate) fn compat_results(folder: &Path, output: &Path) -> Result<(), CompatError> {
    let sources = artifacts::json_files(folder).map_err(CompatError::Folder)?;
    for path in &sources {
        let text = artifacts::read_text(path).map_err(CompatError::File)?;
        Json::parse(&text).map_err(|source| CompatError::Json {
            path: path.clone(),
            source,
        })?;
    }
    Ok(write_list_of_files(output, &sources)?)
}

/// The rows of all evaluations in a folder as one sorted list, as collect_eval_results.py writes them.
///
/// # Errors
/// [`CompatError`].
pub(crate) fn compat_evals(folder: &Path, dialect: Dialect, sort: EvalSort, output: &Path) -> Result<(), CompatError> {
    let files = artifacts::json_files(folder).map_err(CompatError::Folder)?;
    let mut rows = Vec::new();
    for set in compat_eval_sets(folder, &files, dialect) {
        rows.extend(set?);
    }
    result::sort_eval_rows(&mut rows, sort);
    Ok(files::write(output, list_of(rows).as_bytes())?)
}
