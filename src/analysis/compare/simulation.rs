//! Simulations of what `docs/reference/statistics.md` promises: how often noise alone raises an alarm, and how often a change is found.
//! All are seeded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::evidence::Evidence;
use super::judge::{Ensemble, test_all};
use super::*;
use crate::analysis::statistics::simulated::Normal;

/// A comparison of many points with their history, of which some changed.
struct Design {
    points: usize,
    history: usize,
    repeats: usize,
    noise: f64,
    changed: usize,
    change: f64,
}

/// How many of the changed points were found, and how many of the others raised an alarm.
fn simulate(design: &Design, random: &mut Normal) -> (usize, usize) {
    let knowledge = Knowledge {
        level: true,
        ..Knowledge::default()
    };
    let histories = design.points * Metric::COMPARED.len();
    let mut all = Vec::new();
    for point in 0..design.points {
        let moved = if point < design.changed { (1.0 + design.change).ln() } else { 0.0 };
        // Metrics of a closed loop go together: they share most of their noise.
        let shared_past = random.several(design.history, 0.0, 0.9 * design.noise);
        let shared_head = random.several(design.repeats, moved, 0.9 * design.noise);
        for metric in Metric::COMPARED {
            let own = (1.0 - 0.9_f64 * 0.9).sqrt() * design.noise;
            let mut with_own = |shared: &[f64]| shared.iter().map(|value| value + own * random.value()).collect::<Vec<f64>>();
            let (past, head) = (with_own(&shared_past), with_own(&shared_head));
            let base = past[past.len() - 1..].to_vec();
            let evidence = Evidence::new(&past, base, head, 0.0, &knowledge, histories).unwrap();
            all.push((point, Ensemble::Metric(metric), metric, evidence));
        }
    }
    let evidence: Vec<_> = all.iter().map(|(_, ensemble, _, evidence)| (*ensemble, evidence)).collect();
    let rules = Regressions::default();
    let mut alarms = vec![false; design.points];
    for ((point, _, metric, _), tested) in all.iter().zip(test_all(&evidence, rules.false_discovery_rate)) {
        let verdict = tested.verdict(rules.smallest_change("x", *metric), metric.better(), rules.false_discovery_rate);
        alarms[*point] |= matches!(verdict, MetricVerdict::Better | MetricVerdict::Worse);
    }
    let (changed, others) = alarms.split_at(design.changed);
    let found = |alarms: &[bool]| alarms.iter().filter(|alarm| **alarm).count();
    (found(changed), found(others))
}

/// With a true rate of 3 %, as 100 runs have, more than 5 % of 60 would be as rare as one in ten; the seed makes it none.
#[test]
fn false_alarm_rate_is_at_most_one_run_in_twenty() {
    let design = Design {
        points: 500,
        history: 8,
        repeats: 1,
        noise: 0.02,
        changed: 0,
        change: 0.0,
    };
    let mut random = Normal::seeded(8);
    let alarmed = (0..60).filter(|_| simulate(&design, &mut random).1 > 0).count();
    assert!(alarmed <= 3, "{alarmed} of 60 runs");
}

/// What it takes to find 5 % at 2 % noise with a history of 20 runs: one measurement never does, among 20 points four do, among
/// 500 three do where a group of 25 changed, and five where it is a single point.
#[test]
fn five_percent_change_at_two_percent_noise_is_detected_nine_times_in_ten() {
    for (points, changed, repeats, runs) in [(20, 1, 4, 60), (500, 25, 3, 8), (500, 1, 5, 24)] {
        let design = Design {
            points,
            history: 20,
            repeats,
            noise: 0.02,
            changed,
            change: -0.05,
        };
        let mut random = Normal::seeded(7);
        let found: usize = (0..runs).map(|_| simulate(&design, &mut random).0).sum();
        let all = runs * changed;
        assert!(
            10 * found >= 9 * all,
            "{repeats} measurements, {changed} of {points} points: {found} of {all}"
        );
    }
}
