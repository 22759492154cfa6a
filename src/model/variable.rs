//! A variable of a process's environment, whose value may be a secret.

use super::Secret;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    /// May be shown and recorded.
    Plain(String),
    /// A secret, which only the process gets.
    Secret(Secret),
}

/// One variable of a recipe's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub value: VariableValue,
}

impl Variable {
    /// A variable that may be shown.
    #[must_use]
    pub fn plain(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: VariableValue::Plain(value.into()),
        }
    }

    #[must_use]
    pub fn secret(name: impl Into<String>, value: Secret) -> Self {
        Self {
            name: name.into(),
            value: VariableValue::Secret(value),
        }
    }
}
