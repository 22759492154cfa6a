//! Stopping processes: politely first, then by force, and always looking again, because what is being stopped may
//! still start more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::table::Running;

/// How often processes that are being stopped are looked at.
const LOOK: Duration = Duration::from_millis(15);

/// How often processes are looked at after the first SIGKILL, at least: where this process does not get to run for a while, its
/// time is over before the kernel had any to end them.
const LEAST_LOOKS: u32 = 20;

/// What stopping took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReport {
    /// Processes that had to be killed because SIGTERM did not end them in time: name and number.
    pub killed: Vec<String>,
    /// Processes that are still there; more than none is a fault of the node.
    pub left: Vec<String>,
}

/// Stops what `members` finds, until it finds nothing: SIGTERM, then after `grace`, or as soon as `hurry` says so,
/// SIGKILL, and gives up `limit` after that.
pub fn stop_members(members: &mut dyn FnMut() -> Vec<Running>, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
    let mut report = StopReport::default();
    let polite_until = Instant::now() + grace;
    let mut told = BTreeSet::new();
    loop {
        let found = members();
        if found.is_empty() || Instant::now() >= polite_until || hurry() {
            break;
        }
        // Also those that were started after the first round are told, each once; SIGCONT wakes one that was stopped.
        for process in found.iter().filter(|process| told.insert(process.id)) {
            send(process, Signal::SIGTERM);
            send(process, Signal::SIGCONT);
        }
        std::thread::sleep(LOOK);
    }
    let give_up = Instant::now() + limit;
    let mut killed = BTreeSet::new();
    for looks in 0_u32.. {
        let found = members();
        if found.is_empty() {
            break;
        }
        if looks >= LEAST_LOOKS && Instant::now() >= give_up {
            report.left = found.iter().map(describe).collect();
            break;
        }
        for process in &found {
            if killed.insert(process.id) {
                report.killed.push(describe(process));
            }
            send(process, Signal::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
    report
}

/// A process that is gone by now needs no signal, and one of another user cannot get it: both show in the next look.
fn send(process: &Running, signal: Signal) {
    let _ = kill(Pid::from_raw(process.id.pid), signal);
}

fn describe(process: &Running) -> String {
    format!("{} ({})", process.name, process.id.pid)
}
