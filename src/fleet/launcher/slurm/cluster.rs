//! What is asked of a Slurm cluster: submit, look, cancel. Each question is one call of one tool with a deadline.

use std::process::Command;
use std::time::Duration;

use super::SlurmError;
use super::answer::{JobView, NamedJob, canceller_of, node_address, parse_job, parse_named, parse_queue, parse_steps, submitted};
use super::answer_json::{parse_accounting_json, parse_queue_json};
use super::command::{
    SlurmVersion, accounting, accounting_json, cancel, find_named, kill_script, kill_steps, queue, queue_json, show_hostnames, show_job,
    show_node, steps, terminate,
};
use super::request::BatchRequest;
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::host::own_user;
use crate::system::process::JOB_MARK;
use crate::system::tool::{ToolError, run_async};

/// The longest time for a submission: site plugins may take their time.
const SUBMISSION: Duration = Duration::from_secs(60);
/// The longest time for any other question.
const QUESTION: Duration = Duration::from_secs(15);

/// A cluster, as the tools on this machine reach it.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    job: String,
    environment: Vec<(String, String)>,
    configuration: Option<String>,
    version: Option<SlurmVersion>,
}

/// Variables that Slurm's tools need. Others, such as `SQUEUE_FORMAT` or `SBATCH_PARTITION`, would change what they do.
const OF_THE_TOOLS: [&str; 4] = ["PATH", "HOME", "USER", "LOGNAME"];

/// A call of a tool.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    tool: &'static str,
    arguments: &'a [String],
    /// Its whole environment.
    environment: &'a [(String, String)],
    stdin: &'a str,
}

