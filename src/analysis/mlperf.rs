//! Numbers derived from published results of MLPerf. None of them is an official result of MLCommons; its rules ask for a mark, a dagger.
//!
//! A submission at 99 % accuracy whose number at 99.9 % is the same was measured once: the importer marks the second one (`same_as`), and it is
//! left out here, so that no variant is counted twice.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::count;
use crate::result::PublishedResult;

/// Accelerators of the node that results of different nodes are brought to.
const USUAL_NODE: f64 = 8.0;

/// A submitted result, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DerivedResult {
    pub round: Option<String>,
    pub id: Option<String>,
    pub submitter: Option<String>,
    pub system: Option<String>,
    pub hardware: Option<String>,
    pub accelerators: Option<u32>,
    pub nodes: Option<u32>,
    pub model: String,
    pub scenario: Option<String>,
    pub unit: Option<String>,
    pub division: Option<String>,
    pub availability: Option<String>,
    /// As submitted.
    pub value: f64,
    /// By the number of accelerators of the system.
    pub per_accelerator: Option<f64>,
    /// By the number of nodes.
    pub per_node: Option<f64>,
    /// Of a node of 8 accelerators, whatever the system's nodes have: 8 times the number by accelerators.
    pub per_8_accelerators: Option<f64>,
    /// The Offline result of the same submission and model, for other scenarios.
    pub offline: Option<f64>,
    /// What the scenario's bounds on latency cost: 1 - value / offline.
    pub degradation: Option<f64>,
    /// Number by accelerators over the best one of the round before, of the same accelerator, model and scenario.
    pub since_round_before: Option<f64>,
    pub round_before: Option<String>,
}

