//! Exit codes, and failures with an exit code. The code follows from the variant of the error, never from its message.

mod table;

use std::process::ExitCode;

use crate::cli::output;
use crate::model::{Diagnostics, with_causes};
use crate::system::cancellation::CancelCause;

/// Result of a command. The codes are part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success,
    /// The benchmark failed, or a score is below its threshold.
    MeasurementFailed,
    /// The command line is invalid.
    Usage,
    /// A config, changelog, row or result is invalid.
    InvalidInput,
    /// The measurement could not be made; a retry may succeed.
    Infrastructure,
    /// A regression was found with --fail-on.
    Regression,
    /// A panic; `EX_SOFTWARE` of sysexits.h.
    Bug,
    /// Stopped by SIGINT, after stopping all processes it had started.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP, after stopping all processes it had started.
    Terminated,
}

impl From<CancelCause> for Exit {
    fn from(cause: CancelCause) -> Self {
        match cause {
            CancelCause::Interrupt | CancelCause::Abandoned => Self::Interrupted,
            CancelCause::Terminate | CancelCause::Hangup => Self::Terminated,
        }
    }
}

impl Exit {
    /// In the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::MeasurementFailed,
        Self::Usage,
        Self::InvalidInput,
        Self::Infrastructure,
        Self::Regression,
        Self::Bug,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// Description of the code.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::MeasurementFailed => "the benchmark failed, or an accuracy score is below its threshold",
            Self::Usage => "invalid command line",
            Self::InvalidInput => "invalid config, changelog, row or result",
            Self::Infrastructure => "infrastructure failure; a retry may succeed",
            Self::Regression => "regression found, and --fail-on is given",
            Self::Bug => "bug in imax (panic); everything it started has been stopped",
            Self::Interrupted => "stopped by SIGINT; everything it started has been stopped",
            Self::Terminated => "stopped by SIGTERM or SIGHUP; everything it started has been stopped",
        }
    }

    /// The codes and their descriptions, for the help text.
    pub(super) fn table() -> String {
        let lines = Self::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", lines.join("\n"))
    }

    /// The process exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::MeasurementFailed => 1,
            Self::Usage => 2,
            Self::InvalidInput => 3,
            Self::Infrastructure => 4,
            Self::Regression => 5,
            Self::Bug => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Failure of a command: the error for the user, and the exit code for the caller.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure that no error of a use case covers, such as contradictory flags.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// The findings that caused the failure, if any.
    pub(super) fn findings(&self) -> Option<&Diagnostics> {
        self.error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// Prints the error to stderr; findings are printed with their places and snippets.
    pub(super) fn print(&self) {
        match self.findings() {
            Some(found) => output::say(&found.to_string()),
            None => output::say(&format!("error: {}", with_causes(self.error.as_ref()))),
        }
    }
}

/// The exit code of an error of a use case. All implementations are in `exit/table`.
pub trait ExitOf: std::error::Error + Send + Sync + 'static {
    fn exit(&self) -> Exit;
}

impl<E: ExitOf> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            error: error.into(),
        }
    }
}

/// Assigns an exit code to an error whose meaning depends on the command, such as `std::io::Error`. All other errors have theirs in the
/// table.
pub trait OrExit<T> {
    /// The value, or the error as a [`Failure`] that ends with `exit`.
    ///
    /// # Errors
    /// The error with the exit code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}
