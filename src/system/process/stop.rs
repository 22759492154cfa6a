//! Stops processes: SIGTERM first, SIGKILL after a grace period. The process table is scanned again after each round, because
//! processes may start others while they are being stopped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pidfd::{any_end, wait_for_any_end};
use super::table::Running;
use crate::system::cancellation::Cancellation;

/// Longest interval between two scans of the process table: the start of a process gives no event.
const LOOK: Duration = Duration::from_millis(50);

/// The least number of scans after the first SIGKILL. If this process does not get CPU time for a while, the time limit may pass
/// before the kernel has ended the processes.
const LEAST_LOOKS: u32 = 6;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReport {
    /// Processes that had to be killed because SIGTERM did not end them in time: name and number.
    pub killed: Vec<String>,
    /// Processes that are still running: a fault of the node.
    pub left: Vec<String>,
}

/// Stops the processes that `members` finds, until it finds none: SIGTERM, SIGKILL after `grace` or when `hurry` is cancelled. Gives up
/// `limit` after that.
pub(super) fn stop_members(
    members: &mut dyn FnMut() -> Vec<Running>,
    grace: Duration,
    limit: Duration,
    hurry: &dyn Fn() -> bool,
) -> StopReport {
    let mut stopping = Stopping::new(grace, limit);
    loop {
        let found = members();
        match stopping.signal(&found, hurry()) {
            Step::Done => return stopping.report,
            Step::Wait(time) => wait_for_any_end(&found, time),
        }
    }
}

/// The same without blocking the thread; a request of `hurry` ends the grace period.
pub async fn stop_members_async(
    members: &mut (dyn FnMut() -> Vec<Running> + Send),
    grace: Duration,
    limit: Duration,
    hurry: &Cancellation,
) -> StopReport {
    let mut stopping = Stopping::new(grace, limit);
    loop {
        let found = members();
        let time = match stopping.signal(&found, hurry.is_cancelled()) {
            Step::Done => return stopping.report,
            Step::Wait(time) => time,
        };
        if hurry.is_cancelled() {
            any_end(&found, time).await;
            continue;
        }
        tokio::select! {
            () = any_end(&found, time) => {}
            _ = hurry.cancelled() => {}
        }
    }
}

/// What to do after a round of signals.
enum Step {
    Done,
    /// Scan again when a process ends, at the latest after this time.
    Wait(Duration),
}

struct Stopping {
    grace_until: Instant,
    limit: Duration,
    /// When to give up; set with the first SIGKILL.
    give_up: Option<Instant>,
    looks_since_kill: u32,
    terminated: BTreeSet<super::ProcessId>,
    killed: BTreeSet<super::ProcessId>,
    report: StopReport,
}

impl Stopping {
    fn new(grace: Duration, limit: Duration) -> Self {
        Self {
            grace_until: Instant::now() + grace,
            limit,
            give_up: None,
            looks_since_kill: 0,
            terminated: BTreeSet::new(),
            killed: BTreeSet::new(),
            report: StopReport::default(),
        }
    }

    fn signal(&mut self, found: &[Running], hurry: bool) -> Step {
        if found.is_empty() {
            return Step::Done;
        }
        let now = Instant::now();
        if self.give_up.is_none() && now < self.grace_until && !hurry {
            self.terminate(found);
            return Step::Wait(LOOK.min(self.grace_until - now));
        }
        let give_up = *self.give_up.get_or_insert(now + self.limit);
        if self.looks_since_kill >= LEAST_LOOKS && now >= give_up {
            self.report.left = found.iter().map(describe).collect();
            return Step::Done;
        }
        self.looks_since_kill += 1;
        self.kill(found);
        Step::Wait(LOOK)
    }

    /// Sends the signal to each process once, also to those started after the first round. SIGCONT wakes processes that were suspended.
    fn terminate(&mut self, found: &[Running]) {
        for process in found {
            if self.terminated.insert(process.id) {
                send(process, Signal::SIGTERM);
                send(process, Signal::SIGCONT);
            }
        }
    }

    fn kill(&mut self, found: &[Running]) {
        for process in found {
            if self.killed.insert(process.id) {
                self.report.killed.push(describe(process));
            }
            send(process, Signal::SIGKILL);
        }
    }
}

/// A process that is gone by now needs no signal, and one of another user cannot get it: both show in the next look.
fn send(process: &Running, signal: Signal) {
    tracing::debug!(pid = process.id.pid, name = process.name, %signal, "signal");
    let _ = kill(Pid::from_raw(process.id.pid), signal);
}

fn describe(process: &Running) -> String {
    format!("{} ({})", process.name, process.id.pid)
}
