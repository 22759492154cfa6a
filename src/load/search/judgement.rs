//! Whether a load met an objective, with the uncertainty of what was measured.
//!
//! A percentile is within its limit if the share of values over the limit is at most `1 - p / 100`: 1% for p99. The confidence interval of
//! that share is Wilson's score interval (Wilson 1927, <https://doi.org/10.1080/01621459.1927.10502953>); that of a mean is 1.96 standard
//! errors to each side. A verdict is certain if the whole interval is on one side. For percentiles, a failed request is over the limit.

use super::objective::{Objective, Statistic};
use crate::load::Distribution;
use crate::load::statistics::mean;
use crate::model::count;

/// Standard normal quantile of a two-sided 95% interval.
const Z: f64 = 1.96;

/// The measurements of a load for one objective, summed over its runs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Successful requests. These are the independent observations; the tokens of one response are correlated.
    requests: f64,
    /// Share of the values over the limit, times the successful requests.
    over: f64,
    /// Requests that failed.
    failed: f64,
    sum: f64,
    squares: f64,
}

/// A verdict about one objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Within the limit, with 95% confidence.
    Met,
    /// Over the limit, with 95% confidence.
    Missed,
    /// The estimate is within the limit, but its 95% interval extends beyond.
    LikelyMet,
    /// The estimate is over the limit, but its 95% interval extends below.
    LikelyMissed,
}

impl Judgement {
    /// Whether the whole 95% interval is on one side of the limit.
    #[must_use]
    pub fn is_certain(self) -> bool {
        match self {
            Self::Met | Self::Missed => true,
            Self::LikelyMet | Self::LikelyMissed => false,
        }
    }

    /// Whether the estimate is within the limit.
    #[must_use]
    pub fn is_met(self) -> bool {
        match self {
            Self::Met | Self::LikelyMet => true,
            Self::Missed | Self::LikelyMissed => false,
        }
    }

    /// The name in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::LikelyMet => "likely_met",
            Self::LikelyMissed => "likely_missed",
        }
    }
}

fn judgement(is_met: bool, is_certain: bool) -> Judgement {
    match (is_met, is_certain) {
        (true, true) => Judgement::Met,
        (true, false) => Judgement::LikelyMet,
        (false, true) => Judgement::Missed,
        (false, false) => Judgement::LikelyMissed,
    }
}

/// The statistics of a series of times that a verdict needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesFigures {
    /// Share of the values above the objective's limit, 0 to 1.
    pub share_over: f64,
    /// Mean, milliseconds.
    pub mean: f64,
    /// Mean of the squares, square milliseconds.
    pub mean_square: f64,
}

impl SeriesFigures {
    /// The figures of values in milliseconds; zeros without values.
    #[must_use]
    pub fn of_values(values: &[f64], limit_ms: f64) -> Self {
        let number = count(values.len().max(1));
        let over = values.iter().filter(|value| **value > limit_ms).count();
        Self {
            share_over: count(over) / number,
            mean: mean(values),
            mean_square: values.iter().map(|value| value * value).sum::<f64>() / number,
        }
    }

    /// The figures of a distribution; zeros without values.
    #[must_use]
    pub fn of_distribution(values: &Distribution, limit_ms: f64) -> Self {
        let summary = values.summary(&[]);
        Self {
            share_over: values.share_above(limit_ms),
            mean: summary.mean,
            mean_square: summary.mean.powi(2) + summary.std.powi(2),
        }
    }
}

impl Tally {
    /// Adds a run: the figures of the metric, and the numbers of successful and failed requests.
    pub fn add(&mut self, figures: SeriesFigures, succeeded: usize, failed: usize) {
        self.requests += count(succeeded);
        self.over += figures.share_over * count(succeeded);
        self.failed += count(failed);
        self.sum += figures.mean * count(succeeded);
        self.squares += figures.mean_square * count(succeeded);
    }

    /// The verdict. If no request succeeded, the objective is missed.
    #[must_use]
    pub fn judge(&self, objective: &Objective) -> Judgement {
        if self.requests == 0.0 {
            return Judgement::Missed;
        }
        match objective.statistic {
            Statistic::Percentile(percentile) => {
                let (low, share, high) = wilson(self.over + self.failed, self.requests + self.failed);
                let allowed = 1.0 - percentile / 100.0;
                let is_met = share <= allowed;
                judgement(is_met, if is_met { high <= allowed } else { low > allowed })
            }
            Statistic::Mean => {
                let mean = self.sum / self.requests;
                let variance = (self.squares / self.requests - mean * mean).max(0.0);
                let error = Z * (variance / self.requests).sqrt();
                let is_met = mean < objective.limit_ms;
                judgement(is_met, (mean - objective.limit_ms).abs() > error)
            }
        }
    }
}

