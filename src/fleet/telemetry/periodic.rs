//! A sampler thread that takes a sample once a second until it is stopped.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::system::cancellation::{CancelCause, Cancellation};

/// Sampling interval.
const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait for the last sample: a hanging driver must not keep a job from ending.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// A running sampler thread. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Periodic<T> {
    done: Cancellation,
    seen: Arc<Mutex<Vec<T>>>,
    ended: Receiver<()>,
}

impl<T: Send + 'static> Periodic<T> {
    /// Starts sampling. `look` gets the cancellation by which the sampler is stopped.
    pub(super) fn start(name: &str, mut look: impl FnMut(&Cancellation) -> Vec<T> + Send + 'static) -> Result<Self, String> {
        let done = Cancellation::new();
        let cancellation = done.clone();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let (end, ended) = sync_channel(1);
        let work = move || {
            loop {
                let begin = Instant::now();
                let found = look(&cancellation);
                notes.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                if cancellation.wait_timeout(PERIOD.saturating_sub(begin.elapsed())).is_some() {
                    break;
                }
            }
            // Close what `look` holds before the end is published, so that nothing is closed while the process exits.
            drop(look);
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| error.to_string())?;
        Ok(Self { done, seen, ended })
    }

    /// Applies a function to the samples so far.
    pub(super) fn ask<R>(&self, question: impl FnOnce(&[T]) -> R) -> R {
        question(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops sampling, and returns the samples. A hanging call is abandoned.
    pub(super) fn finish(self) -> Result<Vec<T>, String> {
        self.done.cancel(CancelCause::Abandoned);
        match self.ended.recv_timeout(LAST_LOOK) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => Ok(std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))),
            Err(RecvTimeoutError::Disconnected) => Err("its thread ended abnormally".to_owned()),
        }
    }
}

impl<T> Drop for Periodic<T> {
    fn drop(&mut self) {
        self.done.cancel(CancelCause::Abandoned);
    }
}
