//! Engines as jobs of Slurm: submitted with sbatch under the job's id as name and comment, followed with squeue, ended with
//! scancel by their number. A job that does not carry our id is never touched.

mod batch;
mod cluster;
mod watcher;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::job_state::Holding;
use super::{Engine, LaunchError, LaunchRequest, Launcher};
use crate::job::slurm::{AllocationError, AnswerError, BatchFolders, SlurmState, batch_request, secrets_file};
use crate::job::{FailureClass, JobFailure, JobSpec, SlurmContainer, SlurmSettings};
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::files;
use batch::Batch;
use cluster::Cluster;
use watcher::Watcher;

/// How long a job's script has to end what is on its nodes: it reaches the others with a step, and a cancelled job gets no more of
/// those.
const SCRIPT_END: Duration = Duration::from_secs(2);
/// How often a job that is to leave the queue is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long it is waited for what may come of a submission without an answer.
const LEFTOVER: Duration = Duration::from_secs(2);

/// Why Slurm could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A tool is not there.
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
    /// A tool said no.
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
    fn refused(tool: &'static str, said: &str) -> Self {
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
    fn leaves_open(&self) -> bool {
        match self {
            Self::Late { .. } | Self::Stopped | Self::Answer { .. } => true,
            Self::Unreachable { said, .. } => UNANSWERED.iter().any(|sign| said.to_lowercase().contains(sign)),
            Self::Start { .. } | Self::Refused { .. } | Self::Lost { .. } | Self::Allocation(_) | Self::Secrets { .. } | Self::Stays(_) => {
                false
            }
        }
    }

    fn is_unknown_job(&self) -> bool {
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
            | Self::Stopped => false,
        }
    }
}

/// What sbatch says to a job that can never run: the profile's fault, so another try would end the same.
const NEVER: [&str; 7] = [
    "invalid partition",
    "invalid account",
    "invalid qos",
    "invalid generic resource",
    "requested node configuration is not available",
    "unrecognized option",
    "invalid feature specification",
];

/// Runs the recipe as a job of Slurm.
pub(super) struct Slurm {
    settings: SlurmSettings,
}

impl Slurm {
    pub(super) fn new(settings: SlurmSettings) -> Self {
        Self { settings }
    }

    /// The file for the job's secrets, on a file system that the nodes see: home folders are, on most clusters.
    fn secrets_path(&self, job: &JobId) -> PathBuf {
        let own = self.settings.secrets_folder.as_ref().map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state/imax/secrets"));
        own.or_else(home).unwrap_or_else(std::env::temp_dir).join(format!("{job}.env"))
    }
}

fn configuration() -> Option<String> {
    std::env::var("SLURM_CONF").ok().filter(|path| !path.is_empty())
}

