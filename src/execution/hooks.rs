//! The commands that a profile runs before and after a job. Once the first pre-hook has begun, the post-hooks run however the job ends,
//! because they may undo what a pre-hook did.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::context::JobContext;
use super::interruption::{Interruption, PhaseError};
use super::phase::RunningPhase;
use crate::job::{FailureClass, JobFailure};
use crate::model::saturating;
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::{Ending, Group, Input, ProcessError, StartedFrom};

/// How long a hook has to exit after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);
/// The least time for post-hooks, even if stopping the engine took all of the phase's time.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// Runs the pre-hooks one after another, in the time that the phase has left.
pub(super) async fn run_pre_hooks(ctx: &JobContext, phase: &RunningPhase) -> Result<(), PhaseError> {
    for hook in &ctx.spec.profile.hooks.pre {
        let limit = HookLimit::Pre { until: phase.deadline() };
        run_hook(ctx, hook, &limit).await?;
    }
    Ok(())
}

/// Runs all post-hooks, also after one that fails. A cancelled job shares the time that it has left equally among them. Each
/// failure is printed, and the first one returned.
pub(super) async fn run_post_hooks(ctx: &JobContext, phase: &RunningPhase) -> Result<(), JobFailure> {
    let until = phase.deadline().max(Instant::now() + LEAST_TIME);
    let hooks = &ctx.spec.profile.hooks.post;
    let mut result = Ok(());
    for (hook, remaining) in hooks.iter().zip(remaining_counts(hooks.len())) {
        let limit = HookLimit::Post {
            until,
            began: Instant::now(),
            remaining,
        };
        let ran = match run_hook(ctx, hook, &limit).await {
            Ok(()) => Ok(()),
            Err(PhaseError::Failed(failure)) => Err(failure),
            // Limits of post-hooks are never interruptions.
            Err(PhaseError::Interrupted(_)) => Err(timed_out(hook)),
        };
        if let Err(failure) = &ran {
            ctx.console.line(&failure.reason);
        }
        result = result.and(ran);
    }
    result
}

/// When a hook has to end.
enum HookLimit {
    /// At its phase's deadline, or when the job is cancelled.
    Pre { until: Instant },
    /// At the deadline, or at the end of its share of a cancelled job's time.
    Post {
        until: Instant,
        began: Instant,
        /// Post-hooks that have not ended, this one included.
        remaining: u32,
    },
}

impl HookLimit {
    /// Waits until the hook has to end, and returns the reason.
    async fn reached(&self, ctx: &JobContext, hook: &str) -> PhaseError {
        match *self {
            Self::Pre { until } => tokio::select! {
                biased;
                cause = ctx.cancellation.cancelled() => Interruption::Cancelled(cause).into(),
                () = sleep_until(until.into()) => timed_out(hook).into(),
            },
            Self::Post { until, began, remaining } => {
                tokio::select! {
                    _ = ctx.cancellation.cancelled() => {
                        let share = cancelled_share(ctx, began, remaining).unwrap_or(until);
                        sleep_until(until.min(share).into()).await;
                    }
                    () = sleep_until(until.into()) => {}
                }
                timed_out(hook).into()
            }
        }
    }

    /// Whether the hook has to end before it began.
    fn is_reached(&self, ctx: &JobContext) -> bool {
        match *self {
            Self::Pre { until } => ctx.cancellation.is_cancelled() || Instant::now() >= until,
            Self::Post { until, began, remaining } => {
                Instant::now() >= cancelled_share(ctx, began, remaining).map_or(until, |share| until.min(share))
            }
        }
    }
}

/// The end of a hook's share of a cancelled job's remaining time; `None` if the job is not cancelled.
fn cancelled_share(ctx: &JobContext, began: Instant, remaining: u32) -> Option<Instant> {
    let (since, end) = ctx.cancellation.requested_at().zip(ctx.cancel_deadline())?;
    Some(first_share(began.max(since), end, remaining))
}

async fn run_hook(ctx: &JobContext, hook: &str, limit: &HookLimit) -> Result<(), PhaseError> {
    if limit.is_reached(ctx) {
        return Err(limit.reached(ctx, hook).await);
    }
    ctx.console.line(&format!("hook: {hook}"));
    let mut group = start(ctx, hook).map_err(|error| infra(error.to_string()))?;
    let exited = tokio::select! {
        exit = group.wait() => exit.map_err(|error| infra(error.to_string()).into()),
        error = limit.reached(ctx, hook) => Err(error),
    };
    stop(ctx, &mut group).await;
    match exited? {
        Ending::Exited(0) => Ok(()),
        other @ (Ending::Exited(_) | Ending::Signalled(_)) => Err(infra(format!("hook `{hook}` {other}; see server.log")).into()),
    }
}

fn start(ctx: &JobContext, hook: &str) -> Result<Group, ProcessError> {
    Group::start(&StartedFrom {
        program: "bash",
        arguments: &["-c".to_owned(), hook.to_owned()],
        folder: &ctx.folders.repository,
        input: Input::Empty,
        environment: &ctx.environment,
        // The mark by which `Group` finds descendants differs from the engine's: stopping one must not stop the other.
        job: &format!("{}-hook", ctx.spec.id),
        log: &ctx.log.file(),
    })
}

/// Stops a hook and its background processes, also after the hook exited. In a cancelled job, they are killed at the cancel deadline.
async fn stop(ctx: &JobContext, group: &mut Group) {
    let hurry = Cancellation::new();
    let mut stopped = pin!(group.terminate(GRACE, GRACE, &hurry));
    tokio::select! {
        _ = &mut stopped => {}
        () = cancel_deadline(ctx) => {
            hurry.cancel(CancelCause::Abandoned);
            stopped.await;
        }
    }
}

/// Waits until a cancelled job must have stopped everything.
async fn cancel_deadline(ctx: &JobContext) {
    ctx.cancellation.cancelled().await;
    if let Some(deadline) = ctx.cancel_deadline() {
        sleep_until(deadline.into()).await;
    }
}

fn infra(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Infra, reason)
}

fn timed_out(hook: &str) -> JobFailure {
    infra(format!("hook `{hook}` timed out"))
}

/// The numbers from `count` down to 1.
fn remaining_counts(count: usize) -> impl Iterator<Item = u32> {
    (1..=saturating::to_u32(count)).rev()
}

/// The end of the first of `count` equal shares of the time between two moments.
fn first_share(from: Instant, end: Instant, count: u32) -> Instant {
    from + end.saturating_duration_since(from) / count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_time_is_shared_equally() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(remaining_counts(3).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(first_share(now, after(6), 3), after(2));
        assert_eq!(first_share(after(2), after(6), 1), after(6));
        // Nothing is left.
        assert_eq!(first_share(after(9), after(6), 2), after(9));
    }
}
