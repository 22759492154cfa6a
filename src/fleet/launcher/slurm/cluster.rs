//! Requests to a Slurm cluster: submit, query, cancel. Each is one call of one tool with a timeout.

use std::process::Command;
use std::time::Duration;

use super::SlurmError;
use super::answer::{JobView, NamedJob, canceller_of, node_address, parse_job, parse_named, parse_queue, parse_steps, submitted};
use super::answer_json::{parse_accounting_json, parse_queue_json};
use super::command::{
    SlurmVersion, accounting, accounting_json, cancel, cancel_named, find_named, kill_script, kill_steps, queue, queue_json,
    show_hostnames, show_job, show_node, steps, terminate,
};
use super::request::BatchRequest;
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::host::own_user;
use crate::system::process::JOB_MARK;
use crate::system::tool::{ToolError, run_async};

/// The tool that submits jobs.
pub(super) const SBATCH: &str = "sbatch";
/// Timeout of a submission: site plugins may be slow.
const SUBMISSION: Duration = Duration::from_secs(60);
/// Timeout of any other request.
const QUESTION: Duration = Duration::from_secs(15);

/// A cluster, as the tools on this machine reach it.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    job: String,
    environment: Vec<(String, String)>,
    configuration: Option<String>,
    version: Option<SlurmVersion>,
}

/// Variables that Slurm's tools need. Others, such as `SQUEUE_FORMAT` or `SBATCH_PARTITION`, would change their behaviour.
const TOOL_VARIABLES: [&str; 4] = ["PATH", "HOME", "USER", "LOGNAME"];

/// The beginnings of the names of such variables.
const TOOL_PREFIXES: [&str; 5] = ["SLURM_", "SQUEUE_", "SCANCEL_", "SBATCH_", "SALLOC_"];

/// A call of a tool.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    tool: &'static str,
    arguments: &'a [String],
    environment: &'a [(String, String)],
    stdin: &'a str,
}

impl Call<'_> {
    /// The tool's stdout, or the error on its stderr. A controller that does not answer must not delay a job's stop, so there is
    /// always a timeout.
    async fn answer(self, limit: Duration, cancellation: &Cancellation) -> Result<String, SlurmError> {
        let tool = self.tool;
        let mut command = Command::new(tool);
        command.args(self.arguments).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let said = run_async(command, self.stdin, limit, cancellation)
            .await
            .map_err(|error| match error {
                ToolError::Start { source, .. } | ToolError::Watch { source, .. } => SlurmError::Start { tool, source },
                ToolError::Late { limit, .. } => SlurmError::Late {
                    tool,
                    seconds: limit.as_secs_f64(),
                },
                ToolError::Stopped(_) => SlurmError::Stopped,
                ToolError::Failed { said, .. } => SlurmError::refused(tool, &said),
            })?;
        if said.status.success() {
            Ok(said.stdout)
        } else {
            Err(SlurmError::refused(tool, &said.stderr))
        }
    }
}

impl Cluster {
    /// The cluster that this machine belongs to; `configuration` is its `SLURM_CONF`, if it is not at its usual path.
    pub fn new(job: &JobId, configuration: Option<String>) -> Self {
        let mut environment: Vec<(String, String)> = TOOL_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        environment.push(("LC_ALL".to_owned(), "C".to_owned()));
        // Without the job's mark: on a machine that is also the job's node, ending the script's processes must not end this tool.
        environment.push((JOB_MARK.to_owned(), format!("{job}-tool")));
        environment.extend(configuration.iter().map(|path| ("SLURM_CONF".to_owned(), path.clone())));
        Self {
            job: job.to_string(),
            environment,
            configuration,
            version: None,
        }
    }

    /// The same for jobs that a launch script submits: the tools get the variables that the script's own get, as sites have wrappers for
    /// them, but none that changes what they print or select.
    pub fn of_script(job: &JobId, configuration: Option<String>) -> Self {
        let Self {
            environment: own,
            job,
            configuration,
            version,
        } = Self::new(job, configuration);
        let inherited = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let inherited = inherited.filter(|(name, _)| {
            let is_own = own.iter().any(|(own, _)| own == name);
            let changes_tools = TOOL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            !is_own && !changes_tools
        });
        let environment = inherited.chain(own.iter().cloned()).collect();
        Self {
            job,
            environment,
            configuration,
            version,
        }
    }

    async fn ask(
        &self,
        tool: &'static str,
        arguments: &[String],
        limit: Duration,
        cancellation: &Cancellation,
    ) -> Result<String, SlurmError> {
        let call = Call {
            tool,
            arguments,
            environment: &self.environment,
            stdin: "",
        };
        call.answer(limit, cancellation).await
    }

    /// Submits a job and returns its id.
    pub async fn submit(&self, request: &BatchRequest, limit: Duration, cancellation: &Cancellation) -> Result<u64, SlurmError> {
        let mut environment = request.environment.clone();
        environment.extend(self.configuration.iter().map(|path| ("SLURM_CONF".to_owned(), path.clone())));
        environment.push((JOB_MARK.to_owned(), self.job.clone()));
        let call = Call {
            tool: SBATCH,
            arguments: &request.arguments,
            environment: &environment,
            stdin: &request.script,
        };
        let answer = call.answer(limit.min(SUBMISSION), cancellation).await?;
        submitted(&answer).map_err(|source| SlurmError::Answer { tool: SBATCH, source })
    }

