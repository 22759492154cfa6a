//! Why a profile cannot be used.

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
        /// What the parser said, with line and column.
        problem: String,
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
        expected: &'static str,
    },
    /// A profile extends itself, directly or not.
    #[error("runner profile {name}.yaml extends itself through {chain}; end the circle")]
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
