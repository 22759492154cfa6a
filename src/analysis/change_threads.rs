//! Changes of levels, and those that moved together as one thread: points of one hardware and engine whose levels changed in the same
//! direction between the same runs have one cause, most likely.

use chrono::{DateTime, Utc};

use super::levels::{Level, MetricLevels};
use super::statistics::student_quantile;
use crate::model::count;
use crate::model::{Digest, Metric, PointKey};
use crate::settings::Regressions;

/// A change of the level of a point's metric.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelChange {
    pub key: PointKey,
    pub metric: Metric,
    pub before: Level,
    pub after: Level,
    /// The level of the present, which is `after` unless it changed again.
    pub newest: Level,
}

/// A relative change with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelativeChange {
    /// `after / before - 1`.
    pub relative: f64,
    pub low: f64,
    pub high: f64,
}

impl RelativeChange {
    /// The change between two levels and its interval, given that the level changed where it was found: Student's t on logarithms, with the noise
    /// of the whole series. `None` where the noise is not known.
    #[must_use]
    pub fn between(before: &Level, after: &Level) -> Option<Self> {
        let sd = after.sd?;
        let middle = (after.mean / before.mean).ln();
        let (before, after) = (count(before.runs), count(after.runs));
        let df = (before + after - 2.0).max(1.0);
        let reach = student_quantile(0.05, df) * sd * (1.0 / before + 1.0 / after).sqrt();
        Some(Self {
            relative: middle.exp_m1(),
            low: (middle - reach).exp_m1(),
            high: (middle + reach).exp_m1(),
        })
    }
}

impl LevelChange {
    /// The changes of a point, metric by metric, oldest first.
    #[must_use]
    pub fn of(key: &PointKey, levels: &[MetricLevels]) -> Vec<Self> {
        let mut changes = Vec::new();
        for found in levels {
            let newest = found.levels.last().copied();
            changes.extend(found.levels.windows(2).filter_map(|pair| {
                Some(Self {
                    key: key.clone(),
                    metric: found.metric,
                    before: *pair.first()?,
                    after: *pair.last()?,
                    newest: newest?,
                })
            }));
        }
        changes
    }

    #[must_use]
    pub fn relative(&self) -> f64 {
        self.after.mean / self.before.mean - 1.0
    }

    /// The change with the sign of its meaning: positive is better.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.metric.gain(self.relative())
    }

    /// See [`RelativeChange::between`].
    #[must_use]
    pub fn interval(&self) -> Option<RelativeChange> {
        RelativeChange::between(&self.before, &self.after)
    }

    /// Whether a loss is made good: a later level is not worse than the one before the change by more than matters, nor than noise explains.
    #[must_use]
    pub fn is_fixed(&self, rules: &Regressions) -> bool {
        let smallest = rules.smallest_change(&self.key.to_string(), self.metric);
        let means = (1.0 / count(self.before.runs) + 1.0 / count(self.newest.runs)).sqrt();
        let noise = 2.0 * self.newest.sd.unwrap_or_default() * means;
        let left = self.metric.gain(self.newest.mean / self.before.mean - 1.0);
        self.gain() < 0.0 && self.newest.from_run != self.after.from_run && left >= -smallest.max(noise)
    }
}

/// Changes that moved together.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeThread {
    pub hardware: String,
    pub framework: String,
    pub is_worse: bool,
    /// The time in which all of its changes happened, milliseconds since 1970: after the first and at the latest at the second.
    pub after_ms: i64,
    pub at_ms: i64,
    /// Largest first.
    pub changes: Vec<LevelChange>,
}

impl ChangeThread {
    /// A name that stays while the change points stay where they are.
    #[must_use]
    pub fn id(&self) -> String {
        let key = serde_json::json!([self.hardware, self.framework, self.is_worse, self.at_ms]);
        Digest::of_json(key).to_string().chars().take(12).collect()
    }

    /// The change that is largest.
    #[must_use]
    pub fn largest(&self) -> Option<&LevelChange> {
        self.changes.first()
    }

    /// The points that moved, each once.
    #[must_use]
    pub fn points(&self) -> Vec<&PointKey> {
        let mut points: Vec<&PointKey> = self.changes.iter().map(|change| &change.key).collect();
        points.sort();
        points.dedup();
        points
    }

