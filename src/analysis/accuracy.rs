//! Accuracy beside speed. A point whose configuration answers certainly worse than the model is known to answer is not on the frontier,
//! however fast it is.
//!
//! The reference of a score is the score of the same model, task and kind, of any configuration and run, whose lower bound
//! (score - 1.96 standard errors) is the highest. A lower bound, because the highest of many scores is high by chance. A score fell where a
//! z-test against the reference says so with 99 % (`eval_changes`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::pareto::{Place, frontier};
use super::{EvalKey, EvalScore, MetricVerdict, RunPoint, eval_changes};
use crate::model::Metric;
use crate::result::Point;

/// A score of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEval {
    pub run: i64,
    /// RFC 3339.
    pub date: String,
    pub score: EvalScore,
}

/// The newest score of a configuration, and the one that it is judged by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedAccuracy {
    pub task: String,
    pub score_name: String,
    pub score: f64,
    pub stderr: Option<f64>,
    pub questions: Option<u64>,
    pub date: String,
    pub run: i64,
    pub reference: f64,
    pub reference_stderr: Option<f64>,
    /// Whose score that is.
    pub reference_of: String,
    pub reference_date: String,
    /// `None` where an error is not known, or the score is the reference.
    pub z: Option<f64>,
    pub verdict: MetricVerdict,
}

/// Where a point is with respect to the frontier of the points whose accuracy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontierPlace {
    On,
    /// It would be on the frontier, and its accuracy fell.
    Struck,
    Behind,
}

/// A point with what is known of its accuracy.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuratePoint {
    pub point: RunPoint,
    /// Empty where its configuration was not evaluated.
    pub scores: Vec<JudgedAccuracy>,
    pub has_fallen: bool,
    pub place: FrontierPlace,
}

/// What of a configuration changes its answers: everything but the load.
type ConfigurationName = (String, String, String, String, String, String);

fn of_score(key: &EvalKey) -> ConfigurationName {
    (
        key.model_prefix.clone(),
        key.hardware.to_lowercase(),
        key.framework.clone(),
        key.precision.clone(),
        key.spec_decoding.clone(),
        short_layout(&key.layout),
    )
}

fn of_point(point: &Point) -> ConfigurationName {
    let curve = &point.key.curve;
    (
        curve.model_prefix.to_string(),
        curve.runner.to_string().to_lowercase(),
        curve.framework.to_string(),
        curve.precision.to_string(),
        curve.spec_decoding.as_str().to_owned(),
        curve.layout.clone(),
    )
}

/// Rows of scores name an EP of 1, curves do not.
fn short_layout(layout: &str) -> String {
    let groups: Vec<String> = layout
        .split('_')
        .map(|group| {
            let parts: Vec<&str> = group.split('-').filter(|part| *part != "ep1").collect();
            parts.join("-")
        })
        .collect();
    groups.join("_")
}

/// The two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_964;

fn lower_bound(score: &EvalScore) -> f64 {
    score.score - Z_95 * score.stderr.unwrap_or(0.0)
}

/// Scores that can be compared: of a model and task, of one kind.
fn kind(found: &RunEval) -> (String, String, String) {
    let key = &found.score.key;
    (key.model_prefix.clone(), key.task.clone(), key.score_name.clone())
}

/// The newest scores of each configuration, judged. `scores` are newest first.
fn judged(scores: &[RunEval]) -> BTreeMap<ConfigurationName, Vec<JudgedAccuracy>> {
    let mut references: BTreeMap<_, &RunEval> = BTreeMap::new();
    for found in scores {
        let known = references.entry(kind(found)).or_insert(found);
        if lower_bound(&found.score) > lower_bound(&known.score) {
            *known = found;
        }
    }
    let mut seen = BTreeSet::new();
    let mut judged: BTreeMap<ConfigurationName, Vec<JudgedAccuracy>> = BTreeMap::new();
    for found in scores {
        let (name, kind) = (of_score(&found.score.key), kind(found));
        if !seen.insert((name.clone(), kind.clone())) {
            continue;
        }
        if let Some(reference) = references.get(&kind) {
            judged.entry(name).or_default().push(judge(found, reference));
        }
    }
    judged
}

fn judge(found: &RunEval, reference: &RunEval) -> JudgedAccuracy {
    // The comparison pairs equal keys; which configuration the reference is of does not matter to it.
    let base = EvalScore {
        key: found.score.key.clone(),
        ..reference.score.clone()
    };
    let change = (found != reference)
        .then(|| eval_changes(&[base], std::slice::from_ref(&found.score)).into_iter().next())
        .flatten();
    JudgedAccuracy {
        task: found.score.key.task.clone(),
        score_name: found.score.key.score_name.clone(),
        score: found.score.score,
        stderr: found.score.stderr,
        questions: found.score.questions,
        date: found.date.clone(),
        run: found.run,
        reference: reference.score.score,
        reference_stderr: reference.score.stderr,
        reference_of: reference.score.key.to_string(),
        reference_date: reference.date.clone(),
        z: change.as_ref().and_then(|change| change.z),
        verdict: change.map_or(MetricVerdict::Same, |change| change.verdict),
    }
}

fn place(point: &Point) -> Option<Place> {
    Some(Place {
        interactivity: point.get(Metric::Interactivity)?,
        throughput: point.get(Metric::ThroughputPerGpu)?,
    })
}

fn frontier_of<'a>(points: impl Iterator<Item = &'a AccuratePoint>) -> Vec<Place> {
    let places: Vec<Place> = points.filter_map(|found| place(&found.point.point)).collect();
    frontier(&places)
}

