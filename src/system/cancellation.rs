//! Cancellation with its cause. SIGINT, SIGTERM and SIGHUP request it. Long-running code checks it, awaits it, or derives a child that
//! can also be cancelled alone, such as a load whose server exited, without cancelling the job.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::system::runtime::runtime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelCause {
    /// SIGINT: Ctrl-C, or a cancelled workflow.
    Interrupt,
    Terminate,
    /// SIGHUP: the terminal or the connection was closed.
    Hangup,
    /// Not a signal: the caller no longer needs the work.
    Abandoned,
}

/// The signal handlers could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch SIGINT, SIGTERM and SIGHUP: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// A request to stop, shared by its clones. It is never withdrawn, and the first cause stays the cause.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<State>);

#[derive(Debug, Default)]
struct State {
    token: CancellationToken,
    first: OnceLock<(CancelCause, Instant)>,
    requests: AtomicU32,
    gate: Mutex<()>,
    opened: Condvar,
    /// The children. `CancellationToken::child_token` is not used: children also count requests, and a
    /// [`Cancellation::for_next_request`] must not inherit the state of its parent.
    children: Mutex<Vec<Weak<State>>>,
}

impl Cancellation {
    /// A cancellation that signals do not request; only [`Cancellation::cancel`] does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cancellation that SIGINT, SIGTERM and SIGHUP request from now on, instead of ending the process. If SIGHUP is ignored, as under
    /// nohup(1), it stays ignored.
    ///
    /// # Errors
    /// If the system refuses the signal handlers.
    pub fn on_signals() -> Result<Self, SignalError> {
        let runtime = runtime()?;
        let signals = {
            let _context = runtime.enter();
            Signals::catch()?
        };
        let cancellation = Self::new();
        runtime.spawn(signals.forward_to(cancellation.clone()));
        Ok(cancellation)
    }

    /// A child: it is cancelled with this one, and can be cancelled alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = self.for_next_request();
        if let Some(cause) = self.cause() {
            child.cancel(cause);
        }
        child
    }

    /// A child that only the next request cancels, even if this one is cancelled already: for clean-up after a cancellation.
    #[must_use]
    pub fn for_next_request(&self) -> Self {
        let child = Self::default();
        let mut children = self.0.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|state| state.strong_count() > 0);
        children.push(Arc::downgrade(&child.0));
        child
    }

    /// Requests cancellation, also of the children.
    pub fn cancel(&self, cause: CancelCause) {
        self.0.first.get_or_init(|| (cause, Instant::now()));
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        drop(self.0.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.opened.notify_all();
        self.0.token.cancel();
        let children: Vec<_> = self.0.children.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for state in children.iter().filter_map(Weak::upgrade) {
            Self(state).cancel(cause);
        }
    }

    /// Whether cancellation was requested.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.first.get().is_some()
    }

    /// The cause of the first request.
    #[must_use]
    pub fn cause(&self) -> Option<CancelCause> {
        self.0.first.get().map(|(cause, _)| *cause)
    }

    /// The time of the first request.
    #[must_use]
    pub fn requested_at(&self) -> Option<Instant> {
        self.0.first.get().map(|(_, at)| *at)
    }

    /// The number of requests. A second signal means that the user does not want to wait for a graceful stop.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::SeqCst)
    }

    /// Blocks the thread until cancellation is requested or the time is over.
    #[must_use]
    pub fn wait_timeout(&self, time: Duration) -> Option<CancelCause> {
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

    /// Resolves when cancellation is requested.
    pub async fn cancelled(&self) -> CancelCause {
        self.0.token.cancelled().await;
        // The cause is set before the token.
        self.cause().unwrap_or(CancelCause::Abandoned)
    }

    /// Resolves when cancellation is requested a second time.
    pub async fn cancelled_twice(&self) {
        loop {
            // The child is registered before the count is read, so that a request in between still cancels it.
            let next = self.for_next_request();
            if self.requests() > 1 {
                return;
            }
            next.cancelled().await;
        }
    }

    /// Requests cancellation when the returned guard is dropped, also by a panic.
    #[must_use]
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// See [`Cancellation::cancel_on_drop`].
#[derive(Debug)]
pub struct CancelOnDrop(Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel(CancelCause::Abandoned);
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    /// Never awaited: with a handler, a write beyond the limit of a file's size (setrlimit(2), `RLIMIT_FSIZE`) is an error that the
    /// job reports, where the signal would kill the process.
    _file_size: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let hangup = match hangup_is_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            _file_size: signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32))?,
        })
    }

    async fn forward_to(mut self, cancellation: Cancellation) {
        loop {
            let cause = tokio::select! {
                _ = self.interrupt.recv() => CancelCause::Interrupt,
                _ = self.terminate.recv() => CancelCause::Terminate,
                () = next(self.hangup.as_mut()) => CancelCause::Hangup,
            };
            tracing::info!(?cause, requests = cancellation.requests() + 1, "cancellation requested");
            cancellation.cancel(cause);
        }
    }
}

