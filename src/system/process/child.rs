//! A child process that leads a process group of its own, so that what it starts can be ended with it.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// Children that were started here: their exit status belongs to their [`Leader`], and no job adopted them.
pub(super) static STARTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How long a killed child has to be gone. One that outlives that hangs in the kernel.
const GONE: Duration = Duration::from_secs(1);
/// How often one that is being ended is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The leader of a group. Dropping it kills the group, unless its exit status was taken before.
#[derive(Debug)]
pub struct Leader {
    child: Child,
    taken: bool,
}

/// The ends of a child's pipes, those that it has.
pub(crate) type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Leader {
    /// Starts a program in a group of its own.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
        // Held until the number is in, so that nobody takes the child for an orphan in between.
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        started.extend(i32::try_from(child.id()));
        Ok(Self { child, taken: false })
    }

    /// Its number, and that of its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        // Linux numbers processes below 2^22.
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// Its pipes, once.
    pub(crate) fn pipes(&mut self) -> Pipes {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// Whether it has ended. Its exit status is not taken, so its number stays its group's.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn has_ended(&self) -> io::Result<bool> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = waitid(Id::Pid(Pid::from_raw(self.pid())), look)?;
        Ok(status != WaitStatus::StillAlive)
    }

    /// Its exit status, if it has ended. From then on its group is nobody's any more.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.taken |= status.is_some();
        Ok(status)
    }

    /// Ends its group: SIGTERM, SIGKILL after `grace` or as soon as it has ended itself. Gives its exit status, or none where it
    /// hangs in the kernel.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn end(&mut self, grace: Duration) -> io::Result<Option<ExitStatus>> {
        if self.taken {
            return self.child.try_wait();
        }
        let group = Pid::from_raw(self.pid());
        if !grace.is_zero() {
            // A group that is gone by now needs no signal.
            let _ = killpg(group, Signal::SIGTERM);
            let until = Instant::now() + grace;
            while !self.has_ended()? && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
        }
        let _ = killpg(group, Signal::SIGKILL);
        let until = Instant::now() + GONE;
        loop {
            let status = self.try_wait()?;
            if status.is_some() || Instant::now() >= until {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = self.end(Duration::ZERO);
        // One that hangs in the kernel stays ours: nobody else shall wait for it.
        if self.taken {
            STARTED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid());
        }
    }
}
