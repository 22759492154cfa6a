//! Errors of Slurm, classified by what its tools print.

use std::path::PathBuf;

use super::allocation::AllocationError;
use super::answer::AnswerError;
use crate::fleet::launcher::LaunchError;
use crate::job::{FailureClass, JobFailure};

#[derive(Debug, thiserror::Error)]
pub(super) enum SlurmError {
    #[error("cannot start {tool}: {source}; install Slurm's client tools, or add them to PATH")]
    Start { tool: &'static str, source: std::io::Error },
    #[error("{tool} cannot reach Slurm's controller: {said}; look at slurmctld and munge with `scontrol ping`")]
    Unreachable { tool: &'static str, said: String },
    #[error("{tool} refused: {said}")]
    Refused { tool: &'static str, said: String },
    /// A tool timed out.
    #[error("no response from {tool} within {seconds} s; look at slurmctld with `scontrol ping`")]
    Late { tool: &'static str, seconds: f64 },
    /// Unexpected output of a tool.
    #[error("invalid response of {tool}: {source}")]
    Answer {
        tool: &'static str,
        /// The problem.
        source: AnswerError,
    },
    #[error("slurm's controller has not answered for 5 minutes about job {number}: {problem}")]
    Lost {
        number: u64,
        /// The last problem.
        problem: String,
    },
    /// The row does not fit the nodes.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    #[error("cannot write the job's secrets to {}: {source}; set `slurm.secrets-folder` in the runner profile", path.display())]
    Secrets { path: PathBuf, source: std::io::Error },
    /// A leftover job cannot be removed.
    #[error("slurm job {0} is still in the queue after scancel")]
    Stays(u64),
    #[error("cannot read the Slurm job in the job's state: {0}")]
    State(serde_json::Error),
    #[error("ended by a signal")]
    Stopped,
}

/// Messages of Slurm's tools if they cannot reach the controller, or munge, which they need for that.
const UNREACHABLE: [&str; 6] = [
    "unable to contact slurm controller",
    "connection refused",
    "connect failure",
    "socket timed out",
    "munge encode failed",
    "zero bytes were transmitted",
];

/// Those that come after the request was sent, so that it may have been received.
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

    /// Whether the controller may have received the failed submission.
    pub(super) fn may_have_been_received(&self) -> bool {
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

/// sbatch's messages for a job that can never run: the profile is wrong, so a retry would fail too.
const NEVER: [&str; 7] = [
    "invalid partition",
    "invalid account",
    "invalid qos",
    "invalid generic resource",
    "requested node configuration is not available",
    "unrecognized option",
    "invalid feature specification",
];

/// The error as a job failure if the cause is known.
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
        let invalid = "sbatch: error: invalid partition specified: nowhere\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let LaunchError::Explained(failure) = explained(SlurmError::refused("sbatch", invalid)) else {
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
