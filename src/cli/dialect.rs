//! The version of the original tools that a drop-in replaces.

use clap::ValueEnum;

use crate::result::Dialect;

/// The versions.
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
