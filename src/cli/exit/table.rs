//! Which exit code each error of a use case means: the only place where that is decided.

use super::{Exit, ExitOf};
use crate::fleet::launcher::LaunchError;
use crate::github::{DownloadError, GithubError};
use crate::store::collect::{CollectError, CompatError, HistoryEntryError, RunDownloadError};
use crate::store::{GatherError, PlanError};

impl ExitOf for LaunchError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for GithubError {
    /// A token that is missing or lacks a permission is for the caller to correct; everything else is the network's or GitHub's.
    fn exit(&self) -> Exit {
        match self {
            Self::NoToken | Self::Repository(_) | Self::Setup { .. } | Self::Forbidden { .. } | Self::NotFound { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::RateLimited { .. } | Self::Refused { .. } | Self::Answer { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for DownloadError {
    /// An invalid archive is invalid input; a failed transfer may succeed later.
    fn exit(&self) -> Exit {
        match self {
            Self::Github(error) => error.exit(),
            Self::Of { source, .. } => source.exit(),
            Self::Name(_) | Self::TooLarge { .. } | Self::Archive(_) => Exit::InvalidInput,
            Self::OtherRun { .. } => Exit::Usage,
            Self::Setup(_) | Self::Digest { .. } | Self::State(_) | Self::Write { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for GatherError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(_) => Exit::Infrastructure,
            Self::Plan(PlanError::Read(_) | PlanError::Json { .. } | PlanError::Content { .. })
            | Self::File(_)
            | Self::RunDocument { .. }
            | Self::Json { .. }
            | Self::Document { .. }
            | Self::NoResults(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for RunDownloadError {
    fn exit(&self) -> Exit {
        match self {
            Self::Names(_) => Exit::Usage,
            Self::Download(error) => error.exit(),
        }
    }
}

impl ExitOf for HistoryEntryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Commit(_) => Exit::Usage,
            Self::Folder(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for CollectError {
    fn exit(&self) -> Exit {
        match self {
            Self::Write(_) | Self::Stats(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for CompatError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(_) | Self::Write(_) => Exit::Infrastructure,
            Self::File(_) | Self::Json { .. } | Self::Eval(_) => Exit::InvalidInput,
        }
    }
}
