//! Simulations of the rates in `docs/reference/statistics.md`: how often noise alone raises an alarm, and how often a change is found.
//! All are seeded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::evidence::Evidence;
use super::judge::{Ensemble, test_all};
use super::*;
use crate::analysis::statistics::simulated::Random;
use crate::model::count;
use crate::result::Better;

const NORMAL: f64 = f64::INFINITY;

/// A comparison of many points, of which some changed.
#[derive(Clone, Copy)]
struct Design {
    points: usize,
    /// Runs of the history; with none the base is as often measured as the head.
    history: usize,
    repeats: usize,
    /// Standard deviation of one measurement.
    noise: f64,
    /// Degrees of freedom of its distribution.
    df: f64,
    changed: usize,
    change: f64,
}

const DESIGN: Design = Design {
    points: 500,
    history: 20,
    repeats: 1,
    noise: 0.02,
    df: NORMAL,
    changed: 0,
    change: 0.0,
};

/// Noise with a standard deviation of 1.
fn noise(df: f64, random: &mut Random) -> f64 {
    let sd = if df.is_finite() { (df / (df - 2.0)).sqrt() } else { 1.0 };
    random.student(df) / sd
}

/// The five metrics of one point. In a closed loop they are correlated: they share most of their noise.
fn measured(times: usize, middle: f64, design: &Design, random: &mut Random) -> Vec<Vec<f64>> {
    let shared: Vec<f64> = (0..times).map(|_| 0.9 * noise(design.df, random)).collect();
    let own = (1.0 - 0.9_f64 * 0.9).sqrt();
    let metrics = Metric::COMPARED.iter().map(|_| {
        let values = shared
            .iter()
            .map(|shared| middle + design.noise * (shared + own * noise(design.df, random)));
        values.collect()
    });
    metrics.collect()
}

/// How many of the changed points were found, and how many of the others raised an alarm.
fn simulate(design: &Design, random: &mut Random) -> (usize, usize) {
    let knowledge = Knowledge {
        level: design.history > 0,
        ..Knowledge::default()
    };
    let histories = design.points * Metric::COMPARED.len();
    let mut all = Vec::new();
    for point in 0..design.points {
        let moved = if point < design.changed { (1.0 + design.change).ln() } else { 0.0 };
        let past = measured(design.history, 0.0, design, random);
        let base = measured(design.repeats, 0.0, design, random);
        let head = measured(design.repeats, moved, design, random);
        for ((metric, past), (base, head)) in Metric::COMPARED.into_iter().zip(past).zip(base.into_iter().zip(head)) {
            let evidence = Evidence::new(&past, base, head, 0.0, &knowledge, histories).unwrap();
            all.push((point, metric, evidence));
        }
    }
    let evidence: Vec<_> = all
        .iter()
        .map(|(_, metric, evidence)| (Ensemble::Metric(*metric), evidence))
        .collect();
    let rules = Regressions::default();
    let mut alarms = vec![false; design.points];
    for ((point, metric, _), tested) in all.iter().zip(test_all(&evidence, rules.false_discovery_rate)) {
        let verdict = tested.verdict(rules.smallest_change("x", *metric), metric.better(), rules.false_discovery_rate);
        alarms[*point] |= matches!(verdict, MetricVerdict::Better | MetricVerdict::Worse);
    }
    let (changed, others) = alarms.split_at(design.changed);
    let [found, false_alarms] = [changed, others].map(|alarms| alarms.iter().filter(|alarm| **alarm).count());
    (found, false_alarms)
}

/// The number of comparisons of unchanged runs that raise an alarm.
fn alarmed(design: &Design, runs: usize) -> usize {
    let mut random = Random::seeded(8);
    let alarmed = (0..runs).filter(|_| simulate(design, &mut random).1 > 0).count();
    let Design {
        points,
        history,
        repeats,
        df,
        ..
    } = design;
    println!("{points} points, history {history}, {repeats} measurements, t({df}): {alarmed} of {runs} runs with an alarm");
    alarmed
}

/// The share of changed points that are found.
fn power(design: &Design, runs: usize) -> f64 {
    let mut random = Random::seeded(7);
    let found: usize = (0..runs).map(|_| simulate(design, &mut random).0).sum();
    count(found) / count(runs * design.changed)
}

/// With a true rate of 3 %, as 100 runs have, more than 5 % of 60 would be as rare as one in ten; the seed makes it none.
#[test]
fn false_alarm_rate_is_at_most_one_run_in_twenty() {
    let alarmed = alarmed(&Design { history: 8, ..DESIGN }, 60);
    assert!(alarmed <= 3, "{alarmed} of 60 runs");
}

/// With tails of five degrees of freedom a test that takes noise for normal raises an alarm in four of ten runs after a history of 8
/// runs, and in eight of ten after one of 20.
#[test]
fn heavy_tails_raise_an_alarm_in_at_most_one_run_in_ten() {
    for history in [8, 20] {
        let alarmed = alarmed(
            &Design {
                history,
                df: 5.0,
                ..DESIGN
            },
            40,
        );
        assert!(alarmed <= 4, "history of {history}: {alarmed} of 40 runs");
    }
}

/// Unknown noise may be four times that of a quiet machine, and have heavy tails.
#[test]
fn assumed_noise_raises_no_alarms_on_a_noisy_machine() {
    for df in [NORMAL, 5.0] {
        for (points, runs) in [(1, 2000), (12, 400), (500, 60)] {
            // Of the compared metrics TTFT may be twice as noisy.
            let alarmed = alarmed(
                &Design {
                    points,
                    history: 0,
                    noise: 0.06,
                    df,
                    ..DESIGN
                },
                runs,
            );
            assert!(20 * alarmed <= runs, "{points} points, t({df}): {alarmed} of {runs} runs");
        }
    }
}

