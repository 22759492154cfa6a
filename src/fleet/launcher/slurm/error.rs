//! Why Slurm could not do its work, from what its tools say.

use std::path::PathBuf;

use super::allocation::AllocationError;
use super::answer::AnswerError;
use crate::fleet::launcher::LaunchError;
use crate::job::{FailureClass, JobFailure};

/// Why Slurm could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum SlurmError {
    /// A tool is missing.
    #[error("cannot start {tool}: {source}; are Slurm's client tools installed and in PATH?")]
    Start {
        /// The tool.
        tool: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The controller cannot be reached.
    #[error("{tool} cannot reach Slurm's controller: {said}; look at slurmctld and munge with `scontrol ping`")]
    Unreachable {
        /// The tool.
        tool: &'static str,
        /// What it said.
        said: String,
    },
    /// A tool refused.
    #[error("{tool} refused: {said}")]
    Refused {
        /// The tool.
        tool: &'static str,
        /// What it said.
        said: String,
    },
    /// A tool did not end.
    #[error("{tool} gave no answer within {seconds} s; look at slurmctld with `scontrol ping`")]
    Late {
        /// The tool.
        tool: &'static str,
        /// How long it had.
        seconds: f64,
    },
    /// A tool said something else than expected.
    #[error("{tool} gave an {source}")]
    Answer {
        /// The tool.
        tool: &'static str,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// The controller was away for too long.
    #[error("slurm's controller has not answered for 5 minutes about job {number}: {problem}")]
    Lost {
        /// The job.
        number: u64,
        /// What was wrong at last.
        problem: String,
    },
    /// The row does not fit.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// The secrets cannot be written.
    #[error("cannot write the job's secrets to {}: {source}; set `slurm.secrets-folder` in the runner profile", path.display())]
    Secrets {
        /// Their file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A leftover does not go.
    #[error("slurm job {0} is still in the queue after scancel")]
    Stays(u64),
    /// A job's state cannot be read.
    #[error("cannot read what the job held: {0}")]
    State(serde_json::Error),
    /// The attempt was ended.
    #[error("ended by a signal")]
    Stopped,
}

/// What Slurm's tools say when they do not reach the controller, or munge, which they need for it.
const UNREACHABLE: [&str; 6] = [
    "unable to contact slurm controller",
    "connection refused",
    "connect failure",
    "socket timed out",
    "munge encode failed",
    "zero bytes were transmitted",
];

/// Those of them that come after the request was sent.
const UNANSWERED: [&str; 2] = ["socket timed out", "zero bytes were transmitted"];

impl SlurmError {
    pub(super) fn refused(tool: &'static str, said: &str) -> Self {
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = lines.join("; ");
        let lower = said.to_lowercase();
        if UNREACHABLE.iter().any(|sign| lower.contains(sign)) {
            Self::Unreachable { tool, said }
        } else {
            Self::Refused { tool, said }
        }
    }

    /// Whether a submission that failed so may have reached the controller all the same.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            Self::Late { .. } | Self::Stopped | Self::Answer { .. } => true,
            Self::Unreachable { said, .. } => UNANSWERED.iter().any(|sign| said.to_lowercase().contains(sign)),
            Self::Start { .. }
            | Self::Refused { .. }
            | Self::Lost { .. }
            | Self::Allocation(_)
            | Self::Secrets { .. }
            | Self::Stays(_)
            | Self::State(_) => false,
        }
    }

    pub(super) fn is_unknown_job(&self) -> bool {
        match self {
            Self::Refused { said, .. } => said.contains("Invalid job id"),
            Self::Start { .. }
            | Self::Unreachable { .. }
            | Self::Late { .. }
            | Self::Answer { .. }
            | Self::Lost { .. }
            | Self::Allocation(_)
            | Self::Secrets { .. }
            | Self::Stays(_)
            | Self::State(_)
            | Self::Stopped => false,
        }
    }
}

impl From<SlurmError> for LaunchError {
    fn from(error: SlurmError) -> Self {
        Self::Launcher(error.into())
    }
}

/// What sbatch says to a job that can never run: the profile is wrong, so a retry would fail too.
const NEVER: [&str; 7] = [
    "invalid partition",
    "invalid account",
    "invalid qos",
    "invalid generic resource",
    "requested node configuration is not available",
    "unrecognized option",
    "invalid feature specification",
];

/// The error as the job's failure where it is known whose fault it is.
pub(super) fn explained(error: SlurmError) -> LaunchError {
    if matches!(error, SlurmError::Stopped) {
        return LaunchError::Stopped;
    }
    let said = error.to_string();
    let lower = said.to_lowercase();
    if matches!(error, SlurmError::Refused { .. }) && NEVER.iter().any(|sign| lower.contains(sign)) {
        let reason = format!("{said}; correct `slurm` in the runner profile");
        return LaunchError::Explained(JobFailure::new(FailureClass::Invalid, reason));
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_unreachable_controllers_differ() {
        let down = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n";
        let error = explained(SlurmError::refused("sbatch", down));
        assert!(matches!(error, LaunchError::Launcher(_)), "{error}");
        assert!(error.to_string().contains("scontrol ping"), "{error}");
        let wrong = "sbatch: error: invalid partition specified: nowhere\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let LaunchError::Explained(failure) = explained(SlurmError::refused("sbatch", wrong)) else {
            panic!()
        };
        assert_eq!(failure.class, FailureClass::Invalid);
        assert!(
            failure.reason.ends_with("correct `slurm` in the runner profile"),
            "{}",
            failure.reason
        );
        assert!(SlurmError::refused("squeue", "slurm_load_jobs error: Invalid job id specified\n").is_unknown_job());
    }
}
