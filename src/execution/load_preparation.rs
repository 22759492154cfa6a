//! Reads what the loads of a job need before the engine starts: GPUs must not wait for a download, nor for a broken file.

use super::blocking::blocking;
use super::context::JobContext;
use super::interruption::PhaseError;
use super::load_settings::{LoadTarget, load_settings};
use super::phase::RunningPhase;
use super::preflight::node_timeout;
use crate::job::{FailureClass, JobFailure, Phase, RecipeStyle};
use crate::measure::{MeasureError, prepare};
use crate::model::with_causes;

/// Reads tokenizer, chat template and recorded sessions, if imax will load the engine.
pub(super) fn prepare_load(ctx: &JobContext, phase: &RunningPhase) -> Result<(), PhaseError> {
    let spec = &ctx.spec;
    let Some(point) = spec.points().into_iter().next() else {
        return Ok(());
    };
    if spec.recipe.style == RecipeStyle::SelfContained || spec.row.is_evaluated_alone() {
        return Ok(());
    }
    // All points read the same files, and nothing is sent yet.
    let target = LoadTarget {
        host: String::new(),
        port: ctx.port,
        served_model: spec.row.model.to_string(),
    };
    let settings =
        load_settings(spec, point.conc, &target, ctx.seed).map_err(|error| JobFailure::new(FailureClass::Invalid, with_causes(&error)))?;
    let mut go_on = || !ctx.cancellation.is_cancelled() && !phase.is_late();
    // The engine is not there to lend its tokenizer, so that of the model must be, unless the profile says otherwise.
    let prepared = blocking(|| prepare(&settings, &mut go_on)?.check(&settings));
    ctx.check_cancelled()?;
    let Err(error) = prepared else { return Ok(()) };
    if phase.is_late() {
        let status = format!("the load is not prepared: {error}");
        return Err(node_timeout(ctx, Phase::Preflight, status));
    }
    let reason = format!("the load cannot be prepared: {}", with_causes(&error));
    Err(JobFailure::new(class_of(&error), reason).into())
}

/// The hub may answer on another node, or later.
fn class_of(error: &MeasureError) -> FailureClass {
    if matches!(error, MeasureError::TokenizerFile(error) if error.is_of_the_hub()) {
        FailureClass::Infra
    } else {
        FailureClass::Invalid
    }
}
