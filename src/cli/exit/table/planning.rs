//! Exit codes of `imax plan`, `check`, `changelog` and `matrix`.

use super::super::{Exit, ExitOf};
use crate::matrix::SelectError;
use crate::planning::changelog_edit::EditError;
use crate::planning::check::CheckError;
use crate::planning::{
    ApproveError, ChangeError, ChangelogFilesError, ConfigFilesError, EarlierRunError, EventFactsError, GeneratorError, PlanningError,
    PublishError, ReuseError, RunnerFleetError, SettingsFileError, WrongRunner,
};

impl ExitOf for SelectError {
    /// Selecting something that does not exist is an error of the command line.
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::InvalidInput,
            Self::UnknownRunner { .. }
            | Self::UnknownKey { .. }
            | Self::NoMatch(_)
            | Self::InvalidPattern(_)
            | Self::NoNode { .. }
            | Self::UnknownSeqLens { .. } => Exit::Usage,
        }
    }
}

impl ExitOf for ConfigFilesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder { .. } | Self::NoMasterConfig { .. } | Self::Invalid(_) => Exit::InvalidInput,
            Self::FolderEntry { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ChangelogFilesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) | Self::NotText(_) | Self::Folder { .. } => Exit::InvalidInput,
            Self::FolderEntry { .. } | Self::Git(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for SettingsFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Invalid(_) => Exit::InvalidInput,
            Self::Git(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ChangeError {
    /// A missing revision is an error of the caller; a repository that cannot be read, one of the checkout.
    fn exit(&self) -> Exit {
        match self {
            Self::Git(_) => Exit::Infrastructure,
            Self::Files(error) => error.exit(),
            Self::Configs(error) => error.exit(),
            Self::Revision(_)
            | Self::LogMissing { .. }
            | Self::NoNewEntry(_)
            | Self::Changelog(_)
            | Self::NoFinalLineBreak { .. }
            | Self::NoBase
            | Self::BaseConfigMissing { .. }
            | Self::BaseConfigNotText { .. }
            | Self::BaseConfigs(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for EventFactsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Repository(_) => Exit::Usage,
            Self::Github(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for EarlierRunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Run(error) => error.exit(),
            Self::Results(_) | Self::Json { .. } => Exit::InvalidInput,
            Self::TemporaryFolder(_) => Exit::Infrastructure,
            Self::Github(error) => error.exit(),
            Self::Download(error) => error.exit(),
            Self::Plan(error) => error.exit(),
        }
    }
}

impl ExitOf for ReuseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Facts(error) => error.exit(),
            Self::Github(error) => error.exit(),
            Self::Results(error) => error.exit(),
        }
    }
}

impl ExitOf for GeneratorError {
    fn exit(&self) -> Exit {
        match self {
            Self::Configs(error) => error.exit(),
            Self::Select(error) => error.exit(),
        }
    }
}

impl ExitOf for PlanningError {
    fn exit(&self) -> Exit {
        match self {
            Self::Change(error) => error.exit(),
            Self::Configs(error) => error.exit(),
            Self::Settings(error) => error.exit(),
            Self::EventFacts(error) => error.exit(),
            Self::EarlierRun(error) => error.exit(),
            Self::Reuse(error) => error.exit(),
            // The command line is an input of the event.
            Self::Generator(_) | Self::Event(_) | Self::Plan(_) => Exit::InvalidInput,
            Self::ReadEvent(_) | Self::StateBeforePush(_) | Self::WrongCheckout { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ApproveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Settings(error) => error.exit(),
            Self::Github(error) => error.exit(),
            Self::Event(_) | Self::Payload(_) => Exit::InvalidInput,
            Self::ReadEvent(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for WrongRunner {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for RunnerFleetError {
    fn exit(&self) -> Exit {
        match self {
            Self::Configs(error) => error.exit(),
            Self::Github(error) => error.exit(),
        }
    }
}

impl ExitOf for PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::Outputs(_) | Self::Priorities(_) => Exit::InvalidInput,
            Self::Json(_) | Self::Workflow(_) | Self::Write(_) | Self::JobRecords(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for CheckError {
    fn exit(&self) -> Exit {
        match self {
            Self::Configs(error) => error.exit(),
            Self::Changelog(error) => error.exit(),
            Self::NoMatch { .. } | Self::InvalidPattern(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for EditError {
    fn exit(&self) -> Exit {
        match self {
            Self::Files(error) => error.exit(),
            Self::NoFragmentName => Exit::Usage,
            Self::Read(_) | Self::Conflict(_) | Self::NoLogAtBase { .. } | Self::Strict(_) | Self::Fold(_) | Self::Resolve(_) => {
                Exit::InvalidInput
            }
            Self::ReadVersion(_) | Self::Write(_) | Self::RemoveFragment { .. } | Self::Git(_) => Exit::Infrastructure,
        }
    }
}
