//! The gate of InferenceX's AgentX scenario (validate_agentic_result.py): too many failed requests make a replay invalid, although it
//! has an aggregate. It is computed from AIPerf's own summary, whose counts have no warm-up in them.

use super::Json;

/// The accepted share of failed requests, unless `AIPERF_FAILED_REQUEST_THRESHOLD` says otherwise. InferenceX's workflow has the same.
pub const FAILED_REQUEST_THRESHOLD: f64 = 0.1;

/// Why a replay is not a valid measurement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// The summary has no such metric.
    #[error("`{0}.avg` is missing; was the replay stopped before its end?")]
    Missing(&'static str),
    #[error("`{metric}.avg` is {found}, expected a finite number from 0")]
    Value { metric: &'static str, found: String },
    #[error("no request was completed")]
    NothingCompleted,
    #[error("{failed} of {completed} requests failed ({:.1} %), more than the accepted {:.1} %", share * 100.0, threshold * 100.0)]
    Failed {
        failed: f64,
        /// Successful ones and failed ones.
        completed: f64,
        share: f64,
        threshold: f64,
    },
}

/// Checks the share of failed requests in a `profile_export_aiperf.json`; a share equal to the threshold passes.
///
/// # Errors
/// [`ReplayError`].
pub fn check_replay(summary: &Json, threshold: f64) -> Result<(), ReplayError> {
    let successful = average(summary, "request_count")?.ok_or(ReplayError::Missing("request_count"))?;
    let failed = average(summary, "error_request_count")?.unwrap_or(0.0);
    let completed = average(summary, "completed_request_count")?.unwrap_or(successful + failed);
    if completed <= 0.0 {
        return Err(ReplayError::NothingCompleted);
    }
    let share = failed / completed;
    if share > threshold {
        return Err(ReplayError::Failed {
            failed,
            completed,
            share,
            threshold,
        });
    }
    Ok(())
}

fn average(summary: &Json, metric: &'static str) -> Result<Option<f64>, ReplayError> {
    let Some(value) = summary.get(metric).filter(|value| **value != Json::Null) else {
        return Ok(None);
    };
    let average = match value.as_object() {
        Some(object) => match object.get("avg") {
            None | Some(Json::Null) => return Ok(None),
            Some(average) => average,
        },
        None => value,
    };
    match average.as_number().filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) if value.as_object().is_some() => Ok(Some(number)),
        Some(_) | None => Err(ReplayError::Value {
            metric,
            found: average.kind().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_failed_requests_decides() {
        for (summary, problem) in [
            (r#"{"request_count": {"avg": 90}, "error_request_count": {"avg": 10}}"#, None),
            (r#"{"request_count": {"avg": 90.0}, "error_request_count": null}"#, None),
            (
                r#"{"request_count": {"avg": 89}, "error_request_count": {"avg": 11}}"#,
                Some("11 of 100 requests failed (11.0 %)"),
            ),
            (
                r#"{"request_count": {"avg": 8}, "error_request_count": {"avg": 2}, "completed_request_count": {"avg": 40}}"#,
                None,
            ),
            (r#"{"request_count": {"avg": 0}}"#, Some("no request was completed")),
            (r#"{"error_request_count": {"avg": 1}}"#, Some("`request_count.avg` is missing")),
            (r#"{"request_count": {"avg": "90"}}"#, Some("`request_count.avg` is a text")),
            (r#"{"request_count": {"avg": -1}}"#, Some("expected a finite number from 0")),
            (r#"{"request_count": 90}"#, Some("`request_count.avg` is a number")),
            ("[]", Some("`request_count.avg` is missing")),
        ] {
            let checked = check_replay(&Json::parse(summary).unwrap(), FAILED_REQUEST_THRESHOLD);
            match (&checked, problem) {
                (Ok(()), None) => {}
                (Err(error), Some(problem)) => assert!(error.to_string().contains(problem), "{summary}: {error}"),
                (Ok(()), Some(_)) | (Err(_), None) => panic!("{summary}: {checked:?}"),
            }
        }
    }
}
