//! The points of a job: each loaded on the same engine, each with a result of its own. One that fails does not lose
//! the others, as long as the engine lives.

use std::path::Path;
use std::time::SystemTime;

use super::life::{Life, Trouble};
use super::load::{self, Engine as LoadTarget, Reporter};
use super::watch::{Interruption, LoadClock, SharedEngine, watched};
use crate::cli::in_words;
use crate::job::{FailureClass, JobFailure, Outcome, Phase, PhaseEnding, Resolved};
use crate::measure::{MeasureError, measure};
use crate::model::Concurrency;
use crate::result::{Json, read_result};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// AIPerf's result, below the folder that it was told.
const AIPERF_RESULT: &str = "aiperf_artifacts/profile_export_aiperf.json";

/// A raw result that waits to be normalised.
pub struct Loaded {
    pub(super) conc: Concurrency,
    pub(super) result_filename: String,
    pub(super) raw: Json,
}

/// What became of the load of one point.
struct Measured {
    outcome: Outcome,
    raw_file: Option<String>,
    raw: Option<Json>,
    /// Whether the engine is of no more use.
    fatal: Option<JobFailure>,
}

impl Life<'_> {
    /// Loads each point in its turn.
    pub(super) fn load_points(&mut self, engine: &SharedEngine, target: &LoadTarget) -> Result<(), JobFailure> {
        for point in self.spec.points() {
            // What an earlier try measured stays.
            if self
                .points
                .iter()
                .any(|known| known.conc == point.conc && known.outcome == Outcome::Ok)
            {
                continue;
            }
            let measured = self.load_point(engine, target, &point);
            if let Some(raw) = measured.raw {
                self.loaded.push(Loaded {
                    conc: point.conc,
                    result_filename: point.result_filename.clone(),
                    raw,
                });
            }
            self.note_point(&point, measured.outcome, measured.raw_file);
            if let Some(failure) = measured.fatal {
                return Err(failure);
            }
        }
        Ok(())
    }

    fn load_point(&mut self, engine: &SharedEngine, target: &LoadTarget, point: &Resolved) -> Measured {
        let settings = match load::settings(self.spec, point.conc, target, self.seed) {
            Ok(settings) => settings,
            Err(error) => return Measured::failed(JobFailure::new(FailureClass::Invalid, in_words(&error))),
        };
        let deadlines = &self.spec.profile.deadlines;
        let first = if settings.num_warmups > 0 { Phase::WarmUp } else { Phase::Load };
        let clock = LoadClock::new(first, deadlines.of(first), deadlines.stall.duration());
        let mut begun = Some(self.journal.begin(first, Some(point.conc)));
        let mut phase = first;
        self.voice.line(&format!("phase {first}, concurrency {}", point.conc));
        let mut reporter = Reporter::new(self.voice, format!("concurrency {}", point.conc), settings.duration);
        let (result, interruption) = {
            let (journal, voice) = (&mut self.journal, self.voice);
            let mut progress = |progress: crate::load::Progress| {
                if phase == Phase::WarmUp && !progress.warming_up {
                    phase = Phase::Load;
                    clock.enter(phase, deadlines.of(phase));
                    if let Some(warm_up) = begun.take() {
                        journal.end(warm_up, PhaseEnding::Done, None);
                    }
                    begun = Some(journal.begin(phase, Some(point.conc)));
                    voice.line(&format!("phase {phase}, concurrency {}", point.conc));
                }
                clock.progress(progress.output_tokens);
                reporter.note(&progress);
            };
            let work = |stop: &Cancellation| measure(&settings, stop, &mut progress);
            watched(engine, self.stop, &clock, work, load::lost_engine)
        };
        let measured = self.judge(point, phase, result, interruption);
        if let Some(begun) = begun.take() {
            let (ending, reason) = match &measured.outcome {
                Outcome::Ok => (PhaseEnding::Done, None),
                Outcome::Failed(failure) => (ending_of(failure.class), Some(failure.reason.clone())),
            };
            self.journal.end(begun, ending, reason);
        }
        measured
    }

    fn judge(
        &self,
        point: &Resolved,
        phase: Phase,
        result: Result<crate::load::Measured, MeasureError>,
        interruption: Option<Interruption>,
    ) -> Measured {
        let name = &point.result_filename;
        match (result, interruption) {
            (result, Some(interruption)) => {
                let fatal = match interruption {
                    Interruption::Deadline { .. } => false,
                    Interruption::Cancelled(_)
                    | Interruption::EngineEnded(_)
                    | Interruption::EngineLost(_)
                    | Interruption::Explained(_)
                    | Interruption::StillQueued { .. }
                    | Interruption::NodeLate { .. }
                    | Interruption::Stalled(_) => true,
                };
                let (_, failure) = self.explain(phase, Trouble::Interrupted(interruption));
                // What was measured until then is kept under a name that no reader takes for a result.
                let partial = result.ok().filter(|measured| measured.completed() > 0);
                let file = partial.and_then(|measured| self.write_raw(&format!("partial_{name}"), &measured.raw_result_json()).ok());
                Measured {
                    outcome: Outcome::Failed(JobFailure {
                        log_tail: None,
                        ..failure.clone()
                    }),
                    raw_file: file,
                    raw: None,
                    fatal: fatal.then_some(failure),
                }
            }
            (Err(error), None) => Measured::failed(JobFailure::new(FailureClass::Client, in_words(&error.into()))),
            (Ok(measured), None) => {
                let raw = measured.raw_result_json();
                if measured.has_failed() {
                    let file = self.write_raw(&format!("partial_{name}"), &raw).ok();
                    let failure = JobFailure::new(FailureClass::Server, failed_requests(&measured, &raw));
                    return Measured {
                        raw_file: file,
                        ..Measured::failed(failure)
                    };
                }
                match self.write_raw(name, &raw) {
                    Ok(file) => Measured {
                        outcome: Outcome::Ok,
                        raw_file: Some(file),
                        raw: Some(Json::from(raw)),
                        fatal: None,
                    },
                    Err(failure) => Measured::failed(failure),
                }
            }
        }
    }

    fn write_raw(&self, name: &str, raw: &serde_json::Value) -> Result<String, JobFailure> {
        let file = format!("{name}.json");
        files::write_json(&self.places.out.join(&file), raw).map_err(|error| JobFailure::infra(error.to_string()))?;
        Ok(file)
    }

    /// Takes the raw result that a self-contained recipe wrote, from one of the places where such recipes write.
    pub(super) fn take_result(&mut self, point: &Resolved, begin: SystemTime) -> Outcome {
        let file = format!("{}.json", point.result_filename);
        let workspace = std::env::var_os("GITHUB_WORKSPACE").map(std::path::PathBuf::from);
        let folders = [
            Some(self.places.out.clone()),
            Some(self.places.repository.clone()),
            workspace,
            Some("/workspace".into()),
        ];
        let written_since = |path: &Path| {
            path.metadata()
                .and_then(|data| data.modified())
                .is_ok_and(|at| at + CLOCK_GRAIN >= begin)
        };
        // What AIPerf leaves where a recipe replays recorded sessions with it.
        let replayed = self.spec.row.is_agentic().then(|| self.places.out.join(AIPERF_RESULT));
        let found = folders
            .into_iter()
            .flatten()
            .map(|folder| folder.join(&file))
            .chain(replayed)
            .find(|path| written_since(path));
        let Some(path) = found else {
            let reason =
                format!("the recipe ended without its result {file}; it must be written to IMAX_OUT, the repository or /workspace");
            return Outcome::Failed(JobFailure::new(FailureClass::Server, reason));
        };
        let taken = files::read_text(&path).map_err(|error| error.to_string()).and_then(|text| {
            let raw = read_result(&text, point.conc).map_err(|error| format!("{}: {error}", path.display()))?;
            files::write(&self.places.out.join(&file), text.as_bytes()).map_err(|error| error.to_string())?;
            Ok(raw.document)
        });
        match taken {
            Ok(raw) => {
                self.loaded.push(Loaded {
                    conc: point.conc,
                    result_filename: point.result_filename.clone(),
                    raw,
                });
                Outcome::Ok
            }
            Err(reason) => Outcome::Failed(JobFailure::new(FailureClass::Client, reason)),
        }
    }
}

