//! `job.json`: the outcome of a job, for machines. One file a job, written at its end whatever the outcome, with the
//! phases, the points and where the numbers come from. It never holds a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::matrix::Row;
use crate::model::{Concurrency, JobId, RunnerName};

use super::{Attempt, Energy, Gpu, GpuUsage, HostUse, Outcome, Phase, Recipe, RoleEnergy};

/// The format of `job.json`; the number after the slash grows when a reader must change.
pub const RECORD_SCHEMA: &str = "imax-job/1";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    /// The job's name.
    pub job_id: JobId,
    /// The outcome of the job as a whole.
    pub outcome: Outcome,
    /// The status that `imax run` exited with.
    pub exit_code: u8,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// End, RFC 3339 in UTC.
    pub ended: String,
    /// Seconds between them by a clock that does not jump.
    pub seconds: f64,
    /// The row, unchanged.
    pub row: Row,
    /// Each point of the row.
    pub points: Vec<PointRecord>,
    /// The score of each task, once for each concurrency at which it was evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evals: Vec<EvalRecord>,
    /// Each phase that began, in its order; warm-up and load once a point.
    pub phases: Vec<PhaseRecord>,
    /// Each try of the job and of what it needed, in its order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Where the numbers come from.
    pub provenance: Provenance,
}

/// The outcome of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointRecord {
    /// Requests under way at once.
    pub conc: Concurrency,
    /// The name that its files share.
    pub result_filename: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// The raw result's file, below the folder of `job.json`. A partial result's name starts with `partial_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The normalised result's file, below the folder of `job.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalised: Option<String>,
    /// Energy of the GPUs over the load's window; absent where the profile names no GPU vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// The part of each role, for a row over several nodes whose nodes are sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_energy: Option<RoleEnergy>,
    /// What the GPUs did during the load; absent where nothing sampled them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_usage: Option<GpuUsage>,
    /// What the host did during the load; absent where it was shorter than the time between two samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_use: Option<HostUse>,
}

impl PointRecord {
    /// A point of which nothing but its end is known.
    #[must_use]
    pub fn new(conc: Concurrency, result_filename: String, outcome: Outcome) -> Self {
        Self {
            conc,
            result_filename,
            outcome,
            raw: None,
            normalised: None,
            energy: None,
            role_energy: None,
            gpu_usage: None,
            host_use: None,
        }
    }
}

/// The main score of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalRecord {
    /// Requests under way at once.
    pub conc: Concurrency,
    /// The task.
    pub task: String,
    /// Metric and filter: `exact_match,strict-match`.
    pub score_name: String,
    /// The score, 0 to 1; none where nothing was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// Its 95% interval (Wilson).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_95: Option<[f64; 2]>,
    /// Questions that were answered.
    pub answered: usize,
    /// Questions that were asked.
    pub asked: usize,
    /// What the score has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `pass`, `unsure`, `fail`, or `unjudged` where there is no threshold.
    pub verdict: String,
    /// The results' file, below the folder of `job.json`.
    pub results: String,
}

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseEnding {
    /// Done.
    Done,
    /// There was nothing to do, or the recipe does it itself.
    Skipped,
    /// It failed.
    Failed,
    /// Its deadline came.
    DeadlineExceeded,
    /// A signal came.
    Cancelled,
}

/// One phase of a job's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Which.
    pub phase: Phase,
    /// The try of the job that it belongs to, from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// The point's concurrency, for phases that come once a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conc: Option<Concurrency>,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// End, RFC 3339 in UTC.
    pub ended: String,
    /// Seconds between them by a clock that does not jump.
    pub seconds: f64,
    /// The longest time it was allowed, seconds.
    pub deadline_s: f64,
    /// How it ended.
    pub ending: PhaseEnding,
    /// Why it ended so, where that needs words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn first() -> u32 {
    1
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of imax.
    pub imax_version: String,
    /// The node's own name.
    pub host: String,
    /// The kernel, as `uname` says.
    pub kernel: String,
    /// The runner's name.
    pub runner_name: RunnerName,
    /// The runner profile's name.
    pub profile: String,
    /// How the engine was started.
    pub launcher: String,
    /// The recipe, with its fingerprint; absent where the row was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// Commit of the repository that the recipe lies in, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The engine's model name that requests were sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// What is known of the engine, such as `image_digest` and `engine_version`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub engine: BTreeMap<String, String>,
    /// The GPUs that the job could use, as they were before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Version of their driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_driver: Option<String>,
    /// Version of CUDA that the driver has, or of the node's ROCm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_toolkit: Option<String>,
    /// The environment that the recipe got, without secrets; those are named in `secrets`.
    pub environment: BTreeMap<String, String>,
    /// Names of the secrets that the recipe got.
    pub secrets: Vec<String>,
}
