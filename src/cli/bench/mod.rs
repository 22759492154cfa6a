//! `imax bench`: load-tests a server. Its flags, the measuring itself ([`measure`], which `imax run` calls too), the
//! live progress on a terminal, and the final table.

mod arguments;
mod live;
mod measure;
mod table;

use std::path::PathBuf;

pub use arguments::BenchArguments;
pub use live::Live;
pub use measure::{MeasureError, measure};
pub use table::table;

use super::output::{emit, say};
use super::{Exit, Failure, OrExit as _};
use crate::edge::files;
use crate::edge::stop::{StopCause, StopSignal};
use crate::load::{Measured, detailed};

/// Runs the command.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: &BenchArguments) -> Result<Exit, Failure> {
    let settings = arguments.settings().or_exit(Exit::Usage)?;
    let stop = StopSignal::on_signals().or_exit(Exit::Infrastructure)?;
    let mut live = Live::new(arguments.disable_tqdm);
    let measured = match measure(&settings, &stop, &mut |progress| live.show(&progress)) {
        Ok(measured) => measured,
        Err(error) => {
            live.clear();
            return Err(classify(error, &stop));
        }
    };
    live.clear();
    emit(&table(&measured))?;
    if arguments.save_result {
        let path = result_path(arguments, &measured);
        let mut result = measured.raw_result_json();
        if arguments.save_detailed {
            if let Some(keys) = result.as_object_mut() {
                keys.extend(detailed::arrays(&measured));
            }
            let lines = detailed::lines(&measured);
            files::write(&path.with_extension("requests.jsonl"), lines.as_bytes()).or_exit(Exit::Infrastructure)?;
        }
        files::write_json(&path, &result).or_exit(Exit::Infrastructure)?;
        say(&format!("wrote {}", path.display()));
    }
    for doubt in &measured.doubts {
        say(&format!("warning: the result is marked `{}`", doubt.code()));
    }
    Ok(exit_of(&measured, &stop))
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

/// Where the result goes: the names of benchmark_serving.py.
fn result_path(arguments: &BenchArguments, measured: &Measured) -> PathBuf {
    let settings = &measured.settings;
    let name = arguments.result_filename.clone().unwrap_or_else(|| {
        let rate = settings
            .arrival
            .request_rate
            .map_or_else(|| "inf".to_owned(), |rate| rate.to_string());
        let concurrency = settings
            .arrival
            .max_concurrency
            .map_or_else(String::new, |n| format!("-concurrency{n}"));
        let model = settings.model.rsplit('/').next().unwrap_or(&settings.model);
        let date = measured.date();
        format!("{}-{rate}qps{concurrency}-{model}-{date}.json", settings.backend)
    });
    arguments.result_dir.clone().unwrap_or_default().join(name)
}
