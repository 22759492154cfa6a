//! Exit codes of jobs and of the commands that recipes call (`imax doctor`, `ready`, `import-image`, `nvml`).

use super::super::{Exit, ExitOf};
use crate::execution::{DryRunError, ExaminationError, ExecutionError, ExternalEngineError, JobEnd, RunnerProfileError};
use crate::fleet::image_cache::ImageError;
use crate::fleet::telemetry::NvmlError;

impl From<JobEnd> for Exit {
    fn from(end: JobEnd) -> Self {
        match end {
            JobEnd::Success => Self::Success,
            JobEnd::MeasurementFailed => Self::MeasurementFailed,
            JobEnd::InvalidInput => Self::InvalidInput,
            JobEnd::Infrastructure => Self::Infrastructure,
            JobEnd::Interrupted => Self::Interrupted,
            JobEnd::Terminated => Self::Terminated,
        }
    }
}

impl ExitOf for ExecutionError {
    fn exit(&self) -> Exit {
        match self {
            Self::RunnerName(_) => Exit::InvalidInput,
            Self::OutputFolder { .. }
            | Self::Log { .. }
            | Self::FolderInUse(_)
            | Self::Lock { .. }
            | Self::EarlierResult { .. }
            | Self::Path { .. }
            | Self::WorkingFolder(_)
            | Self::Orphans(_)
            | Self::NoFreePort(_)
            | Self::RecordJson(_)
            | Self::RecordFile(_)
            | Self::Summary(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for DryRunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Execution(error) => error.exit(),
            Self::Refused(_) => Exit::InvalidInput,
            Self::Launch(error) => error.exit(),
        }
    }
}

impl ExitOf for RunnerProfileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Name(_) | Self::Profile(_) => Exit::InvalidInput,
        }
    }
}

impl ExitOf for ExaminationError {
    fn exit(&self) -> Exit {
        match self {
            Self::Profile(error) => error.exit(),
            Self::Folder(error) => error.exit(),
            Self::Cancelled(cause) => (*cause).into(),
        }
    }
}

impl ExitOf for ExternalEngineError {
    fn exit(&self) -> Exit {
        match self {
            Self::Cancelled(cause) => (*cause).into(),
            Self::NotReady { .. } => Exit::MeasurementFailed,
        }
    }
}

impl ExitOf for ImageError {
    fn exit(&self) -> Exit {
        match self {
            Self::Cache { .. }
            | Self::Lock { .. }
            | Self::LockTimeout { .. }
            | Self::StartEnroot(_)
            | Self::Import { .. }
            | Self::Incomplete { .. }
            | Self::File(_)
            | Self::Stopped => Exit::Infrastructure,
        }
    }
}

impl ExitOf for NvmlError {
    fn exit(&self) -> Exit {
        match self {
            Self::Static | Self::Library { .. } | Self::NoPower(_) | Self::Write(_) => Exit::Infrastructure,
        }
    }
}
