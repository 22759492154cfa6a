//! Handling of panics, which are bugs of imax: a message with the address of the issue tracker, and an exit code of its own. Unwinding
//! stops the processes that imax started, and the watchdog of a job the rest.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use super::{Exit, VERSION, output};
use crate::model::is_fenced;

const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");

/// Runs the program. Unwinding drops the owners of processes, containers and files, which stop and remove them.
pub(super) fn guarded(main: impl FnOnce() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        // Inside of a fence, the panic is an error of the file that a library was reading.
        if !is_fenced() {
            output::say(&report(info));
        }
    }));
    catch_unwind(AssertUnwindSafe(main)).unwrap_or_else(|_| Exit::Bug.into())
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "error: imax has a bug: {message} ({place})\nPlease report it with the command line and this text, without secrets: {ISSUES}\n\
         imax {VERSION}"
    )
}
