//! The watchdog of a job: a child process that stops what the job has started if `imax run` itself dies, by SIGKILL, for lack of memory
//! or in a panic. Nothing in the dying process could do that. The watchdog learns of the death from the end of its stdin, whose other
//! end only `imax run` holds. It needs no knowledge of the job but its id: processes carry it in their environment, and the job's state
//! file names containers and jobs of a scheduler.
//!
//! `PR_SET_PDEATHSIG` on the engine would not do: it is bound to the thread that started the process, is lost with setuid programs, and
//! reaches neither a container nor the engine's own children.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getppid};
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::output_folder::remove_unfinished_files;
use crate::fleet::job_state::{JobState, StateFolder};
use crate::fleet::reap::reap_job;
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::host;
use crate::system::process::Leader;

/// How long the clean-up may take. What is left then is found by the next job or by `imax run --reap`.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a dying process may take until the kernel reports its end: it frees its memory first, or writes a core file.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Interval at which the end of the dying process is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The runner kills every process that carries this variable when the step has ended, also the one that cleans up.
const RUNNER_TRACKING: &str = "RUNNER_TRACKING_ID";

/// The watchdog of a running job. If it is dropped without [`Watchdog::dismiss`], as in a panic, it cleans up.
#[derive(Debug)]
pub(super) struct Watchdog(Option<Leader>);

impl Watchdog {
    /// Starts the watchdog of a job: this program, as `imax watchdog`.
    ///
    /// # Errors
    /// If the system refuses another process.
    pub fn start(job: &JobId, out: &Path) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["watchdog", job.as_str()]).arg(out).env_remove(RUNNER_TRACKING);
        // A pipe to stdout or stderr that outlives the job would keep its reader waiting.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a process group of its own, so that Ctrl-C at a terminal does not reach it.
        Leader::start(&mut command).map(Some).map(Self)
    }

    /// Ends the watchdog: the job has stopped everything, or its state says what is left.
    pub fn dismiss(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(leader) = self.0.take() {
            leader.detach();
        }
    }
}

/// Waits for the end of stdin, which is the end of the job's `imax run`, and stops what the job has left. `out` is its
/// output folder.
///
/// # Errors
/// If stdin cannot be read.
pub async fn watch(job: &JobId, out: &Path, cancellation: &Cancellation) -> io::Result<()> {
    let owner = getppid();
    block_in_place(await_end_of_stdin)?;
    // Signals to a whole session or cgroup reach the watchdog as well; they must not keep it from its work.
    let cancellation = cancellation.for_next_request();
    await_death(owner).await;
    let states = StateFolder::from_environment();
    // Before the launch there is no state, but hooks and tools may run.
    let written = states.all().into_iter().find(|state| state.job == *job);
    let state = written.unwrap_or_else(|| JobState::of_this_process(job.clone(), out, host::timestamp()));
    let reaped = reap_job(state, &cancellation, Instant::now() + LIMIT).await;
    remove_unfinished_files(out);
    if !reaped.is_finished() {
        return Ok(());
    }
    if reaped.state.hooks_owed.is_empty() {
        states.forget(job);
        return Ok(());
    }
    // Commands in a state file are not run, because others may have written it: the next job with the same post-hooks runs them.
    let owing = JobState {
        holds: Vec::new(),
        ..reaped.state
    };
    states.write(&owing).map_err(io::Error::other)
}

fn await_end_of_stdin() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut ignored = [0; 64];
    loop {
        match stdin.read(&mut ignored) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until this process has another parent: a dying process closes its files before its children are handed on.
async fn await_death(owner: Pid) {
    let until = Instant::now() + END_LIMIT;
    while getppid() == owner && Instant::now() < until {
        sleep(POLL_INTERVAL).await;
    }
}
