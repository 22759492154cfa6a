//! Retry policy of jobs. Only failures of the node, the container engine, the scheduler or the network are retried; a failed benchmark is
//! not repeated until it passes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::diagnosis::KnownCause;
use super::{JobFailure, PhaseTime};

/// Maximum pause between two attempts, regardless of the profile.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Causes that an immediate retry would not change: the job was cancelled on purpose, the cluster was full for as
/// long as the profile allows, or the nodes do not share the job's files.
const PERMANENT: [&str; 3] = ["slurm-cancelled", "queue-deadline", "slurm-not-shared"];

/// Number of attempts and pauses between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retries {
    /// Maximum number of attempts, including the first.
    pub attempts: u32,
    /// Pause before the second attempt.
    pub pause: PhaseTime,
    /// Factor between consecutive pauses.
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
    /// The pause before the next attempt of a job whose attempt `number` (from 1) failed with `failure`; `None` if it is not
    /// retried.
    #[must_use]
    pub fn pause_after(&self, number: u32, failure: &JobFailure) -> Option<Duration> {
        let lasts = failure
            .cause
            .as_deref()
            .and_then(KnownCause::of_code)
            .is_some_and(|cause| cause.lasts);
        let decided = failure.cause.as_deref().is_some_and(|cause| PERMANENT.contains(&cause));
        if number >= self.attempts || !failure.class.is_worth_a_retry() || lasts || decided {
            return None;
        }
        let growth = self.backoff.powi(i32::try_from(number - 1).unwrap_or(i32::MAX));
        let seconds = self.pause.duration().as_secs_f64() * growth;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tried {
    /// The whole job, from preflight to stop.
    Job,
    /// The pull of the engine's image.
    ImagePull,
}

/// One attempt, as in `job.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub what: Tried,
    /// Number of the attempt, from 1.
    pub number: u32,
    /// Maximum number of attempts.
    pub of: u32,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// Duration, seconds.
    pub seconds: f64,
    /// Why it failed; absent if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Pause before the next attempt, seconds; absent if there was none.
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
