//! The outcome of a job or of one of its points. A failure carries its class, which decides the exit code and
//! whether a retry makes sense, and one sentence for people.

use serde::{Deserialize, Serialize};

use crate::model::FailureClass;

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
    /// A failure of the node, with the cause that its own words show, if they show one.
    #[must_use]
    pub fn infra(reason: impl Into<String>) -> Self {
        Self::new(FailureClass::Infra, reason).with_cause()
    }

    /// The same with the cause that its own words show, if they show one and none is known yet.
    #[must_use]
    pub fn with_cause(mut self) -> Self {
        if self.cause.is_none()
            && let Some(diagnosis) = super::diagnose(&self.reason)
        {
            self.reason = format!("{}: {}", self.reason, diagnosis.cause.sentence);
            self.cause = Some(diagnosis.cause.code.to_owned());
        }
        self
    }

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

/// How it ended.
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
