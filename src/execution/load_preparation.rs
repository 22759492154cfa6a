//! Reads the files of a job's loads before the engine starts, so that GPUs do not wait for a download or for an invalid file. Where the
//! model has no tokenizer the engine is to lend its own, once it runs.

use super::blocking::blocking;
use super::context::JobContext;
use super::interruption::PhaseError;
use super::load_settings::{LoadTarget, load_settings};
use super::phase::RunningPhase;
use super::preflight::node_timeout;
use crate::fleet::launcher::EngineAddress;
use crate::job::{FailureClass, JobFailure, Phase, RecipeStyle};
use crate::measure::{MeasureError, prepare};
use crate::model::with_causes;

/// Reads tokenizer, chat template and recorded sessions, if imax will load the engine.
pub(super) fn prepare_load(ctx: &JobContext, phase: &RunningPhase) -> Result<(), PhaseError> {
    let spec = &ctx.spec;
    let Some(point) = spec.points().into_iter().next() else {
        return Ok(());
    };
    if spec.recipe_style() == RecipeStyle::SelfContained || spec.row.is_evaluated_alone() {
        return Ok(());
    }
    // All points read the same files, and nothing is sent yet.
    let target = LoadTarget {
        address: EngineAddress {
            host: String::new(),
            port: ctx.port,
            base_path: String::new(),
        },
        served_model: spec.row.model.to_string(),
    };
    let settings =
        load_settings(spec, point.conc, &target, ctx.seed).map_err(|error| JobFailure::new(FailureClass::Invalid, with_causes(&error)))?;
    let mut go_on = || !ctx.cancellation.is_cancelled() && !phase.is_late();
    let is_running = spec.profile.launch.is_elsewhere();
    let prepared = blocking(|| {
        let prompts = prepare(&settings, &mut go_on)?;
        if is_running { Ok(()) } else { prompts.check(&settings) }
    });
    ctx.check_cancelled()?;
    let Err(error) = prepared else { return Ok(()) };
    if phase.is_late() {
        let status = format!("the load is not prepared: {error}");
        return Err(node_timeout(ctx, Phase::Preflight, status));
    }
    let reason = format!("the load cannot be prepared: {}", with_causes(&error));
    Err(JobFailure::new(class_of(&error), reason).into())
}

/// A failure of the hub may not occur on another node, or later.
fn class_of(error: &MeasureError) -> FailureClass {
    if matches!(error, MeasureError::TokenizerFile(error) if error.is_of_the_hub()) {
        FailureClass::Infra
    } else {
        FailureClass::Invalid
    }
}
