//! The exit codes, and the errors that carry one. A command states for each thing that can fail what its failure
//! means to the caller; nothing is classified by guessing from a message.

mod table;

use std::process::ExitCode;

use crate::cli::output;
use crate::model::{Diagnostics, with_causes};
use crate::system::cancellation::CancelCause;

/// How a command ended. The numbers are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command did what it was asked for.
    Success,
    /// The measured thing failed: the benchmark, or an accuracy threshold.
    MeasurementFailed,
    /// The command line is wrong.
    Usage,
    /// A config, changelog, row or result is invalid.
    InvalidInput,
    /// Something around the measurement failed; worth a retry.
    Infrastructure,
    /// A regression was found, and the caller asked to fail on it.
    Regression,
    /// imax itself is wrong: a panic. `EX_SOFTWARE` of sysexits.h.
    Bug,
    /// Stopped by SIGINT; everything started has been stopped.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP; everything started has been stopped.
    Terminated,
}

impl From<CancelCause> for Exit {
    /// The end of a cancelled command.
    fn from(cause: CancelCause) -> Self {
        match cause {
            CancelCause::Interrupt | CancelCause::Abandoned => Self::Interrupted,
            CancelCause::Terminate | CancelCause::Hangup => Self::Terminated,
        }
    }
}

impl Exit {
    /// All of them, in the order of their codes.
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

    /// What the code tells the caller.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::MeasurementFailed => "the measured thing failed: a benchmark, or an accuracy threshold",
            Self::Usage => "the command line is wrong",
            Self::InvalidInput => "a config, changelog, row or result is invalid",
            Self::Infrastructure => "something around the measurement failed; worth a retry",
            Self::Regression => "a regression was found, and --fail-on asked to fail on it",
            Self::Bug => "a bug of imax (a panic); everything started has been stopped",
            Self::Interrupted => "stopped by SIGINT; everything started has been stopped",
            Self::Terminated => "stopped by SIGTERM or SIGHUP; everything started has been stopped",
        }
    }

    /// The codes as the footer of the help.
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

/// A command's failure: what to tell the person, and what to tell the caller.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// The message, with its chain of causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure that no use case has an error for, such as a contradiction between flags.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// The findings that are the cause, where they are.
    pub(super) fn findings(&self) -> Option<&Diagnostics> {
        self.error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// Says on stderr what went wrong. Findings have a form of their own, with places and snippets.
    pub(super) fn tell(&self) {
        match self.findings() {
            Some(found) => output::say(&found.to_string()),
            None => output::say(&format!("error: {}", in_words(&self.error))),
        }
    }
}

/// An error with its causes, as [`with_causes`] writes it.
#[must_use]
pub fn in_words(error: &anyhow::Error) -> String {
    with_causes(error.as_ref())
}

/// The exit code that an error of a use case means. `exit/table` has them all.
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

/// Gives an exit code to an error that means different things in different commands, such as `std::io::Error`. All others
/// have theirs in the table.
pub trait OrExit<T> {
    /// The value, or the error as a [`Failure`] that ends with `exit`.
    ///
    /// # Errors
    /// The receiver's own error, classified.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}
