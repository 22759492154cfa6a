//! Variables of a recipe that a config sets: settings of an engine or a script that imax does not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest value, bytes.
const LONGEST_VALUE: usize = 4096;

/// Variables that imax sets from the row and the job, and those that decide what a shell executes.
const RESERVED: [&str; 56] = [
    "MODEL",
    "MODEL_PREFIX",
    "CONC",
    "CONC_LIST",
    "PRECISION",
    "FRAMEWORK",
    "IMAGE",
    "RANDOM_RANGE_RATIO",
    "RESULT_FILENAME",
    "RESULT_FILENAMES",
    "RESULT_DIR",
    "RUN_EVAL",
    "EVAL_ONLY",
    "EVAL_CONC",
    "SPEC_DECODING",
    "DISAGG",
    "EXP_NAME",
    "RUNNER_TYPE",
    "RUNNER_NAME",
    "RECIPE_FINGERPRINT",
    "ROUTER_METADATA",
    "ROUTER_NAME",
    "ROUTER_VERSION",
    "PORT",
    "TP",
    "EP_SIZE",
    "PP",
    "PP_SIZE",
    "GPU_COUNT",
    "DCP_SIZE",
    "PCP_SIZE",
    "DP_ATTENTION",
    "DP_SIZE",
    "IS_MULTINODE",
    "ISL",
    "OSL",
    "MAX_MODEL_LEN",
    "SCENARIO_TYPE",
    "SCENARIO_SUBDIR",
    "IS_AGENTIC",
    "KV_OFFLOADING",
    "KV_OFFLOAD_BACKEND",
    "KV_OFFLOAD_BACKEND_METADATA",
    "KV_P2P_TRANSFER",
    "TOTAL_CPU_DRAM_GB",
    "DURATION",
    "HF_TOKEN",
    "PATH",
    "HOME",
    "SHELL",
    "USER",
    "LOGNAME",
    "BASH_ENV",
    "ENV",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
];
/// Beginnings of names that imax, GitHub and multi-node rows use.
const RESERVED_PREFIXES: [&str; 4] = ["IMAX_", "GITHUB_", "PREFILL_", "DECODE_"];

/// The value of `environment` in configs and rows: names and values, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, String>")]
#[schemars(inline, extend("propertyNames" = { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }))]
pub struct RecipeEnvironment(BTreeMap<String, String>);

/// Why a variable cannot be set by a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeEnvironmentError {
    #[error("`{0}` cannot be the name of a variable, expected ASCII letters, digits and `_`, not starting with a digit")]
    Name(String),
    #[error("`{0}` is set by imax, not by a config; expected another name")]
    Reserved(String),
    #[error("the value of `{name}` has the control character {found:?}, expected one line of text")]
    Control { name: String, found: char },
    #[error("the value of `{name}` has {length} bytes, expected at most {LONGEST_VALUE}")]
    TooLong { name: String, length: usize },
}

impl RecipeEnvironment {
    /// Checks a variable.
    ///
    /// # Errors
    /// [`RecipeEnvironmentError`].
    pub fn check(name: &str, value: &str) -> Result<(), RecipeEnvironmentError> {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(RecipeEnvironmentError::Name(name.to_owned()));
        }
        if is_reserved(name) {
            return Err(RecipeEnvironmentError::Reserved(name.to_owned()));
        }
        if let Some(found) = value.chars().find(|c| c.is_control()) {
            return Err(RecipeEnvironmentError::Control {
                name: name.to_owned(),
                found,
            });
        }
        if value.len() > LONGEST_VALUE {
            return Err(RecipeEnvironmentError::TooLong {
                name: name.to_owned(),
                length: value.len(),
            });
        }
        Ok(())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These variables, and those of `own`, which take precedence.
    #[must_use]
    pub fn with(&self, own: Self) -> Self {
        Self(self.0.clone().into_iter().chain(own.0).collect())
    }
}

/// Whether imax sets the variable itself.
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl TryFrom<BTreeMap<String, String>> for RecipeEnvironment {
    type Error = RecipeEnvironmentError;

    fn try_from(variables: BTreeMap<String, String>) -> Result<Self, RecipeEnvironmentError> {
        variables.iter().try_for_each(|(name, value)| Self::check(name, value))?;
        Ok(Self(variables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_that_imax_sets_or_no_shell_can_have_is_refused() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        for (name, value, said) in [
            ("VLLM_USE_V1", "1", ""),
            ("_x", "", ""),
            ("", "1", "cannot be the name"),
            ("2X", "1", "cannot be the name"),
            ("A-B", "1", "cannot be the name"),
            ("TP", "4", "`TP` is set by imax"),
            ("DECODE_TP", "4", "`DECODE_TP` is set by imax"),
            ("IMAX_OUT", "/", "is set by imax"),
            ("LD_PRELOAD", "x.so", "is set by imax"),
            ("A", "1\n2", "has the control character '\\n'"),
            ("A", &long, "has 4097 bytes"),
        ] {
            let found = RecipeEnvironment::check(name, value)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{name}: {found}");
        }
    }
}
