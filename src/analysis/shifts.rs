//! Level changes within a history: where the level of a point changed permanently, and its total drift. A drift that is too slow to
//! show between two successive runs is found here.

use serde::{Deserialize, Serialize};

use super::history::{History, Past};
use super::statistics::{Noise, Penalty, change_points, mean};
use crate::model::PointKey;
use crate::result::{Metric, Statistic};
use crate::settings::Regressions;

/// The probability that noise alone shows a change anywhere in a history with all its points.
const ALPHA: f64 = 0.05;
/// The most runs of a level that a comparison uses: older ones say little about the present.
const WINDOW: usize = 20;
/// The fewest runs: shorter histories cannot distinguish a change from noise.
const FEWEST_RUNS: usize = 6;
/// The smallest plausible noise, see [`Noise::at_least`].
pub(super) const LEAST_NOISE: f64 = 0.0025;

/// A point whose level changed within the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    pub point: PointKey,
    /// The metric that changed most.
    pub metric: Metric,
    /// The newest level against the oldest, minus one.
    pub relative: f64,
    /// The changes, oldest first; a slow drift has several.
    pub steps: Vec<Step>,
    /// The number of runs in the point's history.
    pub runs: usize,
}

/// A change of the level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The commit of the first run on the new level.
    pub commit: String,
    /// Its date, RFC 3339.
    pub date: String,
    /// The level after against the one before, minus one.
    pub relative: f64,
}

impl Shift {
    /// The change with the sign of its meaning: positive is better.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.metric.gain(self.relative)
    }
}

/// The points whose level changed by enough to matter, the worst first; each with the metric that changed most.
#[must_use]
pub fn shifts(history: &History, rules: &Regressions) -> Vec<Shift> {
    let histories = histories(history);
    let mut found: Vec<Shift> = history
        .points()
        .filter_map(|point| {
            let moved = Metric::JUDGED
                .iter()
                .filter_map(|metric| shift(history, rules, point, *metric, histories));
            moved.min_by(|left, right| left.gain().abs().total_cmp(&right.gain().abs()).reverse())
        })
        .collect();
    found.sort_by(|left, right| left.gain().total_cmp(&right.gain()));
    found
}

/// The number of series in a history.
pub(super) fn histories(history: &History) -> usize {
    history.points().count() * Metric::COMPARED.len()
}

fn shift(history: &History, rules: &Regressions, point: &PointKey, metric: Metric, histories: usize) -> Option<Shift> {
    let past = series(history, point, metric);
    let values: Vec<f64> = past.iter().map(|past| past.value.ln()).collect();
    let found = steps_of(&values, histories)?;
    let edges: Vec<usize> = std::iter::once(0).chain(found.iter().copied()).chain([values.len()]).collect();
    let levels: Vec<f64> = edges.windows(2).filter_map(|edge| mean(&values[edge[0]..edge[1]])).collect();
    let relative = (levels.last()? - levels.first()?).exp_m1();
    let steps = found.iter().zip(levels.windows(2)).map(|(at, pair)| Step {
        commit: past[*at].run.commit.clone(),
        date: past[*at].run.date.clone(),
        relative: (pair[1] - pair[0]).exp_m1(),
    });
    let shift = Shift {
        point: point.clone(),
        metric,
        relative,
        steps: steps.collect(),
        runs: values.len(),
    };
    let matters = relative.abs() >= rules.smallest_change(&point.to_string(), metric);
    (matters && !shift.steps.is_empty()).then_some(shift)
}

/// The mean, unless some runs have only a median: a change of the statistic would look like a change of the level.
fn series<'a>(history: &'a History, point: &PointKey, metric: Metric) -> Vec<Past<'a>> {
    let medians: Vec<Past> = history.series(point, metric, Statistic::Median).collect();
    let means: Vec<Past> = history.series(point, metric, Statistic::Mean).collect();
    if means.len() < medians.len() { medians } else { means }
}

/// The values since the level last changed, at most the newest [`WINDOW`]; a new run is compared with them.
///
/// `histories` is the number of series that are searched: a level change found by chance would give a wrong base, so it must be rare
/// among all of them.
pub(super) fn level(values: &[f64], histories: usize) -> &[f64] {
    let since = steps_of(values, histories).and_then(|steps| steps.last().copied()).unwrap_or(0);
    &values[since.max(values.len().saturating_sub(WINDOW))..]
}

pub(super) fn steps_of(values: &[f64], histories: usize) -> Option<Vec<usize>> {
    if values.len() < FEWEST_RUNS {
        return None;
    }
    let noise = Noise::of_history(values)?.at_least(LEAST_NOISE);
    let penalty = Penalty::new(values, noise, ALPHA, histories);
    Some(penalty.map_or_else(Vec::new, |penalty| change_points(values, penalty)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::analysis::statistics::simulated::Random;

    /// Thirty runs, each 0.5 % below the one before, at 2 % noise, among 500 points with five metrics: no two neighbours differ by more
    /// than a quarter of the noise, and all together by 14 %.
    #[test]
    fn slow_drift_is_detected() {
        let mut random = Random::seeded(11);
        let slides = (0..60).filter(|_| {
            let values: Vec<f64> = random
                .several(30, 0.0, 0.02)
                .iter()
                .zip(0..)
                .map(|(noise, run)| noise - 0.005 * f64::from(run))
                .collect();
            !steps_of(&values, 2500).unwrap().is_empty()
        });
        let found = slides.count();
        assert!(found >= 54, "{found} of 60");
    }

    #[test]
    fn constant_level_has_no_step() {
        let mut random = Random::seeded(12);
        let steps = (0..2500).filter(|_| !steps_of(&random.several(20, 0.0, 0.02), 2500).unwrap().is_empty());
        assert_eq!(steps.count(), 0);
    }

    #[test]
    fn new_run_is_compared_with_the_current_level() {
        let mut random = Random::seeded(13);
        let mut values = random.several(12, 0.0, 0.01);
        values.extend(random.several(5, 0.2, 0.01));
        assert_eq!(level(&values, 100), &values[12..]);
        let long = random.several(50, 0.0, 0.01);
        assert_eq!(level(&long, 100), &long[30..], "only the newest runs count");
        assert_eq!(level(&values[..3], 100), &values[..3]);
    }
}
