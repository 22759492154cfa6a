//! Histories of made-up runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use serde_json::json;

use super::*;

/// A run with the concurrencies of one curve on a kind of hardware.
fn run(hardware: &str, throughputs: &[(u32, f64)]) -> Run {
    let point = |(conc, throughput): &(u32, f64)| {
        json!({
            "key": {
                "curve": {
                    "model-prefix": "demo", "precision": "fp8", "runner": hardware, "framework": "sim", "spec-decoding": "none",
                    "disagg": false, "workload": "agentic-coding", "layout": "tp4"
                },
                "conc": conc
            },
            "model": null, "image": null, "gpus": 4, "outcome": {"measured": {"tput_per_gpu": throughput}},
            "layout": {"single-node": {"tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": false}}
        })
    };
    let points: Vec<_> = throughputs.iter().map(point).collect();
    serde_json::from_value(json!({ "points": points })).unwrap()
}

fn on(day: u32, run: Run) -> HistoryRun {
    let date: DateTime<Utc> = format!("2026-11-{day:02}T05:00:00Z").parse().unwrap();
    HistoryRun::new("0123456789abcdef", date, run).unwrap()
}

#[test]
fn history_values_are_ordered_by_date() {
    let history = History::new(vec![
        on(3, run("h100", &[(4, 30.0)])),
        on(1, run("h100", &[(4, 10.0)])),
        on(2, run("h200", &[(4, 99.0)])),
    ]);
    let key = history.runs()[0].run.points[0].key.clone();
    let values: Vec<f64> = history
        .series(&key, Metric::ThroughputPerGpu, Statistic::Mean)
        .map(|past| past.value)
        .collect();
    assert_eq!(values, [10.0, 30.0]);
    assert_eq!(history.newest(&key).unwrap().get(Metric::ThroughputPerGpu), Some(30.0));
}

#[test]
fn baseline_is_the_newest_run_of_each_curve() {
    let history = History::new(vec![
        on(1, run("h100", &[(4, 10.0), (8, 20.0), (64, 50.0)])),
        on(2, run("h100", &[(8, 21.0), (16, 30.0)])),
        on(3, run("h200", &[(4, 99.0)])),
    ]);
    let baseline = history.baseline(&run("h100", &[(4, 11.0), (8, 22.0)]));
    let found: Vec<_> = baseline
        .points
        .iter()
        .map(|point| {
            (
                point.key.curve.runner.as_str(),
                point.key.conc.get(),
                point.get(Metric::ThroughputPerGpu),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("h100", 4, Some(10.0)), ("h100", 8, Some(21.0)), ("h100", 16, Some(30.0))],
        "64 was dropped before the curve's newest run"
    );
    let borrowed = baseline.points.iter().map(|point| baseline.borrowed_from(&point.key));
    let dates: Vec<Option<&str>> = borrowed.map(|origin| origin.map(|origin| origin.date.as_str())).collect();
    assert_eq!(
        dates,
        [Some("2026-11-01T05:00:00Z"), None, None],
        "the newest run of the curve has no point at 4"
    );
}

#[test]
fn history_file_round_trips_and_rejects_invalid_input() {
    let run = on(1, run("h100", &[(4, 10.0)]));
    assert_eq!(run.file_name(), "20261101T050000Z-0123456789ab.json");
    let text = serde_json::to_string(&run).unwrap();
    assert_eq!(HistoryRun::parse(&text).unwrap(), run);
    for (from, to, words) in [
        ("imax-history/1", "imax-history/2", "has schema"),
        ("2026-11-01T05:00:00Z", "yesterday", "expected RFC 3339"),
        ("0123456789abcdef", " ", "`commit` is empty"),
        ("{", "[", "invalid history file"),
    ] {
        let error = HistoryRun::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(HistoryRun::new("", Utc::now(), Run::default()).is_err());
}
