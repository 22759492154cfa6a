//! The phase queue: waits until the scheduler assigns nodes to the job. It has a deadline of its own, because a busy cluster is not a
//! fault of what is measured.

use tokio::time::sleep;

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::phase::{PhaseJournal, RunningPhase, run_phase};
use crate::fleet::launcher::QueueState;
use crate::job::{JobFailure, Phase};

/// Waits until the engine has its nodes, and returns their names. Without a scheduler there is no such phase.
pub(super) async fn wait_in_queue(
    ctx: &JobContext,
    journal: &mut PhaseJournal,
    engine: &LaunchedEngine,
) -> Result<Vec<String>, JobFailure> {
    if engine.queue_state() == QueueState::NoQueue {
        return Ok(Vec::new());
    }
    run_phase(ctx, journal, Phase::Queue, async |phase| wait_for_nodes(ctx, phase, engine).await).await?;
    Ok(engine.nodes())
}

async fn wait_for_nodes(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine) -> Result<(), PhaseError> {
    // A scheduler never reports `NoQueue`, so its first state counts as a change.
    let mut known = QueueState::NoQueue;
    let mut status = String::new();
    loop {
        let state = tokio::select! {
            biased;
            // First, so that a job that failed in the queue, or just after it, is reported with the launcher's reason.
            interruption = engine.interrupted(&ctx.cancellation) => return Err(interruption.into()),
            state = engine.queue_state_change(&known) => state,
            () = sleep(phase.time_left()) => {
                let limit = ctx.spec.profile.deadlines.of(Phase::Queue);
                return Err(Interruption::QueueTimeout { limit, status }.into());
            }
        };
        match &state {
            QueueState::NoQueue => return Ok(()),
            QueueState::Left { place } => {
                ctx.console.line(place);
                return Ok(());
            }
            QueueState::Waiting { what, reason } => status = format!("{what} waits: {reason}"),
        }
        ctx.console.line(&status);
        known = state;
    }
}
