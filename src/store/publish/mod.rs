//! Runs into a history: those of this repository as `imax collect` leaves them, and those of other histories.

mod intake;

use std::path::PathBuf;

use serde_json::{Value, json};

pub(crate) use intake::{IntakeError, RunDescription};

use super::database::{Access, Address, Database, DatabaseError, Incoming, IngestCounts};
use crate::analysis::{HistoryRun, Quarantined, RunRows};

/// What is put into a history.
#[derive(Debug)]
pub(crate) enum Sources {
    /// Runs in the forms that comparisons take, with what they do not say about themselves.
    Runs {
        paths: Vec<PathBuf>,
        description: Box<RunDescription>,
    },
    /// Files of histories, or folders of them.
    Histories { paths: Vec<PathBuf>, project: Option<String> },
}

/// The input of [`publish`].
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub to: Address,
    pub sources: Sources,
    /// Keep what was understood where something was not.
    pub partial: bool,
    /// Say what would change, and change nothing.
    pub dry_run: bool,
    pub author: Option<String>,
}

/// Something of a source that was not understood.
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

/// What was put into a history.
#[derive(Debug)]
pub(crate) struct Published {
    pub counts: IngestCounts,
    pub refused: Vec<Refused>,
    /// Whether it is there now.
    pub is_kept: bool,
}

impl Published {
    /// The counts for programs.
    pub(crate) fn to_json(&self) -> Value {
        let IngestCounts {
            runs,
            points,
            evals: _,
            quarantined,
        } = self.counts;
        json!({
            "runs": runs,
            "points": { "new": points.new, "unchanged": points.unchanged, "revised": points.revised, "quarantined": quarantined },
        })
    }
}

/// Why nothing was put into a history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("cannot create a temporary folder: {0}")]
    Scratch(std::io::Error),
}

/// Puts runs into a history: all of them or, where something is not understood and `partial` is not set, none.
///
/// # Errors
/// [`PublishError`]; nothing was stored then.
pub(crate) async fn publish(request: &PublishRequest) -> Result<Published, PublishError> {
    let PublishRequest {
        to,
        sources,
        partial,
        dry_run,
        author,
    } = request;
    let files = intake::files(sources)?;
    // A dry run must not even create the file.
    let scratch = tempfile::tempdir().map_err(PublishError::Scratch)?;
    let target = match to {
        Address::Sqlite(path) if *dry_run && !path.exists() => Address::Sqlite(scratch.path().join("history.db")),
        Address::Sqlite(_) | Address::Postgres(_) => to.clone(),
    };
    let mut database = Database::open(&target, Access::Write).await?;
    let action = match sources {
        Sources::Runs { .. } => "publish",
        Sources::Histories { .. } => "import",
    };
    let mut ingest = database.ingest(action, author.clone()).await?;
    let mut refused = Vec::new();
    for file in &files {
        let intake = intake::read(file, sources)?;
        let source = intake.source;
        let mut quarantined = intake.quarantined;
        for run in intake.runs {
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
        ingest.quarantine(&source, &quarantined).await?;
        refused.extend(quarantined.into_iter().map(|row| Refused {
            source: source.name.clone(),
            place: row.place,
            reason: row.reason,
        }));
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

fn rows(run: HistoryRun) -> Result<RunRows, Quarantined> {
    let name = format!("run of {} {}", run.commit, run.date);
    RunRows::of(run).map_err(|error| Quarantined::new(name, error.to_string(), ""))
}
