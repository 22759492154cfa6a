//! The phase collect: normalises raw results.

use serde_json::json;

use super::attempt::Measurement;
use super::context::JobContext;
use super::interruption::Interruption;
use super::load_points::LoadedPoint;
use super::package_power::package_power;
use super::progress::Progress;
use super::provenance::{provenance_of_job, short_provenance};
use super::sampling::LoadTelemetry;
use crate::job::{FailureClass, JobFailure, Outcome, Phase, PhaseEnding};
use crate::model::VariableValue;
use crate::result::{Normalised, PointContext, normalize};
use crate::system::files;

/// Normalises the results of loaded points. A raw result that cannot be normalised fails its point. A signal ends the wait for git,
/// which is the only wait of this phase; measured results are kept, and the phase is recorded as cancelled, unless the job
/// `has_failed` before.
pub(super) async fn collect(
    ctx: &JobContext,
    progress: &mut Progress,
    measurement: &Measurement,
    has_failed: bool,
) -> Result<(), JobFailure> {
    let phase = progress.journal.begin(Phase::Collect, None);
    ctx.console.line("phase collect");
    if !ctx.checkout.wait(phase.time_left(), &ctx.cancellation).await {
        ctx.console
            .line("warning: git has not named the commit in time; results do not contain it");
    }
    let mut problems = Vec::new();
    for loaded in &measurement.loaded {
        let telemetry = measurement.samples.during(ctx, &measurement.nodes, loaded);
        let normalised = normalise(ctx, progress, loaded, &telemetry);
        problems.extend(normalised.as_ref().err().map(|failure| failure.reason.clone()));
        record(progress, loaded, telemetry, normalised);
    }
    let cancelled = match ctx.cancellation.cause() {
        Some(cause) => Err(Interruption::Cancelled(cause).failure(Phase::Collect)),
        None => Ok(()),
    };
    let (ending, reason) = match &cancelled {
        _ if !problems.is_empty() => (PhaseEnding::Failed, Some(problems.join("; "))),
        Err(failure) if !has_failed => (PhaseEnding::Cancelled, Some(failure.reason.clone())),
        // Results are written even after the deadline, because they are worth more than the time.
        Ok(()) | Err(_) if phase.is_late() => (PhaseEnding::DeadlineExceeded, None),
        Ok(()) | Err(_) => (PhaseEnding::Done, None),
    };
    progress.journal.end(phase, ending, reason);
    cancelled
}

/// Writes the normalised result of a point, and returns the name of its file.
fn normalise(ctx: &JobContext, progress: &Progress, loaded: &LoadedPoint, telemetry: &LoadTelemetry) -> Result<String, JobFailure> {
    let mut context = PointContext::from_row(&ctx.spec.row, loaded.conc).map_err(|error| cannot_normalise(&error.to_string()))?;
    if let Some(gpus) = loaded.gpus {
        if gpus != context.gpus {
            ctx.console.line(&format!(
                "warning: the result of concurrency {} is of {gpus}, the row has {}; numbers per GPU are those of the result",
                loaded.conc, context.gpus
            ));
        }
        context.gpus = gpus;
    }
    let normalised = normalize(&loaded.raw, &context).map_err(|error| cannot_normalise(&error.to_string()))?;
    let Normalised { mut agg, doubts } = normalised;
    for doubt in doubts {
        ctx.console.line(&format!("warning[{}]: {doubt}", doubt.code()));
    }
    let sampled = telemetry.power(loaded);
    let package = sampled.is_none().then(|| package_power(ctx, loaded, &context)).flatten();
    let power = sampled.or(package.as_ref().and_then(|package| package.power));
    if let Some(power) = power {
        agg.set_power(power, &loaded.raw);
    }
    agg.set_conditions(telemetry.conditions());
    let provenance = provenance_of_job(ctx, progress);
    let mut provenance = short_provenance(&provenance, &ctx.spec);
    let of_package = package.as_ref().filter(|package| package.power.is_some());
    let of_package = of_package.map(|_| json!({ "source": "srt-slurm", "kind": "sampled", "scope": "gpus" }));
    if let (Some(power), Some(members)) = (telemetry.power_provenance().or(of_package), provenance.as_object_mut()) {
        members.insert("power".to_owned(), power);
    }
    agg.set_provenance(provenance.into());
    let file = format!("agg_{}.json", loaded.result_filename);
    let written = files::write(&ctx.folders.out.join(&file), agg.to_pretty().as_bytes());
    written.map_err(|error| JobFailure::infra(error.to_string()))?;
    if requires_power(ctx) && !agg.has_power() {
        let why = match &package {
            Some(package) => format!("{}; see {}", package.reasons.join(", "), package.source.display()),
            None => format!("{}; see gpu_metrics.csv", telemetry.power_doubt().as_str()),
        };
        let reason = format!("REQUIRE_POWER is set, but the power of the load is not known: {why}");
        return Err(JobFailure::new(FailureClass::Client, reason));
    }
    Ok(file)
}

/// Whether a point without power fails: by `REQUIRE_POWER` in the environment of this process or of the engine.
fn requires_power(ctx: &JobContext) -> bool {
    const NAME: &str = "REQUIRE_POWER";
    let of_engine = ctx.environment.iter().find(|variable| variable.name == NAME);
    let of_engine = of_engine.and_then(|variable| match &variable.value {
        VariableValue::Plain(value) => Some(value.clone()),
        VariableValue::Secret(_) => None,
    });
    let values = [of_engine, std::env::var(NAME).ok()];
    values.iter().flatten().any(|value| crate::job::requires_power(value))
}

fn cannot_normalise(error: &str) -> JobFailure {
    JobFailure::new(FailureClass::Client, format!("the raw result cannot be normalised: {error}"))
}

fn record(progress: &mut Progress, loaded: &LoadedPoint, telemetry: LoadTelemetry, normalised: Result<String, JobFailure>) {
    let Some(point) = progress.points.iter_mut().find(|point| point.conc == loaded.conc) else {
        return;
    };
    let LoadTelemetry {
        energy,
        role_energy,
        gpu_usage,
        host_use,
        is_of_recipe: _,
    } = telemetry;
    point.raw.get_or_insert_with(|| format!("{}.json", loaded.result_filename));
    point.energy = energy;
    point.role_energy = role_energy;
    point.gpu_usage = gpu_usage;
    point.host_use = host_use;
    match normalised {
        Ok(file) => point.normalised = Some(file),
        Err(failure) => point.outcome = Outcome::Failed(failure),
    }
}
