//! Prompts that a signal ends.

use std::io;
use std::os::unix::thread::JoinHandleExt as _;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::system::cancellation::Cancellation;

/// The end of prompts.
pub(super) enum Answered<T> {
    Answers(T),
    /// A signal, Ctrl-C included; the terminal is as before.
    Cancelled(Exit),
}

/// Asks on a thread of its own: a signal must end the command while a key is awaited.
///
/// # Errors
/// Usage for a terminal that was closed.
pub(super) async fn prompted<T: Send + 'static>(
    cancellation: &Cancellation,
    ask: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> Result<Answered<T>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let asking = thread::spawn(move || {
        // Nobody receives the answer after a signal.
        let _ = sender.send(ask());
    });
    let answer = tokio::select! {
        biased;
        cause = cancellation.cancelled() => {
            end_prompt(&asking).await;
            show_cursor();
            return Ok(Answered::Cancelled(cause.into()));
        }
        answer = receiver => answer.or_exit(Exit::Bug)?,
    };
    match answer {
        Ok(answers) => Ok(Answered::Answers(answers)),
        Err(dialoguer::Error::IO(error)) if error.kind() == io::ErrorKind::Interrupted => {
            show_cursor();
            // The prompt has read Ctrl-C, or a signal has ended its wait for a key.
            Ok(Answered::Cancelled(cancellation.cause().map_or(Exit::Interrupted, Exit::from)))
        }
        Err(dialoguer::Error::IO(error)) => {
            output::say("the terminal was closed before all questions were answered; nothing was written: with --yes nothing is asked");
            Err(error).or_exit(Exit::Usage)
        }
    }
}

/// Time between two signals to the thread of a prompt, and the most of them: 2 s.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(10);
const MOST_SIGNALS: usize = 200;

/// Ends the wait for a key. While it waits, the terminal neither shows keys nor makes signals of them, and it is the prompt's thread that
/// sets the terminal back when a signal interrupts its wait. A signal that comes shortly before the wait is lost, so there are several.
async fn end_prompt(asking: &JoinHandle<()>) {
    for _ in 0..MOST_SIGNALS {
        if asking.is_finished() {
            return;
        }
        // A handler for it is installed, so that it interrupts and does not kill. The thread may end right now: an error means that.
        let _ = pthread_kill(asking.as_pthread_t(), Signal::SIGINT);
        sleep(SIGNAL_INTERVAL).await;
    }
}

/// A choice hides the cursor while it is shown. Failures are those of a terminal that is gone.
fn show_cursor() {
    let terminal = console::Term::stderr();
    let _ = terminal.show_cursor();
    let _ = terminal.write_line("");
}
