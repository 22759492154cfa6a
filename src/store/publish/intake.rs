//! Reads the sources of an import. A damaged file only fails itself; a file that cannot be read at all ends the command,
//! because the caller named it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Sources, foreign};
use crate::analysis::{
    DatedPrice, HistoryError, HistoryRun, Problem, Quarantined, ReportedVerdicts, Run, RunContext, RunRecord, merge_revisions,
    read_history, read_prices, read_run, runs_of_parquet, verdicts_of_report,
};
use crate::model::{Digest, PointKey};
use crate::result::{DUMP_TABLES, PublishedResult};
use crate::store::artifacts::{self, ArtifactError};
use crate::store::database::Source;
use crate::store::gather::{GatherError, RUN_FILE, load_run};
use crate::store::history::HistoryFolderError;
use crate::store::history::folder;
use crate::store::run_files::RunFileName;

/// How a Parquet file begins.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// The report of a run that `imax action` writes beside what it collected, for programs.
pub(crate) const REPORT_FILE: &str = "report.json";

/// Facts that a run does not contain.
#[derive(Debug, Clone)]
pub(crate) struct RunDescription {
    pub commit: String,
    pub branch: Option<String>,
    pub run_id: Option<String>,
    pub date: DateTime<Utc>,
    pub context: RunContext,
    /// What was said about its points when it was compared; `None` for what a report in the run's folder says ([`REPORT_FILE`]).
    pub verdicts: Option<Vec<RunRecord>>,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error(transparent)]
    File(#[from] ArtifactError),
    #[error(transparent)]
    Folder(#[from] HistoryFolderError),
    #[error("{}: no history files found, expected names such as 20261122T050000Z-0123456789ab.json", .0.display())]
    Empty(PathBuf),
    /// The commit is not known.
    #[error("a run needs the commit that was measured, from --commit or GITHUB_SHA")]
    Commit(#[source] HistoryError),
}

/// The content of a source.
#[derive(Debug)]
pub(super) struct Intake {
    pub source: Source,
    pub runs: Vec<HistoryRun>,
    pub published: Vec<PublishedResult>,
    pub prices: Vec<DatedPrice>,
    pub quarantined: Vec<Quarantined>,
}

/// The files and folders to read.
pub(super) fn files(sources: &Sources) -> Result<Vec<PathBuf>, IntakeError> {
    match sources {
        Sources::Runs { paths, description } => {
            HistoryRun::new(&description.commit, description.date, Run::default()).map_err(IntakeError::Commit)?;
            Ok(paths.clone())
        }
        Sources::Foreign { paths, .. } => {
            let mut files = Vec::new();
            for path in paths {
                if !path.is_dir() || is_dump(path) {
                    files.push(path.clone());
                    continue;
                }
                let found = folder::files_of(path)?;
                if found.is_empty() {
                    return Err(IntakeError::Empty(path.clone()));
                }
                files.extend(found);
            }
            Ok(files)
        }
    }
}

/// Reads one of [`files`].
pub(super) fn read(path: &Path, sources: &Sources) -> Result<Intake, IntakeError> {
    match sources {
        Sources::Runs { description, .. } => read_measured(path, description),
        Sources::Foreign { names, project, hints, .. } => {
            let intake = if is_dump(path) {
                foreign::read_dump(path, hints)?
            } else {
                let bytes = artifacts::read_bytes(path)?;
                if bytes.starts_with(PARQUET_MAGIC) {
                    read_run_file(path, bytes)
                } else if foreign::is_history(&bytes) {
                    read_history_file(path, &bytes)
                } else {
                    foreign::read(path, &bytes, hints)
                }
            };
            let runs = intake.runs.into_iter().map(|run| in_project(run, project.as_deref())).collect();
            let source = match names.get(path) {
                Some(name) => Source {
                    name: name.clone(),
                    ..intake.source
                },
                None => intake.source,
            };
            Ok(Intake { source, runs, ..intake })
        }
    }
}

/// A file of runs as a branch or a bucket has it. Revisions of a run are one run.
fn read_run_file(path: &Path, bytes: Vec<u8>) -> Intake {
    let source = source_of(path, &bytes);
    match runs_of_parquet(bytes.into()) {
        Ok(runs) => Intake {
            source,
            runs: merge_revisions(runs.into_iter().map(|named| (identity_of(&named.name), named.run))),
            published: Vec::new(),
            prices: Vec::new(),
            quarantined: Vec::new(),
        },
        Err(error) => refused(source, &error, ""),
    }
}

/// What the revisions of a run have in common; the whole name where it is another's.
fn identity_of(name: &str) -> String {
    name.parse::<RunFileName>().map_or_else(|_| name.to_owned(), |name| name.identity)
}

fn read_history_file(path: &Path, bytes: &[u8]) -> Intake {
    let source = source_of(path, bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => match read_history(text).and_then(|read| Ok((read, read_prices(text)?))) {
            Ok((read, prices)) => Intake {
                source,
                runs: read.value,
                published: Vec::new(),
                prices: prices.value,
                quarantined: read.quarantined.into_iter().chain(prices.quarantined).collect(),
            },
            Err(error) => refused(source, &error, text),
        },
        Err(error) => refused(source, &error, &first_text(bytes)),
    }
}

/// Whether a folder is a dump of InferenceX's database.
fn is_dump(path: &Path) -> bool {
    DUMP_TABLES.iter().all(|table| path.join(format!("{table}.json")).is_file())
}

fn in_project(run: HistoryRun, project: Option<&str>) -> HistoryRun {
    let Some(project) = project else { return run };
    HistoryRun {
        context: RunContext {
            project: Some(project.to_owned()),
            ..run.context
        },
        ..run
    }
}

pub(super) fn source_of(path: &Path, bytes: &[u8]) -> Source {
    Source {
        name: path.display().to_string(),
        bytes: bytes.len() as u64,
        digest: Digest::of(bytes),
    }
}

/// The begin of a file as text, for who looks at what was refused.
pub(super) fn first_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    const LONGEST: usize = 64 * 1024;
    String::from_utf8_lossy(bytes.get(..LONGEST).unwrap_or(bytes))
}

pub(super) fn refused(source: Source, error: &dyn std::error::Error, text: &str) -> Intake {
    Intake {
        source,
        runs: Vec::new(),
        published: Vec::new(),
        prices: Vec::new(),
        quarantined: vec![Quarantined::new("", crate::model::with_causes(error), text)],
    }
}

/// Reads a run in any form that comparisons accept. `run.json` is read point by point.
fn read_measured(path: &Path, description: &RunDescription) -> Result<Intake, IntakeError> {
    let collected = path.join(RUN_FILE);
    let document = if collected.is_file() { collected } else { path.to_owned() };
    if document.is_file() {
        let text = artifacts::read_text(&document)?;
        if is_run_document(&text) {
            let source = source_of(&document, text.as_bytes());
            return Ok(match read_run(&text) {
                Ok(read) => Intake {
                    source,
                    runs: vec![describe(path, read.value, description)?],
                    published: Vec::new(),
                    prices: Vec::new(),
                    quarantined: read.quarantined,
                },
                Err(error) => refused(source, &error, &text),
            });
        }
    }
    let name = path.display().to_string();
    match load_run(path) {
        Ok(run) => {
            let digest = Digest::of_json(serde_json::to_value(&run).unwrap_or_default());
            let unreadable = run.problems.iter().filter_map(unreadable).collect();
            Ok(Intake {
                source: Source { name, bytes: 0, digest },
                runs: vec![describe(path, run, description)?],
                published: Vec::new(),
                prices: Vec::new(),
                quarantined: unreadable,
            })
        }
        Err(GatherError::Folder(error) | GatherError::File(error)) => Err(error.into()),
        Err(
            error @ (GatherError::Plan(_)
            | GatherError::RunDocument { .. }
            | GatherError::Json { .. }
            | GatherError::Document { .. }
            | GatherError::Raw { .. }
            | GatherError::NoFileOfResults(_)
            | GatherError::NoResults(_)),
        ) => {
            let digest = Digest::of(name.as_bytes());
            Ok(refused(Source { name, bytes: 0, digest }, &error, ""))
        }
    }
}

/// Whether a text is a `run.json`, by its first member.
fn is_run_document(text: &str) -> bool {
    let head: String = text.chars().filter(|character| !character.is_whitespace()).take(40).collect();
    head.starts_with("{\"schema\":\"imax-run/")
}

/// A result among artifacts that cannot be read.
fn unreadable(problem: &Problem) -> Option<Quarantined> {
    match problem {
        Problem::Unreadable { source, reason } => Some(Quarantined::new(source.clone(), reason.clone(), "")),
        Problem::Missing { .. }
        | Problem::Duplicated { .. }
        | Problem::Unexpected { .. }
        | Problem::Doubtful { .. }
        | Problem::Fork { .. } => None,
    }
}

/// The verdicts of the report in a run's folder. A report that is left of other results says nothing about these, so a verdict counts only where
/// the report has the point with the same numbers. A report that cannot be read keeps no run out.
fn verdicts_beside(path: &Path, run: &Run) -> Vec<RunRecord> {
    let report = path.join(REPORT_FILE);
    if !report.is_file() {
        return Vec::new();
    }
    let text = match artifacts::read_text(&report) {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!(%error, "no verdicts are kept");
            return Vec::new();
        }
    };
    match verdicts_of_report(&text) {
        Ok(ReportedVerdicts {
            run: reported,
            mut verdicts,
        }) => {
            let is_of_run = |key: &PointKey| {
                let reported = reported.as_ref().and_then(|reported| reported.point(key));
                reported.is_some_and(|point| run.point(key) == Some(point))
            };
            verdicts.retain(|verdict| verdict.point().is_some_and(is_of_run));
            verdicts
        }
        Err(error) => {
            tracing::warn!(report = %report.display(), %error, "no verdicts are kept");
            Vec::new()
        }
    }
}

fn describe(path: &Path, run: Run, description: &RunDescription) -> Result<HistoryRun, IntakeError> {
    let RunDescription {
        commit,
        branch,
        run_id,
        date,
        context,
        verdicts,
    } = description.clone();
    let mut run = run;
    let verdicts = verdicts.unwrap_or_else(|| verdicts_beside(path, &run));
    // A report may be about more points than this part of a run.
    let is_measured = |verdict: &RunRecord| verdict.point().is_some_and(|point| run.point(point).is_some());
    let verdicts: Vec<RunRecord> = verdicts.into_iter().filter(is_measured).collect();
    run.records.extend(verdicts);
    Ok(HistoryRun {
        branch,
        run_id,
        date: date.to_rfc3339_opts(SecondsFormat::Secs, true),
        context,
        ..HistoryRun::new(&commit, date, run).map_err(IntakeError::Commit)?
    })
}
