//! The attempts of a job. If an attempt fails because of the node, the next one measures the points that are not measured yet. The log
//! of each attempt is kept.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::{Instrument as _, info_span};

use super::attempt::run_attempt;
use super::context::JobContext;
use super::interruption::Interruption;
use super::progress::Progress;
use super::secret_scan::remove_secrets;
use crate::job::{Attempt, JobFailure, Phase, Tried};
use crate::system::host;

/// Runs the job, with retries if an attempt failed and a retry may succeed. Returns why the last attempt failed.
pub(super) async fn run_attempts(ctx: &JobContext, progress: &mut Progress) -> Option<JobFailure> {
    let mut number = 1;
    loop {
        progress.journal.set_attempt(number);
        let (started, since) = (host::timestamp(), Instant::now());
        let attempted = Box::pin(run_attempt(ctx, progress).instrument(info_span!("attempt", number))).await;
        let scanned = remove_secrets(ctx);
        let failure = attempted.and(scanned).err();
        let pause = failure.as_ref().and_then(|failure| retry_pause(ctx, progress, number, failure));
        progress.attempts.push(Attempt {
            what: Tried::Job,
            number,
            of: ctx.spec.profile.retries.attempts,
            started,
            seconds: since.elapsed().as_secs_f64(),
            problem: failure.as_ref().map(|failure| failure.reason.clone()),
            pause_s: pause.map(|pause| pause.as_secs_f64()),
        });
        let (Some(known), Some(pause)) = (&failure, pause) else {
            return failure;
        };
        ctx.console
            .line(&format!("{}; trying again in {} s", known.reason, pause.as_secs_f64()));
        if let Ok(cause) = timeout(pause, ctx.cancellation.cancelled()).await {
            return Some(Interruption::Cancelled(cause).failure(Phase::Preflight));
        }
        keep_log(ctx, number);
        number += 1;
    }
}

/// The pause before the next attempt; `None` if there is no next attempt. A job whose points are all measured is not repeated, nor one
/// that left processes or containers running.
fn retry_pause(ctx: &JobContext, progress: &Progress, number: u32, failure: &JobFailure) -> Option<Duration> {
    let is_all_measured = ctx.spec.points().iter().all(|point| progress.is_measured(point.conc));
    if is_all_measured || progress.left_behind {
        return None;
    }
    ctx.spec.profile.retries.pause_after(number, failure)
}

/// Renames the log, because the next attempt would overwrite it.
fn keep_log(ctx: &JobContext, number: u32) {
    let kept = ctx.folders.out.join(format!("server.attempt-{number}.log"));
    let _ = std::fs::rename(ctx.folders.server_log(), kept);
}
