//! The JSON Schema of a matrix row, for workflows and tools that make or read rows without imax.

use serde_json::{Map, Value, json};

/// Keys that every row has.
const REQUIRED: [&str; 9] = [
    "image",
    "model",
    "model-prefix",
    "precision",
    "framework",
    "runner",
    "spec-decoding",
    "conc",
    "exp-name",
];

/// The schema of one row.
#[must_use]
pub fn row_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imax matrix row",
        "type": "object",
        "properties": properties(),
        "required": REQUIRED,
        "oneOf": [{ "required": ["tp", "ep", "dp-attn"] }, { "required": ["prefill", "decode"] }],
        "anyOf": [
            { "required": ["isl", "osl", "max-model-len"] },
            { "required": ["scenario-type", "kv-offloading", "total-cpu-dram-gb", "duration"] },
        ],
        "additionalProperties": false,
    })
}

fn properties() -> Map<String, Value> {
    let text = || json!({ "type": "string", "minLength": 1 });
    let positive = || json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX });
    let amount = || json!({ "type": "integer", "minimum": 0 });
    let flag = || json!({ "type": "boolean" });
    let mut all = Map::new();
    let mut add = |names: &[&str], schema: &dyn Fn() -> Value| {
        for name in names {
            all.insert((*name).to_owned(), schema());
        }
    };
    add(
        &[
            "image",
            "model",
            "model-prefix",
            "precision",
            "framework",
            "runner",
            "exp-name",
            "kv-p2p-transfer",
            "recipe-fingerprint",
        ],
        &text,
    );
    add(
        &["isl", "osl", "tp", "pp", "dcp-size", "pcp-size", "ep", "max-model-len", "eval-conc"],
        &positive,
    );
    add(&["total-cpu-dram-gb", "duration"], &amount);
    add(&["dp-attn", "disagg", "run-eval", "eval-only", "eval-all-concs"], &flag);
    add(&["spec-decoding"], &|| json!({ "enum": ["none", "mtp", "draft_model"] }));
    add(&["kv-offloading"], &|| json!({ "enum": ["none", "dram"] }));
    add(&["scenario-type"], &|| json!({ "enum": ["fixed-seq-len", "agentic-coding"] }));
    add(&["router", "kv-offload-backend"], &component);
    add(&["prefill", "decode"], &workers);
    add(
        &["conc"],
        &|| json!({ "oneOf": [positive(), { "type": "array", "minItems": 1, "items": positive() }] }),
    );
    all
}

fn component() -> Value {
    json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "version": { "type": "string" } },
        "required": ["name"],
        "additionalProperties": false,
    })
}

fn workers() -> Value {
    let size = json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX });
    json!({
        "type": "object",
        "properties": {
            "num-worker": { "type": "integer", "minimum": 0 },
            "tp": size, "pp": size, "dcp-size": size, "pcp-size": size, "ep": size,
            "dp-attn": { "type": "boolean" },
            "hardware": { "type": "string" },
            "additional-settings": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["num-worker", "tp", "ep", "dp-attn"],
        "additionalProperties": false,
    })
}
