//! The phase stop: stops the engine, and runs the post-hooks.

use std::time::{Duration, Instant};

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::hooks::run_post_hooks;
use super::interruption::PhaseError;
use super::progress::Progress;
use crate::fleet::job_state::JobState;
use crate::fleet::reap::reap_job;
use crate::job::{FailureClass, JobFailure, Phase, PhaseEnding};
use crate::system::process::StopReport;

/// Grace period of a cancelled job's engine. With [`KILL_LIMIT`] and the time for other work it is below the 6 s that
/// `JobContext::cancel_deadline` allows.
const CANCEL_GRACE: Duration = Duration::from_millis(3500);
/// The part of the grace period that is reserved for post-hooks, if the profile has any.
const HOOKS_TIME: Duration = Duration::from_millis(1500);
/// How long processes have to exit after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_millis(1500);
/// How long the clean-up after a failed launch may take.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(60);

/// Stops the engine, and runs the post-hooks.
pub(super) async fn stop_engine(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: LaunchedEngine,
    state: JobState,
) -> Result<(), JobFailure> {
    // A signal during a normal stop ends the grace period; so does a second signal during the stop of a cancelled job.
    let hurry = ctx.cancellation.for_next_request();
    let was_cancelled = ctx.cancellation.is_cancelled();
    let phase = progress.journal.begin(Phase::Stop, None);
    ctx.console.line("phase stop");
    let report = engine.stop(grace_period(ctx, was_cancelled), KILL_LIMIT, &hurry).await;
    let hooks = run_post_hooks(ctx, &phase).await;
    let StopReport { killed, left } = report;
    if !left.is_empty() {
        leave_behind(ctx, progress, state);
        let reason = format!("still running after SIGKILL: {}", left.join(", "));
        progress.journal.end(phase, PhaseEnding::Failed, Some(reason.clone()));
        return Err(JobFailure::new(FailureClass::Infra, reason));
    }
    ctx.states.forget(&ctx.spec.id);
    let killed = (!killed.is_empty()).then(|| format!("killed after SIGTERM did not end it: {}", killed.join(", ")));
    // The first event is the cause: a signal may have left a hook too little time.
    let ended = match ctx.check_cancelled() {
        Err(cancelled) if !was_cancelled => Err(cancelled),
        Ok(()) | Err(_) => hooks.map_err(PhaseError::Failed),
    };
    match ended {
        Ok(()) => {
            progress.journal.end(phase, PhaseEnding::Done, killed);
            Ok(())
        }
        Err(error) => {
            let (ending, failure) = ctx.explain(Phase::Stop, error);
            let reasons: Vec<String> = killed.into_iter().chain([failure.reason.clone()]).collect();
            progress.journal.end(phase, ending, Some(reasons.join("; ")));
            Err(failure)
        }
    }
}

fn grace_period(ctx: &JobContext, is_cancelled: bool) -> Duration {
    let grace = ctx.spec.profile.deadlines.of(Phase::Stop);
    if !is_cancelled {
        return grace;
    }
    let has_hooks = !ctx.spec.profile.hooks.post.is_empty();
    grace.min(if has_hooks { CANCEL_GRACE - HOOKS_TIME } else { CANCEL_GRACE })
}

/// Removes what a failed launch may have left. The state file is kept for a later clean-up if something cannot be removed, because the
/// container engine or the scheduler does not respond, or if the scheduler may still start the job.
pub(super) async fn clean_up_failed_launch(ctx: &JobContext, progress: &mut Progress, state: JobState) {
    let phase = progress.journal.begin(Phase::Stop, None);
    ctx.console.line("phase stop");
    let until = ctx
        .cancel_deadline()
        .map_or_else(|| Instant::now() + CLEAN_UP_LIMIT, |deadline| deadline - HOOKS_TIME);
    // The signal that cancelled the job must not cancel its clean-up; a further signal does.
    let next_signal = ctx.cancellation.for_next_request();
    let reaped = reap_job(state, &next_signal, until).await;
    let is_finished = reaped.is_finished();
    let has_begun_hooks = !reaped.state.hooks_owed.is_empty();
    let hooks = if has_begun_hooks {
        run_post_hooks(ctx, &phase).await
    } else {
        Ok(())
    };
    let left = reaped.left.iter().chain(&reaped.awaited);
    let mut problems: Vec<String> = left.map(|what| format!("left for a later `imax run --reap`: {what}")).collect();
    problems.iter().for_each(|problem| ctx.console.line(problem));
    if is_finished {
        ctx.states.forget(&ctx.spec.id);
    } else {
        leave_behind(ctx, progress, reaped.state);
    }
    problems.extend(hooks.err().map(|failure| failure.reason));
    if problems.is_empty() {
        progress.journal.end(phase, PhaseEnding::Done, None);
    } else {
        progress.journal.end(phase, PhaseEnding::Failed, Some(problems.join("; ")));
    }
}

/// Keeps the state file of a job that could not be stopped, without owed post-hooks, because they have run.
fn leave_behind(ctx: &JobContext, progress: &mut Progress, state: JobState) {
    progress.left_behind = true;
    let hooks_owed = Vec::new();
    // If this fails, the state on disk lists more than exists, which is harmless.
    let _ = ctx.states.write(&JobState { hooks_owed, ..state });
}
