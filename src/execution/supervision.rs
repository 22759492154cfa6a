//! Runs a load or an evaluation while observing its deadline, its progress, the engine and signals.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{sleep_until, timeout};
use tracing::Span;

use super::engine::LaunchedEngine;
use super::interruption::Interruption;
use crate::system::cancellation::{CancelCause, Cancellation};

/// How long to wait for the exit of an engine whose connections broke. A process closes its sockets before its exit is reported: by
/// seconds, if it frees much memory, or if a container engine or a scheduler reports the exit.
const EXIT_AFTER_DISCONNECT: Duration = Duration::from_secs(10);

/// The limits of supervised work: the deadline of its current phase, and the longest time without a token.
#[derive(Debug)]
pub(super) struct WorkLimits {
    limit: Duration,
    deadline: Instant,
    stall: Duration,
    tokens: u64,
    last_token: Instant,
}

impl WorkLimits {
    pub fn new(limit: Duration, stall: Duration) -> Self {
        let now = Instant::now();
        Self {
            limit,
            deadline: now + limit,
            stall,
            tokens: 0,
            last_token: now,
        }
    }

    pub fn restart(&mut self, limit: Duration) {
        *self = Self::new(limit, self.stall);
    }

    /// Records the number of tokens so far.
    pub fn record_tokens(&mut self, tokens: u64) {
        if tokens != self.tokens {
            self.tokens = tokens;
            self.last_token = Instant::now();
        }
    }

    fn next(&self) -> Instant {
        self.deadline.min(self.last_token + self.stall)
    }

    fn exceeded(&self) -> Interruption {
        if Instant::now() >= self.deadline {
            Interruption::DeadlineExceeded {
                limit: self.limit,
                status: None,
            }
        } else {
            Interruption::Stalled(self.stall)
        }
    }
}

/// Receives the progress of supervised work.
pub(super) trait Observer<P> {
    /// Receives the newest progress, and may change the limits.
    fn observe(&mut self, progress: P, limits: &mut WorkLimits);
}

/// The sending side of the progress channel.
pub(super) struct ProgressSender<P>(watch::Sender<Option<P>>);

impl<P> ProgressSender<P> {
    /// Replaces the progress that was sent before.
    pub fn send(&self, progress: P) {
        self.0.send_replace(Some(progress));
    }
}

/// Runs `work`, which blocks, on a thread of its own. An interruption cancels the work, and is returned beside its result. If the
/// result shows `lost_connection`, the engine's exit may not be reported yet, so it is awaited for a short time. Only the newest
/// progress is kept, so work that reports faster than it is observed neither blocks nor fills memory.
pub(super) async fn supervise<T, P>(
    engine: &LaunchedEngine,
    cancellation: &Cancellation,
    mut limits: WorkLimits,
    observer: &mut dyn Observer<P>,
    work: impl FnOnce(&Cancellation, &ProgressSender<P>) -> T + Send + 'static,
    lost_connection: impl FnOnce(&T) -> bool,
) -> (T, Option<Interruption>)
where
    T: Send + 'static,
    P: Copy + Send + Sync + 'static,
{
    let work_stop = cancellation.child();
    let (sender, mut progress) = watch::channel(None);
    let sender = ProgressSender(sender);
    let mut running = {
        let work_stop = work_stop.clone();
        let span = Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&work_stop, &sender)))
    };
    let interruption = async {
        let interrupted = engine.interrupted(cancellation);
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                result = &mut running => return Ok(result),
                Ok(()) = progress.changed() => observe_newest(&mut progress, observer, &mut limits),
                interruption = &mut interrupted => return Err(interruption),
                () = sleep_until(limits.next().into()) => return Err(limits.exceeded()),
            }
        }
    }
    .await;
    let (result, interruption) = match interruption {
        Ok(result) => (result, None),
        Err(interruption) => {
            work_stop.cancel(CancelCause::Abandoned);
            (running.await, Some(interruption))
        }
    };
    observe_newest(&mut progress, observer, &mut limits);
    let result = result.unwrap_or_else(resume_panic);
    // The work observes signals too, so it may have ended before the interruption was noticed here.
    let interruption = interruption.or_else(|| cancellation.cause().map(Interruption::Cancelled));
    let interruption = match interruption {
        None if lost_connection(&result) => timeout(EXIT_AFTER_DISCONNECT, engine.interrupted(cancellation)).await.ok(),
        known => known,
    };
    (result, interruption)
}

fn observe_newest<P: Copy>(progress: &mut watch::Receiver<Option<P>>, observer: &mut dyn Observer<P>, limits: &mut WorkLimits) {
    let newest = *progress.borrow_and_update();
    if let Some(newest) = newest {
        observer.observe(newest, limits);
    }
}

/// The task is never aborted, so its only error is a panic.
fn resume_panic<T>(error: JoinError) -> T {
    // With the panic's own message, by which the exit code is chosen.
    let payload = error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()));
    std::panic::resume_unwind(payload)
}
