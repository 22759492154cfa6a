//! `imax nvml` and the program `imax-nvml`: GPU samples of NVIDIA's library (NVML) for `imax run`, which must not load it into its own
//! process. The released `imax` is linked statically and cannot load libraries; the small program `imax-nvml` beside it can.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::output::say;
use super::{Exit, Failure};
use crate::fleet::telemetry::write_samples;

/// Write samples of NVIDIA's GPUs to stdout, one line of JSON each second, until stdin ends.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax nvml /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")]
pub struct NvmlArgs {
    /// Path of NVIDIA's library [default: the driver's libnvidia-ml.so.1].
    library: Option<OsString>,
}

/// Runs the command.
///
/// # Errors
/// If the library cannot be loaded, or the samples cannot be written.
pub fn run(args: &NvmlArgs) -> Result<Exit, Failure> {
    write_samples(args.library.as_deref())?;
    Ok(Exit::Success)
}

/// The program `imax-nvml`. It takes the path of a library and nothing else.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (library, more) = (arguments.next(), arguments.next());
    let is_option = library.as_ref().is_some_and(|text| text.as_encoded_bytes().starts_with(b"-"));
    if is_option || more.is_some() {
        say("usage: imax-nvml [LIBRARY]\nWrites samples of NVIDIA's GPUs to stdout, a line of JSON a second, until stdin ends.");
        return Exit::Usage.into();
    }
    match run(&NvmlArgs { library }) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}
