//! The block `retries` of a profile: how often a job that failed for the node's reasons is tried.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PhaseTime, ProfileError};
use crate::job::Retries;

/// The most tries that a profile may ask for.
const MOST: u32 = 10;

/// The block as its file has it.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct RetriesDocument {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// Pause before the second attempt.
    pub pause: Option<PhaseTime>,
    /// Factor by which the pause grows.
    #[schemars(range(min = 0))]
    pub backoff: Option<f64>,
}

/// `child` over `base`, key by key.
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
    let wrong = |key, found: String, expected| ProfileError::Value {
        name: name.to_owned(),
        key,
        found,
        expected: Cow::Borrowed(expected),
    };
    if !(1..=MOST).contains(&retries.attempts) {
        return Err(wrong("retries.attempts", retries.attempts.to_string(), "1 (never again) to 10"));
    }
    if !(1.0..=10.0).contains(&retries.backoff) {
        return Err(wrong("retries.backoff", retries.backoff.to_string(), "1 to 10"));
    }
    Ok(retries)
}