impl Launcher for Slurm {
    fn holds(&self, spec: &JobSpec) -> Vec<Holding> {
        vec![Holding::SlurmJob {
            name: spec.id.to_string(),
            configuration: configuration(),
            secrets: Some(self.secrets_path(&spec.id)),
        }]
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Box<dyn Engine>, LaunchError> {
        let job = &request.spec.id;
        let binary = std::env::current_exe().map_err(|source| SlurmError::Start { tool: "imax", source })?;
        let text = secrets_file(request.environment);
        let secrets = text.as_ref().map(|_| self.secrets_path(job));
        let folders = BatchFolders {
            repository: request.repository,
            recipes: request.recipe_folder,
            runners: request.runner_folder,
            out: request.out,
            binary: &binary,
            log: request.log,
            secrets: secrets.as_deref(),
        };
        let batch = batch_request(request.spec, &self.settings, request.environment, request.port, folders).map_err(SlurmError::from)?;
        let mut cluster = Cluster::new(job, configuration());
        cluster.learn_version(request.stop).map_err(explained)?;
        if let (Some(path), Some(text)) = (&secrets, &text) {
            write_secrets(path, text)?;
        }
        let limit = request.until.saturating_duration_since(Instant::now());
        match cluster.submit(&batch, limit, request.stop) {
            Ok(number) => Ok(Box::new(Batch {
                watcher: Watcher::start(cluster.clone(), number),
                cluster,
                number,
                name: job.to_string(),
                secrets,
                host: String::new(),
                nodes: String::new(),
                names: Vec::new(),
                image: (self.settings.container != SlurmContainer::None).then(|| request.spec.row.image.to_string()),
                gone: false,
            })),
            Err(error) => {
                let may_come = error.leaves_open() && !cancel_arriving(&cluster, job.as_str(), &request.stop.for_next_request());
                if let Some(path) = secrets {
                    let _ = std::fs::remove_file(path);
                }
                let error = explained(error);
                Err(if may_come {
                    LaunchError::Unanswered(Box::new(error))
                } else {
                    error
                })
            }
        }
    }
}

/// The error as the job's failure where it is known whose fault it is.
fn explained(error: SlurmError) -> LaunchError {
    if matches!(error, SlurmError::Stopped) {
        return LaunchError::Stopped;
    }
    let said = error.to_string();
    let lower = said.to_lowercase();
    if matches!(error, SlurmError::Refused { .. }) && NEVER.iter().any(|sign| lower.contains(sign)) {
        let reason = format!("{said}; correct `slurm` in the runner profile");
        return LaunchError::Explained(JobFailure::new(FailureClass::Invalid, reason));
    }
    LaunchError::Slurm(error)
}

fn write_secrets(path: &Path, text: &str) -> Result<(), SlurmError> {
    files::write_private(path, text.as_bytes()).map_err(|source| SlurmError::Secrets {
        path: path.to_owned(),
        source,
    })
}

/// Looks for what comes of a submission without an answer, and cancels it. Says whether it came.
fn cancel_arriving(cluster: &Cluster, name: &str, stop: &Cancellation) -> bool {
    let until = Instant::now() + LEFTOVER;
    loop {
        if cancel_named(cluster, name, stop, until).is_ok_and(|found| found) {
            return true;
        }
        if Instant::now() >= until || stop.wait_timeout(LOOK).is_some() {
            return false;
        }
    }
}

/// Cancels our own jobs with a name, and waits until they are gone. Says whether there were any.
fn cancel_named(cluster: &Cluster, name: &str, stop: &Cancellation, until: Instant) -> Result<bool, SlurmError> {
    // The last look must have time for an answer.
    let left = || until.saturating_duration_since(Instant::now()).max(LOOK);
    let scripts_until = Instant::now() + SCRIPT_END.min(left() / 2);
    let mut told = BTreeSet::new();
    loop {
        let jobs = cluster.named(name, left(), stop)?;
        let Some(first) = jobs.first() else { return Ok(!told.is_empty()) };
        if !told.is_empty() && Instant::now() >= until {
            return Err(SlurmError::Stays(first.number));
        }
        for job in &jobs {
            // One that ends by itself in between refuses; the next look shows that.
            if told.insert(job.number) {
                let _ = cluster.kill(job.number, left(), stop);
            }
            if job.state != SlurmState::Running || Instant::now() >= scripts_until {
                let _ = cluster.cancel(job.number, left(), stop);
            }
        }
        let _ = stop.wait_timeout(LOOK);
    }
}

/// Cancels the jobs that a dead job left in the queue. Says whether there were any.
///
/// # Errors
/// Where Slurm cannot be reached, or a job stays.
pub(super) fn remove_jobs(
    name: &str,
    configuration: Option<&str>,
    job: &JobId,
    stop: &Cancellation,
    until: Instant,
) -> Result<bool, SlurmError> {
    cancel_named(&Cluster::new(job, configuration.map(str::to_owned)), name, stop, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sbatch_says_is_told_apart() {
        let down = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n";
        let error = explained(SlurmError::refused("sbatch", down));
        assert!(matches!(error, LaunchError::Slurm(SlurmError::Unreachable { .. })), "{error}");
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
