//! The phase launch: runs the pre-hooks, and starts the engine by the launcher.

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::hooks::run_pre_hooks;
use super::interruption::{Interruption, PhaseError};
use super::phase::RunningPhase;
use crate::fleet::job_state::JobState;
use crate::fleet::launcher::{Engine, LaunchError, LaunchRequest, Tries, launcher_of};
use crate::job::{FailureClass, JobFailure, Phase};
use crate::system::host;

/// Starts the engine. `state` is written to disk before anything is started, so that a later run can clean up if this process is
/// killed.
pub(super) async fn launch(
    ctx: &JobContext,
    phase: &RunningPhase,
    state: &mut JobState,
    image_pulls: &Tries,
) -> Result<LaunchedEngine, PhaseError> {
    let launcher = launcher_of(&ctx.spec.profile.launch).map_err(|error| infra(error.to_string()))?;
    // What a clean-up would have to remove (a container, a scheduler's job) and the post-hooks that it would have to run.
    state.holds = launcher.holds(&ctx.spec);
    state.hooks_owed.clone_from(&ctx.spec.profile.hooks.post);
    if let Err(error) = ctx.states.write(state) {
        // No hook has begun, so none is owed.
        state.hooks_owed.clear();
        return Err(infra(error.to_string()).into());
    }
    run_pre_hooks(ctx, phase).await?;
    // Set while a request to the launcher is under way: if this process dies now, the job may still appear later.
    state.asked = Some(host::timestamp());
    ctx.states.write(state).map_err(|error| infra(error.to_string()))?;
    let request = LaunchRequest {
        spec: &ctx.spec,
        environment: &ctx.environment,
        recipe_folder: &ctx.folders.recipes,
        runner_folder: &ctx.folders.runners,
        repository: &ctx.folders.repository,
        out: &ctx.folders.out,
        log: &ctx.log,
        port: ctx.port,
        cancellation: &ctx.cancellation,
        until: phase.deadline(),
        tries: image_pulls,
        say: &|text| ctx.console.line(text),
    };
    let launched = launcher.launch(&request).await;
    if !matches!(launched, Err(LaunchError::Unanswered(_))) {
        state.asked = None;
    }
    let engine: Box<dyn Engine> = launched.map_err(|error| explain(ctx, &error))?;
    // If this fails, the state on disk lists more than exists, which is harmless.
    let _ = ctx.states.write(state);
    Ok(LaunchedEngine::new(engine))
}

fn explain(ctx: &JobContext, error: &LaunchError) -> PhaseError {
    if let LaunchError::Unanswered(cause) = error {
        return explain(ctx, cause);
    }
    let cancelled = matches!(error, LaunchError::Stopped).then(|| ctx.cancellation.cause()).flatten();
    if let Some(cause) = cancelled {
        return Interruption::Cancelled(cause).into();
    }
    if let LaunchError::Late(what) = error {
        return Interruption::DeadlineExceeded {
            limit: ctx.spec.profile.deadlines.of(Phase::Launch),
            status: Some(what.clone()),
        }
        .into();
    }
    let failure = if let LaunchError::Explained(failure) = error {
        failure.clone()
    } else {
        infra(error.to_string())
    };
    failure.with_cause().into()
}

fn infra(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Infra, reason)
}
