//! Exit codes of `imax init` and `imax sweep`.

use super::super::{Exit, ExitOf};
use crate::scaffold::{ChooseError, ScaffoldError, WriteError};
use crate::sweep::SweepError;

impl ExitOf for ChooseError {
    /// What cannot be detected has to be given on the command line.
    fn exit(&self) -> Exit {
        match self {
            Self::NoEngine { .. } | Self::Url(_) | Self::NoModel(_) | Self::NoImage { .. } | Self::Kubernetes | Self::Name { .. } => {
                Exit::Usage
            }
        }
    }
}

impl ExitOf for ScaffoldError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for WriteError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(_) | Self::Mode { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for SweepError {
    fn exit(&self) -> Exit {
        match self {
            Self::File(_) => Exit::Infrastructure,
            Self::Execution(error) => error.exit(),
            Self::Gather(error) => error.exit(),
            Self::Collect(error) => error.exit(),
            Self::Commit(error) => error.exit(),
            Self::Occupied(_) => Exit::Usage,
        }
    }
}
