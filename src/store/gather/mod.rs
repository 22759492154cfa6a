//! Reads a run from a folder or a file: finds results, job records and evaluations among downloaded artifacts, and joins them with
//! the plan.

mod conditions;
mod evals;
mod log_excerpt;
mod plan;
mod points;
mod raw;
mod records;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::analysis::{self, Assembly, EvalScore, Found, Problem, Run, RunDocument, RunDocumentError, RunRecord};
use crate::model::{CurveKey, MeasuredChange, PointKey, with_causes};
use crate::result::{AggError, Json, JsonError, Object, POINT_PART, RawPointError};
use crate::store::artifacts::{self, ArtifactError};

pub(super) use evals::compat_eval_sets;
use evals::eval_sets;
pub(crate) use plan::PlanError;
use plan::{Planned, read_plan};
use points::{PointsIn, measured, points_in};
pub(crate) use raw::run_of_measured;

/// The file of a collected folder that contains the whole run.
pub(crate) const RUN_FILE: &str = "run.json";
/// The plan among downloaded artifacts, as `imax action` uploads it.
pub(super) const PLAN_FILE: &str = "imax-plan/plan.json";
/// The array of normalised documents.
pub(crate) const RESULTS_FILE: &str = "agg_bmk.json";

/// The content of a folder of artifacts.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The run, and the files of its points.
    pub assembly: Assembly,
    /// The rows of all evaluations.
    pub evals: Vec<Object>,
}

/// A file with the name of a result that cannot be read as one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub(crate) struct Unreadable {
    file: String,
    reason: String,
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable {
            source: unreadable.file,
            reason: unreadable.reason,
        }
    }
}

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatherError {
    /// The folder of artifacts cannot be listed.
    #[error(transparent)]
    Folder(ArtifactError),
    /// The file of a run cannot be read.
    #[error(transparent)]
    File(ArtifactError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// `run.json` is invalid.
    #[error("{}", path.display())]
    RunDocument { path: PathBuf, source: RunDocumentError },
    /// The file is not JSON.
    #[error("{}", path.display())]
    Json { path: PathBuf, source: JsonError },
    /// A document of the file is not a normalised result.
    #[error("{} [{index}]", path.display())]
    Document { path: PathBuf, index: usize, source: AggError },
    /// A raw result of a load generator is invalid, or its figures are impossible.
    #[error("{}", path.display())]
    Raw { path: PathBuf, source: RawPointError },
    /// One of several files is no file of results.
    #[error("{}: not a file of results; several files are one run if each has results of a load generator or normalised results", .0.display())]
    NoFileOfResults(PathBuf),
    /// There is no result.
    #[error("{}: no results found, expected agg_*.json or job.json files, or raw results of a load generator", .0.display())]
    NoResults(PathBuf),
}

/// Reads everything below a folder. An unreadable file becomes a problem of the run; the other results are used.
///
/// # Errors
/// [`GatherError`] if the folder cannot be listed or the plan is invalid.
pub(crate) fn gather(folder: &Path, plan: Option<&Path>) -> Result<Gathered, GatherError> {
    let Planned { points, changes, kept } = plan.map(read_plan).transpose()?.unwrap_or_default();
    let planned = plan.map(|_| points);
    let files = artifacts::json_files(folder).map_err(GatherError::Folder)?;
    let PointsIn {
        found,
        unreadable,
        conditions,
        records,
    } = points_in(&files);
    let mut problems: Vec<Problem> = unreadable.into_iter().map(Problem::from).collect();
    let mut evals = Vec::new();
    for set in eval_sets(&files) {
        match set {
            Ok(rows) => evals.extend(rows),
            Err(unreadable) => problems.push(unreadable.into()),
        }
    }
    let mut assembly = analysis::assemble(found, planned);
    assembly.run.evals = evals.iter().filter_map(EvalScore::of_row).collect();
    assembly.run.problems.extend(problems);
    assembly.run.conditions = conditions;
    assembly.run.records = records;
    assembly.run.records.extend(kept.map(RunRecord::Plan));
    let changes = changes.into_iter().filter_map(|change| measured_change(change, &assembly.run));
    let changes: Vec<RunRecord> = changes.collect();
    assembly.run.records.extend(changes);
    // The order of files is that of folders; of a point that was measured twice, one distribution is kept.
    assembly.run.records.sort_by_cached_key(|record| (record.kind(), record.key()));
    assembly.run.records.dedup_by_key(|record| record.key());
    Ok(Gathered { assembly, evals })
}

/// An entry of the changelog with those of its curves that the run has points of; `None` where it has none.
fn measured_change(mut change: MeasuredChange, run: &Run) -> Option<RunRecord> {
    let of_run: BTreeSet<&CurveKey> = run.points.iter().map(|point| &point.key.curve).collect();
    change.curves.retain(|curve| of_run.contains(curve));
    (!change.curves.is_empty()).then_some(RunRecord::Changelog(change))
}

/// A run from a collected folder, a folder of artifacts, `run.json`, `agg_bmk.json`, one normalised document, or raw results of any load
/// generator in a file or a folder.
///
/// # Errors
/// [`GatherError`] for a file that is none of these, or a folder without results.
pub(crate) fn load_run(path: &Path) -> Result<Run, GatherError> {
    let run = if path.is_dir() { load_folder(path)? } else { load_file(path)? };
    if run.points.is_empty() && run.evals.is_empty() {
        return Err(GatherError::NoResults(path.to_owned()));
    }
    Ok(run)
}

/// A run from several files of results, or from one path of any form that [`load_run`] accepts.
///
/// # Errors
/// As [`load_run`], and [`GatherError::NoFileOfResults`] for a folder or a whole run among several.
pub(crate) fn load_runs(first: &Path, more: &[PathBuf]) -> Result<Run, GatherError> {
    if more.is_empty() {
        return load_run(first);
    }
    let mut found = Vec::new();
    for path in std::iter::once(first).chain(more.iter().map(PathBuf::as_path)) {
        let text = if path.is_dir() {
            None
        } else {
            Some(artifacts::read_text(path).map_err(GatherError::File)?)
        };
        let results = text.map(|text| results_of(path, &text)).transpose()?.flatten();
        found.extend(results.ok_or_else(|| GatherError::NoFileOfResults(path.to_owned()))?);
    }
    Ok(analysis::assemble(found, None).run)
}

/// The point of a normalised document; `None` for any other text.
pub(crate) fn point_of_document(text: &str) -> Option<PointKey> {
    let document = Json::parse_part(text, &POINT_PART).ok()?;
    Some(measured(String::new(), document).ok()?.point.key)
}

fn load_folder(folder: &Path) -> Result<Run, GatherError> {
    for name in [RUN_FILE, RESULTS_FILE] {
        let path = folder.join(name);
        if path.is_file() {
            return load_file(&path);
        }
    }
    let mut run = gather(folder, None)?.assembly.run;
    if run.points.is_empty() && run.evals.is_empty() {
        return raw::run_of_folder(folder, run.problems);
    }
    run.records.extend(plan_among(folder));
    Ok(run)
}

/// The plan among the artifacts of a workflow run, as a record: which points lack a result is for `imax collect --plan` to say.
fn plan_among(folder: &Path) -> Option<RunRecord> {
    let path = folder.join(PLAN_FILE);
    if !path.is_file() {
        return None;
    }
    match read_plan(&path) {
        Ok(planned) => planned.kept.map(RunRecord::Plan),
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "the plan is not kept with the run");
            None
        }
    }
}

