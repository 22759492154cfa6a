//! Names of the workflow artifacts in which the steps of a sweep hand files to each other, and by which other tools find results. The
//! names that InferenceX's own tools and its dashboard read are theirs: `bmk_*`, `bmk_agentic_*`, `agentic_*`, `profile_*`, `eval_*`, `server_logs_*`, `results_bmk`,
//! `eval_results_all`, `run-stats`, `changelog-metadata`. They hold nothing that these tools would take for a result.

/// The artifact of the plan.
pub(crate) const PLAN_ARTIFACT: &str = "imax-plan";
/// The plan file in it.
pub(crate) const PLAN_FILE: &str = "plan.json";
/// The artifact of the report with everything that was collected.
pub(crate) const COLLECTED_ARTIFACT: &str = "imax-results";
/// The artifact with the list of results alone. Earlier versions stored everything that was collected in it.
pub(crate) const RESULTS_ARTIFACT: &str = "results_bmk";
/// Everything of a job but its results and logs: the raw results and the record.
pub(crate) const JOB_PREFIX: &str = "job_";
/// The scores of a job.
pub(crate) const EVAL_PREFIX: &str = "eval_";

/// The normalised results of a job.
pub(crate) const RESULT_PREFIX: &str = "bmk_";

/// What a replay of sessions leaves beside its result; after [`RESULT_PREFIX`], the result itself.
pub(crate) const AGENTIC_PREFIX: &str = "agentic_";
/// The traces of a profiled row.
pub(crate) const PROFILE_PREFIX: &str = "profile_";

/// Whether the artifact holds the scores of one job.
pub(super) fn is_eval_artifact(name: &str) -> bool {
    let others = ["eval_results_", "eval_server_logs_", "eval_gpu_metrics_"];
    name.starts_with(EVAL_PREFIX) && !others.iter().any(|other| name.starts_with(other))
}
