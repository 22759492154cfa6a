//! One flag that says "stop", and why. SIGINT, SIGTERM and SIGHUP set it; whoever runs something long looks at it, waits on
//! it, or hangs a flag of its own below it (to stop a load because its server died, say, without stopping the job).

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGINT: Ctrl-C, or a cancelled workflow.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal or the connection that the command was started from is gone.
    Hangup,
    /// Not a signal: the one who started the work has no more use for it.
    Abandon,
}

impl StopCause {
    fn code(self) -> u8 {
        match self {
            Self::Interrupt => 1,
            Self::Terminate => 2,
            Self::Abandon => 3,
            Self::Hangup => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Interrupt, Self::Terminate, Self::Hangup, Self::Abandon]
            .into_iter()
            .find(|cause| cause.code() == code)
    }
}

/// Why signals could not be caught.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch SIGINT, SIGTERM and SIGHUP: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// The flag. Clones share it; it is set once and stays set, and its first cause stays its cause.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cause: AtomicU8,
    since: OnceLock<Instant>,
    raised: AtomicU32,
    gate: Mutex<()>,
    opened: Condvar,
    awaited: watch::Sender<bool>,
    below: Mutex<Vec<Weak<State>>>,
}

impl StopSignal {
    /// A flag that no signal sets; [`StopSignal::raise`] does.
    #[must_use]
    pub fn unset() -> Self {
        Self::default()
    }

    /// A flag that SIGINT, SIGTERM and SIGHUP set from now on, in place of ending the process. A SIGHUP that is ignored
    /// already, as under nohup(1), stays ignored.
    ///
    /// # Errors
    /// Where the system refuses the signal handlers or the thread that serves them.
    pub fn on_signals() -> Result<Self, SignalError> {
        let stop = Self::default();
        let raised = stop.clone();
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                let (mut interrupt, mut terminate, mut hangup) = match caught() {
                    Ok(signals) => signals,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                drop(ready.send(Ok(())));
                loop {
                    let cause = tokio::select! {
                        _ = interrupt.recv() => StopCause::Interrupt,
                        _ = terminate.recv() => StopCause::Terminate,
                        () = next(hangup.as_mut()) => StopCause::Hangup,
                    };
                    raised.raise(cause);
                }
            });
        })?;
        let gone = |_| std::io::Error::other("the thread that serves them ended");
        started.recv().map_err(gone)??;
        Ok(stop)
    }

    /// A flag below this one: set with it, and able to be set alone.
    #[must_use]
    pub fn below(&self) -> Self {
        let child = self.anew();
        if let Some(cause) = self.cause() {
            child.raise(cause);
        }
        child
    }

    /// A flag that the next signal sets, also where this one is set already: for work that a stop itself has to do.
    #[must_use]
    pub fn anew(&self) -> Self {
        let child = Self::default();
        let mut below = self.0.below.lock().unwrap_or_else(PoisonError::into_inner);
        below.retain(|state| state.strong_count() > 0);
        below.push(Arc::downgrade(&child.0));
        child
    }

    /// Sets the flag, and those below it.
    pub fn raise(&self, cause: StopCause) {
        self.0.since.get_or_init(Instant::now);
        let _ = self.0.cause.compare_exchange(0, cause.code(), Ordering::SeqCst, Ordering::SeqCst);
        self.0.raised.fetch_add(1, Ordering::SeqCst);
        drop(self.0.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.opened.notify_all();
        self.0.awaited.send_replace(true);
        let below: Vec<_> = self.0.below.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for state in below.iter().filter_map(Weak::upgrade) {
            Self(state).raise(cause);
        }
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.cause.load(Ordering::SeqCst) != 0
    }

    /// Why to stop; `None` where there is no reason to.
    #[must_use]
    pub fn cause(&self) -> Option<StopCause> {
        StopCause::from_code(self.0.cause.load(Ordering::SeqCst))
    }

    /// When it was set first; `None` where it is not set.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.0.since.get().copied()
    }

    /// How often it was raised: a second signal means that the first was not obeyed fast enough.
    #[must_use]
    pub fn times_raised(&self) -> u32 {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Sleeps that long, or until the flag is set. Says why it was set, if it was.
    #[must_use]
    pub fn wait_for(&self, time: Duration) -> Option<StopCause> {
        let until = Instant::now() + time;
        let mut gate = self.0.gate.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(cause) = self.cause() {
                return Some(cause);
            }
            let left = until.checked_duration_since(Instant::now())?;
            gate = self.0.opened.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Resolves when the flag is set.
    pub async fn stopped(&self) -> StopCause {
        let mut awaited = self.0.awaited.subscribe();
        loop {
            if let Some(cause) = self.cause() {
                return cause;
            }
            // The sender lives in `self`, so the channel cannot close while this waits.
            let _ = awaited.changed().await;
        }
    }
}

/// SIGINT, SIGTERM, and SIGHUP where it is not ignored.
fn caught() -> std::io::Result<(Signal, Signal, Option<Signal>)> {
    let hangup = if hangup_is_ignored() {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, hangup))
}

/// The mask of ignored signals, as proc(5) has it: SIGHUP is the first of them.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

async fn next(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_cause_stays_and_reaches_flags_below() {
        let stop = StopSignal::unset();
        let early = stop.below();
        assert!(!stop.is_set() && !early.is_set());
        stop.raise(StopCause::Interrupt);
        stop.raise(StopCause::Terminate);
        let late = stop.below();
        for flag in [&stop, &early, &late] {
            assert_eq!(flag.cause(), Some(StopCause::Interrupt));
        }
        assert_eq!(stop.times_raised(), 2);
    }

    #[test]
    fn a_flag_below_does_not_stop_what_is_above() {
        let stop = StopSignal::unset();
        stop.below().raise(StopCause::Abandon);
        assert!(!stop.is_set());
    }

    #[test]
    fn waiting_ends_when_raised_from_another_thread() {
        let stop = StopSignal::unset();
        let raiser = stop.clone();
        let thread = std::thread::spawn(move || raiser.raise(StopCause::Terminate));
        assert_eq!(stop.wait_for(Duration::from_secs(60)), Some(StopCause::Terminate));
        thread.join().unwrap();
        assert_eq!(StopSignal::unset().wait_for(Duration::ZERO), None);
    }

    #[tokio::test]
    async fn can_be_awaited_before_and_after() {
        let stop = StopSignal::unset();
        let waiter = stop.clone();
        let task = tokio::spawn(async move { waiter.stopped().await });
        stop.raise(StopCause::Interrupt);
        assert_eq!(task.await.unwrap(), StopCause::Interrupt);
        assert_eq!(stop.stopped().await, StopCause::Interrupt);
    }
}
