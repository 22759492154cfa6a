//! A child process that leads a process group of its own, so that its descendants can be stopped with it.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::pidfd::{PidFd, poll_until, poll_until_blocking};

/// The children that this process started. Only their [`Leader`] may collect their exit status; they are not adopted orphans.
pub(super) static STARTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How long a child may take to exit after SIGKILL. One that takes longer hangs in the kernel.
const GONE: Duration = Duration::from_secs(1);

/// The leader of a process group. Dropping it kills the group, unless the leader's exit status was collected before.
#[derive(Debug)]
pub struct Leader {
    child: Child,
    /// `None` if the kernel has no pidfds.
    pidfd: Option<PidFd>,
    taken: bool,
    detached: bool,
}

/// This process's ends of a child's pipes.
pub(crate) type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Leader {
    /// Starts a program in a group of its own.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
        // Held until the process id is registered, so that the child is not taken for an orphan in between.
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok();
        started.extend(pid);
        let pidfd = pid.and_then(PidFd::open);
        let program = command.get_program();
        tracing::debug!(?program, pid, "process started");
        Ok(Self {
            child,
            pidfd,
            taken: false,
            detached: false,
        })
    }

    /// Its process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        // Process ids of Linux are below 2^22.
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// Takes its pipes; empty at the second call.
    pub(crate) fn pipes(&mut self) -> Pipes {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// Lets it run on without an owner, and closes this process's ends of its pipes. It must end by itself when its stdin ends.
    pub fn detach(mut self) {
        // It stays registered, so that it is not taken for an orphan of a job.
        self.detached = true;
    }

    /// Whether it has ended. Its exit status is not collected, so the kernel cannot reuse its id, which is also its group's.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn has_ended(&self) -> io::Result<bool> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = waitid(Id::Pid(Pid::from_raw(self.pid())), look)?;
        Ok(status != WaitStatus::StillAlive)
    }

    /// Resolves when it has ended. Its exit status is not collected.
    ///
    /// # Errors
    /// If the system does not report it.
    pub async fn ended(&self) -> io::Result<()> {
        match &self.pidfd {
            Some(pidfd) => pidfd.ended().await,
            None => poll_until(|| self.has_ended()).await,
        }
    }

    /// Blocks the thread until it has ended or the deadline has passed. Returns whether it has ended.
    fn wait_until(&self, until: Instant) -> io::Result<bool> {
        let Some(pidfd) = &self.pidfd else {
            return poll_until_blocking(|| self.has_ended(), until);
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.has_ended()? || left.is_zero() {
                return self.has_ended();
            }
            pidfd.wait_timeout(left);
        }
    }

    /// Its exit status, if it has ended. From then on the id of its group may be reused.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.taken |= status.is_some();
        Ok(status)
    }

    /// Stops its group: SIGTERM, then SIGKILL after `grace` or as soon as the leader has ended. Returns the leader's exit status, or `None`
    /// if it hangs in the kernel.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn end(&mut self, grace: Duration) -> io::Result<Option<ExitStatus>> {
        if self.taken {
            return self.child.try_wait();
        }
        let group = Pid::from_raw(self.pid());
        if !grace.is_zero() {
            // The error means that the group has ended already.
            let _ = killpg(group, Signal::SIGTERM);
            self.wait_until(Instant::now() + grace)?;
        }
        let _ = killpg(group, Signal::SIGKILL);
        self.wait_until(Instant::now() + GONE)?;
        self.try_wait()
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        let _ = self.end(Duration::ZERO);
        // A process that hangs in the kernel stays registered, so that no other code collects its exit status.
        if self.taken {
            STARTED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid());
        }
    }
}
