//! `imax history`: lists and corrects the runs of a history.

mod annotate;
mod archive;
mod changelog;
mod curves;
mod list;
mod prices;
mod published;
mod quarantine;
mod records;
mod retract;
mod series;
mod show;
mod verify;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::{Exit, Failure};
use crate::store::database::{AsOf, RunFilter};
use crate::store::history::{HistoryDatabase, HistoryHome};

/// List, show, check and correct the runs of a history.
#[derive(Debug, Args)]
pub struct HistoryCommandArgs {
    #[command(subcommand)]
    command: HistoryCommand,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Records(records::RecordsArgs),
    Series(series::SeriesArgs),
    Curves(curves::CurvesArgs),
    Changelog(changelog::ChangelogArgs),
    Annotate(annotate::AnnotateArgs),
    Annotations(annotate::AnnotationsArgs),
    Retract(retract::RetractArgs),
    Restore(retract::RestoreArgs),
    Prices(prices::PricesArgs),
    Published(published::PublishedArgs),
    Quarantine(quarantine::QuarantineArgs),
    Archive(archive::ArchiveArgs),
    Prune(archive::PruneArgs),
    Verify(verify::VerifyArgs),
}

/// The history that is read.
#[derive(Debug, Args)]
struct ReadArgs {
    /// The history: FILE.db, postgres://USER@HOST/DATABASE, branch (branch:NAME, branch:OWNER/REPOSITORY:NAME) with the token in
    /// GITHUB_TOKEN, s3://BUCKET/PREFIX (gs://, az://) with the credentials of AWS's (Google's, Azure's) tools, or a folder that imax collect
    /// --history wrote. Runs of a branch, bucket or folder are numbered by their dates.
    #[arg(long, value_name = "HISTORY")]
    history: HistoryHome,
}

/// The database that is looked at or corrected.
#[derive(Debug, Args)]
struct SourceArgs {
    /// The history, FILE.db or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "HISTORY")]
    history: HistoryDatabase,
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only runs of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only runs of this branch.
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Only this number of newest runs.
    #[arg(long, value_name = "RUNS")]
    newest: Option<usize>,
    /// Only runs that were measured from then on, RFC 3339.
    #[arg(long, value_name = "DATE")]
    since: Option<DateTime<Utc>>,
    /// Only runs that were measured before.
    #[arg(long, value_name = "DATE")]
    until: Option<DateTime<Utc>>,
    /// The state at this time, RFC 3339: without later additions, corrections and retractions.
    #[arg(long, value_name = "DATE")]
    as_of: Option<DateTime<Utc>>,
}

impl FilterArgs {
    pub(super) fn into_filter(self) -> RunFilter {
        let Self {
            project,
            branch,
            newest,
            since,
            until,
            as_of,
        } = self;
        RunFilter {
            project,
            branch,
            newest,
            since,
            until,
            as_of: as_of.map_or(AsOf::Now, AsOf::Time),
            ..RunFilter::default()
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid history; usage for a run that is not in it.
pub async fn run(args: HistoryCommandArgs) -> Result<Exit, Failure> {
    match args.command {
        HistoryCommand::List(args) => list::run(args).await,
        HistoryCommand::Show(args) => show::run(args).await,
        HistoryCommand::Records(args) => records::run(args).await,
        HistoryCommand::Series(args) => series::run(args).await,
        HistoryCommand::Curves(args) => curves::run(args).await,
        HistoryCommand::Changelog(args) => changelog::run(args).await,
        HistoryCommand::Annotate(args) => annotate::annotate(args).await,
        HistoryCommand::Annotations(args) => annotate::list(args).await,
        HistoryCommand::Retract(args) => retract::retract(args).await,
        HistoryCommand::Restore(args) => retract::restore(args).await,
        HistoryCommand::Prices(args) => prices::run(args).await,
        HistoryCommand::Published(args) => published::run(args).await,
        HistoryCommand::Quarantine(args) => quarantine::run(args).await,
        HistoryCommand::Archive(args) => archive::run_archive(args).await,
        HistoryCommand::Prune(args) => archive::run_prune(args).await,
        HistoryCommand::Verify(args) => verify::run(args).await,
    }
}