/// Whether a mask of ignored signals has SIGHUP. Its format is that of proc(5); SIGHUP (1) is the lowest bit.
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
    fn first_cause_stays_and_reaches_children() {
        let parent = Cancellation::new();
        let early = parent.child();
        assert!(!parent.is_cancelled() && !early.is_cancelled());
        parent.cancel(CancelCause::Interrupt);
        parent.cancel(CancelCause::Terminate);
        let late = parent.child();
        for cancellation in [&parent, &early, &late] {
            assert_eq!(cancellation.cause(), Some(CancelCause::Interrupt));
        }
        assert_eq!([parent.requests(), early.requests(), late.requests()], [2, 2, 1]);
    }

    #[test]
    fn child_does_not_cancel_its_parent() {
        let parent = Cancellation::new();
        parent.child().cancel(CancelCause::Abandoned);
        assert!(!parent.is_cancelled());
    }

    #[test]
    fn child_for_next_request_ignores_earlier_requests() {
        let parent = Cancellation::new();
        parent.cancel(CancelCause::Interrupt);
        let clean_up = parent.for_next_request();
        assert!(!clean_up.is_cancelled());
        parent.cancel(CancelCause::Terminate);
        assert_eq!(clean_up.cause(), Some(CancelCause::Terminate));
    }

    #[test]
    fn thread_waits_until_cancelled_or_timeout() {
        let cancellation = Cancellation::new();
        let other = cancellation.clone();
        let thread = std::thread::spawn(move || other.cancel(CancelCause::Terminate));
        assert_eq!(cancellation.wait_timeout(Duration::from_secs(60)), Some(CancelCause::Terminate));
        thread.join().unwrap();
        assert_eq!(Cancellation::new().wait_timeout(Duration::ZERO), None);
    }

    #[test]
    fn dropped_guard_cancels() {
        let cancellation = Cancellation::new();
        drop(cancellation.cancel_on_drop());
        assert_eq!(cancellation.cause(), Some(CancelCause::Abandoned));
    }

    #[tokio::test]
    async fn second_request_can_be_awaited() {
        let cancellation = Cancellation::new();
        let waiter = cancellation.clone();
        let task = tokio::spawn(async move { waiter.cancelled_twice().await });
        cancellation.cancel(CancelCause::Interrupt);
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        cancellation.cancel(CancelCause::Interrupt);
        task.await.unwrap();
        cancellation.cancelled_twice().await;
    }

    #[tokio::test]
    async fn can_be_awaited_before_and_after() {
        let cancellation = Cancellation::new();
        let waiter = cancellation.clone();
        let task = tokio::spawn(async move { waiter.cancelled().await });
        cancellation.cancel(CancelCause::Interrupt);
        assert_eq!(task.await.unwrap(), CancelCause::Interrupt);
        assert_eq!(cancellation.cancelled().await, CancelCause::Interrupt);
    }
}
