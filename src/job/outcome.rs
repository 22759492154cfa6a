//! The outcome of a job or of one of its points. A failure has a class, which determines the exit code and whether it is retried, and a
//! sentence for people.

use serde::{Deserialize, Serialize};

use crate::model::FailureClass;

/// A failure with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct JobFailure {
    pub class: FailureClass,
    /// One sentence, with the remedy if one is known.
    pub reason: String,
    /// Code of the diagnosed cause, such as `gpu-out-of-memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The end of the engine's log, if it adds something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
}

impl JobFailure {
    /// An infrastructure failure, with the cause that its message shows, if any.
    #[must_use]
    pub fn infra(reason: impl Into<String>) -> Self {
        Self::new(FailureClass::Infra, reason).with_cause()
    }

    /// Adds the cause that the message shows, if it shows one and none is set yet.
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

    /// A failure without log or cause.
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// Not measured, or not trustworthy.
    Failed(JobFailure),
}

impl Outcome {
    /// The failure, if any.
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
    fn json_has_status_class_and_reason_flat() {
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