/// Points with their accuracy and their place: a frontier of throughput per GPU and interactivity for each model, hardware and workload.
#[must_use]
pub fn accuracy(points: Vec<RunPoint>, scores: &[RunEval]) -> Vec<AccuratePoint> {
    let judged = judged(scores);
    let mut all: Vec<AccuratePoint> = points
        .into_iter()
        .map(|point| {
            let scores = judged.get(&of_point(&point.point)).cloned().unwrap_or_default();
            let has_fallen = scores.iter().any(|score| score.verdict == MetricVerdict::Worse);
            AccuratePoint {
                point,
                scores,
                has_fallen,
                place: FrontierPlace::Behind,
            }
        })
        .collect();
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, found) in all.iter().enumerate() {
        let curve = &found.point.point.key.curve;
        let group = (
            curve.model_prefix.clone(),
            curve.runner.clone(),
            curve.workload,
            curve.variant.clone(),
        );
        groups.entry(group).or_default().push(at);
    }
    for group in groups.values() {
        let own: Vec<&AccuratePoint> = group.iter().filter_map(|at| all.get(*at)).collect();
        let of_all = frontier_of(own.iter().copied());
        let of_accurate = frontier_of(own.into_iter().filter(|found| !found.has_fallen));
        for at in group {
            let Some(found) = all.get_mut(*at) else { continue };
            let Some(own) = place(&found.point.point) else { continue };
            found.place = match found.has_fallen {
                false if of_accurate.contains(&own) => FrontierPlace::On,
                true if of_all.contains(&own) => FrontierPlace::Struck,
                true | false => FrontierPlace::Behind,
            };
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use chrono::DateTime;

    use super::*;
    use crate::result::{Agg, Json};

    fn point(precision: &str, conc: u32, interactivity: f64, throughput: f64) -> RunPoint {
        let text = format!(
            r#"{{"hw": "h200", "conc": {conc}, "model": "org/m", "infmax_model_prefix": "m", "framework": "vllm", "precision": "{precision}",
            "spec_decoding": "none", "disagg": false, "isl": 1024, "osl": 1024, "is_multinode": false, "tp": 4, "ep": 1,
            "tput_per_gpu": {throughput}, "median_intvty": {interactivity}}}"#
        );
        RunPoint {
            run: 1,
            started: DateTime::from_timestamp(0, 0).unwrap(),
            commit: "c".to_owned(),
            point: Agg::from_json(Json::parse(&text).unwrap()).unwrap().point().unwrap(),
        }
    }

    fn score(run: i64, precision: &str, score: f64) -> RunEval {
        let text = format!(
            r#"{{"is_multinode": false, "model_prefix": "m", "hw": "H200", "framework": "vllm", "precision": "{precision}", "spec_decoding": "none",
            "tp": 4, "ep": 1, "dp_attention": "false", "conc": 64, "task": "gsm8k", "score": {score}, "score_se": 0.006, "score_name": "em_strict",
            "n_eff": 1319}}"#
        );
        RunEval {
            run,
            date: format!("2026-11-0{run}T00:00:00Z"),
            score: EvalScore::of_row(Json::parse(&text).unwrap().as_object().unwrap()).unwrap(),
        }
    }

    fn places(points: &[AccuratePoint]) -> Vec<(u32, FrontierPlace)> {
        points.iter().map(|found| (found.point.point.key.conc.get(), found.place)).collect()
    }

    #[test]
    fn faster_point_whose_accuracy_fell_is_struck() {
        let points = vec![
            point("fp8", 4, 100.0, 1000.0),
            point("fp8", 64, 50.0, 2000.0),
            point("fp4", 5, 110.0, 1500.0),
            point("fp4", 65, 20.0, 900.0),
            point("bf16", 6, 120.0, 500.0),
        ];
        let scores = [score(2, "fp8", 0.95), score(2, "fp4", 0.90), score(1, "fp4", 0.95)];
        let found = accuracy(points, &scores);
        assert_eq!(
            places(&found),
            [
                (4, FrontierPlace::On),
                (64, FrontierPlace::On),
                (5, FrontierPlace::Struck),
                (65, FrontierPlace::Behind),
                (6, FrontierPlace::On),
            ]
        );
        let fallen = &found[2].scores[0];
        assert_eq!((fallen.score, fallen.reference, fallen.verdict), (0.90, 0.95, MetricVerdict::Worse));
        assert!(fallen.z.unwrap() < -5.0, "{fallen:?}");
        assert!(found[4].scores.is_empty() && !found[4].has_fallen, "not evaluated is not fallen");
    }

    #[test]
    fn uncertain_loss_strikes_nothing() {
        let points = || vec![point("fp8", 4, 100.0, 1000.0), point("fp4", 5, 110.0, 1500.0)];
        let found = accuracy(points(), &[score(2, "fp8", 0.95), score(2, "fp4", 0.945)]);
        assert_eq!(places(&found), [(4, FrontierPlace::Behind), (5, FrontierPlace::On)]);
        let recovered = accuracy(points(), &[score(3, "fp4", 0.949), score(2, "fp8", 0.95), score(2, "fp4", 0.90)]);
        assert_eq!(
            places(&recovered),
            [(4, FrontierPlace::Behind), (5, FrontierPlace::On)],
            "the newest score counts"
        );
    }

    #[test]
    fn expert_parallelism_of_one_is_not_named() {
        for (layout, short) in [
            ("tp4-ep1", "tp4"),
            ("tp8-ep8-dpa", "tp8-ep8-dpa"),
            ("p1xtp4-ep1_d2xtp8-ep1-dpa", "p1xtp4_d2xtp8-dpa"),
            ("tp4-ep16", "tp4-ep16"),
        ] {
            assert_eq!(short_layout(layout), short);
        }
    }
}
