//! The exit code of a job, which is also in `job.json`.

use crate::job::{FailureClass, Outcome};
use crate::system::cancellation::CancelCause;

/// How a job ended. `imax run` exits with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// 0: everything was measured.
    Success,
    /// 1: the engine, the load or an evaluation failed.
    MeasurementFailed,
    /// 3: the row, the profile or the recipe cannot be used.
    InvalidInput,
    /// 4: the node failed; a retry may succeed.
    Infrastructure,
    /// 130: cancelled by SIGINT.
    Interrupted,
    /// 143: cancelled by SIGTERM or SIGHUP.
    Terminated,
}

impl JobEnd {
    /// The end of a job with this outcome. `cause` is the signal that cancelled the job, if any.
    pub(super) fn of(outcome: &Outcome, cause: Option<CancelCause>) -> Self {
        let Some(failure) = outcome.failure() else {
            return Self::Success;
        };
        match failure.class {
            FailureClass::Server | FailureClass::Client | FailureClass::Timeout => Self::MeasurementFailed,
            FailureClass::Infra | FailureClass::Missing => Self::Infrastructure,
            FailureClass::Invalid => Self::InvalidInput,
            FailureClass::Cancelled => match cause {
                Some(CancelCause::Terminate | CancelCause::Hangup) => Self::Terminated,
                Some(CancelCause::Interrupt | CancelCause::Abandoned) | None => Self::Interrupted,
            },
        }
    }

    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::MeasurementFailed => 1,
            Self::InvalidInput => 3,
            Self::Infrastructure => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobFailure;

    #[test]
    fn failure_class_and_signal_determine_exit_code() {
        for (class, cause, code) in [
            (FailureClass::Server, None, 1),
            (FailureClass::Client, None, 1),
            (FailureClass::Timeout, None, 1),
            (FailureClass::Invalid, None, 3),
            (FailureClass::Infra, None, 4),
            (FailureClass::Cancelled, Some(CancelCause::Interrupt), 130),
            (FailureClass::Cancelled, Some(CancelCause::Terminate), 143),
            (FailureClass::Cancelled, Some(CancelCause::Hangup), 143),
            // A signal that comes after a failure does not change its class.
            (FailureClass::Server, Some(CancelCause::Interrupt), 1),
        ] {
            let outcome = Outcome::Failed(JobFailure::new(class, "x"));
            assert_eq!(JobEnd::of(&outcome, cause).code(), code, "{class:?} {cause:?}");
        }
        assert_eq!(JobEnd::of(&Outcome::Ok, Some(CancelCause::Interrupt)).code(), 0);
    }
}
