//! Runs that a request brings: documents of a history, or the artifacts of a run as a ZIP archive. Both come from elsewhere: an archive is unpacked
//! into a folder of its own with bounds on its files, its size and its ratio, nothing in it is followed, and messages do not name that folder.

use std::path::{Path, PathBuf};

use axum::http::header::CONTENT_TYPE;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::analysis::{DEFAULT_PROJECT, HistoryRun, Quarantined, RunContext, RunKind, read_history};
use crate::model::with_causes;
use crate::serve::error::ApiError;
use crate::serve::selection_params::time;
use crate::serve::write::WriteRequest;
use crate::store::publish::{IntakeError, RunDescription, run_of_artifacts};
use crate::system::archive::{ArchiveError, ArchiveLimits, unpack};

/// How many faults an answer names.
const MOST_FAULTS: usize = 20;
/// What an archive may have: a large sweep has 10,000 artifacts of 50 kB.
const ARCHIVE: ArchiveLimits = ArchiveLimits {
    entries: 40_000,
    bytes: 1 << 30,
    ratio: 400,
};
/// The longest text that describes a run, characters.
const LONGEST: usize = 500;

/// What artifacts do not say about their run; documents say it themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct IngestParams {
    /// Of artifacts: the commit that was measured, which is needed.
    pub commit: Option<String>,
    /// Of artifacts: the branch.
    pub branch: Option<String>,
    /// Of artifacts: when it was measured, RFC 3339 [default: now].
    #[param(value_type = Option<String>, format = DateTime)]
    pub date: Option<String>,
    /// Of artifacts: main, pull-request, manual, import or release [default: manual].
    pub kind: Option<String>,
    /// Of artifacts: the repository of the run, owner/name.
    pub repository: Option<String>,
    /// Of artifacts: the number of the workflow run, which identifies the run with repository and attempt.
    pub run_id: Option<String>,
    /// Of artifacts: the attempt of the workflow run [default: 1].
    #[param(value_type = Option<u32>, minimum = 1)]
    pub attempt: Option<String>,
    /// Of artifacts: the pull request that was measured.
    #[param(value_type = Option<u64>, minimum = 1)]
    pub pull_request: Option<String>,
    /// The project of runs that name none.
    pub project: Option<String>,
    /// Whether the valid part is stored if another part is not.
    #[param(value_type = Option<bool>)]
    pub partial: Option<String>,
    /// Whether the changes are counted and not made.
    #[param(value_type = Option<bool>)]
    pub dry_run: Option<String>,
    /// Of a submission: what its reviewer should know.
    pub note: Option<String>,
}

/// The runs of a request, and what of it was not understood.
#[derive(Debug)]
pub(in crate::serve) struct IncomingRuns {
    pub runs: Vec<HistoryRun>,
    pub quarantined: Vec<Quarantined>,
}

/// Whether a request has artifacts.
pub(in crate::serve) fn is_archive(request: &WriteRequest<IngestParams>) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("application/zip")
    })
}

/// Reads the runs of a request, in the project that it or the token names. Runs with the mark of the community are refused: a reviewer
/// gives it.
///
/// # Errors
/// [`ApiError::Unprocessable`] for a body that is not understood, [`ApiError::Parameter`], [`ApiError::Forbidden`].
pub(in crate::serve) async fn incoming(request: &WriteRequest<IngestParams>) -> Result<IncomingRuns, ApiError> {
    let mut found = if is_archive(request) {
        // One at a time: a gigabyte is unpacked at most.
        let _turn = request.unpacking().await;
        of_artifacts(request)?
    } else {
        of_document(request)?
    };
    for run in &mut found.runs {
        if run.is_of_community() {
            let words = "kind, provider and branch `community` are of submissions; POST /api/v1/submissions";
            return Err(ApiError::Unprocessable(words.to_owned()));
        }
        run.context.project.get_or_insert_with(|| usual_project(request));
        check_repository(request, run)?;
    }
    Ok(found)
}

/// The project of runs that name none.
fn usual_project(request: &WriteRequest<IngestParams>) -> String {
    let named = request.parameters.project.as_ref().or(request.token.project.as_ref());
    named.map_or_else(|| DEFAULT_PROJECT.to_owned(), Clone::clone)
}

/// Faults in one line, the first of them.
pub(in crate::serve) fn faults(quarantined: &[Quarantined]) -> String {
    let faults: Vec<String> = quarantined.iter().take(MOST_FAULTS).map(fault).collect();
    faults.join("; ")
}

fn fault(row: &Quarantined) -> String {
    if row.place.is_empty() {
        row.reason.clone()
    } else {
        format!("{}: {}", row.place, row.reason)
    }
}

/// A workflow writes runs of its repository alone: another repository's run would otherwise be corrected by it.
fn check_repository(request: &WriteRequest<IngestParams>, run: &HistoryRun) -> Result<(), ApiError> {
    let (Some(own), Some(named)) = (&request.repository, &run.context.repository) else {
        return Ok(());
    };
    if named.is_empty() || named == own {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "the workflow is of the repository {own:?}, the run of {named:?}"
    )))
}

