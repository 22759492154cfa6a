//! Why a profile cannot be used.

use std::borrow::Cow;

/// Why there is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No such file.
    #[error(
        "no runner profile {name}: {folder} has neither {name}.yaml nor launch_{name}.sh; write one of them, or name another with --profile"
    )]
    Missing {
        /// The profile's name.
        name: String,
        /// The runner folder.
        folder: String,
    },
    /// The YAML is wrong.
    #[error("runner profile {name}.yaml: {problem}")]
    Yaml {
        /// The profile's name.
        name: String,
        /// The parser's message, with line and column.
        problem: String,
    },
    /// A key at the top of the file is unknown.
    #[error("runner profile {name}.yaml: unknown key `{key}` in line {line}; expected one of {expected}")]
    UnknownKey {
        /// The profile's name.
        name: String,
        /// The key.
        key: String,
        /// Its line.
        line: u64,
        /// All keys.
        expected: String,
    },
    /// A value is wrong.
    #[error("runner profile {name}.yaml has `{key}: {found}`; expected {expected}")]
    Value {
        /// The profile's name.
        name: String,
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: Cow<'static, str>,
    },
    /// A profile extends itself, directly or not.
    #[error("runner profile {name}.yaml extends itself through {chain}; remove one of these `extends`")]
    Circle {
        /// The profile's name.
        name: String,
        /// The names in between.
        chain: String,
    },
    /// The name could lead out of the folder.
    #[error("`{0}` cannot name a runner profile; expected ASCII letters, digits, `.`, `-` and `_`, not starting with a dot")]
    UnsafeName(String),
}