/// Wilson's score interval of `hits / count`: lower end, estimate, upper end.
fn wilson(hits: f64, count: f64) -> (f64, f64, f64) {
    let share = hits / count;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count);
    let half = Z / (1.0 + z2 / count) * (share * (1.0 - share) / count + z2 / (4.0 * count * count)).sqrt();
    (middle - half, share, middle + half)
}

/// Requests that make a verdict certain if none is over the limit. For a percentile it is the number at which Wilson's interval of a share
/// of 0 ends at the allowed share, and at least 30; for a mean it is 100.
#[must_use]
pub fn requests_for_certainty(objective: &Objective) -> u32 {
    match objective.statistic {
        Statistic::Mean => 100,
        Statistic::Percentile(percentile) => {
            let allowed = 1.0 - percentile / 100.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
            let requests = (Z * Z * (1.0 - allowed) / allowed).ceil() as u32;
            requests.max(30)
        }
    }
}

/// Whether more than `share` of the requests fail, with 95% confidence: there are at least 5 failures, and the lower end of Wilson's
/// interval is over `share`.
#[must_use]
pub fn exceeds_error_share(failed: u32, ended: u32, share: f64) -> bool {
    failed >= 5 && wilson(f64::from(failed), f64::from(ended.max(failed))).0 > share
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn judge(objective: &str, runs: &[(&[f64], usize)]) -> Judgement {
        let objective: Objective = objective.parse().unwrap();
        let mut tally = Tally::default();
        for (values, failed) in runs {
            tally.add(SeriesFigures::of_values(values, objective.limit_ms), values.len(), *failed);
        }
        tally.judge(&objective)
    }

    #[test]
    fn verdicts_need_enough_requests() {
        let fast = vec![10.0; 400];
        let mut some_slow = fast.clone();
        some_slow[..4].fill(900.0);
        let mut many_slow = fast.clone();
        many_slow[..40].fill(900.0);
        for (objective, runs, expected) in [
            ("ttft:p99<500", vec![(&fast[..], 0)], Judgement::Met),
            ("ttft:p99<500", vec![(&fast[..100], 0)], Judgement::LikelyMet),
            // The requests of both runs together are enough.
            ("ttft:p99<500", vec![(&fast[..200], 0), (&fast[..200], 0)], Judgement::Met),
            ("ttft:p99<500", vec![(&some_slow[..], 0)], Judgement::LikelyMet),
            ("ttft:p99<500", vec![(&some_slow[..100], 0)], Judgement::Missed),
            ("ttft:p99<500", vec![(&many_slow[..], 0)], Judgement::Missed),
            ("ttft:p90<500", vec![(&some_slow[..], 0)], Judgement::Met),
            // A failed request has no latency within a limit.
            ("ttft:p99<500", vec![(&fast[..], 40)], Judgement::Missed),
            ("ttft:p99<500", vec![(&[], 3)], Judgement::Missed),
            ("ttft:mean<12", vec![(&fast[..], 0)], Judgement::Met),
            ("ttft:mean<30", vec![(&some_slow[..], 0)], Judgement::Met),
            ("ttft:mean<20", vec![(&some_slow[..], 0)], Judgement::LikelyMet),
            ("ttft:mean<17", vec![(&some_slow[..], 0)], Judgement::LikelyMissed),
            ("ttft:mean<5", vec![(&fast[..], 0)], Judgement::Missed),
        ] {
            assert_eq!(judge(objective, &runs), expected, "{objective} {} {}", runs[0].0.len(), runs[0].1);
        }
    }

    #[test]
    fn enough_requests_make_a_certain_verdict() {
        for text in ["ttft:p99<500", "ttft:p90<500", "itl:p99.9<50"] {
            let objective: Objective = text.parse().unwrap();
            let needed = usize::try_from(requests_for_certainty(&objective)).unwrap();
            assert_eq!(judge(text, &[(&vec![1.0; needed + 1], 0)]), Judgement::Met, "{text} {needed}");
        }
    }

    #[test]
    fn a_few_failures_are_no_error_share() {
        for (failed, ended, exceeds) in [
            (1, 1, false),
            (4, 4, false),
            (5, 5, true),
            (5, 60, false),
            (12, 60, true),
            (60, 1000, false),
            (90, 1000, true),
        ] {
            assert_eq!(exceeds_error_share(failed, ended, 0.05), exceeds, "{failed} of {ended}");
        }
    }
}
