//! `imax run --reap`: cleans up after jobs whose imax process was killed.

use std::time::{Duration, Instant};

use super::Exit;
use super::output::say;
use crate::fleet::job_state::{JobState, StateFolder};
use crate::fleet::reap::{Reaped, jobs_elsewhere, reap_dead_jobs};
use crate::system::cancellation::Cancellation;

/// Maximum duration of the clean-up.
const LIMIT: Duration = Duration::from_secs(600);

/// Cleans up after the dead jobs of this machine and of `gone_machines`, which will not be online again.
pub async fn reap(gone_machines: &[String], cancellation: &Cancellation) -> Exit {
    let states = StateFolder::from_environment();
    jobs_elsewhere(&states, gone_machines).iter().for_each(print_skipped);
    let reaped = reap_dead_jobs(&states, gone_machines, cancellation, Instant::now() + LIMIT).await;
    if reaped.is_empty() {
        say("nothing to clean up");
    }
    reaped.iter().for_each(print_reaped);
    match cancellation.cause() {
        Some(cause) => cause.into(),
        None if reaped.iter().any(|job| !job.left.is_empty()) => Exit::Infrastructure,
        None => Exit::Success,
    }
}

/// Only the machine of a job can tell whether the job is still running.
fn print_skipped(state: &JobState) {
    let machine = &state.machine.name;
    say(&format!(
        "job {}, started {}: skipped, it belongs to {machine}, and only that machine can tell whether it still runs; run `imax run --reap` \
         there, or add `--gone-machine {machine}` if it will not be online again",
        state.job, state.started
    ));
}

fn print_reaped(job: &Reaped) {
    let state = &job.state;
    say(&format!(
        "job {}, started {}, files in {}",
        state.job,
        state.started,
        state.out.display()
    ));
    for what in &job.removed {
        say(&format!("  removed {what}"));
    }
    for what in &job.left {
        say(&format!("  not removed: {what}"));
    }
    for what in &job.awaited {
        say(&format!(
            "  the scheduler may still start {what}: its submission got no response; a clean-up within the next 10 minutes looks for it again"
        ));
    }
    for hook in &state.hooks_owed {
        say(&format!("  post-hook that may not have run: {hook}"));
    }
}
