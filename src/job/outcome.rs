//! What became of a job or of one of its points. A failure carries its class, which decides the exit code and
//! whether a retry makes sense, and one sentence for people.

use serde::{Deserialize, Serialize};

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The engine did not start, died, or answered wrongly.
    Server,
    /// The load generator could not do its work.
    Client,
    /// The node, the container engine, the scheduler or the network: worth a retry.
    Infra,
    /// A phase did not end before its deadline.
    Timeout,
    /// SIGINT or SIGTERM.
    Cancelled,
    /// The row, the profile or the recipe is wrong.
    Invalid,
}

impl FailureClass {
    /// As `job.json` and tables write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Infra => "infra",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the same job may be tried again without looking away from a real fault.
    #[must_use]
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Infra => true,
            Self::Server | Self::Client | Self::Timeout | Self::Cancelled | Self::Invalid => false,
        }
    }
}

/// A failure with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct JobFailure {
    /// Who is to blame.
    pub class: FailureClass,
    /// One sentence, with the remedy where one is known.
    pub reason: String,
    /// The code of the cause that was recognised in a log, such as `gpu-out-of-memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The end of the engine's log, where it says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
}

impl JobFailure {
    /// A failure without anything from a log.
    #[must_use]
    pub fn new(class: FailureClass, reason: impl Into<String>) -> Self {
        Self {
            class,
            reason: reason.into(),
            cause: None,
            log_tail: None,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Outcome {
    /// Measured.
    Ok,
    /// Not measured, or not to be trusted.
    Failed(JobFailure),
}

impl Outcome {
    /// The failure, if it is one.
    #[must_use]
    pub fn failure(&self) -> Option<&JobFailure> {
        match self {
            Self::Ok => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_status_class_and_reason_flat() {
        let failed = Outcome::Failed(JobFailure::new(FailureClass::Server, "it died"));
        let json = serde_json::to_value(&failed).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "status": "failed", "class": "server", "reason": "it died" })
        );
        assert_eq!(serde_json::from_value::<Outcome>(json).unwrap(), failed);
        assert_eq!(serde_json::to_value(Outcome::Ok).unwrap(), serde_json::json!({ "status": "ok" }));
    }
}
