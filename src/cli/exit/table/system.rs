//! Exit codes of errors of files, signals, TLS and repositories, and of the simulated engine.

use super::super::{Exit, ExitOf};
use crate::git::commit::CommitError;
use crate::load::SettingsError;
use crate::measure::tokenizer::TokenizerFileError;
use crate::sim::knowledge::KnowledgeError;
use crate::sim::model::DeploymentError;
use crate::sim::presets::PresetError;
use crate::sim::server::ServerError;
use crate::system::cancellation::SignalError;
use crate::system::files::FileError;
use crate::system::proxy::ProxyError;
use crate::system::tls::TlsError;

impl ExitOf for FileError {
    /// Files that are read are input; failing to write one is a problem of the machine.
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } => Exit::InvalidInput,
            Self::Write { .. } | Self::Json { .. } => Exit::Infrastructure,
        }
    }
}

impl ExitOf for SignalError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for CommitError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}

impl ExitOf for TlsError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for ProxyError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for SettingsError {
    /// Backends and URLs are flags.
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ExitOf for TokenizerFileError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for PresetError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for DeploymentError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for KnowledgeError {
    fn exit(&self) -> Exit {
        Exit::InvalidInput
    }
}

impl ExitOf for ServerError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}
