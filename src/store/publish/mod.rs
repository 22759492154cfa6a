//! Adds runs to a history: those that `imax collect` wrote, and those of other histories and tools.

mod files;
mod foreign;
mod intake;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use intake::{IntakeError, REPORT_FILE, RunDescription};

use super::branch::BranchError;
use super::bucket::BucketError;
use super::database::{Access, Address, Database, DatabaseError, Incoming, IngestCounts, Source};
use super::history::HistoryTarget;
use super::server::ServerError;
use super::work::Work;
use crate::analysis::{DEFAULT_PROJECT, HistoryRun, Quarantined, RunRows};
use crate::result::ImportHints;

/// The runs to add.
#[derive(Debug)]
pub(crate) enum Sources {
    /// Runs in the forms that comparisons accept, and facts that they do not contain.
    Runs {
        paths: Vec<PathBuf>,
        description: Box<RunDescription>,
    },
    /// Files of histories and of other tools, or folders of them.
    Foreign {
        paths: Vec<PathBuf>,
        /// Where files come from whose paths say nothing, because they are copies.
        names: BTreeMap<PathBuf, String>,
        project: Option<String>,
        hints: Box<ImportHints>,
    },
}

/// The input of [`publish`].
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub to: HistoryTarget,
    pub sources: Sources,
    /// Store the valid part if another part is not.
    pub partial: bool,
    /// Report what would change without changing it.
    pub dry_run: bool,
    pub author: Option<String>,
    /// How far it is, in runs.
    pub work: Arc<Work>,
}

/// A part of a source that could not be interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub source: String,
    pub place: String,
    pub reason: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, place, reason } = self;
        if place.is_empty() {
            write!(f, "{source}: {reason}")
        } else {
            write!(f, "{source}: {place}: {reason}")
        }
    }
}

/// The effect of an import.
#[derive(Debug)]
pub(crate) struct Published {
    pub counts: IngestCounts,
    pub refused: Vec<Refused>,
    /// Whether it was stored.
    pub is_kept: bool,
}

impl Published {
    /// The counts for programs.
    pub(crate) fn to_json(&self) -> Value {
        let IngestCounts {
            runs,
            points,
            evals: _,
            published,
            quarantined,
        } = self.counts;
        json!({
            "runs": runs,
            "points": { "new": points.new, "unchanged": points.unchanged, "revised": points.revised, "quarantined": quarantined },
            "published": published,
        })
    }
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("cannot create a temporary folder: {0}")]
    Scratch(std::io::Error),
}

/// Adds runs to a history: all of them, or none if a part is invalid and `partial` is not set.
///
/// # Errors
/// [`PublishError`]; nothing is stored then.
pub(crate) async fn publish(request: &PublishRequest) -> Result<Published, PublishError> {
    match &request.to {
        HistoryTarget::Database(address) => publish_to_database(address, request).await,
        HistoryTarget::Branch(address) => files::publish_to_branch(address, request).await,
        HistoryTarget::Bucket(address) => files::publish_to_bucket(address, request).await,
        HistoryTarget::Server(address) => server::publish(address, request).await,
    }
}

/// The run of a folder of artifacts that came from elsewhere, and what of it was not understood.
///
/// # Errors
/// [`IntakeError`].
pub(crate) fn run_of_artifacts(folder: &Path, description: RunDescription) -> Result<(Vec<HistoryRun>, Vec<Quarantined>), IntakeError> {
    let sources = Sources::Runs {
        paths: vec![folder.to_owned()],
        description: Box::new(description),
    };
    let mut found = (Vec::new(), Vec::new());
    for path in &intake::files(&sources)? {
        let intake = intake::read(path, &sources)?;
        found.0.extend(intake.runs);
        found.1.extend(intake.quarantined);
    }
    Ok(found)
}

async fn publish_to_database(to: &Address, request: &PublishRequest) -> Result<Published, PublishError> {
    let PublishRequest {
        to: _,
        sources,
        partial,
        dry_run,
        author,
        work,
    } = request;
    let files = intake::files(sources)?;
    let scratch = tempfile::tempdir().map_err(PublishError::Scratch)?;
    let is_there = is_there(to).await?;
    if !is_there && !partial && !dry_run {
        // A rejected import must not leave an empty history, and removing it afterwards could remove runs that another process has added.
        let refused = refused_of(&files, sources)?;
        if !refused.is_empty() {
            return Ok(Published {
                counts: IngestCounts::default(),
                refused,
                is_kept: false,
            });
        }
    }
    let target = if *dry_run && !is_there {
        // A dry run must not create the history.
        Address::Sqlite(scratch.path().join("history.db"))
    } else {
        to.clone()
    };
    let mut database = Database::open(&target, Access::Write).await?;
    let action = match sources {
        Sources::Runs { .. } => "publish",
        Sources::Foreign { .. } => "import",
    };
    let mut ingest = database.ingest(action, author.clone()).await?;
    let mut refused = Vec::new();
    for file in &files {
        let intake = intake::read(file, sources)?;
        let source = intake.source;
        let mut quarantined = intake.quarantined;
        work.expect(intake.runs.len());
        for run in intake.runs {
            work.advance(1);
            match rows(run) {
                Ok(rows) => {
                    let incoming = Incoming {
                        rows,
                        source: source.clone(),
                    };
                    ingest.add(&incoming).await?;
                }
                Err(unfit) => quarantined.push(unfit),
            }
        }
        ingest.add_published(sources.project(), &intake.published, &source).await?;
        ingest.add_prices(&intake.prices).await?;
        ingest.quarantine(&source, &quarantined).await?;
        refused.extend(quarantined.into_iter().map(|row| Refused::of(&source, row)));
    }
    let counts = ingest.counts();
    let is_kept = !dry_run && (*partial || refused.is_empty());
    if is_kept {
        ingest.commit().await?;
    } else {
        ingest.roll_back().await?;
    }
    database.close().await?;
    Ok(Published { counts, refused, is_kept })
}

/// Whether a history exists. An older version is not upgraded for this check.
async fn is_there(address: &Address) -> Result<bool, DatabaseError> {
    match Database::open(address, Access::Read).await {
        Ok(database) => database.close().await.map(|()| true),
        Err(DatabaseError::Missing(_)) => Ok(false),
        Err(DatabaseError::Older { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What would be rejected.
fn refused_of(files: &[PathBuf], sources: &Sources) -> Result<Vec<Refused>, PublishError> {
    let mut refused = Vec::new();
    for file in files {
        let intake = intake::read(file, sources)?;
        let unfit = intake.runs.into_iter().filter_map(|run| rows(run).err());
        let quarantined: Vec<Quarantined> = intake.quarantined.into_iter().chain(unfit).collect();
        refused.extend(quarantined.into_iter().map(|row| Refused::of(&intake.source, row)));
    }
    Ok(refused)
}

impl Sources {
    /// The project of results that do not name one.
    fn project(&self) -> &str {
        let named = match self {
            Self::Runs { description, .. } => description.context.project.as_deref(),
            Self::Foreign { project, .. } => project.as_deref(),
        };
        named.unwrap_or(DEFAULT_PROJECT)
    }
}

impl Refused {
    fn of(source: &Source, row: Quarantined) -> Self {
        Self {
            source: source.name.clone(),
            place: row.place,
            reason: row.reason,
        }
    }
}

fn rows(run: HistoryRun) -> Result<RunRows, Quarantined> {
    let name = format!("run of {} {}", run.commit, run.date);
    RunRows::of(run).map_err(|error| Quarantined::new(name, error.to_string(), ""))
}
