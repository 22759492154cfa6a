//! Trying again: which failures of a job, how often at most, after which pause. Only what the node, the container engine,
//! the scheduler or the network did is tried again; a benchmark that failed is never repeated until it passes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::diagnosis::KnownCause;
use super::{JobFailure, PhaseTime};

/// The longest pause between two tries, whatever the profile says.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Causes that another try at once would not change: somebody cancelled the job on purpose, the cluster was full for as
/// long as the profile allows, the nodes do not see the job's files.
const DECIDED: [&str; 3] = ["slurm-cancelled", "queue-deadline", "slurm-not-shared"];

/// How often a job is tried, and with which pauses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retries {
    /// How often at most, the first time included.
    pub attempts: u32,
    /// Pause before the second try.
    pub pause: PhaseTime,
    /// What each pause is longer by than the one before it.
    pub backoff: f64,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 2,
            pause: PhaseTime::seconds(5),
            backoff: 2.0,
        }
    }
}

impl Retries {
    /// The pause before the next try of a job whose try with this number (from 1) failed so; none where it is not tried
    /// again.
    #[must_use]
    pub fn pause_after(&self, number: u32, failure: &JobFailure) -> Option<Duration> {
        let lasts = failure
            .cause
            .as_deref()
            .and_then(KnownCause::of_code)
            .is_some_and(|cause| cause.lasts);
        let decided = failure.cause.as_deref().is_some_and(|cause| DECIDED.contains(&cause));
        if number >= self.attempts || !failure.class.is_worth_a_retry() || lasts || decided {
            return None;
        }
        let growth = self.backoff.powi(i32::try_from(number - 1).unwrap_or(i32::MAX));
        let seconds = self.pause.duration().as_secs_f64() * growth;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE))
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tried {
    /// The whole job, from preflight to stop.
    Job,
    /// The pull of the engine's image.
    ImagePull,
}

/// One try, as `job.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Of what.
    pub what: Tried,
    /// Which try, from 1.
    pub number: u32,
    /// How many there may be at most.
    pub of: u32,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Why it failed; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The pause before the next try, seconds; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_s: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::FailureClass;

    fn failure(class: FailureClass, cause: Option<&str>) -> JobFailure {
        JobFailure {
            cause: cause.map(str::to_owned),
            ..JobFailure::new(class, "x")
        }
    }

    #[test]
    fn only_transient_failures_are_retried_up_to_the_limit() {
        let retries = Retries {
            attempts: 4,
            pause: PhaseTime::seconds(10),
            backoff: 3.0,
        };
        let infra = failure(FailureClass::Infra, None);
        let pauses: Vec<Option<u64>> = (1..=4)
            .map(|number| retries.pause_after(number, &infra).map(|pause| pause.as_secs()))
            .collect();
        assert_eq!(pauses, [Some(10), Some(30), Some(90), None]);
        for class in [
            FailureClass::Server,
            FailureClass::Client,
            FailureClass::Timeout,
            FailureClass::Cancelled,
            FailureClass::Invalid,
        ] {
            assert_eq!(retries.pause_after(1, &failure(class, None)), None, "{class:?}");
        }
        assert_eq!(retries.pause_after(1, &failure(FailureClass::Infra, Some("image-not-found"))), None);
        assert!(retries.pause_after(1, &failure(FailureClass::Infra, Some("port-in-use"))).is_some());
    }

    #[test]
    fn pause_has_a_maximum() {
        let retries = Retries {
            attempts: u32::MAX,
            pause: PhaseTime::seconds(3600),
            backoff: 1e9,
        };
        for number in [1, 2, 1000] {
            assert_eq!(
                retries.pause_after(number, &failure(FailureClass::Infra, None)),
                Some(LONGEST_PAUSE)
            );
        }
    }
}
