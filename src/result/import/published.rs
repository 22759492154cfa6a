//! Results of other benchmarks, which are not points of a curve over concurrency: what MLCommons publishes, records of PyTorch's dashboard.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::Digest;

/// A published number, with what it is a number of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedResult {
    /// The benchmark, such as `mlperf-inference`.
    pub suite: String,
    /// Its round or version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<String>,
    /// The submission's or the record's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The accelerator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// All accelerators of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerators: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    pub model: String,
    /// Such as `Offline`; for other benchmarks the mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    pub metric: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub value: f64,
    /// What else the source says.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl PublishedResult {
    /// The identity of the result, without the value and its description.
    #[must_use]
    pub fn identity(&self) -> Digest {
        // Only the details identify a record of PyTorch.
        let details = if self.id.is_none() { &self.details } else { &Value::Null };
        Digest::of_json(json!({
            "suite": self.suite, "round": self.round, "id": self.id, "model": self.model, "scenario": self.scenario,
            "metric": self.metric, "details": details,
        }))
    }
}
