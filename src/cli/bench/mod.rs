//! `imax bench`: load-tests a server. Its flags, the measuring itself ([`measure`], which `imax run` calls too), the
//! live progress on a terminal, and the final table.

mod arguments;
mod live;
mod measure;
mod table;

use std::path::PathBuf;

pub use arguments::BenchArgs;
pub use live::Live;
pub use measure::{MeasureError, measure};
pub use table::table;

use super::output::{emit, say};
use super::{Exit, Failure, OrExit as _};
use crate::edge::files;
use crate::edge::stop::{StopCause, StopSignal};
use crate::load::{Measured, detailed};

/// Runs the command: one load after the other, until one of them fails.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: &BenchArgs) -> Result<Exit, Failure> {
    let loads = arguments.settings().or_exit(Exit::Usage)?;
    let stop = StopSignal::on_signals().or_exit(Exit::Infrastructure)?;
    let several = loads.len() > 1;
    for settings in loads {
        let mut live = Live::new(arguments.disable_tqdm);
        let measured = measure(&settings, &stop, &mut |progress| live.show(&progress));
        live.clear();
        let measured = measured.map_err(|error| classify(error, &stop))?;
        emit(&table(&measured))?;
        if arguments.save_result {
            save(arguments, &measured, several)?;
        }
        for doubt in &measured.doubts {
            say(&format!("warning: the result is marked `{}`", doubt.code()));
        }
        let exit = exit_of(&measured, &stop);
        if exit != Exit::Success {
            return Ok(exit);
        }
    }
    Ok(Exit::Success)
}

fn save(arguments: &BenchArgs, measured: &Measured, several: bool) -> Result<(), Failure> {
    let path = result_path(arguments, measured, several);
    let mut result = measured.raw_result_json();
    if arguments.save_detailed {
        if let Some(keys) = result.as_object_mut() {
            keys.extend(detailed::arrays(measured));
        }
        let lines = detailed::lines(measured);
        files::write(&path.with_extension("requests.jsonl"), lines.as_bytes()).or_exit(Exit::Infrastructure)?;
    }
    files::write_json(&path, &result).or_exit(Exit::Infrastructure)?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}

/// The exit code of a measurement that was made.
#[must_use]
pub fn exit_of(measured: &Measured, stop: &StopSignal) -> Exit {
    match stop.cause() {
        Some(StopCause::Interrupt) => Exit::Interrupted,
        Some(StopCause::Terminate) => Exit::Terminated,
        Some(StopCause::Abandon) => Exit::Infrastructure,
        None if measured.has_failed() => Exit::MeasurementFailed,
        None => Exit::Success,
    }
}

fn classify(error: MeasureError, stop: &StopSignal) -> Failure {
    let exit = match (&error, stop.cause()) {
        (_, Some(StopCause::Interrupt)) => Exit::Interrupted,
        (_, Some(StopCause::Terminate)) => Exit::Terminated,
        (MeasureError::TokenizerFile(_) | MeasureError::Prompts(_), _) => Exit::InvalidInput,
        (MeasureError::Probe { .. }, _) => Exit::MeasurementFailed,
        (MeasureError::Driver(_) | MeasureError::Thread | MeasureError::Stopped, _) => Exit::Infrastructure,
    };
    Failure { exit, error: error.into() }
}

/// Where the result goes: the names of benchmark_serving.py. A name that was given is that of one file; where there are
/// several, each says which load it is.
fn result_path(arguments: &BenchArgs, measured: &Measured, several: bool) -> PathBuf {
    let settings = &measured.settings;
    let rate = settings
        .arrival
        .request_rate
        .map_or_else(|| "inf".to_owned(), |rate| rate.to_string());
    let concurrency = settings
        .arrival
        .max_concurrency
        .map_or_else(String::new, |n| format!("-concurrency{n}"));
    let name = match &arguments.result_filename {
        Some(name) if several => {
            let stem = name.strip_suffix(".json").unwrap_or(name);
            format!("{stem}-{rate}qps{concurrency}.json")
        }
        Some(name) => name.clone(),
        None => {
            let model = settings.model.rsplit('/').next().unwrap_or(&settings.model);
            format!("{}-{rate}qps{concurrency}-{model}-{}.json", settings.backend, measured.date())
        }
    };
    arguments.result_dir.clone().unwrap_or_default().join(name)
}
