//! `job.json`: the outcome, phases, points and provenance of a job. It is written at the end of every job and never contains a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::matrix::Row;
use crate::model::{Concurrency, JobId, RunnerName};

use super::{Attempt, Energy, Gpu, GpuUsage, HostUse, Outcome, Phase, Recipe, RoleEnergy, TraceRecord};

/// The format of `job.json`; the number is incremented if readers must change.
pub const RECORD_SCHEMA: &str = "imax-job/1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    pub job_id: JobId,
    /// The outcome of the whole job.
    pub outcome: Outcome,
    /// Exit status of `imax run`.
    pub exit_code: u8,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// End, RFC 3339 in UTC.
    pub ended: String,
    /// Seconds between them by a monotonic clock.
    pub seconds: f64,
    /// The row, unchanged.
    pub row: Row,
    /// Each point of the row.
    pub points: Vec<PointRecord>,
    /// The score of each task at each evaluated concurrency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evals: Vec<EvalRecord>,
    /// The traces of a row that was profiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceRecord>,
    /// Each phase that began, in order; warm-up and load once per point.
    pub phases: Vec<PhaseRecord>,
    /// Each attempt of the job and of its operations, in order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Provenance of the results.
    pub provenance: Provenance,
}

/// The outcome of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointRecord {
    /// Concurrent requests.
    pub conc: Concurrency,
    /// The common name of its files.
    pub result_filename: String,
    pub outcome: Outcome,
    /// File of the raw result, relative to the folder of `job.json`. The name of a partial result starts with `partial_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// File of the normalised result, relative to the folder of `job.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalised: Option<String>,
    /// Energy of the GPUs during the load; absent if the profile names no GPU vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// Energy of each role, for a row over several nodes with telemetry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_energy: Option<RoleEnergy>,
    /// GPU metrics during the load; absent without telemetry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_usage: Option<GpuUsage>,
    /// Host metrics during the load; absent if it was shorter than the sampling interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_use: Option<HostUse>,
}

impl PointRecord {
    /// A point with only its outcome.
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
    /// Concurrent requests.
    pub conc: Concurrency,
    pub task: String,
    /// Metric and filter: `exact_match,strict-match`.
    pub score_name: String,
    /// The score, 0 to 1; `None` if no question was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// Its 95% interval (Wilson).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_95: Option<[f64; 2]>,
    pub answered: usize,
    pub asked: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `pass`, `unsure`, `fail`, or `unjudged` if there is no threshold.
    pub verdict: String,
    /// File of the results, relative to the folder of `job.json`.
    pub results: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseEnding {
    Done,
    /// There was nothing to do, or the recipe does it itself.
    Skipped,
    Failed,
    DeadlineExceeded,
    Cancelled,
}

/// One phase of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    pub phase: Phase,
    /// Attempt of the job, from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// The point's concurrency, for phases that occur once per point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conc: Option<Concurrency>,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// End, RFC 3339 in UTC.
    pub ended: String,
    /// Seconds between them by a monotonic clock.
    pub seconds: f64,
    /// The deadline, seconds.
    pub deadline_s: f64,
    pub ending: PhaseEnding,
    /// The reason, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn first() -> u32 {
    1
}

/// Provenance of the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of imax.
    pub imax_version: String,
    pub host: String,
    /// The kernel, as printed by `uname`.
    pub kernel: String,
    pub runner_name: RunnerName,
    pub profile: String,
    pub launcher: String,
    /// The recipe, with its fingerprint; absent if the row was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// Commit of the repository that contains the recipe, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The model name that requests were sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// Facts about the engine, such as `image_digest` and `engine_version`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub engine: BTreeMap<String, String>,
    /// The GPUs available to the job, as they were before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Version of their driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_driver: Option<String>,
    /// Version of CUDA that the driver supports, or of the node's ROCm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_toolkit: Option<String>,
    /// The recipe's environment without secrets; those are listed in `secrets`.
    pub environment: BTreeMap<String, String>,
    /// Names of the recipe's secrets.
    pub secrets: Vec<String>,
}
