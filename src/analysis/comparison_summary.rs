//! A comparison in a few numbers: who won by model and hardware, the largest gain and loss, and what moved over all pairs, in words.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::{Change, Comparison, PointComparison, Verdict};
use crate::model::Metric;
use crate::model::count;

/// A comparison in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonSummary {
    pub metrics: Vec<MetricSummary>,
    /// By model, then by hardware family.
    pub groups: Vec<GroupSummary>,
    pub best: Option<Extreme>,
    pub worst: Option<Extreme>,
    /// One sentence each. They contain names from outside.
    pub sentences: Vec<String>,
}

/// A metric over all pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricSummary {
    pub metric: Metric,
    pub pairs: usize,
    /// The geometric mean of `head / base`, minus one.
    pub relative: f64,
    /// Its 95 % interval from the noise of the pairs, taken as independent.
    pub low: f64,
    pub high: f64,
}

/// The pairs of a model or a hardware family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupSummary {
    /// `model` or `hardware`.
    pub by: &'static str,
    pub name: String,
    pub pairs: usize,
    pub better: usize,
    pub worse: usize,
    /// The same, or too uncertain to tell.
    pub undecided: usize,
    pub failed: usize,
    /// `better / (better + worse + failed)`; absent where nothing is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<f64>,
    /// The geometric mean of the throughput per GPU, `head / base - 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<f64>,
}

/// The largest change that is significant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extreme {
    pub point: String,
    #[serde(flatten)]
    pub change: Change,
}

/// The family of a runner label: what is before its first `-` or `_`, so that `h200-nb` and `h200_1` are `h200`.
#[must_use]
pub fn hardware_family(label: &str) -> &str {
    label.split(['-', '_']).next().unwrap_or(label)
}

impl ComparisonSummary {
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let metrics = Metric::JUDGED
            .into_iter()
            .filter_map(|metric| MetricSummary::of(comparison, metric));
        let metrics: Vec<MetricSummary> = metrics.collect();
        let extreme = |verdict: Verdict| {
            let decided = comparison.points.iter().filter(|point| point.verdict == verdict);
            let changes = decided.filter_map(|point| Some((point, point.decisive()?)));
            let largest = changes.max_by(|(_, left), (_, right)| left.gain().abs().total_cmp(&right.gain().abs()));
            largest.map(|(point, change)| Extreme {
                point: point.point.to_string(),
                change: *change,
            })
        };
        Self {
            sentences: sentences(comparison, &metrics),
            groups: groups(comparison),
            best: extreme(Verdict::Better),
            worst: extreme(Verdict::Worse),
            metrics,
        }
    }
}

impl MetricSummary {
    fn of(comparison: &Comparison, metric: Metric) -> Option<Self> {
        let changes: Vec<&Change> = comparison.points.iter().filter_map(|point| point.change(metric)).collect();
        let relative = comparison.overall(metric)?;
        // Half the width of a 95 % interval is 1.96 standard deviations.
        let variance = |change: &&Change| ((change.high.ln_1p() - change.low.ln_1p()) / 2.0 / 1.96).powi(2);
        let variances: Vec<f64> = changes.iter().map(variance).collect();
        let pairs = changes.len();
        let reach = 1.96 * variances.iter().sum::<f64>().sqrt() / count(pairs);
        Some(Self {
            metric,
            pairs,
            relative,
            low: (relative.ln_1p() - reach).exp_m1(),
            high: (relative.ln_1p() + reach).exp_m1(),
        })
    }
}

