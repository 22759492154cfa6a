//! Thresholds of scores. A score may be below its threshold by chance, so a model fails only if the upper bound of the score's
//! interval is below as well.

use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde_json::Value as Json;

use super::score::Score;
use crate::model::{Diagnostics, SourceFile, json_schema};
use crate::yaml::{self, Node, Reader, Value};

/// Thresholds by task, and by model and task.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds {
    default: IndexMap<String, f64>,
    models: IndexMap<String, IndexMap<String, f64>>,
}

/// The sections of the file.
const FIELDS: [&str; 2] = ["default", "models"];

/// Only for the schema; the file is read node by node.
#[derive(JsonSchema)]
#[schemars(title = "imax thresholds", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Document {
    /// Scores of each model, by task.
    #[schemars(default)]
    default: IndexMap<String, Threshold>,
    /// Scores by model and task, which count before those of `default`.
    #[schemars(default)]
    models: IndexMap<String, IndexMap<String, Threshold>>,
}

/// The least score, 0 to 1.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct Threshold(#[schemars(range(min = 0.0, max = 1.0))] f64);

/// The schema of a thresholds file.
#[must_use]
pub fn schema() -> Json {
    json_schema::<Document>()
}

/// The verdict on a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// No threshold.
    Unjudged,
    /// At or above the threshold.
    Pass { threshold: f64 },
    /// Below, but its interval reaches the threshold: more questions or repeats would decide.
    Unsure { threshold: f64 },
    /// Below, with the whole interval.
    Fail { threshold: f64 },
}

impl Verdict {
    /// The verdict in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unjudged => "unjudged",
            Self::Pass { .. } => "pass",
            Self::Unsure { .. } => "unsure",
            Self::Fail { .. } => "fail",
        }
    }

    /// The threshold, if there is one.
    #[must_use]
    pub fn threshold(self) -> Option<f64> {
        match self {
            Self::Unjudged => None,
            Self::Pass { threshold } | Self::Unsure { threshold } | Self::Fail { threshold } => Some(threshold),
        }
    }
}

impl Thresholds {
    /// Reads `eval-thresholds.yaml`: `default:` with scores by task, `models:` with the same by model.
    ///
    /// # Errors
    /// All errors of the file.
    pub fn read(file: &Arc<SourceFile>) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::new();
        let node = yaml::parse(file, &mut found);
        let thresholds = node.and_then(|node| thresholds(&node, &mut Reader::new(file, &mut found)));
        found.into_result(thresholds).map(|(thresholds, _)| thresholds)
    }

    /// Whether there is no threshold at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.default.is_empty() && self.models.is_empty()
    }

    /// The least score of a task. `models` has all names of the model; the first one in the file counts.
    #[must_use]
    pub fn least(&self, models: &[&str], task: &str) -> Option<f64> {
        let own = models
            .iter()
            .filter_map(|model| self.models.get(*model))
            .find_map(|tasks| tasks.get(task));
        own.or_else(|| self.default.get(task)).copied()
    }

    /// The verdict on a model's score. `model` has all names of the model; the first one in the file counts.
    #[must_use]
    pub fn judge(&self, models: &[&str], task: &str, score: &Score) -> Verdict {
        let Some(threshold) = self.least(models, task) else {
            return Verdict::Unjudged;
        };
        if score.mean >= threshold {
            Verdict::Pass { threshold }
        } else if score.interval.1 >= threshold {
            Verdict::Unsure { threshold }
        } else {
            Verdict::Fail { threshold }
        }
    }
}

fn thresholds(node: &Node, reader: &mut Reader<'_>) -> Option<Thresholds> {
    let object = reader.object(node, "eval-thresholds", &FIELDS)?;
    let default = object.get("default").map(|node| by_task(node, reader, "default"));
    let mut models = IndexMap::new();
    if let Some(node) = object.get("models") {
        for entry in reader.mapping(node, "models")?.iter() {
            let name = entry.name().unwrap_or_default();
            models.insert(name.to_owned(), by_task(&entry.value, reader, name));
        }
    }
    Some(Thresholds {
        default: default.unwrap_or_default(),
        models,
    })
}

fn by_task(node: &Node, reader: &mut Reader<'_>, what: &str) -> IndexMap<String, f64> {
    let mut tasks = IndexMap::new();
    let Some(map) = reader.mapping(node, what) else {
        return tasks;
    };
    for entry in map.iter() {
        let name = entry.name().unwrap_or_default();
        let number = match entry.value.value {
            Value::Float(number) => Some(number),
            Value::Int(0) => Some(0.0),
            Value::Int(1) => Some(1.0),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => None,
        };
        match number.filter(|number| (0.0..=1.0).contains(number)) {
            Some(number) => {
                tasks.insert(name.to_owned(), number);
            }
            None => {
                let found = entry.value.value.describe();
                reader.error(
                    entry.value.span,
                    "range",
                    format!("the threshold of `{name}` is {found}, expected a score from 0 to 1"),
                );
            }
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "default: {gsm8k: 0.9, gpqa_diamond: 0.3}\nmodels:\n  org/small: {gsm8k: 0.4}\n";

    fn score(right: usize, of: usize) -> Score {
        let values: Vec<f64> = (0..of).map(|index| if index < right { 1.0 } else { 0.0 }).collect();
        Score::of(&values).unwrap()
    }

    #[test]
    fn score_below_threshold_fails_only_if_significant() {
        let thresholds = Thresholds::read(&SourceFile::new("t.yaml", FILE)).unwrap();
        for (models, task, right, of, verdict) in [
            (&["org/big"][..], "gsm8k", 95, 100, "pass"),
            (&["org/big"], "gsm8k", 90, 100, "pass"),
            (&["org/big"], "gsm8k", 86, 100, "unsure"),
            (&["org/big"], "gsm8k", 1130, 1319, "fail"),
            (&["served", "org/small"], "gsm8k", 50, 100, "pass"),
            (&["org/small"], "gpqa_diamond", 0, 100, "fail"),
            (&["org/small"], "sums", 0, 100, "unjudged"),
        ] {
            assert_eq!(
                thresholds.judge(models, task, &score(right, of)).as_str(),
                verdict,
                "{models:?} {task} {right}"
            );
        }
    }

    #[test]
    fn schema_has_the_keys_of_the_reader() {
        let schema = schema();
        let keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, FIELDS);
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn a_threshold_is_a_score() {
        for (text, said) in [
            ("default: {gsm8k: 90}", "`90`, expected a score from 0 to 1"),
            ("default: {gsm8k: high}", "expected a score"),
            ("defaults: {}", "unknown field `defaults`"),
            ("models: []", "`models` is a list"),
        ] {
            let error = Thresholds::read(&SourceFile::new("t.yaml", text)).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("t.yaml:1:"), "{text}: {error}");
        }
    }
}
