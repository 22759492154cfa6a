//! Where a run of a history comes from, beside its commit and date.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind, provider and branch of runs of the community: no other run has any of these, so that the mark can neither be lost nor forged.
pub const COMMUNITY: &str = "community";

/// What a run was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// A branch that others build on: every push, or every night.
    Main,
    /// A change that is not merged. It says nothing about the level of a point.
    PullRequest,
    /// Started by hand.
    Manual,
    /// Measured elsewhere, by another tool or before there was this history.
    Import,
    Release,
    /// Submitted by the community and accepted by a reviewer. It says nothing about the level of the project's own points.
    Community,
}

impl RunKind {
    pub const ALL: [Self; 6] = [
        Self::Main,
        Self::PullRequest,
        Self::Manual,
        Self::Import,
        Self::Release,
        Self::Community,
    ];

    /// As files, stores and command lines write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::PullRequest => "pull-request",
            Self::Manual => "manual",
            Self::Import => "import",
            Self::Release => "release",
            Self::Community => COMMUNITY,
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about the origin of a run. Histories that were written before this existed have none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunContext {
    /// Which project the run belongs to; one store may hold several. A curve is a curve of one project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RunKind>,
    /// Where the run ran: `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The attempt of the workflow run, from 1: a run that is started again measures again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Who started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl RunContext {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
