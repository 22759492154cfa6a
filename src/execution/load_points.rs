//! The phases warm-up and load: all points are loaded on the same engine, one after another, and each has a result of its own. After
//! a failed point the others are still loaded, as long as the engine runs.

use std::time::{Duration, Instant};

use super::console::Console;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::Interruption;
use super::load_settings::{LoadTarget, load_settings};
use super::phase::{PhaseJournal, RunningPhase};
use super::progress::Progress;
use super::supervision::{Observer, ProgressSender, WorkLimits, supervise};
use crate::job::{Deadlines, FailureClass, JobFailure, JobPoint, Outcome, Phase, PhaseEnding};
use crate::load;
use crate::measure::{MeasureError, PROFILE_FLUSH_LIMIT, measure};
use crate::model::Concurrency;
use crate::model::with_causes;
use crate::result::{Gpus, Json};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// Interval of progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A raw result that is not normalised yet.
#[derive(Debug)]
pub(super) struct LoadedPoint {
    pub conc: Concurrency,
    pub result_filename: String,
    pub raw: Json,
    /// The GPUs of the job, if its result states others than the row.
    pub gpus: Option<Gpus>,
}

/// The load of one point.
struct PointLoad {
    outcome: Outcome,
    raw_file: Option<String>,
    raw: Option<Json>,
    /// Why the engine cannot be used for the next points; `None` if it can.
    engine_failure: Option<JobFailure>,
}

/// Loads the points that no earlier attempt has measured, one after another. Successful ones are added to `loaded`.
pub(super) async fn load_points(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    target: &LoadTarget,
    loaded: &mut Vec<LoadedPoint>,
) -> Result<(), JobFailure> {
    for point in ctx.spec.points() {
        if progress.is_measured(point.conc) {
            continue;
        }
        progress.begin_load(ctx.spec.row.profile, &point);
        let load = load_point(ctx, &mut progress.journal, engine, target, &point).await;
        progress.record_point(&point, load.outcome, load.raw_file);
        if let Some(raw) = load.raw {
            let JobPoint { conc, result_filename } = point;
            loaded.push(LoadedPoint {
                conc,
                result_filename,
                raw,
                gpus: None,
            });
        }
        if let Some(failure) = load.engine_failure {
            return Err(failure);
        }
    }
    Ok(())
}

async fn load_point(
    ctx: &JobContext,
    journal: &mut PhaseJournal,
    engine: &LaunchedEngine,
    target: &LoadTarget,
    point: &JobPoint,
) -> PointLoad {
    let settings = match load_settings(&ctx.spec, point.conc, target, ctx.seed) {
        Ok(settings) => settings,
        Err(error) => return PointLoad::failed(JobFailure::new(FailureClass::Invalid, with_causes(&error))),
    };
    let deadlines = &ctx.spec.profile.deadlines;
    let first_phase = if settings.num_warmups > 0 { Phase::WarmUp } else { Phase::Load };
    let flush = if ctx.spec.row.profile {
        PROFILE_FLUSH_LIMIT
    } else {
        Duration::ZERO
    };
    // While an engine writes its trace there are no tokens.
    let limits = WorkLimits::new(deadlines.of(first_phase) + flush, deadlines.stall.duration() + flush);
    let mut observer = LoadObserver::begin(
        &ctx.console,
        journal,
        deadlines,
        first_phase,
        point.conc,
        (settings.duration, flush),
    );
    let work = move |cancellation: &Cancellation, progress: &ProgressSender<load::Progress>| {
        measure(&settings, cancellation, &mut |update| progress.send(update))
    };
    let (measured, interruption) = supervise(engine, &ctx.cancellation, limits, &mut observer, work, has_lost_connection).await;
    let load = judge(ctx, point, observer.phase, measured, interruption);
    observer.end(&load.outcome);
    load
}

/// Whether a load failed because a connection failed or broke: then the engine may have exited.
fn has_lost_connection(measured: &Result<load::Measured, MeasureError>) -> bool {
    match measured {
        Ok(measured) => measured.lost_server(),
        Err(error) => error.is_of_the_connection(),
    }
}

/// Records the phases of a load in the journal, and prints its progress.
struct LoadObserver<'a> {
    console: &'a Console,
    journal: &'a mut PhaseJournal,
    deadlines: &'a Deadlines,
    conc: Concurrency,
    /// The length of a load that is limited by time, not by a number of requests.
    duration: Option<Duration>,
    /// Time for a profiler to write its trace, beyond the deadline of the load.
    flush: Duration,
    phase: Phase,
    running: RunningPhase,
    printed: Instant,
}

impl<'a> LoadObserver<'a> {
    fn begin(
        console: &'a Console,
        journal: &'a mut PhaseJournal,
        deadlines: &'a Deadlines,
        phase: Phase,
        conc: Concurrency,
        (duration, flush): (Option<Duration>, Duration),
    ) -> Self {
        console.line(&format!("phase {phase}, concurrency {conc}"));
        Self {
            console,
            deadlines,
            conc,
            duration,
            flush,
            phase,
            running: journal.begin(phase, Some(conc)),
            journal,
            printed: Instant::now(),
        }
    }

    fn end_warm_up(&mut self, limits: &mut WorkLimits) {
        self.phase = Phase::Load;
        let load = self.journal.begin(Phase::Load, Some(self.conc));
        let warm_up = std::mem::replace(&mut self.running, load);
        self.journal.end(warm_up, PhaseEnding::Done, None);
        limits.restart(self.deadlines.of(Phase::Load) + self.flush);
        self.console.line(&format!("phase {}, concurrency {}", Phase::Load, self.conc));
    }

