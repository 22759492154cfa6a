//! `imax bench`: load-tests a server. Its flags, the measuring itself ([`measure`], which `imax run` calls too), the
//! live progress on a terminal, and the final table.

mod arguments;
mod calibrate;
mod live;
mod measure;
mod prompts;
mod save;
mod server;
mod table;

pub use arguments::BenchArgs;
pub use live::Live;
pub use measure::{MeasureError, measure};
pub use prompts::read_sessions;
pub use table::table;

use super::output::{emit, say};
use super::{Exit, Failure, OrExit as _};
use crate::load::{Doubt, Measured, Settings, spread};
use crate::system::stop::{StopCause, StopSignal};
use save::Saving;

/// Keeps the prompts of one run out of the prefix cache of the next.
const SEED_STEP: u64 = 0x9e37_79b9;

/// Runs the command: one load after the other, each as often as asked, until one of them fails.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: &BenchArgs) -> Result<Exit, Failure> {
    let loads = arguments.settings().or_exit(Exit::Usage)?;
    let stop = StopSignal::on_signals().or_exit(Exit::Infrastructure)?;
    let saving = Saving::new(arguments, loads.len() > 1);
    let mut exit = Exit::Success;
    let mut runs_before: u64 = 0;
    for settings in loads {
        let mut runs = Vec::new();
        for number in 1..=arguments.num_runs.get() {
            let settings = Settings {
                seed: settings.seed.wrapping_add(runs_before.wrapping_mul(SEED_STEP)),
                ..settings.clone()
            };
            runs_before += 1;
            let measured = one_run(arguments, &settings, &stop)?;
            emit(&table(&measured))?;
            saving.save(&measured, number)?;
            let of_run = exit_of(&measured, &stop, arguments.allow_saturated_client);
            runs.push(measured);
            // A slow client spoils its own run; the next load may be lighter. Anything else ends them all.
            let goes_on = of_run == Exit::Success || of_run == Exit::Infrastructure && !stop.is_set();
            if !goes_on {
                return Ok(of_run);
            }
            if of_run != Exit::Success {
                exit = of_run;
            }
        }
        if runs.len() > 1 {
            emit(&table::spread_table(&runs))?;
            saving.save_spread(&runs, &spread::spread(&runs))?;
        }
    }
    Ok(exit)
}

fn one_run(arguments: &BenchArgs, settings: &Settings, stop: &StopSignal) -> Result<Measured, Failure> {
    let calibration = if arguments.calibrate {
        let found = calibrate::calibrate(settings, stop);
        if let Some(exit) = stopped(stop) {
            let error = anyhow::anyhow!("stopped during the calibration");
            return Err(Failure { exit, error });
        }
        Some(found.or_exit(Exit::Infrastructure)?)
    } else {
        calibrate::stored(settings)
    };
    let mut live = Live::new(arguments.disable_tqdm);
    let measured = measure(settings, stop, &mut |progress| live.show(&progress));
    live.clear();
    let mut measured = measured.map_err(|error| classify(error, stop))?;
    measured.calibration = calibration;
    for doubt in &measured.doubts {
        say(&format!("warning: the result is marked `{}`", doubt.code()));
    }
    Ok(measured)
}

fn stopped(stop: &StopSignal) -> Option<Exit> {
    stop.cause().map(|cause| match cause {
        StopCause::Interrupt | StopCause::Terminate | StopCause::Hangup => cause.into(),
        StopCause::Abandon => Exit::Infrastructure,
    })
}

/// The exit code of a measurement that was made. A saturated client is a fault around the measured thing, not of it.
#[must_use]
pub fn exit_of(measured: &Measured, stop: &StopSignal, allow_saturated_client: bool) -> Exit {
    let is_saturated = measured.doubts.contains(&Doubt::ClientSaturated) && !allow_saturated_client;
    match stopped(stop) {
        Some(exit) => exit,
        None if measured.has_failed() => Exit::MeasurementFailed,
        None if is_saturated => Exit::Infrastructure,
        None => Exit::Success,
    }
}

fn classify(error: MeasureError, stop: &StopSignal) -> Failure {
    let exit = match (&error, stop.cause()) {
        (_, Some(cause @ (StopCause::Interrupt | StopCause::Terminate | StopCause::Hangup))) => cause.into(),
        (
            MeasureError::TokenizerFile(_)
            | MeasureError::Prompts(_)
            | MeasureError::File(_)
            | MeasureError::Dataset { .. }
            | MeasureError::Tls(_),
            _,
        ) => Exit::InvalidInput,
        (MeasureError::Probe { .. } | MeasureError::Profile { .. }, _) => Exit::MeasurementFailed,
        (MeasureError::Driver(_) | MeasureError::Stopped, _) => Exit::Infrastructure,
    };
    Failure { exit, error: error.into() }
}
