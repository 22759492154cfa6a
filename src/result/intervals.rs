//! Confidence intervals of the means of a measurement's metrics, from its own requests. imax's load generator writes them into its
//! block of a raw result. For other load generators that report a standard deviation, the standard error of the mean is used, as if
//! requests were independent.

use super::agg::{COMPLETED, LOAD, OWN_BLOCK};
use super::point::{Measurement, MetricInterval};
use super::{Json, Metric, Object, number};
use crate::load::bootstrap::student_t95;
use crate::model::count;

/// The key of the intervals in imax's block of a raw result.
pub(super) const CI95: &str = "ci95";
/// The fewest requests for which a standard deviation is used: the estimate from fewer is too rough.
const FEWEST_REQUESTS: usize = 4;

/// The intervals in a normalised document.
pub(super) fn of(document: &Object, measurement: &Measurement) -> Vec<MetricInterval> {
    let Some(block) = document.get(OWN_BLOCK) else {
        return Vec::new();
    };
    let metrics = [
        Metric::Ttft,
        Metric::Tpot,
        Metric::Interactivity,
        Metric::E2el,
        Metric::ThroughputPerGpu,
    ];
    let intervals = metrics.into_iter().filter_map(|metric| {
        let (low, high) = match metric {
            Metric::Ttft => of_mean("ttft", block, measurement)?,
            Metric::Tpot => of_mean("tpot", block, measurement)?,
            Metric::E2el => of_mean("e2el", block, measurement)?,
            // Interactivity is the reciprocal of TPOT, so the bounds change places.
            Metric::Interactivity => reversed(1.0, of_mean("tpot", block, measurement)?),
            // In a closed loop throughput times mean latency is the concurrency (Little's law): both are equally uncertain.
            Metric::ThroughputPerGpu => {
                let product = measurement.get(metric)? * measurement.number("mean_e2el")?;
                reversed(product, of_mean("e2el", block, measurement)?)
            }
            Metric::OutputThroughputPerGpu
            | Metric::InputThroughputPerGpu
            | Metric::TtftP99
            | Metric::E2elP99
            | Metric::Qps
            | Metric::CacheHitRate => return None,
        };
        Some(MetricInterval { metric, low, high })
    });
    intervals
        .filter(|interval| interval.low > 0.0 && interval.high.is_finite())
        .collect()
}

/// The interval of the mean of a latency, seconds.
fn of_mean(name: &str, block: &Json, measurement: &Measurement) -> Option<(f64, f64)> {
    let load = block.get(LOAD).and_then(|load| load.get(CI95));
    let written = load.and_then(|ci95| ends(ci95.get(&format!("mean_{name}_ms"))?));
    written.or_else(|| from_deviation(name, block, measurement))
}

/// From the standard deviation over the requests (divisor n, as numpy's), by Student's t, seconds. The lower end stays positive,
/// because verdicts are about ratios.
fn from_deviation(name: &str, block: &Json, measurement: &Measurement) -> Option<(f64, f64)> {
    let completed = usize::try_from(number::whole(block.get(COMPLETED)?)?).ok()?;
    let freedom = completed.checked_sub(1).filter(|_| completed >= FEWEST_REQUESTS)?;
    let mean = measurement.number(&format!("mean_{name}"))?;
    let error = measurement.number(&format!("std_{name}"))? / mean / count(freedom).sqrt();
    let factor = (student_t95(freedom) * error).exp();
    (factor >= 1.0).then_some((mean / factor, mean * factor))
}

/// Two numbers of milliseconds as seconds.
fn ends(pair: &Json) -> Option<(f64, f64)> {
    let Json::List(pair) = pair else { return None };
    let [low, high] = pair.as_slice() else { return None };
    Some((low.as_number()? / 1e3, high.as_number()? / 1e3))
}

fn reversed(numerator: f64, (low, high): (f64, f64)) -> (f64, f64) {
    (numerator / high, numerator / low)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

    use super::*;

    fn object(text: &str) -> Object {
        let Json::Object(object) = Json::parse(text).unwrap() else {
            panic!("{text}")
        };
        object
    }

    #[test]
    fn intervals_have_the_units_and_directions_of_their_metrics() {
        let document =
            object(r#"{"imax": {"load": {"ci95": {"mean_ttft_ms": [90, 110], "mean_tpot_ms": [8, 10], "mean_e2el_ms": [900, 1100]}}}}"#);
        let measurement = Measurement::new([("tput_per_gpu", 500.0), ("mean_e2el", 1.0)]);
        let found: Vec<_> = of(&document, &measurement)
            .into_iter()
            .map(|interval| (interval.metric, interval.low, interval.high))
            .collect();
        assert_eq!(
            found,
            [
                (Metric::Ttft, 0.09, 0.11),
                (Metric::Tpot, 0.008, 0.01),
                (Metric::Interactivity, 100.0, 125.0),
                (Metric::E2el, 0.9, 1.1),
                (Metric::ThroughputPerGpu, 500.0 / 1.1, 500.0 / 0.9),
            ]
        );
    }

    /// 400 requests with a standard deviation of 20 % leave the mean 1 %, so ±1.97 % by t; four leave it 11.5 %, so a factor of e^0.367.
    #[test]
    fn results_of_other_producers_have_the_standard_error_of_the_mean() {
        let measurement = Measurement::new([("mean_ttft", 0.1), ("std_ttft", 0.02)]);
        let found = of(&object(r#"{"imax": {"completed": 400}}"#), &measurement);
        let [interval] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(interval.metric, Metric::Ttft);
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-3, "{found} is not {expected}");
        close(interval.low, 0.098_05);
        close(interval.high, 0.101_99);
        let few = of(&object(r#"{"imax": {"completed": 4}}"#), &measurement);
        close(few[0].high, 0.144_4);
        assert_eq!(of(&object(r#"{"imax": {"completed": 3}}"#), &measurement), []);
    }

    #[test]
    fn results_without_deviations_have_no_intervals() {
        let measurement = Measurement::new([("tput_per_gpu", 500.0)]);
        for text in [
            "{}",
            r#"{"imax": {"load": {}}}"#,
            r#"{"imax": {"load": {"ci95": {"mean_ttft_ms": [1]}}}}"#,
        ] {
            assert_eq!(of(&object(text), &measurement), [], "{text}");
        }
    }
}