    fn of(change: LevelChange) -> Self {
        Self {
            hardware: change.key.curve.runner.to_string(),
            framework: change.key.curve.framework.to_string(),
            is_worse: change.gain() < 0.0,
            after_ms: change.before.to_ms,
            at_ms: change.after.from_ms,
            changes: vec![change],
        }
    }

    /// Takes a change in whose cause may be the same: there is a time in which all of them may have happened.
    fn take(&mut self, change: &LevelChange) -> bool {
        let curve = &change.key.curve;
        let is_alike =
            curve.runner.as_str() == self.hardware && curve.framework.as_str() == self.framework && (change.gain() < 0.0) == self.is_worse;
        let (after, at) = (self.after_ms.max(change.before.to_ms), self.at_ms.min(change.after.from_ms));
        if !is_alike || after >= at {
            return false;
        }
        (self.after_ms, self.at_ms) = (after, at);
        self.changes.push(change.clone());
        true
    }
}

/// Changes as threads, the newest first.
#[must_use]
pub fn change_threads(mut changes: Vec<LevelChange>) -> Vec<ChangeThread> {
    changes.sort_by(|left, right| {
        let interval = |change: &LevelChange| (change.after.from_ms, change.before.to_ms);
        interval(left).cmp(&interval(right)).then_with(|| left.key.cmp(&right.key))
    });
    let mut threads: Vec<ChangeThread> = Vec::new();
    for change in changes {
        if !threads.iter_mut().rev().any(|thread| thread.take(&change)) {
            threads.push(ChangeThread::of(change));
        }
    }
    for thread in &mut threads {
        thread
            .changes
            .sort_by(|left, right| right.gain().abs().total_cmp(&left.gain().abs()));
    }
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.at_ms));
    threads
}

/// What people, or the settings of the run's repository, say of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// Nobody has said anything.
    Open,
    /// Somebody knows it.
    Acknowledged,
    /// It is accepted, by a waiver that is in force.
    Expected,
    /// A later level is as good as the one before.
    Fixed,
}

impl ThreadState {
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Expected, Self::Fixed];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Expected => "expected",
            Self::Fixed => "fixed",
        }
    }
}

/// What is said of one change: that it is known, and until when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeNotes {
    pub is_acknowledged: bool,
    /// The end of the waiver; the end of time for one without an end.
    pub accepted_until: Option<DateTime<Utc>>,
}

