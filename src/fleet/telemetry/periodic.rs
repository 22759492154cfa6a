//! Something that is looked at once a second by a thread of its own, until nobody wants it any more.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::system::cancellation::{CancelCause, Cancellation};

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long the last look is waited for: a driver that hangs must not keep a job from ending.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// A running thread that looks. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Periodic<T> {
    done: Cancellation,
    seen: Arc<Mutex<Vec<T>>>,
    ended: Receiver<()>,
}

impl<T: Send + 'static> Periodic<T> {
    /// Starts looking. `look` gets the signal that nobody wants more.
    pub(super) fn start(name: &str, mut look: impl FnMut(&Cancellation) -> Vec<T> + Send + 'static) -> Result<Self, String> {
        let done = Cancellation::new();
        let stop = done.clone();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let (end, ended) = sync_channel(1);
        let work = move || {
            loop {
                let begin = Instant::now();
                let found = look(&stop);
                notes.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                if stop.wait_timeout(PERIOD.saturating_sub(begin.elapsed())).is_some() {
                    break;
                }
            }
            // What `look` holds is closed before anybody learns of the end, so that nothing is closed while the process ends.
            drop(look);
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| error.to_string())?;
        Ok(Self { done, seen, ended })
    }

    /// Asks something of what was seen so far.
    pub(super) fn ask<R>(&self, question: impl FnOnce(&[T]) -> R) -> R {
        question(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends looking, and gives what was seen. A look that hangs is left behind.
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
