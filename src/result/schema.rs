//! The JSON Schema of a normalised result, `agg_*.json`: what every result has. Which latencies and rates it has depends
//! on the load generator, so other numbers are allowed and not listed.

use serde_json::{Map, Value, json};

/// Keys of what was measured.
const IDENTITY: [&str; 7] = [
    "hw",
    "image",
    "model",
    "infmax_model_prefix",
    "framework",
    "precision",
    "spec_decoding",
];

/// The schema of one document.
#[must_use]
pub fn schema() -> Value {
    let mut properties = Map::new();
    for key in IDENTITY {
        properties.insert(key.to_owned(), json!({ "type": "string" }));
    }
    for key in ["conc", "isl", "osl", "tp", "pp", "dcp_size", "pcp_size", "ep"] {
        properties.insert(key.to_owned(), json!({ "type": "integer", "minimum": 0 }));
    }
    for key in ["tput_per_gpu", "output_tput_per_gpu", "input_tput_per_gpu"] {
        properties.insert(
            key.to_owned(),
            json!({ "type": "number", "description": "Tokens a second and GPU" }),
        );
    }
    for key in ["disagg", "is_multinode"] {
        properties.insert(key.to_owned(), json!({ "type": "boolean" }));
    }
    properties.insert("imax".to_owned(), json!({ "type": "object", "required": ["version"] }));
    let mut required = IDENTITY.to_vec();
    required.extend(["conc", "disagg", "is_multinode", "tput_per_gpu"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imax normalised result",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}
