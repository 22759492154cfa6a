//! The JSON Schema of the changelog and its fragments.

use serde_json::{Value, json};

/// The entries of a changelog; what they select is for `imax changelog validate` to say.
#[must_use]
pub fn schema() -> Value {
    let texts = json!({ "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } });
    let scenarios = json!({ "type": "array", "minItems": 1, "items": { "enum": ["fixed-seq-len", "agentic-coding"] } });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imax performance changelog",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "config-keys": texts,
                "description": texts,
                "pr-link": { "type": "string", "minLength": 1 },
                "evals-only": { "type": "boolean" },
                "all-evals": { "type": "boolean" },
                "append-only": { "type": "boolean" },
                "eval-min-prefill-ep": { "type": "integer", "minimum": 1 },
                "scenario-type": scenarios,
            },
            "required": ["config-keys", "description", "pr-link"],
            "additionalProperties": false,
        },
    })
}
