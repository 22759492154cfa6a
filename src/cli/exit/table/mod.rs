//! The exit code of each error of a use case. Exit codes are decided nowhere else.

mod command;
mod execution;
mod local;
mod planning;
mod results;
mod system;

use super::{Exit, ExitOf};
use crate::cli::bench::ArgumentError;
use crate::evaluate::{DocumentsError, EvalError, EvaluationError, HarnessError, ThresholdsError};
use crate::fleet::launcher::LaunchError;
use crate::measure::hub::ReadDocumentsError;
use crate::measure::{BenchError, BenchOutcome, CalibrateError, HubQuestionsError, MeasureError, ResultFileError, ShardsError};
use crate::system::files::FileError;

impl ExitOf for LaunchError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for ArgumentError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for MeasureError {
    fn exit(&self) -> Exit {
        match self {
            Self::TokenizerFile(_)
            | Self::ServerTokenizer { .. }
            | Self::Prompts(_)
            | Self::File(_)
            | Self::Dataset { .. }
            | Self::Shortage { .. }
            | Self::EmptyShard { .. }
            | Self::StartMissed { .. }
            | Self::Tls(_) => Exit::InvalidInput,
            Self::Hub(HubQuestionsError::Hub(_)) => Exit::Infrastructure,
            Self::Hub(
                HubQuestionsError::File(_) | HubQuestionsError::Data { .. } | HubQuestionsError::Row { .. } | HubQuestionsError::Empty(_),
            ) => Exit::InvalidInput,
            Self::Probe { .. } | Self::Profile { .. } | Self::NoModel { .. } | Self::NoProtocol { .. } | Self::PrefixCache { .. } => {
                Exit::MeasurementFailed
            }
            Self::Driver(_) | Self::Stopped => Exit::Infrastructure,
        }
    }
}

impl ExitOf for BenchError {
    fn exit(&self) -> Exit {
        match self {
            Self::Measure(error) => error.exit(),
            Self::Stopped { cause, .. } | Self::CalibrationStopped(cause) => (*cause).into(),
            Self::Calibrate(
                CalibrateError::Engine(_) | CalibrateError::Measure(_) | CalibrateError::File(_) | CalibrateError::Compare(_),
            )
            | Self::ResultFile(ResultFileError::File(_) | ResultFileError::Parquet(_))
            | Self::Observer(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ShardsError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(FileError::Read { .. }) | Self::Json { .. } | Self::Arrays { .. } | Self::Merge(_) => Exit::InvalidInput,
            Self::File(FileError::Write { .. } | FileError::Json { .. }) => Exit::Infrastructure,
        }
    }
}

impl From<BenchOutcome> for Exit {
    fn from(outcome: BenchOutcome) -> Self {
        match outcome {
            BenchOutcome::Passed => Self::Success,
            BenchOutcome::Failed => Self::MeasurementFailed,
            BenchOutcome::ClientSaturated => Self::Infrastructure,
            BenchOutcome::Stopped(cause) => cause.into(),
        }
    }
}

impl ExitOf for DocumentsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(ReadDocumentsError::Hub(_)) => Exit::Infrastructure,
            Self::Read(ReadDocumentsError::File(_) | ReadDocumentsError::Data(_)) | Self::NoSplit { .. } | Self::UnknownFormat(_) => {
                Exit::InvalidInput
            }
        }
    }
}

impl ExitOf for EvaluationError {
    fn exit(&self) -> Exit {
        match self {
            Self::Data { source, .. } => source.exit(),
            Self::TaskFile(_)
            | Self::File(FileError::Read { .. })
            | Self::Task(_)
            | Self::TaskQuestions(_)
            | Self::ScoredTask(_)
            | Self::SameName(_) => Exit::InvalidInput,
            Self::File(FileError::Write { .. } | FileError::Json { .. }) | Self::Request(_) | Self::Journal(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for EvalError {
    fn exit(&self) -> Exit {
        match self {
            Self::Evaluation(error) => error.exit(),
            Self::Stopped { cause, .. } => (*cause).into(),
            Self::Harness(error) => error.exit(),
            Self::Output { .. } | Self::Meta(_) => Exit::Infrastructure,
        }
    }
}

impl ExitOf for HarnessError {
    fn exit(&self) -> Exit {
        match self {
            Self::Failed { .. } => Exit::MeasurementFailed,
            Self::Process(_) | Self::NoResults(_) | Self::Move { .. } | Self::File(_) | Self::Json { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for ThresholdsError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(_) | Self::Invalid(_) => Exit::InvalidInput,
        }
    }
}
