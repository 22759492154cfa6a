//! The use case of `imax bench`: measures one load after the other, each as often as asked, and writes the result files. It prints
//! nothing; what happens is reported as [`BenchEvent`]s.

use std::io;
use std::num::NonZeroU32;
use std::path::Path;

use super::calibrate::{self, CalibrateError};
use super::discovery::{self, Discovery, Unknown};
use super::measurement::{MeasureError, check_ahead, measure};
use super::result_files::{ResultFileError, ResultFiles, Suffixes};
use crate::load::{BenchmarkSettings, Doubt, Measured, Progress, spread};
use crate::system::cancellation::{CancelCause, Cancellation};

/// Difference between the seeds of two runs. Different prompts keep a run from hitting the prefix cache that an earlier run filled.
pub(super) const SEED_STEP: u64 = 0x9e37_79b9;

/// What to measure, and what to do with the results.
#[derive(Debug, Clone)]
pub struct BenchSettings {
    /// The loads, in their order.
    pub loads: Vec<BenchmarkSettings>,
    /// Settings that the loads leave open and that are discovered from the server.
    pub unknown: Unknown,
    /// How often each load is measured.
    pub num_runs: NonZeroU32,
    /// Whether the client's own error is measured before each run.
    pub calibrate: bool,
    /// Whether a saturated client is accepted.
    pub allow_saturated_client: bool,
    /// Where results are written, if anywhere.
    pub result_files: Option<ResultFiles>,
}

