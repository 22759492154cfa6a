//! Verdicts on made-up runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use chrono::{DateTime, Utc};
use serde_json::json;

use super::*;
use crate::analysis::HistoryRun;
use crate::analysis::statistics::simulated::Random;
use crate::model::SourceFile;
use crate::settings::{Regressions, Settings};

/// A run of one curve: concurrency and throughput per GPU; interactivity falls as concurrency rises. A point without throughput is a
/// failed one.
fn run(points: &[(u32, Option<f64>)]) -> Run {
    let point = |(conc, throughput): &(u32, Option<f64>)| {
        let outcome = match throughput {
            Some(throughput) => {
                let interactivity = throughput / f64::from(*conc);
                json!({"measured": {"tput_per_gpu": throughput, "median_intvty": interactivity, "median_tpot": 1.0 / interactivity}})
            }
            None => json!({"failed": {"class": "server", "reason": "it died"}}),
        };
        json!({
            "key": {
                "curve": {
                    "model-prefix": "demo", "precision": "fp8", "runner": "h100", "framework": "sim", "spec-decoding": "none",
                    "disagg": false, "workload": {"fixed-seq-len": {"isl": 1024, "osl": 1024}}, "layout": "tp4"
                },
                "conc": conc
            },
            "model": null, "image": null, "gpus": 4, "outcome": outcome,
            "layout": {"single-node": {"tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": false}}
        })
    };
    let points: Vec<_> = points.iter().map(point).collect();
    serde_json::from_value(json!({ "points": points })).unwrap()
}

fn one(throughput: f64) -> Run {
    run(&[(16, Some(throughput))])
}

fn judged(base: &Run, head: &Run, knowledge: &Knowledge) -> Comparison {
    compare(&Side::one("base", base), &Side::one("head", head), knowledge)
}

fn history(throughputs: &[f64]) -> History {
    let runs = throughputs.iter().zip(1..).map(|(throughput, day)| {
        let date: DateTime<Utc> = format!("2026-10-{day:02}T00:00:00Z").parse().unwrap();
        HistoryRun::new(&format!("commit{day}"), date, one(*throughput)).unwrap()
    });
    History::new(runs.collect())
}

fn rules(text: &str) -> Knowledge {
    Knowledge {
        rules: Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap().0.regressions,
        today: Some("2026-11-22".parse().unwrap()),
        ..Knowledge::default()
    }
}

#[test]
fn default_noise_is_assumed_without_history() {
    for (throughput, verdict) in [
        (1010.0, Verdict::Same),
        (985.0, Verdict::Same),
        // This change exceeds the noise of a quiet machine, but not that of a noisy one.
        (1060.0, Verdict::Unsure),
        (870.0, Verdict::Unsure),
        (1200.0, Verdict::Better),
        (800.0, Verdict::Worse),
    ] {
        let comparison = judged(&one(1000.0), &one(throughput), &Knowledge::default());
        assert_eq!(comparison.points[0].verdict, verdict, "{throughput}");
        let change = comparison.points[0].change(Metric::ThroughputPerGpu).unwrap();
        assert_eq!(change.basis, Basis::Assumed);
        assert!(change.low < change.relative && change.relative < change.high, "{change:?}");
    }
}

#[test]
fn noisy_point_needs_a_larger_change_than_a_quiet_one() {
    let spread = |noise: f64| {
        let values: Vec<f64> = Random::seeded(3)
            .several(20, 0.0, noise)
            .iter()
            .map(|value| 1000.0 * value.exp())
            .collect();
        Knowledge {
            history: history(&values),
            level: true,
            ..Knowledge::default()
        }
    };
    let verdict = |noise: f64| {
        let knowledge = spread(noise);
        let comparison = judged(&one(1000.0), &one(930.0), &knowledge);
        let change = *comparison.points[0].change(Metric::ThroughputPerGpu).unwrap();
        assert_eq!(change.basis, Basis::History { runs: 20 });
        (comparison.points[0].verdict, change.noise)
    };
    let (quiet, noisy) = (verdict(0.01), verdict(0.08));
    assert_eq!((quiet.0, noisy.0), (Verdict::Worse, Verdict::Same));
    assert!(quiet.1 < 0.02 && noisy.1 > 0.05, "{quiet:?} {noisy:?}");
}

