//! `imax run --reap`: finishes the jobs whose `imax run` was killed.

use std::time::{Duration, Instant};

use super::voice::Voice;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::fleet::job_state::StateFolder;
use crate::fleet::reap::{Reaped, jobs_elsewhere, reap_dead_jobs};
use crate::system::cancellation::Cancellation;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs it; `gone` are machines that are known not to come back.
pub(super) fn reap(gone: &[String]) -> Result<Exit, Failure> {
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let voice = Voice::new(false, Vec::new());
    let states = StateFolder::from_environment();
    for state in jobs_elsewhere(&states, gone) {
        let machine = state
            .machine
            .map_or_else(|| "an unknown machine".to_owned(), |machine| machine.name);
        voice.line(&format!(
            "job {}, started {}: left alone, it is of {machine}, where alone it can be seen whether it lives; run `imax run --reap` there, \
             or add `--gone-machine {machine}` where it will not come back",
            state.job, state.started
        ));
    }
    let reaped = reap_dead_jobs(&states, gone, &stop, Instant::now() + LIMIT);
    if reaped.is_empty() {
        voice.line("no dead job has left anything");
    }
    reaped.iter().for_each(|job| tell(job, &voice));
    Ok(match stop.cause() {
        Some(cause) => cause.into(),
        None if reaped.iter().any(|job| !job.left.is_empty()) => Exit::Infrastructure,
        None => Exit::Success,
    })
}

fn tell(job: &Reaped, voice: &Voice) {
    let state = &job.state;
    voice.line(&format!(
        "job {}, started {}, files in {}",
        state.job,
        state.started,
        state.out.display()
    ));
    job.removed.iter().for_each(|what| voice.line(&format!("  removed {what}")));
    job.left.iter().for_each(|what| voice.line(&format!("  still there: {what}")));
    for what in &job.awaited {
        voice.line(&format!(
            "  may still come: {what}; its submission had no answer, so it is looked for again for 10 minutes"
        ));
    }
    for hook in &state.hooks_owed {
        voice.line(&format!("  post-hook that may not have run: {hook}"));
    }
}
