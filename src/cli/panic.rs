//! Handling of panics, which are bugs of imax: a message with the address of the issue tracker, and an exit code of its own. Unwinding
//! stops the processes that imax started, and the watchdog of a job the rest. Where a library panics because the system grants no
//! thread, that is no bug: the message says so, and the exit code is that of the infrastructure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use super::{Exit, VERSION, output};
use crate::model::{is_fenced, panic_message};
use crate::system::runtime;

const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");

/// What tokio, rayon and the standard library say in a panic where they get no thread. None of them has an error for it.
const NO_THREAD: [&str; 3] = ["OS can't spawn worker thread", "ThreadPoolBuildError", "failed to spawn thread"];

/// Runs the program. Unwinding drops the owners of processes, containers and files, which stop and remove them.
pub(super) fn guarded(main: impl FnOnce() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        // Inside of a fence, the panic is an error of the file that a library was reading.
        if is_fenced() {
            return;
        }
        output::say(&report(info));
        if runtime::is_being_built() {
            end(exit_of(info.payload()));
        }
    }));
    catch_unwind(AssertUnwindSafe(main)).unwrap_or_else(|payload| exit_of(&*payload).into())
}

fn exit_of(payload: &(dyn Any + Send)) -> Exit {
    if is_for_want_of_a_thread(&panic_message(payload)) {
        Exit::Infrastructure
    } else {
        Exit::Bug
    }
}

fn is_for_want_of_a_thread(message: &str) -> bool {
    NO_THREAD.iter().any(|text| message.contains(text))
}

#[allow(clippy::exit, reason = "unwinding would wait for a thread that never ends")]
fn end(exit: Exit) {
    std::process::exit(exit.code().into());
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let message = panic_message(info.payload());
    if is_for_want_of_a_thread(&message) {
        return format!(
            "error: cannot start a thread: {message}; raise the limit of processes (`ulimit -u`, `pids.max` of the container) or of memory \
             (`ulimit -v`)"
        );
    }
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "error: imax has a bug: {message} ({place})\nPlease report it with the command line and this text, without secrets: {ISSUES}\n\
         imax {VERSION}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_is_that_of_a_bug_but_for_want_of_a_thread() {
        for (message, exit) in [
            ("index out of bounds: the len is 3 but the index is 7", Exit::Bug),
            (
                "OS can't spawn worker thread: Resource temporarily unavailable (os error 11)",
                Exit::Infrastructure,
            ),
            ("failed to spawn thread: Os { code: 11, kind: WouldBlock }", Exit::Infrastructure),
        ] {
            assert_eq!(exit_of(&message.to_owned()), exit, "{message}");
        }
        assert_eq!(exit_of(&7_u8), Exit::Bug);
    }
}
