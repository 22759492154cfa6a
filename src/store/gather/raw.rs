//! Reads raw results of load generators as runs, for comparisons without a matrix.

use std::path::Path;

use super::points::found;
use super::{GatherError, Unreadable};
use crate::analysis::{self, Found, Problem, Run};
use crate::result::{Agg, Json, RawPointError, raw_document, raw_documents};
use crate::store::artifacts;

/// Extensions of raw results.
const EXTENSIONS: [&str; 4] = ["json", "jsonl", "yaml", "yml"];

/// Whether a document, or the first of a list, has the keys of a normalised result, or says as much about its point.
pub(super) fn is_normalised(document: &Json) -> bool {
    match document {
        Json::List(items) => items.first().is_none_or(is_normalised),
        Json::Object(keys) => keys.contains_key("tput_per_gpu") || Agg::is_agentx_aggregate(document),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) => false,
    }
}

/// The points of a file of a load generator; `None` for other files.
///
/// # Errors
/// [`GatherError::Raw`] for an invalid result.
pub(super) fn points_of_text(path: &Path, text: &str) -> Result<Option<Vec<Found>>, GatherError> {
    match points(path, text) {
        Ok(points) => Ok(Some(points)),
        Err(error) if error.is_of_no_producer() => Ok(None),
        Err(source) => Err(GatherError::Raw {
            path: path.to_owned(),
            source,
        }),
    }
}

fn points(path: &Path, text: &str) -> Result<Vec<Found>, RawPointError> {
    let documents = raw_documents(text)?;
    let source = |index: usize| match documents.len() {
        1 => path.display().to_string(),
        _ => format!("{} [{index}]", path.display()),
    };
    let found = documents.iter().enumerate().map(|(index, agg)| found(source(index), agg));
    Ok(found.collect::<Result<_, _>>()?)
}

/// A run of all raw results below a folder. Invalid ones become problems; files of other programs are ignored.
///
/// # Errors
/// [`GatherError::Folder`].
pub(super) fn run_of_folder(folder: &Path, mut problems: Vec<Problem>) -> Result<Run, GatherError> {
    let mut all = Vec::new();
    for path in artifacts::files_with(folder, &EXTENSIONS).map_err(GatherError::Folder)? {
        let text = match artifacts::read_text(&path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(unreadable(&path, error.to_string()));
                continue;
            }
        };
        match points(&path, &text) {
            Ok(found) => all.extend(found),
            Err(error) if error.is_of_no_producer() => {}
            Err(error) => problems.push(unreadable(&path, error.to_string())),
        }
    }
    let mut run = analysis::assemble(all, None).run;
    run.problems.extend(problems);
    Ok(run)
}

fn unreadable(path: &Path, reason: String) -> Problem {
    Unreadable {
        file: path.display().to_string(),
        reason,
    }
    .into()
}

/// A run of results that imax has just measured, with their names.
///
/// # Errors
/// [`RawPointError`] for a result without figures.
pub(crate) fn run_of_measured(results: Vec<(String, serde_json::Value)>) -> Result<Run, RawPointError> {
    let points = results.into_iter().map(|(name, raw)| Ok(found(name, &raw_document(raw)?)?));
    Ok(analysis::assemble(points.collect::<Result<Vec<_>, RawPointError>>()?, None).run)
}
