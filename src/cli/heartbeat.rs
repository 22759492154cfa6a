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
        Self::every(LINE_INTERVAL, move |elapsed| output::say(&line(elapsed)))
    }

    /// Calls `say(elapsed)` at an interval from now on.
    pub fn every(interval: Duration, say: impl Fn(Duration) + Send + 'static) -> Self {
        let (end, ended) = channel::<()>();
        let started = Instant::now();
        let thread = thread::spawn(move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                say(started.elapsed());
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
            // It cannot panic but by a bug of the line, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TryRecvError;

    use super::*;

    #[test]
    fn lines_come_until_the_work_ends() {
        let (said, lines) = channel();
        let heartbeat = Heartbeat::every(Duration::from_millis(1), move |elapsed| {
            let _ = said.send(elapsed);
        });
        let elapsed: Vec<Duration> = lines.iter().take(3).collect();
        assert!(elapsed.is_sorted() && elapsed.len() == 3, "{elapsed:?}");
        drop(heartbeat);
        while lines.try_recv().is_ok() {}
        assert_eq!(lines.try_recv(), Err(TryRecvError::Disconnected), "the thread has ended");
    }
}
