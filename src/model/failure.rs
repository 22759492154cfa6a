//! Classes of failures of jobs and points.

use serde::{Deserialize, Serialize};

/// The part of a measurement that is responsible for its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The engine did not start, exited, or answered incorrectly.
    Server,
    /// The load generator could not do its work.
    Client,
    /// The node, the container engine, the scheduler or the network: worth a retry.
    Infra,
    /// A phase did not end before its deadline.
    Timeout,
    /// SIGINT, SIGTERM or SIGHUP.
    Cancelled,
    /// The row, the profile or the recipe is wrong.
    Invalid,
    /// The point was planned, but has no result and no job record. No job reports this itself.
    Missing,
}

impl FailureClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Server,
        Self::Client,
        Self::Infra,
        Self::Timeout,
        Self::Cancelled,
        Self::Invalid,
        Self::Missing,
    ];

    /// The meaning, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Server => "the engine did not start, exited or answered incorrectly",
            Self::Client => "the load generator failed",
            Self::Infra => "the node, the container engine, the scheduler or the network failed",
            Self::Timeout => "a phase missed its deadline",
            Self::Cancelled => "SIGINT, SIGTERM or SIGHUP",
            Self::Invalid => "the row, the profile or the recipe is wrong",
            Self::Missing => "the point was planned, and there is neither a result nor a job record of it",
        }
    }

    /// The name in `job.json`, tables and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Infra => "infra",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
        }
    }

    /// Whether a retry is justified: it would not hide a fault of what is measured.
    #[must_use]
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Infra => true,
            Self::Server | Self::Client | Self::Timeout | Self::Cancelled | Self::Invalid | Self::Missing => false,
        }
    }
}
