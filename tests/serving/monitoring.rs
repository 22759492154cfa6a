//! What Prometheus reads of the server, and that the dashboard and alerts in `dist/grafana` ask for metrics and labels that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::client::{Served, publish};
use crate::fixture::{Fixture, failed_job, row};
use crate::harness::project;

/// A server whose metrics have every name: a run with a failure and verdicts, and chosen curves.
fn monitored(fixture: &Fixture) -> Served {
    fixture.measured("before/4", &row(4), 4000.0);
    fixture.measured("after/4", &row(4), 2000.0);
    fixture.write("after/8/job.json", &failed_job(&row(8), "server", "out of memory").to_string());
    let report = fixture.imax(&["compare", "before", "after", "--format", "json"], &[]);
    fixture.write("verdicts.json", &report.stdout);
    publish(
        fixture,
        "after",
        "2026-10-02T05:00:00Z",
        &["--kind", "main", "--verdicts", "verdicts.json"],
    );
    Served::start(fixture.path("history.db").to_str().unwrap(), &["--metrics-filter", "conc=4"])
}

/// The samples of a text: name, labels, value.
fn samples(text: &str) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
                let (name, value) = label.split_once("=\"")?;
                Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
            });
            (name.to_owned(), labels.collect(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn newest_run_is_told_by_outcome_verdict_age_and_values() {
    let fixture = Fixture::new();
    let served = monitored(&fixture);
    let found = samples(&served.get("/metrics").text());
    let value = |name: &str, label: &str, wanted: &str| {
        let is = |(found, labels, _): &&(String, BTreeMap<String, String>, f64)| {
            found == name && labels.get(label).is_some_and(|value| value == wanted)
        };
        found.iter().find(is).map(|(_, _, value)| *value)
    };
    assert_eq!(value("imax_newest_run_points", "outcome", "measured"), Some(1.0));
    assert_eq!(value("imax_newest_run_points", "outcome", "server"), Some(1.0));
    let verdicts: f64 = found
        .iter()
        .filter(|(name, ..)| name == "imax_newest_run_verdicts")
        .map(|(_, _, value)| value)
        .sum();
    assert!(verdicts >= 1.0, "{found:?}");
    assert!(value("imax_newest_run_age_seconds", "branch", "main").unwrap() > 0.0);
    assert_eq!(value("imax_newest_value", "metric", "throughput-per-gpu"), Some(500.0));
    assert_eq!(
        value("imax_newest_value", "conc", "4"),
        value("imax_newest_value", "metric", "throughput-per-gpu")
    );
    let series: BTreeSet<String> = found.iter().map(|(name, labels, _)| format!("{name}{labels:?}")).collect();
    assert_eq!(series.len(), found.len(), "each series once");
}

/// Names of metrics in an expression, and the labels that it asks for of each.
fn asked(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("imax_") {
        let rest = &expression[at..];
        let end = rest
            .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .unwrap_or(rest.len());
        let labels = rest[end..]
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .map(|(labels, _)| labels);
        let names = labels.unwrap_or_default().split(',').filter_map(|label| {
            let name = label.split(['=', '!']).next()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        });
        found.push((rest[..end].to_owned(), names.collect()));
    }
    found
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dashboard];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(text) if name == "expr" || name == "definition" => found.push(text.to_owned()),
                        Some(_) | None => open.push(value),
                    }
                }
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_there() {
    let fixture = Fixture::new();
    let served = monitored(&fixture);
    served.get("/api/v1/runs");
    let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels, _) in samples(&served.get("/metrics").text()) {
        there.entry(name).or_default().extend(labels.into_keys());
    }
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(project().join("dist/grafana/imax.json")).unwrap()).unwrap();
    let rules = fs::read_to_string(project().join("dist/grafana/imax.rules.yaml")).unwrap();
    let mut all = expressions(&dashboard);
    assert!(all.len() >= 15, "{}", all.len());
    all.push(
        rules
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    for (name, labels) in all.iter().flat_map(|expression| asked(expression)) {
        let known = there.get(&name);
        assert!(known.is_some(), "{name} is not among the metrics");
        for label in labels {
            assert!(known.unwrap().contains(&label), "{name} has no label {label}");
        }
    }
    // What Grafana needs to load a dashboard: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
    assert!(dashboard["title"].is_string() && dashboard["schemaVersion"].is_u64());
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        assert!(
            panel["type"] == "row" || !panel["targets"].as_array().unwrap().is_empty(),
            "{panel}"
        );
    }
}
