//! Logs that a recipe or a launch script leaves in the workspace: the engine's own, which is not in the script's output where the engine
//! runs in a container of its own, and those of a job over several nodes. They are kept among the results, and searched for causes.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::time::{Instant, SystemTime};

use super::blocking::blocking;
use super::context::JobContext;
use super::workspace::{WrittenFile, find_in_workspace, workspaces, written_files};
use crate::fleet::engine_log;
use crate::job::{Phase, RecipeStyle};
use crate::system::files::{self, FileError};
use crate::system::masked_gzip::copy_gzip;

/// Where recipes write the engine's log, in the workspace. InferenceX's write the first, those of recorded sessions the second.
const ENGINE_LOGS: [&str; 2] = ["server.log", "results/server.log"];
/// Its name among the results, where `server.log` is the output of the recipe or of the launch script.
const KEPT_ENGINE_LOG: &str = "engine.log";
/// The logs of all nodes, as launch scripts pack them.
const NODE_LOGS: &str = "multinode_server_logs.tar.gz";
/// The folder to which launch scripts copy them.
const NODE_LOG_FOLDER: &str = "LOGS";
/// Logs in that folder that are searched for a cause.
const MAX_SEARCHED: usize = 64;
/// The most of a log that is kept, bytes; of a longer one the end.
const MAX_KEPT: u64 = 4 << 30;
/// The same where the job was cancelled, which has to end within seconds.
const MAX_KEPT_CANCELLED: u64 = 16 << 20;

/// Copies the logs that the job wrote to its output folder. What cannot be copied is printed.
pub(super) fn keep_logs(ctx: &JobContext, began: SystemTime) {
    let is_cancelled = ctx.cancellation.is_cancelled();
    if let Some(log) = find_in_workspace(ctx, &ENGINE_LOGS, began) {
        let limit = if is_cancelled { MAX_KEPT_CANCELLED } else { MAX_KEPT };
        report(ctx, &log, blocking(|| keep_end(ctx, &log, limit)));
    }
    // Its packing again takes minutes where it is large.
    if let Some(archive) = find_in_workspace(ctx, &[NODE_LOGS], began).filter(|_| !is_cancelled) {
        report(ctx, &archive, blocking(|| keep_archive(ctx, &archive)));
    }
}

fn keep_end(ctx: &JobContext, log: &WrittenFile, limit: u64) -> Result<(), FileError> {
    files::write_with(&ctx.folders.out.join(KEPT_ENGINE_LOG), |target| {
        let mut source = log.open()?;
        let offset = source.metadata()?.len().saturating_sub(limit);
        source.seek(SeekFrom::Start(offset))?;
        io::copy(&mut source.take(limit), target).map(drop)
    })
}

/// Packed text is not found by the search for secrets in the output folder, so it is searched here.
fn keep_archive(ctx: &JobContext, archive: &WrittenFile) -> Result<(), FileError> {
    let end = Instant::now() + ctx.spec.profile.deadlines.of(Phase::Collect);
    let has_time = || !ctx.cancellation.is_cancelled() && Instant::now() < end;
    files::write_with(&ctx.folders.out.join(NODE_LOGS), |target| {
        copy_gzip(archive.open()?, target, &ctx.secrets, &has_time)
    })
}

fn report(ctx: &JobContext, log: &WrittenFile, kept: Result<(), FileError>) {
    if let Err(error) = kept {
        ctx.console.line(&format!("warning: {} is not kept: {error}", log.path().display()));
    }
}

/// The ends of the logs that the job wrote to the workspace, without secrets; empty for a recipe that only starts an engine, whose output
/// is the engine's log.
pub(super) fn engine_log_tails(ctx: &JobContext) -> Vec<String> {
    match ctx.spec.recipe_style() {
        RecipeStyle::EngineOnly => return Vec::new(),
        RecipeStyle::SelfContained => {}
    }
    let began = SystemTime::now() - ctx.start.instant.elapsed();
    let mut logs: Vec<WrittenFile> = find_in_workspace(ctx, &ENGINE_LOGS, began).into_iter().collect();
    if ctx.spec.row.layout.is_multi_node() {
        let folders = workspaces(ctx);
        let of_nodes = folders
            .iter()
            .flat_map(|folder| written_files(&folder.join(NODE_LOG_FOLDER), began, is_log));
        logs.extend(of_nodes.take(MAX_SEARCHED));
    }
    let tails = logs.iter().filter_map(|log| log.open().ok());
    tails.map(|log| engine_log::tail_of(&log, &ctx.secrets)).collect()
}

fn is_log(name: &str) -> bool {
    [".log", ".out", ".err"].iter().any(|end| name.ends_with(end))
}
