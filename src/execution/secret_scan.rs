//! Removes from the output folder what must not be uploaded: secrets, symbolic links, and other entries that are not regular files.

use std::time::{Duration, Instant};

use super::blocking::blocking;
use super::context::JobContext;
use crate::job::JobFailure;
use crate::system::redaction::clean_folder;
use crate::system::untrusted::remove_irregular;

/// The longest search of the output folder.
const SEARCH_LIMIT: Duration = Duration::from_secs(600);
/// The longest search in a cancelled job, counted from the deadline by which everything else has stopped.
const CANCELLED_SEARCH_LIMIT: Duration = Duration::from_millis(500);

/// Puts the log back where the job replaced it, and removes what is neither a file nor a folder. What cannot be removed fails the job.
fn settle(ctx: &JobContext) -> Result<(), JobFailure> {
    match ctx.log.settle() {
        Ok(None) => {}
        Ok(Some(problem)) => ctx.console.line(&problem),
        Err(error) => ctx
            .console
            .line(&format!("warning: {} cannot be written again: {error}", ctx.log.path().display())),
    }
    let found = blocking(|| remove_irregular(&ctx.folders.out));
    for (path, kind) in &found.removed {
        ctx.console
            .line(&format!("warning: removed {}, a {kind} that the job left", path.display()));
    }
    match found.kept.first() {
        None => Ok(()),
        Some(kept) => Err(JobFailure::infra(format!(
            "the results contain an entry that is not a regular file and must be removed before the upload: {kept}"
        ))),
    }
}

/// Removes secrets from all files of the output folder. Files that could not be searched are printed. A file that still contains a
/// secret fails the job.
pub(super) fn remove_secrets(ctx: &JobContext) -> Result<(), JobFailure> {
    if !ctx.folders.out.exists() {
        return Ok(());
    }
    settle(ctx)?;
    let limit = Instant::now() + SEARCH_LIMIT;
    let has_time = || {
        let cancelled = ctx.cancel_deadline().map(|deadline| deadline + CANCELLED_SEARCH_LIMIT);
        Instant::now() < cancelled.map_or(limit, |cancelled| limit.min(cancelled))
    };
    let cleaned = blocking(|| clean_folder(&ctx.folders.out, &ctx.secrets, &has_time));
    for path in &cleaned.rewritten {
        ctx.console.line(&format!("removed secrets from {}", path.display()));
    }
    for error in &cleaned.unread {
        ctx.console.line(&format!("warning: not searched for secrets: {error}"));
    }
    match cleaned.kept.first() {
        None => Ok(()),
        Some(kept) => Err(JobFailure::infra(format!(
            "a secret is still in the results and must be removed before they are uploaded: {kept}"
        ))),
    }
}
