//! The phase clean: removes what dead jobs (jobs whose imax process was killed) left on the node, and waits for idle GPUs.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::blocking::blocking;
use super::context::JobContext;
use super::hooks::run_post_hooks;
use super::interruption::PhaseError;
use super::phase::RunningPhase;
use super::preflight::{node_timeout, questions, requirements, visible_gpus, with_grade};
use crate::fleet::node::gather_gpus;
use crate::fleet::reap::{Reaped, reap_dead_jobs};
use crate::job::{FailureClass, GpuProblem, Grade, JobFailure, Phase, check_idle};

/// The least time for one query of the GPUs, so that a query just before the deadline still reports their state.
const LEAST_LOOK_TIME: Duration = Duration::from_secs(5);
/// Pause between two queries of GPUs that are not idle.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Removes what dead jobs left, and waits for idle GPUs.
pub(super) async fn clean(ctx: &JobContext, phase: &RunningPhase) -> Result<(), PhaseError> {
    let reaped = reap_dead_jobs(&ctx.states, &[], &ctx.cancellation, phase.deadline()).await;
    let mut left = Vec::new();
    for job in &reaped {
        let id = &job.state.job;
        for removed in &job.removed {
            ctx.console.line(&format!("removed {removed} of the dead job {id}"));
        }
        left.extend(job.left.iter().map(|what| format!("{what} (of the dead job {id})")));
    }
    run_owed_hooks(ctx, phase, &reaped).await;
    ctx.check_cancelled()?;
    if !left.is_empty() && phase.is_late() {
        return Err(node_timeout(ctx, Phase::Clean, left.join("; ")));
    }
    if !left.is_empty() {
        let reason = format!("the node is not clean: {}", left.join("; "));
        return Err(JobFailure::new(FailureClass::Infra, reason).into());
    }
    wait_for_idle_gpus(ctx, phase).await
}

/// Runs the post-hooks that dead jobs owe (that may not have run), but only if this job's profile has the same ones: commands that are
/// only in a state file are never run, because others may have written the file.
async fn run_owed_hooks(ctx: &JobContext, phase: &RunningPhase, reaped: &[Reaped]) {
    // If something of a job is left, its state file is kept, and its post-hooks stay owed.
    let finished = reaped.iter().filter(|job| job.is_finished()).map(|job| &job.state);
    let owing = finished.filter(|state| !state.hooks_owed.is_empty());
    let (same, others): (Vec<_>, Vec<_>) = owing.partition(|state| state.hooks_owed == ctx.spec.profile.hooks.post);
    for state in others {
        let hooks = state.hooks_owed.join("; ");
        ctx.console
            .line(&format!("post-hooks of the dead job {} that may not have run: {hooks}", state.job));
    }
    if let Some(state) = same.first() {
        ctx.console
            .line(&format!("the dead job {} may not have run its post-hooks; they run now", state.job));
        // A failure is printed, and does not fail this job: the hook may have run before.
        let _ = run_post_hooks(ctx, phase).await;
    }
}

/// Waits until the GPUs are idle and their memory is free: drivers free memory some time after a process has ended.
async fn wait_for_idle_gpus(ctx: &JobContext, phase: &RunningPhase) -> Result<(), PhaseError> {
    let visible = visible_gpus(ctx);
    let mut is_announced = false;
    loop {
        let until = phase.deadline().max(Instant::now() + LEAST_LOOK_TIME);
        let facts = blocking(|| gather_gpus(&questions(ctx, visible.as_deref(), until)));
        ctx.check_cancelled()?;
        let busy = with_grade(&check_idle(&facts, requirements(ctx)), Grade::Failed).join("; ");
        match &facts.gpus {
            Some(Err(GpuProblem::Failed(problem))) if phase.is_late() => {
                return Err(node_timeout(ctx, Phase::Clean, problem.clone()));
            }
            Some(_) | None if busy.is_empty() => return Ok(()),
            Some(_) | None if phase.is_late() => {
                return Err(node_timeout(ctx, Phase::Clean, format!("the GPUs did not become idle: {busy}")));
            }
            Some(_) | None => {}
        }
        if !is_announced {
            ctx.console.line(&format!("waiting for the GPUs: {busy}"));
            is_announced = true;
        }
        let _ = timeout(POLL_INTERVAL.min(phase.time_left()), ctx.cancellation.cancelled()).await;
        ctx.check_cancelled()?;
    }
}
