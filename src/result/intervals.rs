//! The confidence intervals that imax's load generator puts into its block of a raw result, as intervals of metrics. A load
//! generator that writes none leaves a point without.

use super::agg::{LOAD, OWN_BLOCK};
use super::point::{Measurement, MetricInterval};
use super::{Json, Metric, Object};

/// Where the load generator has written them.
pub(super) const CI95: &str = "ci95";

/// The intervals in a normalised document.
pub(super) fn of(document: &Object, measurement: &Measurement) -> Vec<MetricInterval> {
    let found = document.get(OWN_BLOCK).and_then(|block| block.get(LOAD)?.get(CI95));
    let Some(found) = found else {
        return Vec::new();
    };
    let seconds = |name: &str| ends(found.get(name)?);
    let metrics = [
        Metric::Ttft,
        Metric::Tpot,
        Metric::Interactivity,
        Metric::E2el,
        Metric::ThroughputPerGpu,
    ];
    let intervals = metrics.into_iter().filter_map(|metric| {
        let (low, high) = match metric {
            Metric::Ttft => seconds("median_ttft_ms")?,
            Metric::Tpot => seconds("median_tpot_ms")?,
            Metric::E2el => seconds("median_e2el_ms")?,
            // The reciprocal of TPOT.
            Metric::Interactivity => reversed(1.0, seconds("median_tpot_ms")?),
            // In a closed loop throughput times mean latency is the concurrency (Little's law): both are equally uncertain.
            Metric::ThroughputPerGpu => {
                let product = measurement.get(metric)? * measurement.number("mean_e2el")?;
                reversed(product, seconds("mean_e2el_ms")?)
            }
            Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu | Metric::TtftP99 | Metric::E2elP99 => return None,
        };
        Some(MetricInterval { metric, low, high })
    });
    intervals
        .filter(|interval| interval.low > 0.0 && interval.high.is_finite())
        .collect()
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
        let document = object(
            r#"{"imax": {"load": {"ci95": {"median_ttft_ms": [90, 110], "median_tpot_ms": [8, 10], "mean_e2el_ms": [900, 1100]}}}}"#,
        );
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
                (Metric::ThroughputPerGpu, 500.0 / 1.1, 500.0 / 0.9),
            ]
        );
    }

    #[test]
    fn results_of_other_producers_have_no_intervals() {
        let measurement = Measurement::new([("tput_per_gpu", 500.0)]);
        for text in [
            "{}",
            r#"{"imax": {"load": {}}}"#,
            r#"{"imax": {"load": {"ci95": {"median_ttft_ms": [1]}}}}"#,
        ] {
            assert_eq!(of(&object(text), &measurement), [], "{text}");
        }
    }
}
