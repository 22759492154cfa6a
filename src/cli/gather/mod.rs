//! From a folder or a file to a run: finds results, job records and evaluations among downloaded artifacts, and puts
//! them together with the plan. `collect`, `report`, `compare` and `comment` all start here.

mod evals;
mod plan;
mod points;

use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::{Exit, Failure, OrExit as _};
use crate::analysis::{self, Assembly, EvalScore, Problem, Run, RunDocument};
use crate::result::{Json, Object, POINT_PART};
use crate::store::artifacts;

pub use evals::{sets_below, sets_of_artifacts};
pub use plan::planned_points;
use points::{measured, points_in};

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
    let (found, unreadable) = points_in(&files);
    let mut problems: Vec<Problem> = unreadable.into_iter().map(Problem::from).collect();
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
    let documents = match Json::parse_part(&text, &POINT_PART)
        .with_context(name)
        .or_exit(Exit::InvalidInput)?
    {
        Json::List(documents) => documents,
        document @ (Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) => vec![document],
    };
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let source = format!("{} [{index}]", path.display());
        let item = measured(source.clone(), document).with_context(|| source);
        found.push(item.or_exit(Exit::InvalidInput)?);
    }
    Ok(analysis::assemble(found, None).run)
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}