#[test]
fn repeats_make_a_small_change_significant() {
    let many = |middle: f64| -> Vec<Run> { [0.99, 1.0, 1.01, 1.005, 0.995].map(|factor| one(middle * factor)).into() };
    let (base, head) = (many(1000.0), many(970.0));
    let verdict = |count: usize| {
        let side = |runs: &'static str, of: &[Run]| -> Comparison {
            let base = Side {
                name: runs,
                runs: base.iter().take(count).collect(),
            };
            let head = Side {
                name: runs,
                runs: of.iter().take(count).collect(),
            };
            compare(&base, &head, &Knowledge::default())
        };
        side("repeated", &head).points[0].verdict
    };
    assert_eq!((verdict(1), verdict(5)), (Verdict::Same, Verdict::Worse));
}

#[test]
fn gain_does_not_offset_a_loss_and_small_changes_are_ignored() {
    let mut quiet = rules("regressions: {smallest-changes: [{percent: 40}]}");
    assert_eq!(judged(&one(1000.0), &one(750.0), &quiet).points[0].verdict, Verdict::Same);
    quiet.rules = Regressions::default();
    assert_eq!(judged(&one(1000.0), &one(750.0), &quiet).points[0].verdict, Verdict::Worse);
}

#[test]
fn exception_suppresses_a_regression_until_it_expires() {
    let text = |until: &str| format!("regressions: {{exceptions: [{{points: '* h100 *', reason: 'known', until: {until}}}]}}");
    let compared = |until: &str, head: &Run| judged(&one(1000.0), head, &rules(&text(until)));
    for head in [one(800.0), run(&[(16, None)])] {
        let accepted = compared("2026-11-22", &head);
        assert!(!accepted.has_regression() && accepted.excepted() == 1 && accepted.expired.is_empty());
        assert!(accepted.points[0].verdict.is_regression(), "it is still shown");
        let ended = compared("2026-11-21", &head);
        assert!(ended.has_regression() && ended.excepted() == 0);
        assert_eq!(
            ended.expired,
            ["the exception for \"* h100 *\" ended on 2026-11-21 and no longer applies; its reason was: known"]
        );
    }
}