    /// Reads the version, on which the form of the answers depends.
    pub async fn learn_version(&mut self, cancellation: &Cancellation) -> Result<(), SlurmError> {
        let answer = self.ask("squeue", &["--version".to_owned()], QUESTION, cancellation).await?;
        self.version = SlurmVersion::parse(&answer);
        Ok(())
    }

    /// State of a job; `None` if Slurm has forgotten it.
    pub async fn look(&self, job: u64, cancellation: &Cancellation) -> Result<Option<JobView>, SlurmError> {
        const TOOL: &str = "squeue";
        let unreadable = |source| SlurmError::Answer { tool: TOOL, source };
        let json = self.version.is_some_and(SlurmVersion::filters_json);
        let arguments = if json { queue_json(job) } else { queue(job) };
        match self.ask(TOOL, &arguments, QUESTION, cancellation).await {
            Ok(answer) if json => parse_queue_json(&answer, job).map_err(unreadable),
            Ok(answer) => parse_queue(&answer).map_err(unreadable),
            Err(error) if error.is_unknown_job() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// State of a finished job with its exit status: from the controller while it remembers the job, else from accounting,
    /// which not every cluster has. `None` if neither knows it.
    pub async fn post_mortem(&self, job: u64, cancellation: &Cancellation) -> Result<Option<JobView>, SlurmError> {
        const TOOL: &str = "scontrol";
        match self.ask(TOOL, &show_job(job), QUESTION, cancellation).await {
            Ok(answer) => parse_job(&answer)
                .map(Some)
                .map_err(|source| SlurmError::Answer { tool: TOOL, source }),
            Err(error) if error.is_unknown_job() => Ok(self.accounted(job, cancellation).await),
            Err(error) => Err(error),
        }
    }

    async fn accounted(&self, job: u64, cancellation: &Cancellation) -> Option<JobView> {
        if self.version.is_some_and(SlurmVersion::has_accounting_json) {
            let answer = self.ask("sacct", &accounting_json(job), QUESTION, cancellation).await.ok();
            let found = answer.and_then(|answer| parse_accounting_json(&answer, job).ok().flatten());
            if found.is_some() {
                return found;
            }
        }
        let answer = self.ask("sacct", &accounting(job), QUESTION, cancellation).await.ok()?;
        parse_queue(&answer).ok().flatten()
    }

    /// Who cancelled a job, if accounting knows.
    pub async fn canceller(&self, job: u64, cancellation: &Cancellation) -> Option<String> {
        let answer = self.ask("sacct", &accounting(job), QUESTION, cancellation).await.ok()?;
        canceller_of(&answer).map(|number| number.to_string())
    }

    /// The address of a node: the one that Slurm uses itself, or the node's name.
    pub async fn address(&self, node: &str, cancellation: &Cancellation) -> String {
        let answer = self
            .ask("scontrol", &show_node(node), QUESTION, cancellation)
            .await
            .unwrap_or_default();
        node_address(&answer).unwrap_or(node).to_owned()
    }

    /// The node names in a Slurm host list, in the order that a job's script sees.
    pub async fn names(&self, nodes: &str, cancellation: &Cancellation) -> Vec<String> {
        let answer = self
            .ask("scontrol", &show_hostnames(nodes), QUESTION, cancellation)
            .await
            .unwrap_or_default();
        answer.split_whitespace().map(str::to_owned).collect()
    }

    /// This user's unfinished jobs with a name.
    pub async fn named(&self, name: &str, limit: Duration, cancellation: &Cancellation) -> Result<Vec<NamedJob>, SlurmError> {
        let answer = self.ask("squeue", &find_named(name), limit.min(QUESTION), cancellation).await?;
        Ok(parse_named(&answer, name, own_user()))
    }

    /// Sends SIGTERM to everything in a job. A job that has ended, or has not begun, refuses it.
    pub async fn terminate(&self, job: u64, limit: Duration, cancellation: &Cancellation) -> Result<(), SlurmError> {
        self.ask("scancel", &terminate(job), limit.min(QUESTION), cancellation)
            .await
            .map(drop)
    }

    /// Sends SIGKILL to a job's steps and to what its script finds on its nodes. The job is over when the script is;
    /// one whose script does not react has to be cancelled.
    pub async fn kill(&self, job: u64, limit: Duration, cancellation: &Cancellation) -> Result<(), SlurmError> {
        let limit = limit.min(QUESTION);
        let steps = parse_steps(&self.ask("squeue", &steps(job), limit, cancellation).await?);
        // A step that ends in between refuses the signal; the next query shows that.
        if !steps.is_empty() {
            let _ = self.ask("scancel", &kill_steps(&steps), limit, cancellation).await;
        }
        self.ask("scancel", &kill_script(job), limit, cancellation).await.map(drop)
    }

    /// Cancels all jobs of this user with a name.
    pub async fn cancel_named(&self, name: &str, limit: Duration, cancellation: &Cancellation) -> Result<(), SlurmError> {
        let arguments = cancel_named(name, own_user());
        self.ask("scancel", &arguments, limit.min(QUESTION), cancellation).await.map(drop)
    }

    pub async fn cancel(&self, job: u64, limit: Duration, cancellation: &Cancellation) -> Result<(), SlurmError> {
        self.ask("scancel", &cancel(job), limit.min(QUESTION), cancellation).await.map(drop)
    }
}
