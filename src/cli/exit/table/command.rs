//! Exit codes of errors of the commands themselves: their arguments and their output.

use super::super::{Exit, ExitOf};
use crate::cli::credentials::RestartError;
use crate::cli::init::InitError;
use crate::cli::logging::LogFilterError;
use crate::cli::output::OutputError;
use crate::cli::plan::PlanArgsError;
use crate::cli::publish::VerdictsError;
use crate::cli::row::RowError;
use crate::cli::row_choice::RowChoiceError;
use crate::cli::serve::ServeArgsError;
use crate::model::NameError;

impl ExitOf for clap::Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for LogFilterError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for OutputError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for VerdictsError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for ServeArgsError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoHistory | Self::Tls => Exit::Usage,
            Self::History(_) | Self::Filter(_) | Self::Watches(_) => Exit::InvalidInput,
            Self::Settings(error) => error.exit(),
        }
    }
}

impl ExitOf for RestartError {
    fn exit(&self) -> Exit {
        match self {
            Self::Environment(_) => Exit::Usage,
            Self::Program(_) | Self::Exec { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for NameError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for PlanArgsError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for RowError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing => Exit::Usage,
            Self::File(error) => error.exit(),
            Self::Stdin(_) | Self::Invalid { .. } => Exit::InvalidInput,
        }
    }
}

impl ExitOf for RowChoiceError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for InitError {
    fn exit(&self) -> Exit {
        match self {
            Self::FilesExist { .. } => Exit::InvalidInput,
        }
    }
}
