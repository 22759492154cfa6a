//! What counts as a change when one run stands against one other run and nothing is known about their noise: fixed
//! thresholds, wide enough for what repeated runs of the same engine on the same node differ by.

use serde::{Deserialize, Serialize};

use crate::result::{Better, Metric};

/// What a change of one metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricVerdict {
    /// Certainly better.
    Better,
    /// Certainly worse.
    Worse,
    /// Within noise.
    Same,
    /// More than is usual, less than is certain.
    Unsure,
}

/// Rates and times of a closed loop average over all requests and repeat within 1 to 2 % (standard deviation) on an
/// otherwise idle node; 2.5 % is what two such runs rarely differ by.
const USUAL: f64 = 0.025;
/// The time to first token is a queueing time: at the same concurrency a slightly different arrival order moves its
/// median by several percent.
const USUAL_TTFT: f64 = 0.05;
/// A change of this many times the usual one is certain.
const CERTAIN: f64 = 2.0;

/// Judges a relative change, `head / base - 1`.
pub(super) fn judge(metric: Metric, relative: f64) -> MetricVerdict {
    let usual = match metric {
        Metric::Ttft | Metric::TtftP99 => USUAL_TTFT,
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Tpot
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99 => USUAL,
    };
    let better = match metric.better() {
        Better::Higher => relative > 0.0,
        Better::Lower => relative < 0.0,
    };
    if relative.abs() <= usual {
        MetricVerdict::Same
    } else if relative.abs() <= usual * CERTAIN {
        MetricVerdict::Unsure
    } else if better {
        MetricVerdict::Better
    } else {
        MetricVerdict::Worse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_of_the_metric_decides_what_is_better() {
        for (metric, relative, verdict) in [
            (Metric::ThroughputPerGpu, 0.06, MetricVerdict::Better),
            (Metric::ThroughputPerGpu, -0.06, MetricVerdict::Worse),
            (Metric::ThroughputPerGpu, -0.04, MetricVerdict::Unsure),
            (Metric::ThroughputPerGpu, 0.02, MetricVerdict::Same),
            (Metric::E2el, 0.06, MetricVerdict::Worse),
            (Metric::Ttft, -0.11, MetricVerdict::Better),
            (Metric::Ttft, 0.06, MetricVerdict::Unsure),
            (Metric::Ttft, 0.04, MetricVerdict::Same),
        ] {
            assert_eq!(judge(metric, relative), verdict, "{metric:?} {relative}");
        }
    }
}
