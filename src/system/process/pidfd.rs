//! The end of a process as an event: a file descriptor that becomes readable when the process ends (pidfd_open(2), Linux 5.3).

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::table::Running;
use crate::model::saturating;

/// The most processes that are watched by pidfds at once, which limits open files. The end of others is noticed by the next scan of
/// the process table.
const MOST_WATCHED: usize = 64;
/// Polling interval for a process without a pidfd: an old kernel, or a sandbox that lacks the call.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// Delay after an end, so that processes that end together are noticed together: each scan reads the whole process table.
const COALESCE: Duration = Duration::from_millis(2);

/// A file descriptor of a process, which need not be a child.
#[derive(Debug)]
pub(super) struct PidFd(OwnedFd);

impl PidFd {
    /// None if the process is gone or the kernel lacks the call.
    pub(super) fn open(pid: i32) -> Option<Self> {
        pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok().map(Self)
    }

    /// Resolves when the process has ended, whether or not its exit status was collected.
    pub(super) async fn ended(&self) -> io::Result<()> {
        // A duplicate, because the registration takes ownership of the descriptor.
        let copy = self.0.try_clone()?;
        #[expect(
            deprecated,
            reason = "deprecated for types whose descriptor may change; that of an OwnedFd does not, and unsafe code is forbidden"
        )]
        let descriptor = AsyncFd::with_interest(copy, Interest::READABLE)?;
        descriptor.readable().await.map(drop)
    }

    /// Blocks the thread until the process has ended or the time is over.
    pub(super) fn wait_timeout(&self, time: Duration) {
        poll_any(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)], time);
    }
}

/// A signal may interrupt the wait, so callers check again.
fn poll_any(descriptors: &mut [PollFd<'_>], time: Duration) {
    let time = Timespec {
        tv_sec: saturating::to_i64(time.as_secs()),
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    let _ = poll(descriptors, Some(&time));
}

fn open_all(processes: &[Running]) -> Vec<PidFd> {
    let first = processes.iter().take(MOST_WATCHED);
    first.filter_map(|process| PidFd::open(process.id.pid)).collect()
}

/// Blocks the thread until one of the processes ends or the time is over.
pub(super) fn wait_for_any_end(processes: &[Running], time: Duration) {
    let opened = open_all(processes);
    if opened.is_empty() {
        return std::thread::sleep(POLL_INTERVAL.min(time));
    }
    let mut descriptors: Vec<PollFd<'_>> = opened
        .iter()
        .map(|pidfd| PollFd::from_borrowed_fd(pidfd.0.as_fd(), PollFlags::IN))
        .collect();
    poll_any(&mut descriptors, time);
    std::thread::sleep(COALESCE.min(time));
}

/// Resolves when one of the processes ends or the time is over.
pub(super) async fn any_end(processes: &[Running], time: Duration) {
    let until = Instant::now() + time;
    let opened = open_all(processes);
    if opened.is_empty() {
        return tokio::time::sleep(POLL_INTERVAL.min(time)).await;
    }
    let ends = futures_util::future::select_all(opened.iter().map(|pidfd| Box::pin(pidfd.ended())));
    if let Ok((Err(_), ..)) = tokio::time::timeout_at(until.into(), ends).await {
        // If a descriptor cannot be registered, polling with an interval avoids a busy loop.
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    tokio::time::sleep(COALESCE.min(time)).await;
}

/// Resolves when the process has ended, by polling: for processes without a pidfd.
pub(super) async fn poll_until(mut ended: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    while !ended()? {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// The same, blocking the thread, with a deadline. Returns whether the process has ended.
pub(super) fn poll_until_blocking(mut ended: impl FnMut() -> io::Result<bool>, until: Instant) -> io::Result<bool> {
    loop {
        if ended()? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn end_of_a_child_is_seen_before_its_exit_status_is_taken() {
        let mut child = Command::new("true").spawn().unwrap();
        let pidfd = PidFd::open(i32::try_from(child.id()).unwrap()).expect("this test needs Linux 5.3");
        pidfd.wait_timeout(Duration::from_secs(60));
        assert!(child.try_wait().unwrap().is_some());
    }

    #[tokio::test]
    async fn end_can_be_awaited_and_time_is_bounded() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let running = [super::super::table::read_process(pid).unwrap()];
        any_end(&running, Duration::from_millis(20)).await;
        wait_for_any_end(&running, Duration::from_millis(20));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        PidFd::open(pid).unwrap().ended().await.unwrap();
        assert!(child.try_wait().unwrap().is_some());
    }
}
