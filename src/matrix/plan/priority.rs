//! Scores of jobs: which comes first on a shared fleet. The fields are those of InferenceX's `ci-priority.yaml`; a higher score is
//! sooner. A scheduler of the fleet reads the score from the job's labels.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::matrix::row::Row;

/// The file of scores. Unknown fields are errors, so that a misspelt one does not pass as a score of 0.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Priorities {
    /// 1.
    pub version: u32,
    base_score: f64,
    adjustments: Adjustments,
    labels: PriorityLabels,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Adjustments {
    /// By the name of the event.
    event: BTreeMap<String, f64>,
    multi_node: f64,
    agentic: f64,
    eval_only: f64,
    precision: BTreeMap<String, f64>,
    spec_decoding: BTreeMap<String, f64>,
    /// By the name of the engine, or its beginning before a `-`.
    framework_prefix: BTreeMap<String, f64>,
    model_prefix: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PriorityLabels {
    skip_queue: SkipQueue,
    #[serde(default)]
    checklist_complete: Option<Checklist>,
    patchwork: Patchwork,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipQueue {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checklist {
    names: Vec<String>,
    adjustment: f64,
}

/// Changed engines: they wait for the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Patchwork {
    names: Vec<String>,
    score: f64,
    #[serde(default)]
    waived_by: Vec<String>,
}

/// What the score depends on besides the row.
#[derive(Debug, Clone, Default)]
pub struct PriorityContext {
    /// The name of the event, `push`.
    pub event: String,
    /// Labels of the pull request.
    pub labels: Vec<String>,
    pub pull_request: Option<u64>,
    /// A text that no other run has: number and attempt.
    pub run: String,
}

impl PriorityContext {
    fn has_any(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.labels.contains(name))
    }
}

/// The score of a job, and the names that its labels are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priority {
    /// With three decimals, `1.750`.
    pub score: String,
    /// 32 hexadecimal digits that no other job has.
    pub token: String,
    /// The pull request whose jobs skip the queue.
    pub skip_queue: Option<u64>,
}

impl Priorities {
    /// The priority of a job, `id` in its plan.
    #[must_use]
    pub fn of(&self, row: &Row, id: &str, context: &PriorityContext) -> Priority {
        let mut token = hex::encode(Sha256::digest(format!("{}:{id}", context.run)));
        token.truncate(32);
        let skips = context.labels.contains(&self.labels.skip_queue.name);
        Priority {
            score: format!("{:.3}", self.score(row, context)),
            token,
            skip_queue: context.pull_request.filter(|_| skips),
        }
    }

    fn score(&self, row: &Row, context: &PriorityContext) -> f64 {
        let PriorityLabels {
            checklist_complete,
            patchwork,
            ..
        } = &self.labels;
        if context.has_any(&patchwork.names) && !context.has_any(&patchwork.waived_by) {
            return patchwork.score;
        }
        let by = &self.adjustments;
        let mut score = self.base_score + adjustment(&by.event, &context.event);
        for (applies, adjustment) in [
            (row.layout.is_multi_node(), by.multi_node),
            (row.is_agentic(), by.agentic),
            (row.is_evaluated_alone(), by.eval_only),
        ] {
            score += if applies { adjustment } else { 0.0 };
        }
        score += adjustment(&by.precision, row.precision.as_str());
        score += adjustment(&by.spec_decoding, row.spec_decoding.as_str());
        score += by_prefix(&by.framework_prefix, row.framework.as_str());
        score += adjustment(&by.model_prefix, row.model_prefix.as_str());
        match checklist_complete {
            Some(checklist) if context.has_any(&checklist.names) => score + checklist.adjustment,
            Some(_) | None => score,
        }
    }
}

fn adjustment(by_name: &BTreeMap<String, f64>, name: &str) -> f64 {
    by_name.get(name).copied().unwrap_or(0.0)
}

/// The adjustment of the name itself, or of the words before a `-` in it.
fn by_prefix(by_prefix: &BTreeMap<String, f64>, name: &str) -> f64 {
    let found = by_prefix.iter().find(|(prefix, _)| {
        name.strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    found.map_or(0.0, |(_, adjustment)| *adjustment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn priorities() -> Priorities {
        serde_json::from_value(json!({
            "version": 1, "base-score": 1.0,
            "adjustments": {
                "event": { "push": 2.0 }, "multi-node": 1.25, "eval-only": -0.5, "precision": { "fp4": 0.75 },
                "framework-prefix": { "sglang": 0.5 }, "model-prefix": { "dsr1": 0.125 }
            },
            "labels": {
                "skip-queue": { "name": "skip_queue" }, "checklist-complete": { "names": ["done"], "adjustment": 0.25 },
                "patchwork": { "names": ["patched"], "score": 0.0, "waived-by": ["waived"] }
            }
        }))
        .unwrap()
    }

    fn row(precision: &str, framework: &str, is_eval: bool) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "dsr1", "precision": precision, "framework": framework, "runner": "h100", "isl": 64,
            "osl": 16, "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 4, "max-model-len": 128, "exp-name": "e",
            "run-eval": is_eval, "eval-only": is_eval
        }))
        .unwrap()
    }

    #[test]
    fn scores_add_up_and_changed_engines_wait() {
        for (row, event, labels, score) in [
            (row("fp8", "vllm", false), "pull_request", &[][..], "1.125"),
            (row("fp4", "sglang", false), "push", &[], "4.375"),
            (row("fp4", "sglang-disagg", false), "push", &[], "4.375"),
            (row("fp8", "sglangs", false), "push", &[], "3.125"),
            (row("fp8", "vllm", true), "push", &["done"], "2.875"),
            (row("fp4", "sglang", false), "push", &["patched"], "0.000"),
            (row("fp4", "sglang", false), "push", &["patched", "waived"], "4.375"),
        ] {
            let context = PriorityContext {
                event: event.to_owned(),
                labels: labels.iter().map(ToString::to_string).collect(),
                ..PriorityContext::default()
            };
            assert_eq!(priorities().of(&row, "a", &context).score, score, "{row:?} {event} {labels:?}");
        }
    }

    #[test]
    fn token_is_of_one_job_of_one_run() {
        let token = |run: &str, id: &str, labels: &[&str]| {
            let context = PriorityContext {
                run: run.to_owned(),
                labels: labels.iter().map(ToString::to_string).collect(),
                pull_request: Some(7),
                ..PriorityContext::default()
            };
            priorities().of(&row("fp8", "vllm", false), id, &context)
        };
        let first = token("1:1", "a", &[]);
        assert_eq!((first.token.len(), first.skip_queue), (32, None));
        assert_eq!(first, token("1:1", "a", &[]));
        assert!(first.token != token("1:2", "a", &[]).token && first.token != token("1:1", "b", &[]).token);
        assert_eq!(token("1:1", "a", &["skip_queue"]).skip_queue, Some(7));
    }
}
