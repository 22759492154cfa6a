//! Detection of a server restart during a run. A server that restarts between two requests causes no errors, but its caches are
//! empty and the figures are those of a cold engine. `process_start_time_seconds`, a standard metric of Prometheus client libraries
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>) that vLLM exposes, has the start of the process.

use super::measured::Run;
use crate::model::MetricSample;

/// The metric's name, with which its line begins.
const START_TIME: &str = "process_start_time_seconds";

/// The start of the server process, seconds since the Unix epoch, from a page of Prometheus metrics.
#[must_use]
pub fn start_time(metrics: &str) -> Option<f64> {
    let samples = metrics
        .lines()
        .filter(|line| line.starts_with(START_TIME))
        .filter_map(MetricSample::parse);
    let mut starts = samples.filter(|sample| sample.name == START_TIME).map(|sample| sample.value);
    starts.next().filter(|seconds| seconds.is_finite())
}

/// Whether the server process was started during the run. `before` and `after` are the process start times read before and after it. A
/// different start time alone proves nothing: behind a load balancer another replica, which started earlier, may have responded.
#[must_use]
pub fn has_started_during(run: &Run, before: Option<f64>, after: Option<f64>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after > before && after >= run.started.unix_seconds(),
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::measured::tests_support::measured;
    use crate::load::{Record, Stamp};

    #[test]
    fn reads_the_metric_in_its_forms() {
        for (metrics, expected) in [
            (
                "# HELP process_start_time_seconds Start time.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.76380001e+09\n",
                Some(1_763_800_010.0),
            ),
            ("process_start_time_seconds{pid=\"7\"} 12.5 1763800000\n", Some(12.5)),
            ("process_start_time_seconds_total 3\n", None),
            ("process_start_time_seconds NaN\n", None),
            ("", None),
            ("<html>", None),
        ] {
            assert_eq!(start_time(metrics), expected, "{metrics}");
        }
    }

    #[test]
    fn only_a_process_that_began_during_the_run_is_a_restart() {
        let mut run = measured(vec![Record::default()]).run;
        run.started = Stamp::from_unix_nanos(1_000_000_000_000);
        for (before, after, expected) in [
            (Some(500.0), Some(1003.0), true),
            (Some(500.0), Some(500.0), false),
            // Another replica, older than the run.
            (Some(500.0), Some(700.0), false),
            (Some(700.0), Some(500.0), false),
            // A restart cannot be detected if a value is missing.
            (None, Some(1003.0), false),
            (Some(500.0), None, false),
        ] {
            assert_eq!(has_started_during(&run, before, after), expected, "{before:?} {after:?}");
        }
    }
}
