//! Why a profile cannot be used.

use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The file does not exist.
    #[error(
        "no runner profile {name}: {folder} has neither {name}.yaml nor launch_{name}.sh; write one of them, or name another with --profile"
    )]
    Missing { name: String, folder: String },
    #[error("runner profile {name}.yaml: {problem}")]
    Yaml {
        name: String,
        /// The parser's message, with line and column.
        problem: String,
    },
    /// Unknown top-level key.
    #[error("runner profile {name}.yaml: unknown key `{key}` in line {line}; expected one of {expected}")]
    UnknownKey {
        name: String,
        key: String,
        line: u64,
        /// All keys.
        expected: String,
    },
    #[error("runner profile {name}.yaml has `{key}: {found}`; expected {expected}")]
    Value {
        name: String,
        key: &'static str,
        found: String,
        expected: Cow<'static, str>,
    },
    /// Cyclic `extends`.
    #[error("runner profile {name}.yaml extends itself through {chain}; remove one of these `extends`")]
    Circle {
        name: String,
        /// The cycle.
        chain: String,
    },
    /// A file exists but cannot be read; the text names the file and the cause.
    #[error("runner profile: {0}")]
    Unreadable(String),
    /// The name is not a plain file name and could lead out of the folder.
    #[error("`{0}` cannot name a runner profile; expected ASCII letters, digits, `.`, `-` and `_`, not starting with a dot")]
    UnsafeName(String),
}
