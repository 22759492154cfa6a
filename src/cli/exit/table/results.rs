//! Exit codes of the commands that read and report results.

use super::super::{Exit, ExitOf};
use crate::github::workflow::WorkflowFileError;
use crate::github::{DownloadError, EventFileError, GithubError, PlanFileError};
use crate::notify::WebhookError;
use crate::notify::exporter::ExporterError;
use crate::report::RenderError;
use crate::result::{FactsError, MappingError, NormalizeError, RawPointError};
use crate::serve::{ServeError, SnapshotError};
use crate::store::archive::ArchiveError;
use crate::store::artifacts::ArtifactError;
use crate::store::baseline::BaselineError;
use crate::store::branch::BranchError;
use crate::store::bucket::BucketError;
use crate::store::collect::{CollectError, CompatError, HistoryEntryError, RunDownloadError};
use crate::store::database::DatabaseError;
use crate::store::export::ExportError;
use crate::store::hardware::HardwareError;
use crate::store::history::{
    HistoryFolderError, HistoryReadError, OpenArtifactsError, OpenError, PricesError, RetractError, RunDatabaseError,
};
use crate::store::noise_calibration::NoiseCalibrationError;
use crate::store::normalize::NormalizeFileError;
use crate::store::publish::{IntakeError, PublishError};
use crate::store::remote_files::RemoteFileError;
use crate::store::run_files::ScratchError;
use crate::store::server::{CredentialError, ServerError};
use crate::store::{GatherError, PlanError};
use crate::watch::WatchFileError;

