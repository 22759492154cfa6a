//! A process group with an owner. Stopping it stops all its processes and their descendants: members of the group, processes with the
//! group's mark (an environment variable with the job's id), their children, and orphans that this process adopted.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::JOB_MARK;
use super::child::{Leader, STARTED};
use super::stop::{StopReport, stop_members, stop_members_async};
use super::table::{Running, all_processes, job_mark, with_descendants};
use crate::model::{Variable, VariableValue};
use crate::system::cancellation::Cancellation;
use crate::system::runtime::block_on;

/// Why a process could not be started, watched or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    /// Its log could not be created, or given to it.
    #[error("cannot open its log: {0}")]
    Log(#[source] io::Error),
    /// Its state cannot be read.
    #[error("cannot read the state of process {pid}: {source}")]
    Watch { pid: i32, source: io::Error },
    /// This process could not become a child subreaper.
    #[error("cannot become the parent of orphaned processes (PR_SET_CHILD_SUBREAPER): {0}")]
    Adopt(#[from] nix::Error),
}

#[derive(Debug, Clone)]
pub struct StartedFrom<'a> {
    pub program: &'a str,
    pub arguments: &'a [String],
    pub folder: &'a Path,
    pub input: Input,
    /// Its whole environment; only the mark is added.
    pub environment: &'a [Variable],
    pub job: &'a str,
    /// The open file to which stdout and stderr go.
    pub log: &'a File,
}

/// What a process reads from stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Empty,
    /// A pipe without data. It is closed when its owner ends, also by SIGKILL, so a process that reads until the end of its input does
    /// not outlive its owner.
    OpenWhileOwned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit status {code}"),
            Self::Signalled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was killed by {signal}"),
                Err(_) => write!(f, "was killed by signal {number}"),
            },
        }
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signalled(signal),
            (None, None) => Self::Exited(-1),
        }
    }
}

/// Makes this process the parent of orphaned descendants (prctl(2), `PR_SET_CHILD_SUBREAPER`), so that daemons (servers that detach
/// from their parent) are found and stopped.
///
/// # Errors
/// If the kernel refuses.
pub fn adopt_orphans() -> Result<(), ProcessError> {
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// A running group. Dropping it kills it; [`Group::stop`] stops it gracefully.
#[derive(Debug)]
pub struct Group {
    leader: Leader,
    job: String,
    ending: Option<Ending>,
    stopped: bool,
}

impl Group {
    /// Starts a program in a group of its own.
    ///
    /// # Errors
    /// If the log cannot be opened or the program cannot be started.
    pub fn start(from: &StartedFrom<'_>) -> Result<Self, ProcessError> {
        let log = from.log.try_clone().map_err(ProcessError::Log)?;
        let errors = log.try_clone().map_err(ProcessError::Log)?;
        let mut command = Command::new(from.program);
        command.args(from.arguments).current_dir(from.folder).env_clear();
        for Variable { name, value } in from.environment {
            match value {
                VariableValue::Plain(text) => command.env(name, text),
                VariableValue::Secret(secret) => command.env(name, secret.expose()),
            };
        }
        command.env(JOB_MARK, from.job);
        let input = match from.input {
            Input::Empty => Stdio::null(),
            // The write end is kept in `Leader`.
            Input::OpenWhileOwned => Stdio::piped(),
        };
        command.stdin(input).stdout(log).stderr(errors);
        let leader = Leader::start(&mut command).map_err(|source| ProcessError::Start {
            program: from.program.to_owned(),
            source,
        })?;
        Ok(Self {
            leader,
            job: from.job.to_owned(),
            ending: None,
            stopped: false,
        })
    }

    /// How the leader ended; `None` while it runs. Also collects the exit statuses of adopted orphans.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn poll(&mut self) -> Result<Option<Ending>, ProcessError> {
        if self.ending.is_none() {
            let pid = self.pid();
            let status = self.leader.try_wait().map_err(|source| ProcessError::Watch { pid, source })?;
            self.ending = status.map(Ending::from);
        }
        Ok(self.ending)
    }

    /// Resolves when the leader ends.
    ///
    /// # Errors
    /// If the system does not report it.
    pub async fn wait(&mut self) -> Result<Ending, ProcessError> {
        loop {
            if let Some(ending) = self.poll()? {
                return Ok(ending);
            }
            let pid = self.pid();
            let ended = self.leader.ended().await;
            ended.map_err(|source| ProcessError::Watch { pid, source })?;
        }
    }

    /// Blocks the thread until the leader ends, the time is over or the wait is cancelled.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn wait_timeout(&mut self, time: Duration, cancellation: &Cancellation) -> Result<Option<Ending>, ProcessError> {
        let pid = self.pid();
        let wait = async {
            tokio::select! {
                biased;
                ending = self.wait() => ending.map(Some),
                _ = cancellation.cancelled() => Ok(None),
                () = tokio::time::sleep(time) => Ok(None),
            }
        };
        block_on(wait).map_err(|source| ProcessError::Watch { pid, source })?
    }

    /// As [`Group::stop`], without blocking the thread; a request of `hurry` ends the grace period.
    pub async fn terminate(&mut self, grace: Duration, limit: Duration, hurry: &Cancellation) -> StopReport {
        let report = stop_members_async(&mut || self.members(), grace, limit, hurry).await;
        self.note_stopped(&report);
        report
    }

    fn note_stopped(&mut self, report: &StopReport) {
        let StopReport { killed, left } = report;
        tracing::debug!(pid = self.pid(), job = self.job, ?killed, ?left, "process group stopped");
        self.stopped = left.is_empty();
    }

    /// Stops every process of this group and its descendants: SIGTERM, then SIGKILL after `grace` or when `hurry` is cancelled. Gives up
    /// `limit` after SIGKILL: a process that takes longer hangs in the kernel.
    pub fn stop(&mut self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
        let report = stop_members(&mut || self.members(), grace, limit, hurry);
        self.note_stopped(&report);
        report
    }

    fn pid(&self) -> i32 {
        self.leader.pid()
    }

    /// Every running process of this group and its descendants. Collects the exit statuses of those that ended.
    fn members(&mut self) -> Vec<Running> {
        // Only `Leader` may collect the leader's exit status, also during a stop.
        let _ = self.poll();
        let own = nix::unistd::getpid().as_raw();
        let adopts = nix::sys::prctl::get_child_subreaper().unwrap_or(false);
        let mut table = all_processes();
        take_orphans(&table, own);
        table.retain(|process| !process.zombie && process.id.pid != own);
        let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let members: BTreeSet<i32> = table
            .iter()
            .filter(|process| {
                if process.group == self.pid() {
                    return true;
                }
                let mark = job_mark(process.id.pid);
                let orphan = adopts && process.parent == own && !started.contains(&process.id.pid);
                mark.as_deref() == Some(&self.job) || (orphan && mark.is_none())
            })
            .map(|process| process.id.pid)
            .collect();
        let members = with_descendants(&table, members);
        table.retain(|process| members.contains(&process.id.pid));
        table
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.stopped {
            let _ = self.stop(Duration::ZERO, Duration::from_secs(2), &|| true);
        }
    }
}