    fn print(&mut self, progress: &load::Progress) {
        if self.printed.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.printed = Instant::now();
        self.console
            .line(&format!("concurrency {}: {}", self.conc, progress_line(progress, self.duration)));
    }

    fn end(self, outcome: &Outcome) {
        let (ending, reason) = match outcome {
            Outcome::Ok => (PhaseEnding::Done, None),
            Outcome::Failed(failure) => (ending_of(failure.class), Some(failure.reason.clone())),
        };
        self.journal.end(self.running, ending, reason);
    }
}

impl Observer<load::Progress> for LoadObserver<'_> {
    fn observe(&mut self, progress: load::Progress, limits: &mut WorkLimits) {
        if self.phase == Phase::WarmUp && !progress.warming_up {
            self.end_warm_up(limits);
        }
        limits.record_tokens(progress.output_tokens);
        self.print(&progress);
    }
}

fn progress_line(progress: &load::Progress, duration: Option<Duration>) -> String {
    let load::Progress {
        total,
        completed,
        failed,
        output_tokens,
        elapsed,
        mean_ttft: _,
        warming_up,
    } = progress;
    let work = if *warming_up { "warm-up" } else { "load" };
    let failures = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
    let seconds = elapsed.as_secs_f64();
    match duration.filter(|_| !warming_up) {
        None => format!("{work}, {completed} of {total} requests{failures}, {output_tokens} tokens in {seconds:.0} s"),
        Some(duration) => format!(
            "{work}, {completed} requests{failures}, {output_tokens} tokens in {seconds:.0} of {:.0} s",
            duration.as_secs_f64()
        ),
    }
}

fn judge(
    ctx: &JobContext,
    point: &JobPoint,
    phase: Phase,
    measured: Result<load::Measured, MeasureError>,
    interruption: Option<Interruption>,
) -> PointLoad {
    match (measured, interruption) {
        (measured, Some(interruption)) => judge_interrupted(ctx, point, phase, measured.ok(), interruption),
        (Err(error), None) => PointLoad::failed(JobFailure::new(FailureClass::Client, with_causes(&error))),
        (Ok(measured), None) => judge_measured(ctx, point, &measured),
    }
}

fn judge_interrupted(
    ctx: &JobContext,
    point: &JobPoint,
    phase: Phase,
    measured: Option<load::Measured>,
    interruption: Interruption,
) -> PointLoad {
    let is_usable = interruption.leaves_engine_usable();
    let (_, failure) = ctx.explain(phase, interruption.into());
    // With the prefix `partial_`, no reader takes a partial result for a complete one.
    let partial = measured.filter(|measured| measured.completed() > 0);
    let raw_file =
        partial.and_then(|measured| write_raw(ctx, &format!("partial_{}", point.result_filename), &measured.raw_result_json()).ok());
    PointLoad {
        outcome: Outcome::Failed(JobFailure {
            log_tail: None,
            ..failure.clone()
        }),
        raw_file,
        raw: None,
        engine_failure: (!is_usable).then_some(failure),
    }
}

fn judge_measured(ctx: &JobContext, point: &JobPoint, measured: &load::Measured) -> PointLoad {
    let name = &point.result_filename;
    let raw = measured.raw_result_json();
    for notice in &measured.notices {
        ctx.console.line(&format!("concurrency {}: {notice}", point.conc));
    }
    for doubt in &measured.doubts {
        ctx.console.line(&format!(
            "warning: concurrency {}: the result is marked `{}`: {}",
            point.conc,
            doubt.code(),
            doubt.explanation()
        ));
    }
    if measured.has_failed() {
        let failure = JobFailure::new(FailureClass::Server, failed_requests(measured, &raw));
        return PointLoad {
            raw_file: write_raw(ctx, &format!("partial_{name}"), &raw).ok(),
            ..PointLoad::failed(failure)
        };
    }
    match write_raw(ctx, name, &raw) {
        Ok(file) => PointLoad {
            outcome: Outcome::Ok,
            raw_file: Some(file),
            raw: Some(Json::from(raw)),
            engine_failure: None,
        },
        Err(failure) => PointLoad::failed(failure),
    }
}

fn write_raw(ctx: &JobContext, name: &str, raw: &serde_json::Value) -> Result<String, JobFailure> {
    let file = format!("{name}.json");
    files::write_json(&ctx.folders.out.join(&file), raw).map_err(|error| JobFailure::infra(error.to_string()))?;
    Ok(file)
}

impl PointLoad {
    fn failed(failure: JobFailure) -> Self {
        Self {
            outcome: Outcome::Failed(failure),
            raw_file: None,
            raw: None,
            engine_failure: None,
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

fn failed_requests(measured: &load::Measured, raw: &serde_json::Value) -> String {
    let errors = raw.pointer("/imax/errors").and_then(serde_json::Value::as_object);
    let counts = errors.into_iter().flatten().map(|(code, error)| {
        let count = error.get("count").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let example = error.get("example").and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("{count} x {code} ({example})")
    });
    let counts: Vec<String> = counts.collect();
    format!(
        "only {} of {} requests succeeded: {}",
        measured.completed(),
        measured.asked_requests(),
        counts.join(", ")
    )
}
