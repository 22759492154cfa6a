//! Something that is looked at once a second by a thread of its own, until nobody wants it any more.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::edge::stop::{StopCause, StopSignal};

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// A running thread that looks. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Periodic<T> {
    done: StopSignal,
    thread: Option<JoinHandle<Vec<T>>>,
}

impl<T: Send + 'static> Periodic<T> {
    /// Starts looking. `look` gets the signal that nobody wants more.
    pub(super) fn start(name: &str, mut look: impl FnMut(&StopSignal) -> Vec<T> + Send + 'static) -> Result<Self, String> {
        let done = StopSignal::unset();
        let stop = done.clone();
        let work = move || {
            let mut seen = look(&stop);
            while stop.wait_for(PERIOD).is_none() {
                seen.extend(look(&stop));
            }
            seen
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        Ok(Self {
            done,
            thread: Some(thread.map_err(|error| error.to_string())?),
        })
    }

    /// Ends looking, and gives what was seen.
    pub(super) fn finish(mut self) -> Result<Vec<T>, String> {
        self.done.raise(StopCause::Abandon);
        let seen = self.thread.take().and_then(|thread| thread.join().ok());
        seen.ok_or_else(|| "its thread ended abnormally".to_owned())
    }
}

impl<T> Drop for Periodic<T> {
    fn drop(&mut self) {
        self.done.raise(StopCause::Abandon);
    }
}