fn of_document(request: &WriteRequest<IngestParams>) -> Result<IncomingRuns, ApiError> {
    let described = IngestParams {
        project: None,
        partial: None,
        dry_run: None,
        note: None,
        ..request.parameters.clone()
    };
    if described != IngestParams::default() {
        let words =
            "a document says itself what was measured; `commit`, `branch` and so on are for artifacts (Content-Type: application/zip)";
        return Err(ApiError::Invalid(words.to_owned()));
    }
    let text = std::str::from_utf8(&request.body).map_err(|error| ApiError::Unprocessable(format!("the body is not UTF-8: {error}")))?;
    let read = read_history(text).map_err(|error| ApiError::Unprocessable(with_causes(&error)))?;
    Ok(IncomingRuns {
        runs: read.value,
        quarantined: read.quarantined,
    })
}

fn of_artifacts(request: &WriteRequest<IngestParams>) -> Result<IncomingRuns, ApiError> {
    let description = description(&request.parameters)?;
    let scratch = tempfile::tempdir().map_err(ApiError::internal)?;
    let archive = scratch.path().join("artifacts.zip");
    let folder = scratch.path().join("artifacts");
    std::fs::write(&archive, &request.body).map_err(ApiError::internal)?;
    unpack(&archive, &folder, &ARCHIVE).map_err(unfit_archive)?;
    let root = only_folder(&folder).unwrap_or_else(|| folder.clone());
    let read = run_of_artifacts(&root, description);
    let (runs, quarantined) = read.map_err(|error: IntakeError| ApiError::Unprocessable(without_place(&with_causes(&error), &folder)))?;
    let quarantined = quarantined.into_iter().map(|row| Quarantined {
        place: without_place(&row.place, &folder),
        reason: without_place(&row.reason, &folder),
        payload: row.payload,
    });
    Ok(IncomingRuns {
        runs,
        quarantined: quarantined.collect(),
    })
}

/// A fault of the archive is its sender's, one of the disk is this server's.
fn unfit_archive(error: ArchiveError) -> ApiError {
    match error {
        ArchiveError::Write { .. } => ApiError::internal(error),
        error @ (ArchiveError::Form(_)
        | ArchiveError::TooMany { .. }
        | ArchiveError::Zip64
        | ArchiveError::TooLarge { .. }
        | ArchiveError::Ratio { .. }
        | ArchiveError::Path { .. }
        | ArchiveError::FileType { .. }
        | ArchiveError::Size { .. }) => ApiError::Unprocessable(error.to_string()),
    }
}

/// The folder that an archive consists of: whoever packs a folder has it in front of all names.
fn only_folder(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let only = entries.next()?;
    let is_only = entries.next().is_none() && only.file_type().is_ok_and(|kind| kind.is_dir());
    is_only.then(|| only.path())
}

/// A text without the folder of this server that the artifacts were in.
fn without_place(text: &str, folder: &Path) -> String {
    let folder = folder.display().to_string();
    text.replace(&format!("{folder}/"), "").replace(&folder, "the archive")
}

fn description(params: &IngestParams) -> Result<RunDescription, ApiError> {
    let IngestParams {
        commit,
        branch,
        date,
        kind,
        repository,
        run_id,
        attempt,
        pull_request,
        project,
        partial: _,
        dry_run: _,
        note: _,
    } = params;
    for (name, text) in [
        ("commit", commit),
        ("branch", branch),
        ("repository", repository),
        ("run_id", run_id),
        ("project", project),
    ] {
        if let Some(text) = text
            .as_ref()
            .filter(|text| text.trim().is_empty() || text.chars().count() > LONGEST)
        {
            return Err(ApiError::parameter(name, text, format!("1 to {LONGEST} characters")));
        }
    }
    let commit = commit
        .clone()
        .ok_or_else(|| ApiError::parameter("commit", "", "the commit that was measured"))?;
    let context = RunContext {
        project: project.clone(),
        kind: Some(kind.as_deref().map_or(Ok(RunKind::Manual), run_kind)?),
        provider: repository.as_ref().map(|_| "github".to_owned()),
        repository: repository.clone(),
        attempt: match attempt {
            Some(text) => Some(whole("attempt", text)?),
            None => run_id.as_ref().map(|_| 1),
        },
        pull_request: pull_request.as_deref().map(|text| whole("pull_request", text)).transpose()?,
        actor: None,
    };
    Ok(RunDescription {
        commit,
        branch: branch.clone(),
        run_id: run_id.clone(),
        date: time("date", date.as_deref())?.unwrap_or_else(Utc::now),
        context,
        verdicts: None,
    })
}

fn run_kind(text: &str) -> Result<RunKind, ApiError> {
    let known = RunKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or_else(|| ApiError::parameter("kind", text, RunKind::ALL.map(RunKind::as_str).join(", ")))
}

/// A number from 1.
fn whole<T: std::str::FromStr + PartialOrd + From<u8>>(name: &str, text: &str) -> Result<T, ApiError> {
    let number = text.parse::<T>().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| ApiError::parameter(name, text, "a number from 1"))
}
