//! Two curves at the concurrencies that both have: the geometric mean of the ratios, with its interval.
//!
//! The interval is that of the mean of the logarithms by Student's t, with the concurrencies as the sample. It says how much the ratio varies
//! along the curve, not how much it would vary between runs: `/compare` judges by the noise of a history.

use serde::Serialize;

use super::MetricVerdict;
use super::statistics::student_quantile;
use crate::model::{Better, count};

/// Of a metric at common concurrencies, head over base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioSummary {
    /// The concurrencies that both have.
    pub concurrencies: Vec<u32>,
    /// Geometric mean of the ratios.
    pub ratio: f64,
    /// The ends of its 95 % interval; absent for one concurrency.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub least: f64,
    pub median: f64,
    pub most: f64,
    /// Concurrencies at which head is better.
    pub wins: usize,
    /// Pairs that were left out, because a number is not above 0.
    pub left_out: usize,
    pub verdict: MetricVerdict,
}

/// Fewer concurrencies give no verdict: the variation of two is hardly known.
const FEWEST_PAIRS: usize = 3;
/// An interval within these bounds is the same for every purpose.
const SAME_WITHIN: f64 = 0.02;

/// Values by ascending concurrency on both sides. `None` without a common concurrency.
#[must_use]
pub fn ratio_summary(base: &[(u32, f64)], head: &[(u32, f64)], better: Better) -> Option<RatioSummary> {
    let pairs = head.iter().filter_map(|(conc, after)| {
        let (_, before) = base.iter().find(|(known, _)| known == conc)?;
        Some((*conc, *before, *after))
    });
    let pairs: Vec<(u32, f64, f64)> = pairs.collect();
    let usable: Vec<(u32, f64)> = pairs
        .iter()
        .filter(|(_, before, after)| *before > 0.0 && *after > 0.0)
        .map(|(conc, before, after)| (*conc, after / before))
        .collect();
    let mut sorted: Vec<f64> = usable.iter().map(|(_, ratio)| *ratio).collect();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    let logarithms: Vec<f64> = sorted.iter().map(|ratio| ratio.ln()).collect();
    let mean = logarithms.iter().sum::<f64>() / count(logarithms.len());
    let reach = reach(&logarithms, mean);
    let (low, high) = (reach.map(|reach| (mean - reach).exp()), reach.map(|reach| (mean + reach).exp()));
    Some(RatioSummary {
        concurrencies: usable.iter().map(|(conc, _)| *conc).collect(),
        ratio: mean.exp(),
        low,
        high,
        least,
        median,
        most,
        wins: sorted.iter().filter(|ratio| better.gain(**ratio - 1.0) > 0.0).count(),
        left_out: pairs.len() - usable.len(),
        verdict: verdict(usable.len(), low.zip(high), better),
    })
}

/// Half the width of the interval of a mean of logarithms; `None` for one value.
fn reach(logarithms: &[f64], mean: f64) -> Option<f64> {
    let freedom = logarithms.len().checked_sub(1).filter(|freedom| *freedom > 0)?;
    let squares: f64 = logarithms.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / count(freedom) / count(logarithms.len())).sqrt();
    Some(student_quantile(0.05, count(freedom)) * error)
}

fn verdict(pairs: usize, ends: Option<(f64, f64)>, better: Better) -> MetricVerdict {
    let Some((low, high)) = ends.filter(|_| pairs >= FEWEST_PAIRS) else {
        return MetricVerdict::Unsure;
    };
    if low >= 1.0 - SAME_WITHIN && high <= 1.0 + SAME_WITHIN {
        return MetricVerdict::Same;
    }
    match (low > 1.0, high < 1.0, better) {
        (true, _, Better::Higher) | (_, true, Better::Lower) => MetricVerdict::Better,
        (true, _, Better::Lower) | (_, true, Better::Higher) => MetricVerdict::Worse,
        (false, false, Better::Higher | Better::Lower) => MetricVerdict::Unsure,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn ratio_is_the_geometric_mean_over_common_concurrencies() {
        let base = [(1, 100.0), (2, 200.0), (4, 400.0), (8, 0.0), (16, 900.0)];
        let head = [(1, 200.0), (2, 100.0), (4, 400.0), (8, 700.0), (32, 900.0)];
        let found = ratio_summary(&base, &head, Better::Higher).unwrap();
        assert_eq!(
            (found.concurrencies.as_slice(), found.left_out, found.wins),
            ([1, 2, 4].as_slice(), 1, 1)
        );
        assert!((found.ratio - 1.0).abs() < 1e-12, "2, 1/2 and 1: {found:?}");
        assert_eq!((found.least, found.median, found.most), (0.5, 1.0, 2.0));
        // The logarithms' standard deviation is ln 2, t for 2 degrees of freedom 4.3027.
        let reach = 4.302_652_7 * 2_f64.ln() / 3_f64.sqrt();
        assert!((found.high.unwrap() - reach.exp()).abs() < 1e-4, "{found:?}");
        assert_eq!(ratio_summary(&base, &[(64, 1.0)], Better::Higher), None);
    }

    #[test]
    fn verdict_follows_from_the_interval_and_the_direction() {
        for (ratios, better, expected) in [
            (&[1.10, 1.11, 1.12][..], Better::Higher, MetricVerdict::Better),
            (&[1.10, 1.11, 1.12], Better::Lower, MetricVerdict::Worse),
            (&[0.90, 0.91, 0.92], Better::Higher, MetricVerdict::Worse),
            (&[0.90, 0.91, 0.92], Better::Lower, MetricVerdict::Better),
            (&[1.001, 1.002, 1.001], Better::Higher, MetricVerdict::Same),
            (&[0.7, 1.1, 1.4], Better::Higher, MetricVerdict::Unsure),
            (&[1.5, 1.5], Better::Higher, MetricVerdict::Unsure),
            (&[1.5], Better::Higher, MetricVerdict::Unsure),
        ] {
            let head: Vec<(u32, f64)> = (1..).zip(ratios.iter().copied()).collect();
            let base: Vec<(u32, f64)> = head.iter().map(|(conc, _)| (*conc, 1.0)).collect();
            let found = ratio_summary(&base, &head, better).unwrap();
            assert_eq!(found.verdict, expected, "{ratios:?} {better:?}: {found:?}");
            assert_eq!(found.low.is_some(), ratios.len() > 1);
        }
    }
}
