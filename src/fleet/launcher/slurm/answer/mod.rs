//! Parsers for the text output of Slurm's tools: `squeue --format`, `scontrol --oneliner`, `sacct --parsable2`, `sbatch --parsable`.
//! The formats are those of the manual pages of the same names.

/// Job states, as far as they are treated differently. Names: squeue(1), "JOB STATE CODES".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlurmState {
    Pending,
    /// It has its nodes, which are being configured.
    Configuring,
    Running,
    /// Suspended by the scheduler or an administrator.
    Suspended,
    /// Ended, but its processes or its epilog are still there.
    Completing,
    /// Ended with exit status 0.
    Completed,
    Failed,
    /// Cancelled with scancel.
    Cancelled,
    /// Time limit or deadline reached.
    Timeout,
    /// A node failed or did not start.
    NodeFail,
    Preempted,
    /// Killed by the kernel: out of host memory.
    OutOfMemory,
}

impl SlurmState {
    /// Parses its name; anything after the first blank (`CANCELLED by 0`) is ignored.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobView {
    pub state: SlurmState,
    /// Slurm's reason for the state: `Resources`, `Priority`, `TimeLimit`.
    pub reason: String,
    /// Its nodes as a Slurm host list, such as `gb200-[01-04]`; empty before it has any.
    pub nodes: String,
    /// The node of the batch script; empty before it has one.
    pub batch_host: String,
    /// Exit status and signal, if the answer has them.
    pub exit: Option<(i32, i32)>,
}

/// A job found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamedJob {
    /// Job id.
    pub number: u64,
    pub state: SlurmState,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    /// Unexpected form.
    #[error("unexpected answer `{}`", found.trim())]
    Form {
        /// The answer, or its invalid part.
        found: String,
    },
    /// Unknown name of a state.
    #[error("unknown job state `{0}`")]
    State(String),
}

/// The job id from the output of `sbatch --parsable`: `12`, or `12;cluster`.
///
/// # Errors
/// If there is none.
pub(super) fn submitted(text: &str) -> Result<u64, AnswerError> {
    // A site's submission filter may print lines before it.
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let number = last.trim().split(';').next().unwrap_or_default();
    number.parse().map_err(|_| AnswerError::Form { found: text.to_owned() })
}

/// From `squeue` ([`super::command::queue`]) or `sacct` ([`super::command::accounting`]); `None` if Slurm does not know the job.
///
/// # Errors
/// For an answer of another form.
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

/// From `squeue` ([`super::command::find_named`]): the jobs with exactly this name and user.
pub(super) fn parse_named(text: &str, name: &str, user: u32) -> Vec<NamedJob> {
    text.lines().filter_map(|line| parse_named_line(line, name, user)).collect()
}

fn parse_named_line(line: &str, name: &str, user: u32) -> Option<NamedJob> {
    let mut parts = line.trim().splitn(4, '|');
    let (number, state, owner, found) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if found != name || owner.parse() != Ok(user) {
        return None;
    }
    Some(NamedJob {
        number: number.parse().ok()?,
        state: SlurmState::parse(state)?,
    })
}

/// Name of the step in which a batch script waits on the job's other nodes.
pub(super) const WATCHER_STEP: &str = "imax-watcher";

/// From `squeue` ([`super::command::steps`]): the steps started by srun, such as `12.0`, without the batch script's own and
/// without [`WATCHER_STEP`], which has to end what the others leave.
pub(super) fn parse_steps(text: &str) -> Vec<String> {
    text.lines().filter_map(step_of_srun).map(str::to_owned).collect()
}

fn step_of_srun(line: &str) -> Option<&str> {
    let (step, name) = line.trim().split_once('|')?;
    let (_, number) = step.split_once('.')?;
    let is_of_srun = number.bytes().all(|byte| byte.is_ascii_digit()) && name != WATCHER_STEP;
    is_of_srun.then_some(step)
}

/// From `scontrol show job`.
///
/// # Errors
/// For an answer of another form.
pub(super) fn parse_job(text: &str) -> Result<JobView, AnswerError> {
    let state = field(text, "JobState").ok_or_else(|| AnswerError::Form {
        found: text.chars().take(200).collect(),
    })?;
    let [reason, nodes, batch_host] =
        ["Reason", "NodeList", "BatchHost"].map(|name| field(text, name).map(known).unwrap_or_default().to_owned());
    Ok(JobView {
        state: state_of(state)?,
        reason,
        nodes,
        batch_host,
        exit: field(text, "ExitCode").and_then(exit_code),
    })
}

/// The address by which Slurm itself reaches a node, from `scontrol show node`.
pub(super) fn node_address(text: &str) -> Option<&str> {
    field(text, "NodeAddr").map(known).filter(|address| !address.is_empty())
}

/// The user id that cancelled a job, from sacct's state: `CANCELLED by 1000`.
pub(super) fn canceller_of(text: &str) -> Option<u32> {
    let state = text.lines().next()?.split('|').nth(1)?;
    state.strip_prefix("CANCELLED by ")?.trim().parse().ok()
}

/// `key=value` in a line of them; keys follow a blank, and values of the keys read here contain none.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Slurm's placeholders for absent values.
fn known(text: &str) -> &str {
    match text.trim() {
        "n/a" | "N/A" | "(null)" | "None" | "None assigned" => "",
        text => text,
    }
}

fn state_of(text: &str) -> Result<SlurmState, AnswerError> {
    SlurmState::parse(text).ok_or_else(|| AnswerError::State(text.trim().to_owned()))
}

/// Parses `status:signal`.
fn exit_code(text: &str) -> Option<(i32, i32)> {
    let (status, signal) = text.trim().split_once(':')?;
    Some((status.parse().ok()?, signal.parse().ok()?))
}

#[cfg(test)]
mod tests;