fn groups(comparison: &Comparison) -> Vec<GroupSummary> {
    let mut members: BTreeMap<(&'static str, String), Vec<&PointComparison>> = BTreeMap::new();
    for point in &comparison.points {
        let curve = &point.point.curve;
        let family = hardware_family(curve.runner.as_str()).to_owned();
        for key in [("model", curve.model_prefix.to_string()), ("hardware", family)] {
            members.entry(key).or_default().push(point);
        }
    }
    let mut groups: Vec<GroupSummary> = members.into_iter().map(|((by, name), points)| group(by, name, &points)).collect();
    groups.retain(|group| group.pairs + group.failed > 0);
    groups.sort_by_key(|group| group.by == "hardware");
    groups
}

fn group(by: &'static str, name: String, points: &[&PointComparison]) -> GroupSummary {
    let with_verdict = |verdict: Verdict| points.iter().filter(|point| point.verdict == verdict).count();
    let (better, worse, failed) = (
        with_verdict(Verdict::Better),
        with_verdict(Verdict::Worse),
        with_verdict(Verdict::Failed),
    );
    let decided = better + worse + failed;
    let changes = points.iter().filter_map(|point| point.change(Metric::ThroughputPerGpu));
    let logarithms: Vec<f64> = changes
        .map(|change| change.relative.ln_1p())
        .filter(|log| log.is_finite())
        .collect();
    GroupSummary {
        by,
        name,
        pairs: points.iter().filter(|point| !point.changes.is_empty()).count(),
        better,
        worse,
        undecided: with_verdict(Verdict::Same) + with_verdict(Verdict::Unsure),
        failed,
        win_rate: (decided > 0).then(|| count(better) / count(decided)),
        throughput: (!logarithms.is_empty()).then(|| (logarithms.iter().sum::<f64>() / count(logarithms.len())).exp_m1()),
    }
}

fn sentences(comparison: &Comparison, metrics: &[MetricSummary]) -> Vec<String> {
    let (base, head) = (short_name(&comparison.base), short_name(&comparison.head));
    let pairs = comparison.points.iter().filter(|point| !point.changes.is_empty()).count();
    let mut sentences = vec![if pairs == 0 {
        format!("{head} and {base} have no point in common.")
    } else {
        format!(
            "Of {} that {head} and {base} have in common, {} are better, {} are worse, {} are uncertain and {} are the same.",
            counted(pairs, "point"),
            comparison.count(Verdict::Better),
            comparison.count(Verdict::Worse),
            comparison.count(Verdict::Unsure),
            comparison.count(Verdict::Same)
        )
    }];
    sentences.extend(metrics.iter().map(sentence));
    if comparison.count(Verdict::Failed) > 0 {
        sentences.push(format!(
            "{} that {base} measured failed in {head}.",
            counted(comparison.count(Verdict::Failed), "point")
        ));
    }
    sentences
}

fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A set's name with its commit as people write it: `release:0123456789`.
fn short_name(name: &str) -> String {
    let (kind, value) = name.split_once(':').unwrap_or(("", name));
    let is_commit = value.len() >= 20 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit {
        format!("{kind}:{}", value.get(..10).unwrap_or(value))
    } else {
        name.to_owned()
    }
}

fn sentence(summary: &MetricSummary) -> String {
    let MetricSummary {
        metric,
        relative,
        low,
        high,
        pairs,
    } = summary;
    let title = title(*metric);
    let range = format!(
        "95 % interval {:+.1} % to {:+.1} %, {}",
        low * 100.0,
        high * 100.0,
        counted(*pairs, "pair")
    );
    if *low <= 0.0 && *high >= 0.0 {
        return format!("{title}: no difference is shown over all pairs ({range}).");
    }
    let is_better = metric.gain(*relative) > 0.0;
    let (way, meaning) = (
        if *relative > 0.0 { "higher" } else { "lower" },
        if is_better { "better" } else { "worse" },
    );
    format!(
        "{title}: {:.1} % {way} over all pairs, which is {meaning} ({range}).",
        relative.abs() * 100.0
    )
}

fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::ThroughputPerGpu => "Throughput per GPU",
        Metric::OutputThroughputPerGpu => "Output throughput per GPU",
        Metric::InputThroughputPerGpu => "Input throughput per GPU",
        Metric::Ttft => "TTFT",
        Metric::TtftP99 => "TTFT p99",
        Metric::Tpot => "TPOT",
        Metric::Interactivity => "Interactivity",
        Metric::E2el => "E2E latency",
        Metric::E2elP99 => "E2E latency p99",
        Metric::Qps => "QPS",
        Metric::CacheHitRate => "Cache hit rate",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::{Value, json};

    use super::*;

    /// A point of a model and hardware whose throughput changed.
    fn point(model: &str, hardware: &str, conc: u32, verdict: &str, relative: f64) -> Value {
        let change = json!({
            "metric": "throughput-per-gpu", "statistic": "mean", "base": 100.0, "head": 100.0 * (1.0 + relative), "relative": relative,
            "low": relative - 0.02, "high": relative + 0.02, "noise": 0.01, "basis": "assumed", "q": 0.01,
            "verdict": if verdict == "failed" { "worse" } else { verdict }
        });
        json!({
            "point": { "curve": {
                "model-prefix": model, "precision": "fp8", "runner": hardware, "framework": "vllm", "spec-decoding": "none", "disagg": false,
                "workload": { "fixed-seq-len": { "isl": 1024, "osl": 1024 } }, "layout": "tp4" }, "conc": conc },
            "verdict": verdict,
            "changes": if verdict == "failed" { json!([]) } else { json!([change]) }
        })
    }

    fn comparison(points: &[Value]) -> Comparison {
        serde_json::from_value(json!({ "base": "run 1", "head": "run 2", "points": points })).unwrap()
    }

    #[test]
    fn wins_are_counted_by_model_and_hardware_family() {
        let found = ComparisonSummary::of(&comparison(&[
            point("dsr1", "h200-nb", 4, "better", 0.10),
            point("dsr1", "h200", 8, "worse", -0.20),
            point("dsr1", "b200", 4, "same", 0.001),
            point("gptoss", "b200", 4, "better", 0.30),
            point("gptoss", "b200", 8, "failed", 0.0),
        ]));
        let groups: Vec<(&str, &str, usize, Option<f64>)> = found
            .groups
            .iter()
            .map(|group| (group.by, group.name.as_str(), group.pairs, group.win_rate))
            .collect();
        assert_eq!(
            groups,
            [
                ("model", "dsr1", 3, Some(0.5)),
                ("model", "gptoss", 1, Some(0.5)),
                ("hardware", "b200", 2, Some(0.5)),
                ("hardware", "h200", 2, Some(0.5)),
            ]
        );
        assert_eq!(
            (found.best.unwrap().change.relative, found.worst.unwrap().change.relative),
            (0.30, -0.20)
        );
    }

    #[test]
    fn sentences_say_what_is_certain() {
        for (points, expected) in [
            (vec![], "run 2 and run 1 have no point in common."),
            (
                vec![point("dsr1", "h200", 4, "better", 0.10), point("dsr1", "h200", 8, "better", 0.10)],
                "Throughput per GPU: 10.0 % higher over all pairs, which is better (95 % interval +8.6 % to +11.4 %, 2 pairs).",
            ),
            (
                vec![point("dsr1", "h200", 4, "same", 0.01)],
                "Throughput per GPU: no difference is shown over all pairs (95 % interval -1.0 % to +3.0 %, 1 pair).",
            ),
            (
                vec![point("dsr1", "h200", 4, "failed", 0.0)],
                "1 point that run 1 measured failed in run 2.",
            ),
        ] {
            let found = ComparisonSummary::of(&comparison(&points));
            assert!(found.sentences.iter().any(|sentence| sentence == expected), "{:?}", found.sentences);
        }
    }
}