impl ExitOf for GithubError {
    /// A missing token or permission has to be corrected by the caller; all other errors are those of the network or of GitHub.
    fn exit(&self) -> Exit {
        match self {
            Self::NoToken
            | Self::NoTokenIn(_)
            | Self::Repository(_)
            | Self::Setup { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::RateLimited { .. } | Self::Refused { .. } | Self::Response { .. } => Exit::Infrastructure,
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
            | Self::NoFileOfResults(_)
            | Self::NoResults(_) => Exit::InvalidInput,
            Self::Raw { source, .. } => source.exit(),
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

impl ExitOf for NoiseCalibrationError {
    fn exit(&self) -> Exit {
        match self {
            Self::Row(error) => error.exit(),
            Self::Concurrency { .. } => Exit::Usage,
            Self::Result { .. } => Exit::MeasurementFailed,
            Self::Point { .. } => Exit::InvalidInput,
            Self::History(error) => error.exit(),
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

impl ExitOf for HistoryFolderError {
    /// Of a history that is read for a comparison; writing one has an error of its own.
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) | Self::Run { .. } | Self::Write(_) | Self::Occupied(_) | Self::Remove { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for HistoryReadError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(error) => error.exit(),
            Self::Database(error) => error.exit(),
            Self::Branch(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
        }
    }
}

impl ExitOf for BranchError {
    /// A branch that is not a whole history is invalid input; one that others keep moving may be written later.
    fn exit(&self) -> Exit {
        match self {
            Self::Github(error) => error.exit(),
            Self::Missing(_)
            | Self::NotHistory { .. }
            | Self::OtherFormat { .. }
            | Self::Foreign { .. }
            | Self::Run { .. }
            | Self::Text { .. }
            | Self::Pack { .. }
            | Self::PackedName { .. }
            | Self::Row(_)
            | Self::Packing(_)
            | Self::TooLarge { .. }
            | Self::Retractions { .. }
            | Self::Json(_)
            | Self::Revisions(_) => Exit::InvalidInput,
            Self::Raced { .. } => Exit::Infrastructure,
            Self::State(_) | Self::Rejected { .. } => Exit::Usage,
        }
    }
}

impl ExitOf for BucketError {
    /// A bucket that does not hold a whole history is invalid input; storage that cannot be reached may answer later.
    fn exit(&self) -> Exit {
        match self {
            Self::Setup { .. } | Self::Denied { .. } | Self::NoBucket(_) | Self::State(_) => Exit::Usage,
            Self::Storage { .. } | Self::Raced { .. } => Exit::Infrastructure,
            Self::Missing(_)
            | Self::LostManifest { .. }
            | Self::Lost { .. }
            | Self::Size { .. }
            | Self::Digest { .. }
            | Self::Runs { .. }
            | Self::OtherRun { .. }
            | Self::Manifest { .. }
            | Self::TooLarge { .. }
            | Self::Json(_)
            | Self::Row(_)
            | Self::Encode { .. }
            | Self::Revisions(_) => Exit::InvalidInput,
            Self::Scratch(error) => error.exit(),
        }
    }
}

impl ExitOf for RemoteFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::None | Self::Variable { .. } | Self::NoCache(_) => Exit::Usage,
            Self::Bucket(error) => error.exit(),
            Self::Missing(_) | Self::NoTable(_) => Exit::InvalidInput,
            Self::Copy { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ScratchError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(_) => Exit::Infrastructure,
            Self::Database(error) => error.exit(),
            Self::Row { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for OpenError {
    fn exit(&self) -> Exit {
        match self {
            Self::Database(error) => error.exit(),
            Self::Folder(error) => error.exit(),
            Self::Branch(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Scratch(error) => error.exit(),
            Self::Missing(_) => Exit::InvalidInput,
            Self::AsOf(_) => Exit::Usage,
        }
    }
}

impl ExitOf for RetractError {
    fn exit(&self) -> Exit {
        match self {
            Self::Database(error) => error.exit(),
            Self::Open(error) => error.exit(),
            Self::Branch(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Folder(_) => Exit::Usage,
        }
    }
}

impl ExitOf for PricesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Database(error) => error.exit(),
            Self::Branch(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Server(_) => Exit::Usage,
        }
    }
}

impl ExitOf for DatabaseError {
    /// A run that does not exist is an error of the caller; a locked or unreachable database may answer later.
    fn exit(&self) -> Exit {
        match self {
            Self::NoRun { .. } | Self::State { .. } => Exit::Usage,
            Self::Missing(_)
            | Self::Damaged(_)
            | Self::NotSqlite(_)
            | Self::Foreign(_)
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Row { .. } => Exit::InvalidInput,
            Self::Locked(_)
            | Self::Full(_)
            | Self::Unopened(_)
            | Self::ReadOnly(_)
            | Self::Disk { .. }
            | Self::Server { .. }
            | Self::Migrate { .. }
            | Self::Sql { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for IntakeError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(_) | Self::Folder(_) | Self::Empty(_) => Exit::InvalidInput,
            Self::Commit(_) => Exit::Usage,
        }
    }
}

impl ExitOf for ExportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Open(error) => error.exit(),
            Self::Database(error) => error.exit(),
            Self::Row { .. } | Self::Json { .. } | Self::Prices { .. } => Exit::InvalidInput,
            Self::Write(_) | Self::Csv(_) | Self::Parquet(_) => Exit::Infrastructure,
            Self::Occupied(_) => Exit::Usage,
        }
    }
}

impl ExitOf for ArchiveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Export(error) => error.exit(),
            Self::Database(error) => error.exit(),
            Self::Open(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Row { .. } => Exit::InvalidInput,
            Self::Write { .. } | Self::Unreadable { .. } => Exit::Infrastructure,
            Self::Occupied(_) => Exit::Usage,
        }
    }
}

impl ExitOf for PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::Intake(error) => error.exit(),
            Self::Database(error) => error.exit(),
            Self::Branch(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Server(error) => error.exit(),
            Self::Scratch(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ServerError {
    /// A token that is missing or does not allow it has to be corrected by the caller, as have runs that are refused.
    fn exit(&self) -> Exit {
        match self {
            Self::Credential(CredentialError::None) | Self::Refused { status: 401 | 403, .. } => Exit::Usage,
            Self::Refused { status: 400..=499, .. } => Exit::InvalidInput,
            Self::Credential(CredentialError::Runner(_))
            | Self::Setup(_)
            | Self::Encode(_)
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Answer { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for BaselineError {
    fn exit(&self) -> Exit {
        match self {
            Self::Gather(error) => error.exit(),
            Self::History(error) => error.exit(),
            Self::Github(error) => error.exit(),
            Self::Download(error) => error.exit(),
            Self::NoResults(_) => Exit::InvalidInput,
            Self::Commit(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for HardwareError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) | Self::Facts { .. } | Self::Runners(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for RawPointError {
    fn exit(&self) -> Exit {
        match self {
            Self::Result(error) => error.exit(),
            Self::Producer(_) | Self::Name(_) | Self::Document(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for NormalizeError {
    fn exit(&self) -> Exit {
        match self {
            Self::NothingMeasured(_) => Exit::MeasurementFailed,
            Self::Implausible(doubt) if doubt.is_failed_load() => Exit::MeasurementFailed,
            Self::Implausible(_) | Self::NotAnObject(_) | Self::Missing(_) | Self::Value { .. } | Self::OtherConcurrency { .. } => {
                Exit::InvalidInput
            }
        }
    }
}

impl ExitOf for NormalizeFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Result { source, .. } => source.exit(),
            Self::Hardware(error) => error.exit(),
            Self::SeveralConcurrencies(_) => Exit::Usage,
            Self::Write(_) => Exit::Infrastructure,
            Self::NoPower { .. } => Exit::MeasurementFailed,
            Self::Read(_)
            | Self::Folder(_)
            | Self::Row { .. }
            | Self::RowContext { .. }
            | Self::Environment(_)
            | Self::UnknownHardware(_)
            | Self::ResultCount { .. }
            | Self::Name { .. }
            | Self::Producer { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for RenderError {
    fn exit(&self) -> Exit {
        match self {
            Self::Json(_) | Self::Junit(_) | Self::Parquet(_) | Self::Script(_) => Exit::Infrastructure,
            Self::NotText | Self::OneRunOnly => Exit::Usage,
        }
    }
}

impl ExitOf for WorkflowFileError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for WebhookError {
    fn exit(&self) -> Exit {
        match self {
            Self::Setup { .. } | Self::Refused { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Busy { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for PlanFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) | Self::Json { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for EventFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) | Self::Event(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for ArtifactError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::TooDeep(_) | Self::TooMany(_) | Self::TooLarge { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for FactsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Form(_) | Self::Key { .. } => Exit::Usage,
        }
    }
}

impl ExitOf for MappingError {
    fn exit(&self) -> Exit {
        match self {
            Self::Form(_) | Self::Fact(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for OpenArtifactsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Gather(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::Run(error) => error.exit(),
        }
    }
}

impl ExitOf for RunDatabaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Run(_) => Exit::InvalidInput,
            Self::Scratch(error) => error.exit(),
        }
    }
}

impl ExitOf for SnapshotError {
    fn exit(&self) -> Exit {
        match self {
            Self::Source(error) => error.exit(),
            Self::Run(error) => error.exit(),
            Self::Database(error) => error.exit(),
            Self::File(_) | Self::Json(_) => Exit::Infrastructure,
            Self::Answer { .. } | Self::Form { .. } => Exit::InvalidInput,
            Self::Foreign(_) => Exit::Usage,
        }
    }
}

impl ExitOf for ServeError {
    /// A second server on the same address, or an answer that was cut off, is not a fault of the input.
    fn exit(&self) -> Exit {
        match self {
            Self::Public(_) | Self::Origin(_) | Self::ReadOnly(_) | Self::WatchesNeedDatabase(_) => Exit::Usage,
            Self::Config(_) | Self::Tls(_) | Self::Oidc(_) => Exit::InvalidInput,
            Self::Listen { .. } | Self::Unfinished | Self::Stopped(_) | Self::Description(_) | Self::Page(_) => Exit::Infrastructure,
            Self::Database(error) => error.exit(),
            Self::Open(error) => error.exit(),
            Self::Artifacts(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::Folder(error) => error.exit(),
        }
    }
}

impl ExitOf for ExporterError {
    /// An address or a permission has to be corrected by the caller; a server that does not answer may do so later.
    fn exit(&self) -> Exit {
        match self {
            Self::Refused { status: 500.., .. } => Exit::Infrastructure,
            Self::NoAddress { .. } | Self::Address { .. } | Self::Variable { .. } | Self::Refused { .. } => Exit::Usage,
            Self::Setup { .. } | Self::Unreachable { .. } | Self::Busy { .. } | Self::Answer { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for WatchFileError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(_) | Self::Encoding { .. } | Self::Syntax { .. } | Self::Value { .. } => Exit::InvalidInput,
        }
    }
}
