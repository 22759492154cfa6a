//! The failure of a recipe that ended well and left no result: its output says why, because scripts often end with the status of their
//! last command, which is a clean-up.

use super::context::JobContext;
use super::job_results::result_filename;
use crate::job::{FailureClass, JobFailure, JobPoint, error_lines};

/// Lines of the output that the failure quotes.
const QUOTED_LINES: usize = 3;

/// The failure of a point whose result the recipe did not write.
pub(super) fn without_result(ctx: &JobContext, point: &JobPoint) -> JobFailure {
    let expected = if ctx.spec.row.layout.is_multi_node() {
        let prefix = result_filename(ctx).unwrap_or_default();
        format!("for concurrency {}, {prefix}_*.json", point.conc)
    } else {
        format!("{}.json", point.result_filename)
    };
    without(
        ctx,
        &format!("its result {expected}; it must be written to IMAX_OUT, the repository or /workspace"),
    )
}

/// The failure of a job whose recipe ended with exit status 0 without something that it has to write.
pub(super) fn without(ctx: &JobContext, missing: &str) -> JobFailure {
    let log = ctx.log.tail(&ctx.secrets);
    let errors = error_lines(&log, QUOTED_LINES);
    let errors = match errors.as_slice() {
        [] => "its output has no line that looks like an error".to_owned(),
        errors => format!("the last errors in its output: {}", errors.join(" | ")),
    };
    let reason = format!("the recipe ended without {missing}; its exit status was 0, and {errors}");
    ctx.with_log(JobFailure::new(FailureClass::Server, reason))
}
