//! The load of one point: settings from the job, the measurement under watch, the raw result.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::voice::Voice;
use crate::job::{Deadlines, JobSpec, RecipeStyle};
use crate::load;
use crate::matrix::Scenario;
use crate::measure::{MeasureError, read_sessions};
use crate::model::Concurrency;

/// Where the engine answers, and by which name.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The name under which it serves the model.
    pub served_model: String,
}

/// The settings of a point's load, or why there are none.
pub fn settings(spec: &JobSpec, conc: Concurrency, engine: &Engine, seed: u64) -> anyhow::Result<load::Settings> {
    let shape = &spec.profile.load;
    let protocol = load::Protocol::of_backend(&shape.backend).context("runner profile, key `load.backend`")?;
    let target = load::Target {
        host: engine.host.clone(),
        port: engine.port,
        tls: false,
        base_path: String::new(),
        path: protocol.default_endpoint(true).to_owned(),
        protocol,
    };
    let mut settings = match &spec.row.scenario {
        Scenario::FixedSeqLen { lens, .. } => {
            let number = NonZeroU32::new(shape.prompts_per_concurrency).context("prompts for each concurrency: 0, expected at least 1")?;
            let number = conc
                .checked_mul(number)
                .context("concurrency times prompts for each is too large")?;
            let dataset = load::Dataset::Random(load::RandomLengths {
                input: lens.isl,
                output: lens.osl,
                range_ratio: shape.random_range_ratio,
                prefix: 0,
            });
            load::Settings::new(target, spec.row.model.as_str(), dataset, number)
        }
        Scenario::AgenticCoding { duration_s, .. } => {
            let sessions = shape.sessions.as_ref().context("no recorded sessions are named")?;
            let dataset = load::Dataset::Recorded { path: sessions.into() };
            let mut settings = load::Settings::new(target, spec.row.model.as_str(), dataset, NonZeroU32::MAX);
            settings.duration = Some(Duration::from_secs(*duration_s));
            settings
        }
    };
    settings.backend = shape.backend.clone();
    settings.served_model_name = (engine.served_model != spec.row.model.as_str()).then(|| engine.served_model.clone());
    settings.tokenizer = shape.tokenizer.clone();
    settings.num_warmups = conc.get().saturating_mul(shape.warmups_per_concurrency);
    settings.arrival.max_concurrency = Some(conc);
    settings.ignore_eos = true;
    // Points share an engine. With the same seed each would ask what those before it have left in the engine's prefix cache.
    settings.seed = seed.wrapping_add(u64::from(conc.get()));
    settings.deadlines.no_progress = stall(&spec.profile.deadlines);
    Ok(settings)
}

/// Reads the recorded sessions that the job will be loaded with, if it will, so that a wrong file is known before an engine is
/// started.
pub fn check_sessions(spec: &JobSpec) -> anyhow::Result<()> {
    match (&spec.row.scenario, spec.recipe.style, &spec.profile.load.sessions) {
        (Scenario::AgenticCoding { .. }, RecipeStyle::EngineOnly, Some(sessions)) if !spec.row.is_evaluated_alone() => {
            read_sessions(Path::new(sessions)).context("the recorded sessions cannot be used")?;
            Ok(())
        }
        (Scenario::AgenticCoding { .. } | Scenario::FixedSeqLen { .. }, RecipeStyle::EngineOnly | RecipeStyle::SelfContained, _) => Ok(()),
    }
}

/// One request may stand still as long as the whole load may.
fn stall(deadlines: &Deadlines) -> Duration {
    deadlines.stall.duration()
}

/// Says how far the load is, at most every few seconds.
pub struct Reporter<'a> {
    voice: &'a Voice,
    title: String,
    /// The load's length, where its end is an instant and not a number of requests.
    length: Option<Duration>,
    said: std::time::Instant,
}

/// Pause between two lines about one load.
const SAY_EVERY: Duration = Duration::from_secs(10);

impl<'a> Reporter<'a> {
    /// A reporter for a point.
    pub fn new(voice: &'a Voice, title: String, length: Option<Duration>) -> Self {
        Self {
            voice,
            title,
            length,
            said: std::time::Instant::now(),
        }
    }

    /// Takes note of the progress.
    pub fn note(&mut self, progress: &load::Progress) {
        if self.said.elapsed() < SAY_EVERY {
            return;
        }
        self.said = std::time::Instant::now();
        let load::Progress {
            total,
            completed,
            failed,
            output_tokens,
            elapsed,
            mean_ttft: _,
            warming_up,
        } = progress;
        let what = if *warming_up { "warm-up" } else { "load" };
        let failures = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        let seconds = elapsed.as_secs_f64();
        let (of_all, of_time) = match self.length.filter(|_| !warming_up) {
            None => (format!(" of {total}"), String::new()),
            Some(length) => (String::new(), format!(" of {:.0}", length.as_secs_f64())),
        };
        self.voice.line(&format!(
            "{}: {what}, {completed}{of_all} requests{failures}, {output_tokens} tokens in {seconds:.0}{of_time} s",
            self.title
        ));
    }
}

/// Whether a load failed because there was no connection, or it broke: the engine may be gone.
pub fn lost_engine(loaded: &Result<load::Measured, MeasureError>) -> bool {
    match loaded {
        Ok(measured) => measured.lost_server(),
        Err(error) => error.is_of_the_connection(),
    }
}