#[test]
fn points_in_one_run_only_are_new_missing_or_failed() {
    let base = run(&[(4, Some(400.0)), (8, Some(800.0)), (16, None)]);
    let head = run(&[(8, None), (16, Some(900.0)), (32, Some(1000.0))]);
    let comparison = judged(&base, &head, &Knowledge::default());
    let verdicts: Vec<_> = comparison
        .points
        .iter()
        .map(|point| (point.point.conc.get(), point.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [(4, Verdict::Missing), (8, Verdict::Failed), (16, Verdict::New), (32, Verdict::New)]
    );
}

/// At low concurrency more requests hardly slow a user down, so a curve falls steeply.
#[test]
fn small_shift_along_a_steep_curve_is_not_a_throughput_change() {
    let steep = |factor: f64| run(&[(1, 204.0), (4, 780.0), (16, 3040.0)].map(|(conc, throughput)| (conc, Some(throughput * factor))));
    for factor in [1.03, 1.0 / 1.03] {
        let comparison = judged(&steep(1.0), &steep(factor), &Knowledge::default());
        let [curve] = comparison.curves.as_slice() else {
            panic!("{:?}", comparison.curves)
        };
        assert!(curve.relative.abs() > 0.5, "the curves are not apart: {curve:?}");
        assert_eq!(curve.verdict, MetricVerdict::Same, "{curve:?}");
    }
    let apart = judged(&steep(1.0), &steep(1.06), &Knowledge::default());
    assert_eq!(apart.curves, [], "the common range is narrower than its noise");
}

#[test]
fn curve_is_judged_over_the_common_range() {
    let base = run(&[(4, Some(1000.0)), (16, Some(2400.0)), (64, Some(4000.0))]);
    let slower = run(&[(4, Some(800.0)), (16, Some(1920.0)), (64, Some(3200.0))]);
    let comparison = judged(&base, &slower, &Knowledge::default());
    let [curve] = comparison.curves.as_slice() else {
        panic!("{:?}", comparison.curves)
    };
    assert_eq!(
        (curve.curve.to_string().as_str(), curve.verdict),
        ("demo fp8 h100 sim 1k1k", MetricVerdict::Worse)
    );
    // From the slowest place of the base to the fastest of the head.
    assert!((curve.from - 62.5).abs() < 1e-9 && (curve.to - 200.0).abs() < 1e-9, "{curve:?}");
    assert!(curve.relative < -0.2 && comparison.curve_regressions().count() == 1);
    let same = judged(&base, &base, &Knowledge::default());
    assert_eq!((same.curves[0].relative, same.curves[0].verdict), (0.0, MetricVerdict::Same));
    assert!(
        judged(&one(1.0), &one(1.0), &Knowledge::default()).curves.is_empty(),
        "a point is no curve"
    );
}

/// Two curves of the base's history: of the newest run at 16 and 64, and a point at 4 that an older one measured.
#[test]
fn line_has_points_of_one_run_and_borrowed_ones_are_marked() {
    let dated = |day: u32, run: Run| {
        let date: DateTime<Utc> = format!("2026-10-{day:02}T00:00:00Z").parse().unwrap();
        HistoryRun::new(&format!("commit{day}"), date, run).unwrap()
    };
    let curve = [(4, Some(1000.0)), (16, Some(2400.0)), (64, Some(4000.0))];
    let past = History::new(vec![dated(1, run(&curve)), dated(2, run(&curve[1..]))]);
    let head = run(&curve);
    let base = past.baseline(&head);
    let comparison = judged(&base, &head, &Knowledge::default());
    let borrowed: Vec<Option<&str>> = comparison
        .points
        .iter()
        .map(|point| point.borrowed.as_ref().map(|origin| origin.commit.as_str()))
        .collect();
    assert_eq!(borrowed, [Some("commit1"), None, None]);
    assert_eq!(
        comparison.curves,
        [],
        "two points of one run are no curve, and the third is not of that run"
    );

    let whole = History::new(vec![dated(1, run(&curve))]);
    let comparison = judged(&whole.baseline(&head), &head, &Knowledge::default());
    assert!(comparison.points.iter().all(|point| point.borrowed.is_none()));
    assert_eq!(comparison.curves.len(), 1);
}

/// A point that failed in the first of two runs of the base: the frontier is that of the second run, not one of both.
#[test]
fn frontier_of_repeats_takes_no_points_of_two_runs() {
    let whole = run(&[(4, Some(1000.0)), (16, Some(2400.0)), (64, Some(4000.0))]);
    let broken = run(&[(4, None), (16, Some(4800.0)), (64, Some(8000.0))]);
    let base = Side {
        name: "base",
        runs: vec![&broken, &whole],
    };
    let comparison = compare(&base, &Side::one("head", &whole), &Knowledge::default());
    let [curve] = comparison.curves.as_slice() else {
        panic!("{:?}", comparison.curves)
    };
    assert_eq!(curve.relative, 0.0, "{curve:?}");
}

#[test]
fn history_drift_is_reported_with_its_steps() {
    let mut values = vec![1000.0, 1004.0, 997.0, 1001.0, 998.0, 1003.0];
    values.extend([900.0, 903.0, 898.0, 901.0, 899.0, 902.0]);
    let knowledge = Knowledge {
        history: history(&values),
        level: true,
        ..Knowledge::default()
    };
    let comparison = judged(&one(902.0), &one(901.0), &knowledge);
    assert_eq!(comparison.points[0].verdict, Verdict::Same, "the run itself did nothing");
    let [shift] = comparison.shifts.as_slice() else {
        panic!("{:?}", comparison.shifts)
    };
    assert_eq!((shift.steps.len(), shift.steps[0].commit.as_str()), (1, "commit7"));
    assert!((shift.gain() + 0.1).abs() < 0.02, "{shift:?}");
}
