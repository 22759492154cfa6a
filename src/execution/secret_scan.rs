//! The search for secrets in the output folder, which may be uploaded.

use std::time::{Duration, Instant};

use super::blocking::blocking;
use super::context::JobContext;
use crate::job::JobFailure;
use crate::system::redaction::clean_folder;

/// How long the output folder is searched.
const SEARCH_LIMIT: Duration = Duration::from_secs(600);
/// How long that of a cancelled job is, after everything else must have ended.
const CANCELLED_SEARCH_LIMIT: Duration = Duration::from_millis(500);

/// Removes secrets from all files of the output folder. Files that could not be searched are printed; one that still contains a
/// secret fails the job.
pub(super) fn remove_secrets(ctx: &JobContext) -> Result<(), JobFailure> {
    if !ctx.folders.out.exists() {
        return Ok(());
    }
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