/// A few repeats or a short history of a few points on a noisy machine: the assumed noise and its tails must not make changes
/// significant.
#[test]
fn few_measurements_of_few_points_raise_no_alarms() {
    for (history, repeats) in [(3, 1), (5, 1), (0, 2), (0, 3)] {
        let alarmed = alarmed(
            &Design {
                points: 3,
                history,
                repeats,
                noise: 0.06,
                ..DESIGN
            },
            600,
        );
        assert!(
            20 * alarmed <= 600,
            "history of {history}, {repeats} repeats: {alarmed} of 600 runs"
        );
    }
}

/// The table of `docs/reference/statistics.md`: `--nocapture` prints it, and the rates of alarms of the other tests.
#[test]
fn power_is_as_documented() {
    for (points, changed, history, repeats, runs, least) in [
        (20, 1, 20, 1, 60, [0.25, 0.05, 0.95, 0.80]),
        (20, 1, 20, 4, 60, [0.88, 0.75, 1.0, 1.0]),
        (500, 25, 20, 3, 6, [0.90, 0.75, 1.0, 1.0]),
        (500, 1, 20, 5, 20, [0.85, 0.70, 1.0, 1.0]),
        (12, 3, 0, 3, 40, [0.65, 0.65, 0.95, 0.95]),
    ] {
        let cases = [(-0.05, NORMAL), (-0.05, 5.0), (-0.10, NORMAL), (-0.10, 5.0)];
        for ((change, df), least) in cases.into_iter().zip(least) {
            let design = Design {
                points,
                history,
                repeats,
                df,
                changed,
                change,
                ..DESIGN
            };
            let found = power(&design, runs);
            println!("{changed} of {points} points, history {history}, {repeats} measurements, t({df}), {change}: {found:.2}");
            assert!(
                found >= least,
                "{changed} of {points} points, history {history}, {repeats} measurements, t({df}), {change}: {found} < {least}"
            );
        }
    }
}

/// The TTFT of a closed loop: waves of four requests share a prefill or do not, and both cases take a time of their own.
fn bimodal_run(factor: f64, random: &mut Random) -> Vec<f64> {
    let mut ttft = Vec::new();
    for _ in 0..20 {
        let middle = factor * if random.uniform() < 0.5 { 5.7 } else { 8.0 };
        ttft.extend((0..4).map(|_| middle * (1.0 + 0.01 * random.value())));
    }
    ttft.sort_by(f64::total_cmp);
    ttft
}

fn mean(run: &[f64]) -> f64 {
    (run.iter().sum::<f64>() / count(run.len())).ln()
}

fn median(run: &[f64]) -> f64 {
    f64::midpoint(run[run.len() / 2 - 1], run[run.len() / 2]).ln()
}

/// The number of 200 comparisons that find a changed point. Each has 12 points, measured three times on both sides.
fn comparisons_with_a_verdict(statistic: fn(&[f64]) -> f64, factor: f64) -> usize {
    let mut random = Random::seeded(21);
    let mut runs = |factor: f64| -> Vec<f64> { (0..3).map(|_| statistic(&bimodal_run(factor, &mut random))).collect() };
    let mut comparison = || {
        let points: Vec<Evidence> = (0..12)
            .map(|_| Evidence::new(&[], runs(1.0), runs(factor), 0.0, &Knowledge::default(), 1).unwrap())
            .collect();
        let evidence: Vec<_> = points.iter().map(|evidence| (Ensemble::Metric(Metric::Ttft), evidence)).collect();
        let tested = test_all(&evidence, 0.05);
        let verdicts = tested.iter().map(|tested| tested.verdict(0.05, Better::Lower, 0.05));
        verdicts
            .into_iter()
            .any(|verdict| matches!(verdict, MetricVerdict::Better | MetricVerdict::Worse))
    };
    (0..200).filter(|_| comparison()).count()
}

/// Means of a distribution with two modes have one; medians have two, so that they vary as much as the modes are apart. Judged by the
/// mean nothing is found where nothing changed, and a fifth where all points changed by it; by the median hardly anything ever is.
#[test]
fn mean_of_a_distribution_with_two_modes_has_no_modes() {
    let mut random = Random::seeded(3);
    let runs: Vec<Vec<f64>> = (0..400).map(|_| bimodal_run(1.0, &mut random)).collect();
    let is_between_modes = |value: &f64| (0.25..0.75).contains(&((value.exp() - 5.7) / (8.0 - 5.7)));
    let of_runs = |statistic: fn(&[f64]) -> f64| -> Vec<f64> { runs.iter().map(|run| statistic(run)).collect() };
    let (means, medians) = (of_runs(mean), of_runs(median));
    assert!(
        means.iter().filter(|value| is_between_modes(value)).count() > 380,
        "means lie between the modes"
    );
    assert!(
        medians.iter().filter(|value| is_between_modes(value)).count() < 120,
        "medians lie in either mode"
    );
    let alarms = comparisons_with_a_verdict(mean, 1.0);
    assert!(alarms <= 10, "{alarms} of 200 comparisons");
    let (by_mean, by_median) = (comparisons_with_a_verdict(mean, 1.2), comparisons_with_a_verdict(median, 1.2));
    assert!(
        by_mean >= 190 && by_median < by_mean,
        "{by_mean} by the mean, {by_median} by the median"
    );
}
