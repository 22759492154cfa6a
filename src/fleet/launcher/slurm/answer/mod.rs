//! What Slurm's tools print, as text: `squeue --format`, `scontrol --oneliner`, `sacct --parsable2`, `sbatch --parsable`.
//! The formats are those of the manual pages of the same names.

/// The states of a job that differ for us. Names: squeue(1), "JOB STATE CODES".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlurmState {
    /// In the queue.
    Pending,
    /// It has its nodes, which are being made ready.
    Configuring,
    /// Running.
    Running,
    /// Stopped for a while by the scheduler or an administrator.
    Suspended,
    /// Ended, and its processes or its epilog are not gone yet.
    Completing,
    /// Ended with exit status 0.
    Completed,
    /// Ended otherwise.
    Failed,
    /// By scancel.
    Cancelled,
    /// At its time limit, or at its deadline.
    Timeout,
    /// A node failed or did not start.
    NodeFail,
    /// For another job.
    Preempted,
    /// The kernel killed a process: out of host memory.
    OutOfMemory,
}

impl SlurmState {
    /// From its name; what stands behind the first blank (`CANCELLED by 0`) is passed over.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.split_whitespace().next()? {
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => Self::Pending,
            "CONFIGURING" | "POWER_UP_NODE" => Self::Configuring,
            "RUNNING" | "RESIZING" | "SIGNALING" => Self::Running,
            "SUSPENDED" | "STOPPED" => Self::Suspended,
            "COMPLETING" | "STAGE_OUT" => Self::Completing,
            "COMPLETED" => Self::Completed,
            "FAILED" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => Self::Failed,
            "CANCELLED" | "REVOKED" => Self::Cancelled,
            "TIMEOUT" | "DEADLINE" => Self::Timeout,
            "NODE_FAIL" | "BOOT_FAIL" => Self::NodeFail,
            "PREEMPTED" => Self::Preempted,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            _ => return None,
        })
    }

    /// Whether the job has ended and nothing of it is left.
    pub fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Configuring | Self::Running | Self::Suspended | Self::Completing => false,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Timeout | Self::NodeFail | Self::Preempted | Self::OutOfMemory => true,
        }
    }
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobView {
    /// Its state.
    pub state: SlurmState,
    /// Why it is in that state, as Slurm names it: `Resources`, `Priority`, `TimeLimit`.
    pub reason: String,
    /// Its nodes in Slurm's short form, such as `gb200-[01-04]`; empty before it has any.
    pub nodes: String,
    /// The node of the batch script; empty before it has one.
    pub batch_host: String,
    /// Exit status and signal, where this answer has them.
    pub exit: Option<(i32, i32)>,
}

/// A job found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamedJob {
    /// Its number.
    pub number: u64,
    /// Its state.
    pub state: SlurmState,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    /// It has not the expected form.
    #[error("unexpected answer `{}`", found.trim())]
    Form {
        /// The answer, or its part that is wrong.
        found: String,
    },
    /// The state's name is not known.
    #[error("unknown job state `{0}`")]
    State(String),
}

/// The job's number from what `sbatch --parsable` prints: `12`, or `12;cluster`.
///
/// # Errors
/// Where there is none.
pub(super) fn submitted(text: &str) -> Result<u64, AnswerError> {
    // A site's submission filter may print lines of its own before it.
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let number = last.trim().split(';').next().unwrap_or_default();
    number.parse().map_err(|_| AnswerError::Form { found: text.to_owned() })
}

/// From `squeue` ([`super::command::queue`]) or `sacct` ([`super::command::accounting`]); `None` where Slurm does not know the job.
///
/// # Errors
/// Where the answer has another form.
pub(super) fn parse_queue(text: &str) -> Result<Option<JobView>, AnswerError> {
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else {
        return Ok(None);
    };
    let parts: Vec<&str> = line.split('|').collect();
    let [_, state, reason, nodes, last] = parts.as_slice() else {
        return Err(AnswerError::Form { found: line.to_owned() });
    };
    let exit = exit_code(last);
    let host = if exit.is_some() { "" } else { known(last) };
    Ok(Some(JobView {
        state: state_of(state)?,
        reason: known(reason).to_owned(),
        nodes: known(nodes).to_owned(),
        batch_host: host.to_owned(),
        exit,
    }))
}

/// From `squeue` ([`super::command::find_named`]): those that have exactly the name and belong to the user.
pub(super) fn parse_named(text: &str, name: &str, user: u32) -> Vec<NamedJob> {
    let job = |line: &str| {
        let mut parts = line.trim().splitn(4, '|');
        let (number, state, owner, found) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if found != name || owner.parse() != Ok(user) {
            return None;
        }
        Some(NamedJob {
            number: number.parse().ok()?,
            state: SlurmState::parse(state)?,
        })
    };
    text.lines().filter_map(job).collect()
}

/// From `squeue` ([`super::command::steps`]): the steps that srun started, such as `12.0`, without the batch script's own.
pub(super) fn parse_steps(text: &str) -> Vec<String> {
    let is_of_srun = |step: &&str| {
        step.split('.')
            .nth(1)
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.lines().map(str::trim).filter(is_of_srun).map(str::to_owned).collect()
}

/// From `scontrol show job`.
///
/// # Errors
/// Where the answer has another form.
pub(super) fn parse_job(text: &str) -> Result<JobView, AnswerError> {
    let state = field(text, "JobState").ok_or_else(|| AnswerError::Form {
        found: text.chars().take(200).collect(),
    })?;
    let value = |name| field(text, name).map(known).unwrap_or_default().to_owned();
    Ok(JobView {
        state: state_of(state)?,
        reason: value("Reason"),
        nodes: value("NodeList"),
        batch_host: value("BatchHost"),
        exit: field(text, "ExitCode").and_then(exit_code),
    })
}

/// The address by which Slurm itself reaches a node, from `scontrol show node`.
pub(super) fn node_address(text: &str) -> Option<&str> {
    field(text, "NodeAddr").map(known).filter(|address| !address.is_empty())
}

/// Who cancelled a job, from sacct's state: `CANCELLED by 1000`.
pub(super) fn canceller_of(text: &str) -> Option<u32> {
    let state = text.lines().next()?.split('|').nth(1)?;
    state.strip_prefix("CANCELLED by ")?.trim().parse().ok()
}

/// `key=value` in a line of them; keys stand after a blank, values of the keys that we read hold none.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Slurm's ways to say that there is nothing.
fn known(text: &str) -> &str {
    match text.trim() {
        "n/a" | "N/A" | "(null)" | "None" | "None assigned" => "",
        text => text,
    }
}

fn state_of(text: &str) -> Result<SlurmState, AnswerError> {
    SlurmState::parse(text).ok_or_else(|| AnswerError::State(text.trim().to_owned()))
}

/// `status:signal`.
fn exit_code(text: &str) -> Option<(i32, i32)> {
    let (status, signal) = text.trim().split_once(':')?;
    Some((status.parse().ok()?, signal.parse().ok()?))
}

#[cfg(test)]
mod tests;