/// What happens during a benchmark.
#[derive(Debug)]
pub enum BenchEvent<'a> {
    /// The unknown settings were discovered from the server.
    Found(&'a Discovery),
    /// A run begins.
    Started(&'a BenchmarkSettings),
    /// Requests were sent or answered.
    Progress(Progress),
    /// A run has ended.
    Measured(&'a Measured),
    /// All runs of a load have ended, and there are several.
    Repeated(&'a [Measured]),
    /// A result file was written.
    Saved(&'a Path),
}

/// How a benchmark ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchOutcome {
    /// All runs are valid.
    Passed,
    /// A run failed; those after it were not started.
    Failed,
    /// The client was the bottleneck of a run, and this was not accepted.
    ClientSaturated,
    /// A signal ended it early.
    Stopped(CancelCause),
}

/// Why a benchmark could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A measurement could not be carried out.
    #[error(transparent)]
    Measure(MeasureError),
    /// A measurement could not be carried out, and a signal had been received.
    #[error("{error}")]
    Stopped {
        /// The signal.
        cause: CancelCause,
        /// What the signal interrupted.
        error: MeasureError,
    },
    /// A signal ended the calibration.
    #[error("stopped during the calibration")]
    CalibrationStopped(CancelCause),
    /// The client could not be calibrated.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// A result file could not be written.
    #[error(transparent)]
    ResultFile(#[from] ResultFileError),
    /// The observer could not write an event.
    #[error("cannot write the result to stdout: {0}")]
    Observer(#[from] io::Error),
}

/// Callback for events; an error that it returns ends the benchmark.
pub type BenchObserver<'a> = dyn FnMut(BenchEvent<'_>) -> io::Result<()> + 'a;

/// Measures every load, until one of them fails.
///
/// # Errors
/// [`BenchError`] if a run could not be carried out. A run whose requests failed is an outcome, not an error.
pub fn bench(settings: &BenchSettings, stop: &Cancellation, observe: &mut BenchObserver<'_>) -> Result<BenchOutcome, BenchError> {
    let several_loads = settings.loads.len() > 1;
    let mut outcome = BenchOutcome::Passed;
    let mut runs_before: u64 = 0;
    for load in &loads(settings, stop, observe)? {
        let mut runs = Vec::new();
        for number in 1..=settings.num_runs.get() {
            let load = BenchmarkSettings {
                seed: load.seed.wrapping_add(runs_before.wrapping_mul(SEED_STEP)),
                keep_chunks: settings.result_files.as_ref().is_some_and(|files| files.detailed.is_some()),
                ..load.clone()
            };
            runs_before += 1;
            let measured = run_once(settings, &load, stop, observe)?;
            observe(BenchEvent::Measured(&measured))?;
            if let Some(result_files) = &settings.result_files {
                let run = if settings.num_runs.get() > 1 {
                    format!("-run{number}")
                } else {
                    String::new()
                };
                let path = result_files.save(&measured, Suffixes { several_loads, run: &run })?;
                observe(BenchEvent::Saved(&path))?;
            }
            let of_run = outcome_of(&measured, stop, settings.allow_saturated_client);
            runs.push(measured);
            match of_run {
                BenchOutcome::Passed => {}
                // A saturated client invalidates its own run only; the next load may be lighter. Any other failure ends the benchmark.
                BenchOutcome::ClientSaturated => outcome = of_run,
                BenchOutcome::Failed | BenchOutcome::Stopped(_) => return Ok(of_run),
            }
        }
        if let [first, _, ..] = runs.as_slice() {
            observe(BenchEvent::Repeated(&runs))?;
            if let Some(result_files) = &settings.result_files {
                let path = result_files.save_spread(first, &spread::spread(&runs), several_loads)?;
                observe(BenchEvent::Saved(&path))?;
            }
        }
    }
    Ok(outcome)
}

/// The loads, completed with the settings discovered from the server.
pub(super) fn loads(
    settings: &BenchSettings,
    stop: &Cancellation,
    observe: &mut BenchObserver<'_>,
) -> Result<Vec<BenchmarkSettings>, BenchError> {
    let mut loads = settings.loads.clone();
    // Inputs are checked before the first request; all loads have the same data set, so the first load is enough. Without discovery and
    // calibration `measure` itself prepares its inputs first.
    if let (true, Some(first)) = (settings.unknown.is_any() || settings.calibrate, settings.loads.first()) {
        check_ahead(first, stop).map_err(|error| ended(error, stop))?;
    }
    let Some(first) = settings.loads.first().filter(|_| settings.unknown.is_any()) else {
        return Ok(loads);
    };
    let found = discovery::discover(first, settings.unknown, stop).map_err(|error| ended(error, stop))?;
    loads.iter_mut().for_each(|load| found.apply(load));
    observe(BenchEvent::Found(&found))?;
    Ok(loads)
}

/// The error of a measurement, with the signal if one was received.
fn ended(error: MeasureError, stop: &Cancellation) -> BenchError {
    match stop.cause() {
        Some(cause) => BenchError::Stopped { cause, error },
        None => BenchError::Measure(error),
    }
}

pub(super) fn run_once(
    settings: &BenchSettings,
    load: &BenchmarkSettings,
    stop: &Cancellation,
    observe: &mut BenchObserver<'_>,
) -> Result<Measured, BenchError> {
    let calibration = if settings.calibrate {
        let calibration = calibrate::calibrate(load, stop);
        if let Some(cause) = stop.cause() {
            return Err(BenchError::CalibrationStopped(cause));
        }
        Some(calibration?)
    } else {
        calibrate::stored(load)
    };
    observe(BenchEvent::Started(load))?;
    // Progress is for people who watch; a failure to show it must not end a measurement.
    let measured = measure(load, stop, &mut |progress| drop(observe(BenchEvent::Progress(progress))));
    let mut measured = measured.map_err(|error| ended(error, stop))?;
    measured.calibration = calibration;
    Ok(measured)
}

/// A saturated client is a fault of the client, not of the measured server, so it has an outcome of its own.
fn outcome_of(measured: &Measured, stop: &Cancellation, allow_saturated_client: bool) -> BenchOutcome {
    let is_saturated = measured.doubts.contains(&Doubt::ClientSaturated) && !allow_saturated_client;
    match stop.cause() {
        Some(cause) => BenchOutcome::Stopped(cause),
        None if measured.has_failed() => BenchOutcome::Failed,
        None if is_saturated => BenchOutcome::ClientSaturated,
        None => BenchOutcome::Passed,
    }
}
