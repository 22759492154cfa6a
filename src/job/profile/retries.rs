//! The block `retries` of a profile: attempts for jobs with infrastructure failures.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PhaseTime, ProfileError};
use crate::job::Retries;

/// Upper bound of `retries.attempts`.
const MAX_ATTEMPTS: u32 = 10;

/// The block as parsed.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct RetriesDocument {
    /// Maximum number of attempts.
    pub attempts: Option<u32>,
    /// Pause before the second attempt.
    pub pause: Option<PhaseTime>,
    /// Factor between consecutive pauses.
    #[schemars(range(min = 0))]
    pub backoff: Option<f64>,
}

/// Inheritance, key by key.
pub(super) fn inherit_retries(base: RetriesDocument, child: RetriesDocument) -> RetriesDocument {
    RetriesDocument {
        attempts: child.attempts.or(base.attempts),
        pause: child.pause.or(base.pause),
        backoff: child.backoff.or(base.backoff),
    }
}

pub(super) fn retries(name: &str, document: &RetriesDocument) -> Result<Retries, ProfileError> {
    let default = Retries::default();
    let retries = Retries {
        attempts: document.attempts.unwrap_or(default.attempts),
        pause: document.pause.unwrap_or(default.pause),
        backoff: document.backoff.unwrap_or(default.backoff),
    };
    let invalid = |key, found: String, expected| ProfileError::Value {
        name: name.to_owned(),
        key,
        found,
        expected: Cow::Borrowed(expected),
    };
    if !(1..=MAX_ATTEMPTS).contains(&retries.attempts) {
        return Err(invalid("retries.attempts", retries.attempts.to_string(), "1 (never again) to 10"));
    }
    if !(1.0..=10.0).contains(&retries.backoff) {
        return Err(invalid("retries.backoff", retries.backoff.to_string(), "1 to 10"));
    }
    Ok(retries)
}