/// File systems note the time of a change less finely than the clock does.
const CLOCK_GRAIN: std::time::Duration = std::time::Duration::from_secs(2);

impl Measured {
    fn failed(failure: JobFailure) -> Self {
        Self {
            outcome: Outcome::Failed(failure),
            raw_file: None,
            raw: None,
            fatal: None,
        }
    }
}

fn ending_of(class: FailureClass) -> PhaseEnding {
    match class {
        FailureClass::Timeout => PhaseEnding::DeadlineExceeded,
        FailureClass::Cancelled => PhaseEnding::Cancelled,
        FailureClass::Server | FailureClass::Client | FailureClass::Infra | FailureClass::Invalid | FailureClass::Missing => {
            PhaseEnding::Failed
        }
    }
}

fn failed_requests(measured: &crate::load::Measured, raw: &serde_json::Value) -> String {
    let errors = raw.pointer("/imax/errors").and_then(serde_json::Value::as_object);
    let list = errors.into_iter().flatten().map(|(code, error)| {
        let count = error.get("count").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let example = error.get("example").and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("{count} x {code} ({example})")
    });
    let list: Vec<String> = list.collect();
    let completed = measured.completed();
    format!(
        "only {completed} of {} requests succeeded: {}",
        measured.asked_requests(),
        list.join(", ")
    )
}
