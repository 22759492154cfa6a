//! The phase queue: the scheduler gives the job its nodes. It has a deadline of its own, because a busy cluster says nothing
//! about what is measured.

use std::time::Duration;

use tokio::time::timeout;

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::phase::{PhaseJournal, RunningPhase, run_phase};
use crate::fleet::launcher::Turn;
use crate::job::{JobFailure, Phase};

/// Pause between two looks at the queue's state. The launcher asks the scheduler itself less often.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until the engine has its nodes, and returns their names. Without a scheduler there is no such phase.
pub(super) async fn wait_in_queue(
    ctx: &JobContext,
    journal: &mut PhaseJournal,
    engine: &LaunchedEngine,
) -> Result<Vec<String>, JobFailure> {
    if engine.queue_state() == Turn::NoQueue {
        return Ok(Vec::new());
    }
    run_phase(ctx, journal, Phase::Queue, async |phase| wait_for_nodes(ctx, phase, engine).await).await?;
    Ok(engine.nodes())
}

async fn wait_for_nodes(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine) -> Result<(), PhaseError> {
    let mut printed = String::new();
    loop {
        // A job that failed in the queue, or just after it, is reported with the launcher's reason.
        if let Some(interruption) = engine.interruption(&ctx.cancellation).await {
            return Err(interruption.into());
        }
        let status = match engine.queue_state() {
            Turn::NoQueue => return Ok(()),
            Turn::Come { place } => {
                ctx.console.line(&place);
                return Ok(());
            }
            Turn::Waits { what, reason } => format!("{what} waits: {reason}"),
        };
        if status != printed {
            ctx.console.line(&status);
            printed.clone_from(&status);
        }
        if phase.is_late() {
            let limit = ctx.spec.profile.deadlines.of(Phase::Queue);
            return Err(Interruption::QueueTimeout { limit, status }.into());
        }
        let _ = timeout(POLL_INTERVAL.min(phase.time_left()), ctx.cancellation.cancelled()).await;
    }
}
