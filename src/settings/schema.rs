//! The JSON Schema of `imax.yaml`. A test holds its keys against those that the readers know.

use serde_json::{Value, json};

use super::policy::Mode;
use crate::model::Metric;

/// The document.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imax settings",
        "type": ["object", "null"],
        "properties": { "policy": policy(), "regressions": regressions() },
        "additionalProperties": false,
        "$defs": {
            "sweep": {
                "type": "object",
                "properties": {
                    "mode": {
                        "enum": Mode::WORDS.map(|(word, _)| word),
                        "description": "How much of what changed is measured",
                    },
                    "canary": { "type": "boolean", "description": "One cheap job first, the others only if it works" },
                    "fail-fast": { "type": "boolean", "description": "The first job that fails ends the others" },
                },
                "required": ["mode"],
                "additionalProperties": false,
            },
            "points": { "type": "string", "minLength": 1, "description": "A glob over a point as reports write it" },
            "metrics": { "type": "array", "items": { "enum": Metric::COMPARED.map(Metric::id) } },
        },
    })
}

fn policy() -> Value {
    let sweep = |description: &str| json!({ "$ref": "#/$defs/sweep", "description": description });
    let text = |description: &str| json!({ "type": "string", "minLength": 1, "description": description });
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    let texts = |description: &str| json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "description": description });
    json!({
        "description": "Which events lead to which sweeps",
        "type": ["object", "null"],
        "properties": {
            "labels": {
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/sweep" },
                "description": "Labels of which a pull request has exactly one when it is to be measured",
            },
            "all-evals-label": text("The label that has accuracy evaluated at every point that can be evaluated"),
            "evals-only-label": text("The label that has accuracy evaluated and nothing measured"),
            "skip-marker": text("What in the last commit's message keeps it from being measured"),
            "drafts": flag("Whether drafts are measured"),
            "forks": flag("Whether pull requests from forks are measured once a label was set after their last push"),
            "push-branches": texts("Branches whose pushes are measured; none named: the default branch"),
            "push": sweep("How a push is measured"),
            "command": text("What a comment that gives a command starts with"),
            "schedule-config-keys": texts("Config keys, with wildcards, that a scheduled run measures"),
            "schedule": sweep("How a scheduled run is measured"),
        },
        "additionalProperties": false,
    })
}

fn regressions() -> Value {
    json!({
        "description": "What counts as a regression",
        "type": ["object", "null"],
        "properties": {
            "false-discovery-rate": {
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
                "description": "The share of false ones among reported changes",
            },
            "smallest-changes": {
                "description": "Changes that are too small to matter; the last that fits counts",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "points": { "$ref": "#/$defs/points" },
                        "metrics": { "$ref": "#/$defs/metrics" },
                        "percent": { "type": "number", "minimum": 0, "maximum": 1000, "description": "Percent of the base" },
                    },
                    "required": ["percent"],
                    "additionalProperties": false,
                },
            },
            "exceptions": {
                "description": "Regressions that are known: shown, and no failure",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "points": { "$ref": "#/$defs/points" },
                        "metrics": { "$ref": "#/$defs/metrics" },
                        "reason": { "type": "string", "minLength": 1, "description": "Why it is borne" },
                        "until": { "type": "string", "format": "date", "description": "The last day on which it is" },
                    },
                    "required": ["points", "reason", "until"],
                    "additionalProperties": false,
                },
            },
        },
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{FIELDS, policy, regressions};
    use super::*;

    #[test]
    fn the_schema_has_the_keys_that_the_readers_know() {
        let schema = schema();
        let section = |path: &str| schema.pointer(path).unwrap();
        for (object, fields) in [
            (&schema, &FIELDS[..]),
            (section("/properties/policy"), &policy::FIELDS),
            (section("/$defs/sweep"), &policy::SWEEP_FIELDS),
            (section("/properties/regressions"), &regressions::FIELDS),
            (
                section("/properties/regressions/properties/smallest-changes/items"),
                &regressions::SMALLEST_CHANGE_FIELDS,
            ),
            (
                section("/properties/regressions/properties/exceptions/items"),
                &regressions::EXCEPTION_FIELDS,
            ),
        ] {
            let mut keys: Vec<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut known = fields.to_vec();
            keys.sort_unstable();
            known.sort_unstable();
            assert_eq!(keys, known);
        }
    }
}
