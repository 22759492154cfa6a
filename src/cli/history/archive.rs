//! `imax history archive` and `prune`: files of a history that outlive it, and the raw data that it may lose.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Days, Utc};
use clap::Args;
use serde_json::json;

use super::super::work_display::WorkDisplay;
use super::super::{Exit, Failure, OrExit as _, output};
use super::{ReadArgs, SourceArgs};
use crate::store::Work;
use crate::store::archive::{ArchiveRequest, ArchiveTarget, PruneRequest, Pruned, archive, prune};

/// Write the months of a history that ended to a folder, points as Parquet and runs as JSON that imax import reads again, or to object storage, a
/// Parquet file for each run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history archive --history history.db --to archive/\n  \
        imax history archive --history history.db --to s3://team-bench/history\n  \
        imax history archive --history history.db --to archive/ --before 2026-07-01T00:00:00Z --dry-run --json")]
pub(super) struct ArchiveArgs {
    #[command(flatten)]
    source: ReadArgs,
    /// The folder, which is created, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, which is a history then. What is there
    /// already is not written again.
    #[arg(long, value_name = "FOLDER")]
    to: ArchiveTarget,
    /// Only months that ended before, RFC 3339 [default: now].
    #[arg(long, value_name = "DATE")]
    before: Option<DateTime<Utc>>,
    /// Only runs of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Remove old raw data after writing it to files. Runs, points and scores are never removed.
///
/// The raw data of a history are the rows that were not understood (imax history quarantine) and the distributions of requests, which are lengths,
/// latencies and the load over time (imax history records). Raw samples and single requests are in the artifacts of a run, which the platform
/// removes by its own rule.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history prune --history history.db --archive archive/ --dry-run\n  \
        imax history prune --history history.db --archive archive/ --raw-days 30 --request-days 365")]
pub(super) struct PruneArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The folder for what is removed, a file of JSON lines for each kind.
    #[arg(long, value_name = "FOLDER")]
    archive: PathBuf,
    /// How long rows are kept that were not understood.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    raw_days: u64,
    /// How long distributions of requests are kept.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    request_days: u64,
    /// Who removes it; kept with the change.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR")]
    author: Option<String>,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run_archive(args: ArchiveArgs) -> Result<Exit, Failure> {
    let ArchiveArgs {
        source,
        to,
        before,
        project,
        dry_run,
        json,
    } = args;
    let request = ArchiveRequest {
        from: source.history,
        to,
        project,
        before: before.unwrap_or_else(Utc::now),
        dry_run,
        work: Arc::new(Work::default()),
    };
    let display = WorkDisplay::start("archiving", "runs", request.work.clone());
    let months = archive(&request).await?;
    drop(display);
    let text = if json {
        serde_json::to_string(&json!({ "months": months })).or_exit(Exit::Infrastructure)?
    } else if months.is_empty() {
        "no month to archive".to_owned()
    } else {
        let line = |month: &crate::store::archive::ArchivedMonth| {
            let state = match (month.written, dry_run) {
                (true, true) => "would be written",
                (true, false) => "written",
                (false, _) => "is there already",
            };
            format!("{}: {} runs, {state}", month.month, month.runs)
        };
        months.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    output::emit(&format!("{text}\n"))?;
    Ok(Exit::Success)
}

pub(super) async fn run_prune(args: PruneArgs) -> Result<Exit, Failure> {
    let PruneArgs {
        source,
        archive,
        raw_days,
        request_days,
        author,
        dry_run,
        json,
    } = args;
    let now = Utc::now();
    let request = PruneRequest {
        from: source.history.0,
        folder: archive,
        quarantined_before: now.checked_sub_days(Days::new(raw_days)).unwrap_or_default(),
        distributions_before: now.checked_sub_days(Days::new(request_days)).unwrap_or_default(),
        author,
        dry_run,
    };
    let pruned = prune(&request).await?;
    let text = if json {
        serde_json::to_string(&pruned).or_exit(Exit::Infrastructure)?
    } else {
        pruned_text(&pruned, dry_run)
    };
    output::emit(&format!("{text}\n"))?;
    Ok(Exit::Success)
}

fn pruned_text(pruned: &Pruned, dry_run: bool) -> String {
    let Pruned {
        quarantined,
        archive,
        distributions,
        distributions_archive,
    } = pruned;
    let did = if dry_run { "would be moved" } else { "moved" };
    let moved = [
        (quarantined, "quarantined rows", archive),
        (distributions, "distributions", distributions_archive),
    ];
    let lines: Vec<String> = moved
        .into_iter()
        .filter_map(|(count, what, path)| Some(format!("{count} {what} {did} to {}", path.as_ref()?.display())))
        .collect();
    if lines.is_empty() {
        return "nothing to remove".to_owned();
    }
    lines.join("\n")
}
