//! Endpoint, cache and token of the hub, from the variables that Hugging Face's own tools read.

use std::path::PathBuf;
use std::time::Duration;

use super::{HubError, STALL_TIMEOUT};
use crate::model::Secret;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// How to reach the hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The base URL, without a trailing slash.
    pub endpoint: String,
    /// The cache folder, which contains `models--owner--name` and the like.
    pub cache: PathBuf,
    /// The access token. Without one, a token stored next to the cache is used.
    pub token: Option<Secret>,
    /// Whether downloads are forbidden.
    pub offline: bool,
    /// How long a download may go without receiving a byte.
    pub stall_timeout: Duration,
}

impl HubSettings {
    /// Reads `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN` and `HF_HUB_OFFLINE`, with the meaning of
    /// <https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>. `variable` looks up a variable.
    ///
    /// # Errors
    /// [`HubError::NoCache`] if no variable sets the cache folder and there is no home.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let variable = Variables(variable);
        Ok(Self {
            endpoint: variable
                .non_empty("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim_end_matches('/')
                .to_owned(),
            cache: variable.cache().ok_or(HubError::NoCache)?,
            token: variable.non_empty("HF_TOKEN").map(Secret::new),
            offline: variable.non_empty("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            stall_timeout: STALL_TIMEOUT,
        })
    }
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn non_empty(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.non_empty(name).map(PathBuf::from)
    }

    /// The cache's folder, in the order of huggingface_hub's constants.
    fn cache(&self) -> Option<PathBuf> {
        self.folder("HF_HUB_CACHE")
            .or_else(|| self.folder("HF_HOME").map(|home| home.join("hub")))
            .or_else(|| self.folder("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
            .or_else(|| self.folder("HOME").map(|home| home.join(".cache/huggingface/hub")))
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}