/// The state of a thread at a time. Every change that is not made good must be accepted or known; one that is not keeps the thread open.
#[must_use]
pub fn thread_state(
    thread: &ChangeThread,
    rules: &Regressions,
    notes: impl Fn(&LevelChange) -> ChangeNotes,
    now: DateTime<Utc>,
) -> ThreadState {
    let mut is_all_expected = true;
    let mut is_all_known = true;
    let mut is_left = false;
    for change in thread.changes.iter().filter(|change| !change.is_fixed(rules)) {
        is_left = true;
        let ChangeNotes {
            is_acknowledged,
            accepted_until,
        } = notes(change);
        let is_expected = accepted_until.is_some_and(|until| until >= now);
        is_all_expected &= is_expected;
        is_all_known &= is_expected || is_acknowledged;
    }
    match (is_left, is_all_expected, is_all_known) {
        (false, _, _) => ThreadState::Fixed,
        (true, true, _) => ThreadState::Expected,
        (true, false, true) => ThreadState::Acknowledged,
        (true, false, false) => ThreadState::Open,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn key(hardware: &str, conc: u32) -> PointKey {
        let key = json!({
            "curve": {
                "model-prefix": "demo", "precision": "fp8", "runner": hardware, "framework": "vllm", "spec-decoding": "none", "disagg": false,
                "workload": { "fixed-seq-len": { "isl": 1024, "osl": 1024 } }, "layout": "tp4"
            },
            "conc": conc
        });
        serde_json::from_value(key).unwrap()
    }

    fn level(runs: [i64; 2], mean: f64) -> Level {
        Level {
            from_run: runs[0],
            to_run: runs[1],
            from_ms: runs[0] * 1000,
            to_ms: runs[1] * 1000,
            runs: usize::try_from(runs[1] - runs[0] + 1).unwrap(),
            mean,
            sd: Some(0.01),
        }
    }

    /// A throughput that fell from 100 to a level at a run, and what it is since run 20.
    fn fell(hardware: &str, conc: u32, at: i64, to: f64, since: f64) -> Vec<LevelChange> {
        let mut levels = vec![level([1, at - 1], 100.0), level([at, 19], to)];
        if since != to {
            levels.push(level([20, 29], since));
        }
        let metric = Metric::ThroughputPerGpu;
        LevelChange::of(&key(hardware, conc), &[MetricLevels { metric, levels }])
    }

    #[test]
    fn interval_of_a_change_holds_it() {
        let found = fell("h200", 4, 10, 90.0, 90.0);
        let interval = found[0].interval().unwrap();
        assert!((interval.relative + 0.1).abs() < 1e-12);
        // t(0.975, 17) = 2.1098, times 0.01 * sqrt(1/9 + 1/10).
        assert!((interval.low - (0.9_f64.ln() - 0.009_694).exp_m1()).abs() < 1e-5, "{interval:?}");
        assert!(interval.high < -0.08 && interval.low < interval.high);
        assert_eq!(
            LevelChange {
                after: Level {
                    sd: None,
                    ..found[0].after
                },
                ..found[0].clone()
            }
            .interval(),
            None
        );
    }

    #[test]
    fn points_that_moved_together_are_one_thread() {
        let together = [fell("h200", 4, 10, 90.0, 90.0), fell("h200", 8, 10, 80.0, 80.0)].concat();
        let later = fell("h200", 16, 15, 90.0, 90.0);
        let elsewhere = fell("b200", 4, 10, 90.0, 90.0);
        let better = fell("h200", 32, 10, 120.0, 120.0);
        let threads = change_threads([together, later, elsewhere, better].concat());
        let found: Vec<(&str, bool, i64, usize)> = threads
            .iter()
            .map(|thread| (thread.hardware.as_str(), thread.is_worse, thread.at_ms, thread.points().len()))
            .collect();
        assert_eq!(found.len(), 4);
        assert!(found.contains(&("h200", true, 10_000, 2)) && found.contains(&("h200", true, 15_000, 1)));
        assert!(found.contains(&("b200", true, 10_000, 1)) && found.contains(&("h200", false, 10_000, 1)));
        let two = threads.iter().find(|thread| thread.points().len() == 2).unwrap();
        assert_eq!(two.largest().unwrap().key.conc.get(), 8, "the largest change is first");
        let ids: std::collections::BTreeSet<String> = threads.iter().map(ChangeThread::id).collect();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn a_point_measured_seldom_joins_those_that_tell_more_exactly() {
        let mut seldom = fell("h200", 4, 10, 90.0, 90.0);
        seldom[0].before.to_ms = 5000;
        let threads = change_threads([seldom, fell("h200", 8, 8, 90.0, 90.0)].concat());
        assert_eq!(threads.len(), 1);
        assert_eq!((threads[0].after_ms, threads[0].at_ms), (7000, 8000));
    }

    #[test]
    fn state_is_that_of_what_is_left() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let day = chrono::TimeDelta::days(1);
        let known = ChangeNotes {
            is_acknowledged: true,
            accepted_until: None,
        };
        let accepted = |until| ChangeNotes {
            is_acknowledged: false,
            accepted_until: Some(until),
        };
        let nothing = ChangeNotes::default();
        // What is said of conc 4 and of conc 8; the levels that they have since.
        for (notes, since, expected) in [
            ([nothing, nothing], [90.0, 90.0], ThreadState::Open),
            ([known, nothing], [90.0, 90.0], ThreadState::Open),
            ([known, known], [90.0, 90.0], ThreadState::Acknowledged),
            ([known, accepted(now + day)], [90.0, 90.0], ThreadState::Acknowledged),
            ([accepted(now), accepted(now + day)], [90.0, 90.0], ThreadState::Expected),
            ([accepted(now - day), accepted(now + day)], [90.0, 90.0], ThreadState::Open),
            ([nothing, nothing], [100.0, 101.0], ThreadState::Fixed),
            ([nothing, known], [100.0, 90.0], ThreadState::Acknowledged),
            ([nothing, nothing], [100.0, 93.0], ThreadState::Open),
        ] {
            let changes = [fell("h200", 4, 10, 90.0, since[0]), fell("h200", 8, 10, 90.0, since[1])].concat();
            let worse = change_threads(changes).into_iter().find(|thread| thread.is_worse).unwrap();
            let of = |change: &LevelChange| notes[usize::from(change.key.conc.get() == 8)];
            assert_eq!(
                thread_state(&worse, &Regressions::default(), of, now),
                expected,
                "{notes:?} {since:?}"
            );
        }
    }
}
