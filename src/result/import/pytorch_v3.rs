//! Records of PyTorch's benchmark dashboard, version 3: one metric each, as JSON, as JSON lines, and as lines that are lists.
//! Source: <https://github.com/pytorch/test-infra>, `.github/scripts/upload_benchmark_results.py`.

use serde_json::{Value, json};

use super::{ImportError, Imported, PublishedResult, RefusedRow};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    ["benchmark", "metric"]
        .iter()
        .all(|key| matches!(document.get(*key), Some(Json::Object(_))))
}

/// Whether the first record of a text that is JSON lines is one, in a list or not.
pub(super) fn wrote_lines(text: &str) -> bool {
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .and_then(|line| Json::parse(line).ok());
    match first {
        Some(Json::List(items)) => items.iter().find_map(Json::as_object).is_some_and(wrote),
        Some(document) => document.as_object().is_some_and(wrote),
        None => false,
    }
}

pub(super) fn read(documents: &[Json]) -> Imported {
    let mut imported = Imported::default();
    for (index, document) in documents.iter().enumerate() {
        imported.add_record(document, &format!("[{index}]"));
    }
    imported
}

pub(super) fn read_lines(text: &str) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {}", index + 1);
        match Json::parse(line) {
            Ok(Json::List(items)) => {
                for item in &items {
                    imported.add_record(item, &place);
                }
            }
            Ok(document) => imported.add_record(&document, &place),
            Err(source) => return Err(ImportError::JsonLine { line: index + 1, source }),
        }
    }
    Ok(imported)
}

impl Imported {
    fn add_record(&mut self, document: &Json, place: &str) {
        match record(document) {
            Ok(results) => self.published.extend(results),
            Err(reason) => self.refused.push(RefusedRow {
                place: place.to_owned(),
                reason,
                payload: document.to_pretty(),
            }),
        }
    }
}

fn text(document: &Json, path: &[&str]) -> Option<String> {
    let text = document.at(path)?.as_text();
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn name(document: &Json, path: &[&str]) -> Result<String, String> {
    text(document, path).ok_or_else(|| format!("`{}` is absent, expected a name", path.join(".")))
}

fn value_of(document: &Json, key: &str) -> Value {
    document.get(key).cloned().map_or(Value::Null, Value::from)
}

fn record(document: &Json) -> Result<Vec<PublishedResult>, String> {
    let suite = name(document, &["benchmark", "name"])?;
    let model = name(document, &["model", "name"])?;
    let metric = name(document, &["metric", "name"])?;
    let values = match document.at(&["metric", "benchmark_values"]) {
        Some(Json::List(values)) if !values.is_empty() => values,
        _ => return Err("`metric.benchmark_values` is absent or empty, expected a list of numbers".to_owned()),
    };
    let numbers: Option<Vec<f64>> = values
        .iter()
        .map(|value| value.as_number().filter(|number| number.is_finite()))
        .collect();
    let numbers = numbers.ok_or("`metric.benchmark_values` has something else than finite numbers")?;
    let details = json!({
        "benchmark": value_of(document, "benchmark"), "model": value_of(document, "model"), "inputs": value_of(document, "inputs"),
        "dependencies": value_of(document, "dependencies"), "runners": value_of(document, "runners"), "repo": value_of(document, "repo"),
        "head_branch": value_of(document, "head_branch"), "head_sha": value_of(document, "head_sha"), "workflow_id": value_of(document, "workflow_id"),
        "run_attempt": value_of(document, "run_attempt"), "job_id": value_of(document, "job_id"), "timestamp": value_of(document, "timestamp"),
    });
    let details: serde_json::Map<String, Value> = match details {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => serde_json::Map::new(),
    };
    let results = numbers.iter().enumerate().map(|(index, value)| {
        let mut details = details.clone();
        // Repetitions of one measurement.
        if numbers.len() > 1 {
            details.insert("repetition".to_owned(), json!(index + 1));
        }
        PublishedResult {
            suite: suite.clone(),
            round: None,
            id: None,
            submitter: text(document, &["repo"]),
            system: None,
            hardware: text(document, &["benchmark", "extra_info", "device"]),
            accelerators: None,
            nodes: None,
            model: model.clone(),
            scenario: text(document, &["benchmark", "mode"]),
            metric: metric.clone(),
            unit: text(document, &["metric", "extra_info", "unit"]),
            value: *value,
            details: Value::Object(details),
        }
    });
    Ok(results.collect())
}