impl Call<'_> {
    /// What the tool prints on stdout, or the error that it prints on stderr. A controller that does not answer must not hold up a
    /// job's stop, so there is always a limit.
    async fn answer(self, limit: Duration, stop: &Cancellation) -> Result<String, SlurmError> {
        let tool = self.tool;
        let mut command = Command::new(tool);
        command.args(self.arguments).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let said = run_async(command, self.stdin, limit, stop).await.map_err(|error| match error {
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
    /// The cluster that this machine belongs to; `configuration` is its `SLURM_CONF`, where it is not at its usual place.
    pub fn new(job: &JobId, configuration: Option<String>) -> Self {
        let own = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        let mut environment: Vec<(String, String)> = OF_THE_TOOLS.into_iter().filter_map(own).collect();
        environment.push(("LC_ALL".to_owned(), "C".to_owned()));
        // Not the job's own mark: on a machine that is also the job's node, the end of its script must not end a question about it.
        environment.push((JOB_MARK.to_owned(), format!("{job}-tool")));
        environment.extend(configuration.iter().map(|path| ("SLURM_CONF".to_owned(), path.clone())));
        Self {
            job: job.to_string(),
            environment,
            configuration,
            version: None,
        }
    }

    async fn ask(&self, tool: &'static str, arguments: &[String], limit: Duration, stop: &Cancellation) -> Result<String, SlurmError> {
        let call = Call {
            tool,
            arguments,
            environment: &self.environment,
            stdin: "",
        };
        call.answer(limit, stop).await
    }

    /// Submits a job and gives its number.
    pub async fn submit(&self, request: &BatchRequest, limit: Duration, stop: &Cancellation) -> Result<u64, SlurmError> {
        const TOOL: &str = "sbatch";
        let mut environment = request.environment.clone();
        environment.extend(self.configuration.iter().map(|path| ("SLURM_CONF".to_owned(), path.clone())));
        environment.push((JOB_MARK.to_owned(), self.job.clone()));
        let call = Call {
            tool: TOOL,
            arguments: &request.arguments,
            environment: &environment,
            stdin: &request.script,
        };
        let answer = call.answer(limit.min(SUBMISSION), stop).await?;
        submitted(&answer).map_err(|source| SlurmError::Answer { tool: TOOL, source })
    }

    /// Asks for the version, on which the form of the answers depends.
    pub async fn learn_version(&mut self, stop: &Cancellation) -> Result<(), SlurmError> {
        let answer = self.ask("squeue", &["--version".to_owned()], QUESTION, stop).await?;
        self.version = SlurmVersion::parse(&answer);
        Ok(())
    }

    /// What is known of a job; `None` where Slurm has forgotten it.
    pub async fn look(&self, job: u64, stop: &Cancellation) -> Result<Option<JobView>, SlurmError> {
        const TOOL: &str = "squeue";
        let unreadable = |source| SlurmError::Answer { tool: TOOL, source };
        let json = self.version.is_some_and(SlurmVersion::filters_json);
        let arguments = if json { queue_json(job) } else { queue(job) };
        match self.ask(TOOL, &arguments, QUESTION, stop).await {
            Ok(answer) if json => parse_queue_json(&answer, job).map_err(unreadable),
            Ok(answer) => parse_queue(&answer).map_err(unreadable),
            Err(error) if error.is_unknown_job() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What became of a job that is over, with its exit status: from the controller while it remembers, else from accounting,
    /// which not every cluster has. `None` where nobody knows.
    pub async fn post_mortem(&self, job: u64, stop: &Cancellation) -> Result<Option<JobView>, SlurmError> {
        const TOOL: &str = "scontrol";
        match self.ask(TOOL, &show_job(job), QUESTION, stop).await {
            Ok(answer) => parse_job(&answer)
                .map(Some)
                .map_err(|source| SlurmError::Answer { tool: TOOL, source }),
            Err(error) if error.is_unknown_job() => Ok(self.accounted(job, stop).await),
            Err(error) => Err(error),
        }
    }

    async fn accounted(&self, job: u64, stop: &Cancellation) -> Option<JobView> {
        if self.version.is_some_and(SlurmVersion::has_accounting_json) {
            let answer = self.ask("sacct", &accounting_json(job), QUESTION, stop).await.ok();
            let found = answer.and_then(|answer| parse_accounting_json(&answer, job).ok().flatten());
            if found.is_some() {
                return found;
            }
        }
        let answer = self.ask("sacct", &accounting(job), QUESTION, stop).await.ok()?;
        parse_queue(&answer).ok().flatten()
    }

    /// Who cancelled a job, where accounting knows.
    pub async fn canceller(&self, job: u64, stop: &Cancellation) -> Option<String> {
        let answer = self.ask("sacct", &accounting(job), QUESTION, stop).await.ok()?;
        canceller_of(&answer).map(|number| number.to_string())
    }

    /// The address of a node: the one that Slurm uses itself, or the node's name.
    pub async fn address(&self, node: &str, stop: &Cancellation) -> String {
        let answer = self.ask("scontrol", &show_node(node), QUESTION, stop).await.unwrap_or_default();
        node_address(&answer).unwrap_or(node).to_owned()
    }

    /// The name of each node of a list as Slurm shortens it, in the order that a job's script sees.
    pub async fn names(&self, nodes: &str, stop: &Cancellation) -> Vec<String> {
        let answer = self
            .ask("scontrol", &show_hostnames(nodes), QUESTION, stop)
            .await
            .unwrap_or_default();
        answer.split_whitespace().map(str::to_owned).collect()
    }

    /// Our own jobs with a name that are not over.
    pub async fn named(&self, name: &str, limit: Duration, stop: &Cancellation) -> Result<Vec<NamedJob>, SlurmError> {
        let answer = self.ask("squeue", &find_named(name), limit.min(QUESTION), stop).await?;
        Ok(parse_named(&answer, name, own_user()))
    }

    /// Asks everything of a job to end. A job that has ended, or has not begun, refuses it.
    pub async fn terminate(&self, job: u64, limit: Duration, stop: &Cancellation) -> Result<(), SlurmError> {
        self.ask("scancel", &terminate(job), limit.min(QUESTION), stop).await.map(drop)
    }

    /// Ends everything of a job by force: its steps, and what its script finds on its nodes. The job is over when the script is;
    /// one whose script does not listen has to be cancelled.
    pub async fn kill(&self, job: u64, limit: Duration, stop: &Cancellation) -> Result<(), SlurmError> {
        let limit = limit.min(QUESTION);
        let steps = parse_steps(&self.ask("squeue", &steps(job), limit, stop).await?);
        // What ends by itself in between refuses; the next look shows that.
        if !steps.is_empty() {
            let _ = self.ask("scancel", &kill_steps(&steps), limit, stop).await;
        }
        self.ask("scancel", &kill_script(job), limit, stop).await.map(drop)
    }

    /// Cancels a job.
    pub async fn cancel(&self, job: u64, limit: Duration, stop: &Cancellation) -> Result<(), SlurmError> {
        self.ask("scancel", &cancel(job), limit.min(QUESTION), stop).await.map(drop)
    }
}