/// Collects the exit status of orphans that this process adopted. Children that it started itself are excluded, because other code
/// waits for them: they are in [`STARTED`] or, if they lead no group, in this process's own group.
fn take_orphans(table: &[Running], own: i32) {
    let own_group = nix::unistd::getpgrp().as_raw();
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let orphan =
        |process: &&Running| process.zombie && process.parent == own && process.group != own_group && !started.contains(&process.id.pid);
    for process in table.iter().filter(orphan) {
        let _ = waitpid(Pid::from_raw(process.id.pid), Some(WaitPidFlag::WNOHANG));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::cancellation::CancelCause;

    const LONG: Duration = Duration::from_secs(60);

    fn start(script: &str, job: &str) -> (tempfile::TempDir, Group) {
        let folder = tempfile::tempdir().unwrap();
        let from = StartedFrom {
            program: "/bin/bash",
            arguments: &["-c".to_owned(), script.to_owned()],
            folder: folder.path(),
            input: Input::Empty,
            environment: &[],
            job,
            log: &File::create(folder.path().join("log")).unwrap(),
        };
        let group = Group::start(&from).unwrap();
        (folder, group)
    }

    #[tokio::test]
    async fn end_of_the_leader_is_awaited() {
        let (_folder, mut group) = start("exit 3", "wait-for-leader");
        assert_eq!(group.wait().await.unwrap(), Ending::Exited(3));
        assert_eq!(group.wait().await.unwrap(), Ending::Exited(3));
    }

    #[test]
    fn wait_is_ended_by_time_and_by_cancellation() {
        let (_folder, mut group) = start("exec sleep 1000", "wait-timeout");
        let cancellation = Cancellation::new();
        assert_eq!(group.wait_timeout(Duration::from_millis(20), &cancellation).unwrap(), None);
        cancellation.cancel(CancelCause::Abandoned);
        assert_eq!(group.wait_timeout(LONG, &cancellation).unwrap(), None);
    }

    #[tokio::test]
    async fn a_second_request_ends_the_grace_period() {
        let script = "trap '' TERM; echo ready > ready; while :; do sleep 1000; done";
        let (folder, mut group) = start(script, "terminate-hurry");
        while !folder.path().join("ready").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let hurry = Cancellation::new();
        hurry.cancel(CancelCause::Interrupt);
        let report = group.terminate(LONG, LONG, &hurry).await;
        assert!(
            report.left.is_empty() && report.killed.iter().any(|name| name.starts_with("bash")),
            "{report:?}"
        );
    }

    #[tokio::test]
    async fn processes_that_left_the_group_are_stopped_too() {
        let (folder, mut group) = start("setsid sleep 1000 & echo $! > pid.new; mv pid.new pid; wait", "terminate-setsid");
        let file = folder.path().join("pid");
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let report = group.terminate(LONG, LONG, &Cancellation::new()).await;
        assert_eq!(report, StopReport::default());
        assert_eq!(super::super::process_of(pid), None);
    }
}
