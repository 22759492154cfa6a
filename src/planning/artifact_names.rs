//! Names of the workflow artifacts in which the steps of a sweep hand files to each other.

/// The artifact of the plan.
pub(crate) const PLAN_ARTIFACT: &str = "imax-plan";
/// The plan file in it.
pub(crate) const PLAN_FILE: &str = "plan.json";
/// The artifact of the report.
pub(crate) const RESULTS_ARTIFACT: &str = "results_bmk";