fn detail(result: &PublishedResult, name: &str) -> Option<String> {
    let text = result.details.get(name).and_then(Value::as_str)?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether the number is the same measurement as the one at the lower accuracy.
fn is_same_measurement(result: &PublishedResult) -> bool {
    result.details.get("same_as").is_some_and(Value::is_string)
}

/// A query of Server and Interactive is one sample of Offline.
fn comparable_unit(unit: Option<&str>) -> String {
    unit.unwrap_or_default().replace("Queries", "Samples")
}

/// Rounds in the order of their numbers; `6.0` is after `5.1`, and `10.0` after both.
fn round_number(round: &str) -> Vec<u32> {
    round.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The name of an accelerator by which rounds are compared: `NVIDIA B200-SXM-180GB` and `AMD Instinct MI355X 288GB HBM3e (x87)` without the count.
fn accelerator_name(hardware: &str) -> String {
    let without_count = hardware.split(" (x").next().unwrap_or(hardware);
    without_count.trim().to_lowercase()
}

/// What an Offline result and one with bounds on latency have in common.
fn offline_key(result: &PublishedResult) -> (Option<String>, Option<String>, String, String) {
    (
        result.round.clone(),
        result.id.clone(),
        result.model.clone(),
        comparable_unit(result.unit.as_deref()),
    )
}

/// Results with their derived numbers, in the order of the results.
#[must_use]
pub fn derived_results(results: &[PublishedResult]) -> Vec<DerivedResult> {
    let counted: Vec<&PublishedResult> = results
        .iter()
        .filter(|result| result.metric == "result" && !is_same_measurement(result))
        .collect();
    // Also of what is not counted: the Server result of the other accuracy may be a measurement of its own.
    let offline: BTreeMap<_, f64> = results
        .iter()
        .filter(|result| result.metric == "result" && result.scenario.as_deref() == Some("Offline"))
        .map(|result| (offline_key(result), result.value))
        .collect();
    let best = best_by_round(&counted);
    counted
        .into_iter()
        .map(|result| {
            let is_offline = result.scenario.as_deref() == Some("Offline");
            let offline = offline
                .get(&offline_key(result))
                .copied()
                .filter(|value| !is_offline && *value > 0.0);
            let per_accelerator = per(result.value, result.accelerators);
            let before = best_before(&best, result);
            DerivedResult {
                round: result.round.clone(),
                id: result.id.clone(),
                submitter: result.submitter.clone(),
                system: result.system.clone(),
                hardware: result.hardware.clone(),
                accelerators: result.accelerators,
                nodes: result.nodes,
                model: result.model.clone(),
                scenario: result.scenario.clone(),
                unit: result.unit.clone(),
                division: detail(result, "division").or_else(|| detail(result, "category")),
                availability: detail(result, "availability"),
                value: result.value,
                per_accelerator,
                per_node: per(result.value, result.nodes),
                per_8_accelerators: per_accelerator.map(|value| value * USUAL_NODE),
                degradation: offline.map(|offline| 1.0 - result.value / offline),
                offline,
                since_round_before: per_accelerator.zip(before.as_ref()).map(|(value, (_, before))| value / before),
                round_before: before.map(|(round, _)| round),
            }
        })
        .collect()
}

fn per(value: f64, things: Option<u32>) -> Option<f64> {
    things.filter(|things| *things > 0).map(|things| value / count(things))
}

/// Accelerator, model, scenario and unit.
type RoundsKey = (String, String, String, String);

fn rounds_key(result: &PublishedResult) -> Option<RoundsKey> {
    Some((
        accelerator_name(result.hardware.as_deref()?),
        result.model.clone(),
        result.scenario.clone()?,
        comparable_unit(result.unit.as_deref()),
    ))
}

/// The best number by accelerators of each round.
fn best_by_round(results: &[&PublishedResult]) -> BTreeMap<RoundsKey, BTreeMap<Vec<u32>, (String, f64)>> {
    let mut best: BTreeMap<RoundsKey, BTreeMap<Vec<u32>, (String, f64)>> = BTreeMap::new();
    for result in results {
        let (Some(key), Some(round), Some(value)) = (rounds_key(result), &result.round, per(result.value, result.accelerators)) else {
            continue;
        };
        let known = best
            .entry(key)
            .or_default()
            .entry(round_number(round))
            .or_insert((round.clone(), value));
        known.1 = known.1.max(value);
    }
    best
}

fn best_before(best: &BTreeMap<RoundsKey, BTreeMap<Vec<u32>, (String, f64)>>, result: &PublishedResult) -> Option<(String, f64)> {
    let rounds = best.get(&rounds_key(result)?)?;
    let own = round_number(result.round.as_deref()?);
    let (_, (round, value)) = rounds.range(..own).next_back()?;
    Some((round.clone(), *value)).filter(|(_, value)| *value > 0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn result(id: &str, model: &str, scenario: &str, value: f64) -> PublishedResult {
        let offline = scenario == "Offline";
        PublishedResult {
            suite: "mlperf-inference".to_owned(),
            round: Some(id.split('-').next().unwrap().to_owned()),
            id: Some(id.to_owned()),
            submitter: Some("org".to_owned()),
            system: None,
            hardware: Some("NVIDIA B200 (x16)".to_owned()),
            accelerators: Some(16),
            nodes: Some(4),
            model: model.to_owned(),
            scenario: Some(scenario.to_owned()),
            metric: "result".to_owned(),
            unit: Some(if offline { "Samples/s" } else { "Queries/s" }.to_owned()),
            value,
            details: json!({ "division": "Closed ", "availability": "available" }),
        }
    }

    #[test]
    fn numbers_are_derived_from_counts_of_the_system() {
        let found = derived_results(&[result("5.1-1", "m", "Server", 3200.0), result("5.1-1", "m", "Offline", 4000.0)]);
        let server = &found[0];
        assert_eq!(
            (server.per_accelerator, server.per_node, server.per_8_accelerators),
            (Some(200.0), Some(800.0), Some(1600.0))
        );
        assert_eq!(server.offline, Some(4000.0));
        assert!((server.degradation.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(
            (server.division.as_deref(), server.availability.as_deref()),
            (Some("Closed"), Some("available"))
        );
        assert_eq!((found[1].offline, found[1].degradation), (None, None));
        let unknown = PublishedResult {
            accelerators: None,
            nodes: Some(0),
            ..result("5.1-1", "m", "Offline", 1.0)
        };
        let unknown = &derived_results(&[unknown])[0];
        assert_eq!((unknown.per_accelerator, unknown.per_node), (None, None));
    }

    #[test]
    fn same_measurement_at_another_accuracy_is_counted_once() {
        let mut again = result("5.1-1", "m-99.9", "Offline", 4000.0);
        again.details["same_as"] = "m-99".into();
        let other = result("5.1-1", "m-99.9", "Server", 3000.0);
        let found = derived_results(&[result("5.1-1", "m-99", "Offline", 4000.0), again, other]);
        let models: Vec<&str> = found.iter().map(|one| one.model.as_str()).collect();
        assert_eq!(models, ["m-99", "m-99.9"], "another number is another measurement");
    }

    #[test]
    fn rounds_are_compared_by_accelerator_with_the_best_of_the_round_before() {
        let found = derived_results(&[
            result("5.1-1", "m", "Offline", 1600.0),
            result("5.1-2", "m", "Offline", 3200.0),
            result("6.0-1", "m", "Offline", 4800.0),
            result("10.0-1", "m", "Offline", 2400.0),
        ]);
        let since: Vec<_> = found
            .iter()
            .map(|one| (one.since_round_before, one.round_before.as_deref()))
            .collect();
        assert_eq!(
            since,
            [(None, None), (None, None), (Some(1.5), Some("5.1")), (Some(0.5), Some("6.0"))]
        );
    }
}
