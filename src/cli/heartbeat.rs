//! Signs of life in the logs of long work, such as those of CI: a line every ten seconds, as nothing can be drawn again there.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{output, terminal};

/// Time between two lines.
pub(super) const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Says how far work is, until it is dropped. Lines come also while the work waits.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// Dropped first, which ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Says `line(elapsed)` every ten seconds from now on; nothing on a terminal, where something is drawn, and with `quiet`.
    pub fn start(quiet: bool, line: impl Fn(Duration) -> String + Send + 'static) -> Self {
        if quiet || terminal::draws_on_stderr() {
            return Self { end: None, thread: None };
        }
        let (end, ended) = channel::<()>();
        let started = Instant::now();
        let thread = thread::spawn(move || {
            while ended.recv_timeout(LINE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                output::say(&line(started.elapsed()));
            }
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Heartbeat {
    /// No line comes after this.
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It cannot panic but by a bug of the line, of which the panic hook has told.
            let _ = thread.join();
        }
    }
}
