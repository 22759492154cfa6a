//! The load driver's settings for a point, from the row and the runner profile.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crate::fleet::launcher::EngineAddress;
use crate::job::{JobSpec, RecipeStyle};
use crate::load;
use crate::matrix::Scenario;
use crate::measure::{MeasureError, read_sessions};
use crate::model::Concurrency;

/// An engine's address, and the name under which it serves the model.
#[derive(Debug, Clone)]
pub(super) struct LoadTarget {
    pub address: EngineAddress,
    pub served_model: String,
}

/// Why a point has no load settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadSettingsError {
    #[error("runner profile, key `load.backend`")]
    Backend(#[from] load::SettingsError),
    #[error("prompts for each concurrency: 0, expected at least 1")]
    NoPrompts,
    #[error("concurrency {conc} times {prompts} prompts is too large")]
    TooManyPrompts { conc: Concurrency, prompts: NonZeroU32 },
    #[error("missing recorded sessions; name them with `load.sessions` in the runner profile or with --sessions")]
    NoSessions,
}

/// The settings of a point's load.
pub(super) fn load_settings(
    spec: &JobSpec,
    conc: Concurrency,
    target: &LoadTarget,
    seed: u64,
) -> Result<load::BenchmarkSettings, LoadSettingsError> {
    let profile = &spec.profile.load;
    let mut settings = scenario_settings(spec, conc, target)?;
    settings.backend = profile.backend.clone();
    settings.served_model_name = (target.served_model != spec.row.model.as_str()).then(|| target.served_model.clone());
    settings.tokenizer = profile.tokenizer.clone();
    settings.num_warmups = conc.get().saturating_mul(profile.warmups_per_concurrency);
    settings.arrival.max_concurrency = Some(conc);
    settings.ignore_eos = true;
    settings.profiler = spec.row.profile.then_some(spec.profile.profiler.tool);
    // Points share an engine. With the same seed, the prompts of earlier points would be in the engine's prefix cache.
    settings.seed = seed.wrapping_add(u64::from(conc.get()));
    // The stall limit of the whole load also applies to each request.
    settings.deadlines.no_progress = spec.profile.deadlines.stall.duration();
    Ok(settings)
}

fn scenario_settings(spec: &JobSpec, conc: Concurrency, target: &LoadTarget) -> Result<load::BenchmarkSettings, LoadSettingsError> {
    let profile = &spec.profile.load;
    let target = engine_target(&profile.backend, &target.address)?;
    let model = spec.row.model.as_str();
    match &spec.row.scenario {
        Scenario::FixedSeqLen { lens, .. } => {
            let prompts = NonZeroU32::new(profile.prompts_per_concurrency).ok_or(LoadSettingsError::NoPrompts)?;
            let number = conc
                .checked_mul(prompts)
                .ok_or(LoadSettingsError::TooManyPrompts { conc, prompts })?;
            let dataset = load::Dataset::Random(load::RandomLengths {
                input: lens.isl,
                output: lens.osl,
                range_ratio: profile.random_range_ratio,
                range_style: load::settings::RangeStyle::InferenceX,
                prefix: 0,
            });
            Ok(load::BenchmarkSettings::new(target, model, dataset, number))
        }
        Scenario::AgenticCoding { duration_s, .. } => {
            let sessions = profile.sessions.as_ref().ok_or(LoadSettingsError::NoSessions)?;
            let dataset = load::Dataset::Recorded { path: sessions.into() };
            let mut settings = load::BenchmarkSettings::new(target, model, dataset, NonZeroU32::MAX);
            settings.duration = Some(Duration::from_secs(*duration_s));
            Ok(settings)
        }
    }
}

/// The target of requests to the job's own engine: never through a proxy, never with TLS.
pub(super) fn engine_target(backend: &str, address: &EngineAddress) -> Result<load::Target, LoadSettingsError> {
    let protocol = load::Protocol::of_backend(backend)?;
    Ok(load::Target {
        unix_socket: None,
        proxy: None,
        host: address.host.clone(),
        port: address.port,
        tls: false,
        base_path: address.base_path.clone(),
        path: protocol.default_endpoint(true).to_owned(),
        protocol,
    })
}

/// Reads the job's recorded sessions, if it will be loaded with any, so that an invalid file is found before an engine starts.
pub(super) fn check_sessions(spec: &JobSpec) -> Result<(), MeasureError> {
    match (&spec.row.scenario, spec.recipe_style(), &spec.profile.load.sessions) {
        (Scenario::AgenticCoding { .. }, RecipeStyle::EngineOnly, Some(sessions)) if !spec.row.is_evaluated_alone() => {
            read_sessions(Path::new(sessions)).map(drop)
        }
        (Scenario::AgenticCoding { .. } | Scenario::FixedSeqLen { .. }, RecipeStyle::EngineOnly | RecipeStyle::SelfContained, _) => Ok(()),
    }
}
