//! From a folder or a file to a run: finds results, job records and evaluations among downloaded artifacts, and puts
//! them together with the plan. `collect`, `report`, `compare` and `comment` all start here.

mod evals;
mod plan;

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::{Exit, Failure, OrExit as _};
use crate::analysis::{self, Assembly, EvalScore, Found, Problem, Run, RunDocument};
use crate::edge::artifacts;
use crate::job::Outcome;
use crate::matrix::Row;
use crate::model::{Concurrency, FailureClass};
use crate::result::{Agg, Json, Object, Point, PointFailure};

pub use evals::{sets_below, sets_of_artifacts};
pub use plan::planned_points;

/// What a folder of artifacts holds.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The run and where its numbers are.
    pub assembly: Assembly,
    /// The rows of all evaluations.
    pub evals: Vec<Object>,
}

/// A file that looks like a result and cannot be read as one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {reason}")]
pub struct Unreadable {
    /// The file.
    source_name: String,
    /// Why not.
    reason: String,
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable {
            source: unreadable.source_name,
            reason: unreadable.reason,
        }
    }
}

/// The file of a collected folder that holds the whole run.
pub const RUN_FILE: &str = "run.json";
/// The array of normalised documents.
pub const RESULTS_FILE: &str = "agg_bmk.json";

/// Reads everything below a folder. A file that cannot be read is a problem of the run, not the end of it.
///
/// # Errors
/// Infrastructure where the folder itself cannot be read; invalid input for a plan that is none.
pub fn gather(folder: &Path, plan: Option<&Path>) -> Result<Gathered, Failure> {
    let planned = plan.map(planned_points).transpose()?;
    let files = artifacts::json_files(folder).or_exit(Exit::Infrastructure)?;
    let (mut found, mut problems) = read_results(&files);
    for path in files.iter().filter(|path| is_named(path, "job.json")) {
        match read_record(path) {
            Ok(points) => found.extend(points),
            Err(unreadable) => problems.push(unreadable.into()),
        }
    }
    let mut evals = Vec::new();
    for set in sets_below(&files) {
        match set {
            Ok(rows) => evals.extend(rows),
            Err(unreadable) => problems.push(unreadable.into()),
        }
    }
    let mut assembly = analysis::assemble(found, planned);
    assembly.run.evals = evals.iter().filter_map(EvalScore::of_row).collect();
    assembly.run.problems.extend(problems);
    Ok(Gathered { assembly, evals })
}

/// A run from a collected folder, a folder of artifacts, `run.json`, `agg_bmk.json`, or one normalised document.
///
/// # Errors
/// Invalid input for a file that is none of these or a folder without a point.
pub fn load_run(path: &Path) -> Result<Run, Failure> {
    let run = if path.is_dir() { load_folder(path)? } else { load_file(path)? };
    if run.points.is_empty() && run.evals.is_empty() {
        return Err(anyhow!("{}: no result in it, neither agg_*.json nor job.json", path.display())).or_exit(Exit::InvalidInput);
    }
    Ok(run)
}

fn load_folder(folder: &Path) -> Result<Run, Failure> {
    for name in [RUN_FILE, RESULTS_FILE] {
        let path = folder.join(name);
        if path.is_file() {
            return load_file(&path);
        }
    }
    gather(folder, None).map(|gathered| gathered.assembly.run)
}

fn load_file(path: &Path) -> Result<Run, Failure> {
    let name = || path.display().to_string();
    let text = artifacts::read_text(path).or_exit(Exit::InvalidInput)?;
    if is_named(path, RUN_FILE) {
        return RunDocument::parse(&text).with_context(name).or_exit(Exit::InvalidInput);
    }
    let documents = match Json::parse(&text).with_context(name).or_exit(Exit::InvalidInput)? {
        Json::List(documents) => documents,
        document @ (Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) => vec![document],
    };
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let source = format!("{} [{index}]", path.display());
        let agg = Agg::from_json(document)
            .with_context(|| source.clone())
            .or_exit(Exit::InvalidInput)?;
        let point = agg.point().with_context(|| source.clone()).or_exit(Exit::InvalidInput)?;
        found.push(measured(source, point, &agg));
    }
    Ok(analysis::assemble(found, None).run)
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}

fn measured(source: String, point: Point, agg: &Agg) -> Found {
    Found {
        source,
        point,
        ended_unix_s: agg.ended_unix_s(),
    }
}

/// Reads all normalised documents, on all cores: a sweep has thousands.
fn read_results(files: &[PathBuf]) -> (Vec<Found>, Vec<Problem>) {
    let is_result = |path: &&PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("agg_"))
    };
    let results: Vec<&PathBuf> = files.iter().filter(is_result).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = results.len().div_ceil(workers).max(1);
    let read: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = results.chunks(share).map(|chunk| scope.spawn(move || read_chunk(chunk))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap_or_default()).collect()
    });
    let mut found = Vec::with_capacity(results.len());
    let mut problems = Vec::new();
    for item in read.into_iter().flatten() {
        match item {
            Ok(item) => found.push(item),
            Err(unreadable) => problems.push(unreadable.into()),
        }
    }
    (found, problems)
}

fn read_chunk(files: &[&PathBuf]) -> Vec<Result<Found, Unreadable>> {
    files.iter().filter_map(|path| read_result(path).transpose()).collect()
}

/// One document; `None` for a list, which is the output of an earlier collection.
fn read_result(path: &Path) -> Result<Option<Found>, Unreadable> {
    let unreadable = |reason: String| Unreadable {
        source_name: path.display().to_string(),
        reason,
    };
    let text = artifacts::read_text(path).map_err(|error| unreadable(error.to_string()))?;
    let json = Json::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    if matches!(json, Json::List(_)) {
        return Ok(None);
    }
    let agg = Agg::from_json(json).map_err(|error| unreadable(error.to_string()))?;
    let point = agg.point().map_err(|error| unreadable(error.to_string()))?;
    Ok(Some(measured(path.display().to_string(), point, &agg)))
}

/// As much of a job record as is needed here, so that records of other versions of imax are read as well.
#[derive(Deserialize)]
struct Record {
    row: Row,
    outcome: Outcome,
    points: Vec<RecordedPoint>,
}

#[derive(Deserialize)]
struct RecordedPoint {
    conc: Concurrency,
    outcome: Outcome,
}

/// The points of a job record, all without numbers: a point that was measured has its own document, and where that is
/// lost this says so.
fn read_record(path: &Path) -> Result<Vec<Found>, Unreadable> {
    let unreadable = |reason: String| Unreadable {
        source_name: path.display().to_string(),
        reason,
    };
    let text = artifacts::read_text(path).map_err(|error| unreadable(error.to_string()))?;
    let record: Record = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let found = record.points.iter().map(|point| Found {
        source: path.display().to_string(),
        point: Point::failed(&record.row, point.conc, failure_of(point, &record.outcome)),
        ended_unix_s: None,
    });
    Ok(found.collect())
}

fn failure_of(point: &RecordedPoint, job: &Outcome) -> PointFailure {
    let failure = point.outcome.failure().or_else(|| job.failure());
    match failure {
        Some(failure) => PointFailure {
            class: failure.class,
            reason: failure.reason.clone(),
        },
        None => PointFailure {
            class: FailureClass::Missing,
            reason: "job.json says that it was measured, but its result is not among the artifacts".to_owned(),
        },
    }
}
