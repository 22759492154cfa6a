//! The tries of a job. One that failed for the node's reasons is begun again with the points that are not measured yet;
//! its log is kept beside the next one's.

use std::time::{Duration, Instant};

use super::life::{Life, Lived};
use super::watch::Interruption;
use crate::job::{Attempt, JobFailure, Outcome, Phase, Tried};
use crate::system::host;
use crate::system::redaction::clean_folder;

/// How long the results are searched for secrets.
const SEARCH: Duration = Duration::from_secs(600);
/// How long those of a cancelled job, of which everything else is over by then.
const CANCELLED_SEARCH: Duration = Duration::from_millis(500);

impl Life<'_> {
    /// Lives it, as often as it must and may.
    pub fn live(mut self) -> Lived {
        let mut number = 1;
        let failure = loop {
            let started = host::timestamp();
            let since = Instant::now();
            let failure = self.try_once();
            let pause = failure.as_ref().and_then(|failure| self.pause_after(number, failure));
            self.attempts.push(Attempt {
                what: Tried::Job,
                number,
                of: self.spec.profile.retries.attempts,
                started,
                seconds: since.elapsed().as_secs_f64(),
                problem: failure.as_ref().map(|failure| failure.reason.clone()),
                pause_s: pause.map(|pause| pause.as_secs_f64()),
            });
            let (Some(known), Some(pause)) = (&failure, pause) else {
                break failure;
            };
            self.voice
                .line(&format!("{}; trying again in {} s", known.reason, pause.as_secs_f64()));
            if let Some(cause) = self.stop.wait_timeout(pause) {
                break Some(Interruption::Cancelled(cause).failure(Phase::Preflight));
            }
            self.begin_again(number);
            number += 1;
        };
        let attempts = std::mem::take(&mut self.attempts);
        let tries = std::mem::take(&mut *self.pulls.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Lived {
            failure,
            points: self.points,
            evals: self.eval_records,
            phases: self.journal.into_phases(),
            served_model: self.served_model,
            facts: self.facts,
            node: self.node,
            attempts: attempts.into_iter().chain(tries).collect(),
        }
    }

    fn try_once(&mut self) -> Option<JobFailure> {
        let failure = self.run().err();
        if !self.places.out.exists() {
            return failure;
        }
        failure.or(self.clean_out())
    }

    /// Takes secrets out of everything that lies in the output folder, which may be uploaded. What could not be searched is said;
    /// a file that is known to hold one fails the job.
    fn clean_out(&self) -> Option<JobFailure> {
        let longest = Instant::now() + SEARCH;
        let has_time = || {
            Instant::now()
                < self
                    .cancelled_until()
                    .map_or(longest, |until| longest.min(until + CANCELLED_SEARCH))
        };
        let cleaned = clean_folder(&self.places.out, self.secrets, &has_time);
        for path in &cleaned.rewritten {
            self.voice.line(&format!("secrets were taken out of {}", path.display()));
        }
        for error in &cleaned.unread {
            self.voice.line(&format!("warning: not searched for secrets: {error}"));
        }
        let kept = cleaned.kept.first()?;
        Some(JobFailure::infra(format!(
            "a secret is still in the results and must be taken out before they are uploaded: {kept}"
        )))
    }

    /// A job of which everything is measured is not begun again, nor one that left something running.
    fn pause_after(&self, number: u32, failure: &JobFailure) -> Option<Duration> {
        let measured = |conc| self.points.iter().any(|point| point.conc == conc && point.outcome == Outcome::Ok);
        let all_measured = self.spec.points().iter().all(|point| measured(point.conc));
        if all_measured || self.left_behind {
            return None;
        }
        self.spec.profile.retries.pause_after(number, failure)
    }

    fn begin_again(&mut self, number: u32) {
        let _ = std::fs::rename(self.log(), self.places.out.join(format!("server.attempt-{number}.log")));
        self.journal.attempt = number + 1;
        self.served_model = None;
        self.facts.clear();
        self.samples.clear();
    }
}
