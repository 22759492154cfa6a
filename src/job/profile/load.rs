//! The block `load` of a profile: the load on engines.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProfileError;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadSettings {
    /// Measured requests per unit of concurrency.
    pub prompts_per_concurrency: u32,
    /// Warm-up requests per unit of concurrency.
    pub warmups_per_concurrency: u32,
    /// Lower bound of random lengths as a fraction of the row's length; 1 for exactly that length.
    pub random_range_ratio: f64,
    /// Folder or hub name of the tokenizer, if it is not the model's.
    pub tokenizer: Option<String>,
    /// API of the requests, a value of `imax bench --backend`.
    pub backend: String,
    /// Recorded sessions for rows of the agentic-coding scenario: a file of JSON lines or a folder of such files, relative to the
    /// repository.
    pub sessions: Option<String>,
}

impl Default for LoadSettings {
    /// The values of InferenceX's templates.
    fn default() -> Self {
        Self {
            prompts_per_concurrency: 10,
            warmups_per_concurrency: 2,
            random_range_ratio: 0.8,
            tokenizer: None,
            backend: "vllm".to_owned(),
            sessions: None,
        }
    }
}

/// The block as parsed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct LoadDocument {
    /// Measured requests per unit of concurrency.
    pub prompts_per_concurrency: Option<u32>,
    /// Warm-up requests per unit of concurrency.
    pub warmups_per_concurrency: Option<u32>,
    /// Lower bound of random lengths as a fraction of the row's length.
    #[schemars(range(min = 0))]
    pub random_range_ratio: Option<f64>,
    /// Folder or hub name of the tokenizer, if it is not the model's; `server` for the engine's `/tokenize`.
    pub tokenizer: Option<String>,
    /// API of the requests, a value of `imax bench --backend`.
    pub backend: Option<String>,
    /// Recorded sessions for rows of the agentic-coding scenario: a file of JSON lines, or a folder of them.
    pub sessions: Option<String>,
}

/// Inheritance, key by key.
pub(super) fn inherit_load(base: LoadDocument, child: LoadDocument) -> LoadDocument {
    LoadDocument {
        prompts_per_concurrency: child.prompts_per_concurrency.or(base.prompts_per_concurrency),
        warmups_per_concurrency: child.warmups_per_concurrency.or(base.warmups_per_concurrency),
        random_range_ratio: child.random_range_ratio.or(base.random_range_ratio),
        tokenizer: child.tokenizer.or(base.tokenizer),
        backend: child.backend.or(base.backend),
        sessions: child.sessions.or(base.sessions),
    }
}

pub(super) fn load_settings(name: &str, document: LoadDocument) -> Result<LoadSettings, ProfileError> {
    let default = LoadSettings::default();
    let settings = LoadSettings {
        prompts_per_concurrency: document.prompts_per_concurrency.unwrap_or(default.prompts_per_concurrency),
        warmups_per_concurrency: document.warmups_per_concurrency.unwrap_or(default.warmups_per_concurrency),
        random_range_ratio: document.random_range_ratio.unwrap_or(default.random_range_ratio),
        tokenizer: document.tokenizer,
        backend: document.backend.unwrap_or(default.backend),
        sessions: document.sessions,
    };
    let invalid = |key, found: String, expected| ProfileError::Value {
        name: name.to_owned(),
        key,
        found,
        expected: Cow::Borrowed(expected),
    };
    if settings.prompts_per_concurrency == 0 {
        return Err(invalid("load.prompts-per-concurrency", "0".to_owned(), "a whole number from 1"));
    }
    if !(settings.random_range_ratio > 0.0 && settings.random_range_ratio <= 1.0) {
        let found = settings.random_range_ratio.to_string();
        return Err(invalid("load.random-range-ratio", found, "a number over 0, up to 1"));
    }
    if settings.sessions.as_deref() == Some("") {
        return Err(invalid("load.sessions", String::new(), "a file or folder of recorded sessions"));
    }
    Ok(settings)
}