fn load_file(path: &Path) -> Result<Run, GatherError> {
    let text = artifacts::read_text(path).map_err(GatherError::File)?;
    match results_of(path, &text)? {
        Some(found) => Ok(analysis::assemble(found, None).run),
        None => run_document(path, &text),
    }
}

/// The results in a file; `None` if it has a whole run.
fn results_of(path: &Path, text: &str) -> Result<Option<Vec<Found>>, GatherError> {
    if is_named(path, RUN_FILE) {
        return Ok(None);
    }
    let parsed = Json::parse_part(text, &POINT_PART);
    if parsed.as_ref().is_ok_and(is_run_document) {
        return Ok(None);
    }
    if !parsed.as_ref().is_ok_and(raw::is_normalised)
        && let Some(found) = raw::points_of_text(path, text)?
    {
        return Ok(Some(found));
    }
    let document = parsed.map_err(|source| GatherError::Json {
        path: path.to_owned(),
        source,
    })?;
    let documents = match document {
        Json::List(documents) => documents,
        document @ (Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) => vec![document],
    };
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let point = measured(format!("{} [{index}]", path.display()), document);
        found.push(point.map_err(|source| GatherError::Document {
            path: path.to_owned(),
            index,
            source,
        })?);
    }
    Ok(Some(found))
}

/// Whether a document is a run, whatever its file name.
fn is_run_document(document: &Json) -> bool {
    let schema = document.get("schema").and_then(Json::as_text);
    schema.is_some_and(|schema| schema.starts_with("imax-run/"))
}

fn run_document(path: &Path, text: &str) -> Result<Run, GatherError> {
    RunDocument::parse(text).map_err(|source| GatherError::RunDocument {
        path: path.to_owned(),
        source,
    })
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}
