//! The versions of InferenceX's scripts that imax replaces.

use clap::ValueEnum;

use crate::result::Dialect;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DialectArg {
    /// The newest version.
    Current,
    /// February 2026.
    Feb,
}

impl From<DialectArg> for Dialect {
    fn from(dialect: DialectArg) -> Self {
        match dialect {
            DialectArg::Current => Self::Current,
            DialectArg::Feb => Self::February,
        }
    }
}
