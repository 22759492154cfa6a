//! The examination of a node without running a row: the checks of the phases preflight and clean, as a report. `imax doctor` prints it,
//! and the batch script of a scheduled job calls `imax doctor` on each of its nodes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::ExecutionError;
use super::spec::{RunnerProfileError, profile_of_runner};
use crate::fleet::node::{FactsRequest, gather, gather_inside};
use crate::job::{Finding, Grade, NodeFacts, RunnerProfile, Wanted, check_idle, check_node, worst};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::host;

/// The longest examination; it takes far less time if the node's tools respond.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub struct ExaminationRequest {
    /// Name of the runner profile; by default the one of the runner.
    pub profile: Option<String>,
    /// Folder of the runner profiles.
    pub runner_dir: PathBuf,
    /// Name of the runner; by default this machine's.
    pub runner_name: Option<String>,
    /// The number of GPUs that a job would need.
    pub gpus: Option<u64>,
    /// Whether this process runs inside a scheduler's job on the node: then only its GPUs and its clock are examined.
    pub inside_job: bool,
    /// Output folder of the job.
    pub out: PathBuf,
    /// Port of the engine.
    pub port: Option<u16>,
}

#[derive(Debug, Serialize)]
pub struct Examination {
    /// Name of the machine.
    pub host: String,
    /// Name of the runner profile.
    pub profile: String,
    /// The worst grade of the findings.
    pub worst: Grade,
    /// Each check, with its grade.
    pub findings: Vec<Finding>,
    /// The facts from which the findings are derived.
    pub facts: NodeFacts,
}

/// Why a node was not examined.
#[derive(Debug, thiserror::Error)]
pub enum ExaminationError {
    /// There is no profile to compare the node with.
    #[error(transparent)]
    Profile(#[from] RunnerProfileError),
    #[error(transparent)]
    Folder(#[from] ExecutionError),
    #[error("cancelled")]
    Cancelled(CancelCause),
}

/// Examines this node.
///
/// # Errors
/// If the profile cannot be used, or the examination is cancelled.
pub fn examine(request: &ExaminationRequest, cancellation: &Cancellation) -> Result<Examination, ExaminationError> {
    let profile = profile_of_runner(request.profile.as_deref(), request.runner_name.as_deref(), &request.runner_dir)?;
    let facts = gather_facts(request, &profile, cancellation)?;
    if let Some(cause) = cancellation.cause() {
        return Err(ExaminationError::Cancelled(cause));
    }
    let mut node = profile.node.clone();
    if request.inside_job {
        // Inside a job, only the job's GPUs are visible, so the node's number of GPUs is not checked.
        node.gpus = None;
    }
    let wanted = Wanted {
        node: &node,
        gpus: request.gpus,
        token: profile.wants_hub_token() && !request.inside_job,
    };
    let mut findings = check_node(&facts, wanted);
    findings.extend(check_idle(&facts, wanted));
    Ok(Examination {
        host: host::host_name(),
        profile: profile.name,
        worst: worst(&findings),
        findings,
        facts,
    })
}

fn gather_facts(request: &ExaminationRequest, profile: &RunnerProfile, cancellation: &Cancellation) -> Result<NodeFacts, ExecutionError> {
    let (out, workspace) = (super::context::absolute(&request.out)?, super::context::absolute(Path::new("."))?);
    let visible = profile.visible_choice(&|name| engine_variable(profile, name));
    let gather = if request.inside_job { gather_inside } else { gather };
    Ok(gather(&FactsRequest {
        vendor: profile.vendor,
        visible: visible.as_deref(),
        launch: &profile.launch,
        out: &out,
        workspace: &workspace,
        hub_cache: profile.hf_cache.as_deref(),
        port: request.port,
        inside_job: request.inside_job,
        cancellation,
        until: Instant::now() + LIMIT,
    }))
}

/// A variable of the engine's environment.
fn engine_variable(profile: &RunnerProfile, name: &str) -> Option<String> {
    let set = profile.environment.get(name).cloned();
    set.or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
}
