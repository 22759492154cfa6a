//! JSON Schemas of master configs and runner files, made from the lists of fields that the readers use: a field that a
//! reader knows cannot be missing here. Editors complete and check with them; what they cannot say (a range and a list
//! exclude each other, an agentic runner is a cluster) `imax check` does.

use serde_json::{Map, Value, json};

use super::{concurrency, entry, offload, runners, search_space, worker};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a master config file.
#[must_use]
pub fn config_schema() -> Value {
    json!({
        "$schema": DRAFT,
        "title": "imax master config",
        "type": "object",
        "propertyNames": { "pattern": "^[^*]+$" },
        "additionalProperties": { "$ref": "#/$defs/entry" },
        "$defs": {
            "entry": {
                "oneOf": [entry_schema(false, "scenarios"), entry_schema(true, "scenarios"),
                          entry_schema(false, "seq-len-configs"), entry_schema(true, "seq-len-configs")],
            },
            "component": object(&offload::COMPONENT_FIELDS, &["name"]),
            "router": object(&offload::COMPONENT_FIELDS, &offload::COMPONENT_FIELDS),
            "workers": object(&worker::WORKER_FIELDS, &["num-worker", "tp", "ep", "dp-attn"]),
            "candidate": candidate(false, false),
            "multi-node-candidate": candidate(true, false),
            "agentic-candidate": candidate(false, true),
            "multi-node-agentic-candidate": candidate(true, true),
        },
    })
}

/// The schema of a runner file, in either form.
#[must_use]
pub fn runners_schema() -> Value {
    let nodes = json!({ "type": "array", "minItems": 1, "items": text("A runner's name, `<profile>_<n>`") });
    let labels = json!({ "type": "object", "additionalProperties": nodes });
    let mut whole = object(&runners::FIELDS, &["labels"]);
    whole["properties"]["labels"] = labels.clone();
    whole["properties"]["hardware"] = json!({
        "type": "object",
        "additionalProperties": object(&runners::HARDWARE_FIELDS, &runners::HARDWARE_FIELDS),
    });
    let mut flat = labels;
    flat["propertyNames"] = json!({ "not": { "enum": runners::FIELDS } });
    json!({ "$schema": DRAFT, "title": "imax runner file", "oneOf": [whole, flat] })
}

fn entry_schema(multinode: bool, search: &str) -> Value {
    let mut names = entry::fields(multinode);
    names.push(search);
    let required: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !entry::OPTIONAL_FIELDS.contains(name))
        .collect();
    let mut schema = object(&names, &required);
    schema["properties"]["multinode"] = json!({ "const": multinode, "description": "Whether deployments span nodes" });
    schema["properties"][search] = if search == "scenarios" {
        scenarios(multinode)
    } else {
        blocks(multinode, false)
    };
    schema
}

fn scenarios(multinode: bool) -> Value {
    let mut schema = object(&entry::SCENARIO_FIELDS, &[]);
    schema["minProperties"] = json!(1);
    schema["properties"]["fixed-seq-len"] = blocks(multinode, false);
    schema["properties"]["agentic-coding"] = blocks(multinode, true);
    schema
}

fn blocks(multinode: bool, agentic: bool) -> Value {
    let (names, required): (&[&str], &[&str]) = if agentic {
        (&entry::AGENTIC_BLOCK_FIELDS, &["search-space"])
    } else {
        (&entry::FIXED_BLOCK_FIELDS, &entry::FIXED_BLOCK_FIELDS)
    };
    let mut block = object(names, required);
    let kind = match (multinode, agentic) {
        (false, false) => "candidate",
        (true, false) => "multi-node-candidate",
        (false, true) => "agentic-candidate",
        (true, true) => "multi-node-agentic-candidate",
    };
    block["properties"]["search-space"] = json!({ "type": "array", "items": { "$ref": format!("#/$defs/{kind}") } });
    json!({ "type": "array", "items": block })
}

fn candidate(multinode: bool, agentic: bool) -> Value {
    let mut names = search_space::known_fields(multinode);
    names.extend(concurrency::FIELDS);
    let mut required = if multinode { vec!["prefill", "decode"] } else { vec!["tp"] };
    if agentic {
        names.extend(offload::FIELDS);
        if !multinode {
            required.push("kv-offloading");
        }
    }
    let mut schema = object(&names, &required);
    schema["anyOf"] = json!([{ "required": ["conc-list"] }, { "required": ["conc-start", "conc-end"] }]);
    schema
}

fn object(names: &[&str], required: &[&str]) -> Value {
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), field(name))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn positive(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "description": description })
}

/// What a field takes, by its name: a name means the same wherever it stands.
fn field(name: &str) -> Value {
    match name {
        "image" => text("Container image of the engine, with its tag or digest"),
        "model" => text("The model to load, as its hub or a folder names it"),
        "model-prefix" => text("The model's short name in file names and tables"),
        "precision" => text("Numeric format of the weights"),
        "framework" => text("The inference engine"),
        "runner" => text("A label of the runner file"),
        "name" => text("Its name"),
        "version" => text("Its release or commit"),
        "hardware" => text("The GPU of this group of workers, where the groups differ"),
        "kv-p2p-transfer" => text("What moves the KV cache from prefill to decode workers"),
        "disagg" => json!({ "type": "boolean", "description": "Prefill and decode on separate workers" }),
        "dp-attn" => json!({ "type": "boolean", "description": "Data-parallel attention" }),
        "router" => json!({ "oneOf": [{ "$ref": "#/$defs/router" }, { "type": "null" }] }),
        "kv-offload-backend" => json!({ "$ref": "#/$defs/component" }),
        "kv-offloading" => json!({ "enum": ["none", "dram"], "description": "Where KV blocks go that do not fit on the GPU" }),
        "spec-decoding" => json!({ "enum": ["none", "mtp", "draft_model"], "description": "How tokens are drafted" }),
        "prefill" | "decode" => json!({ "$ref": "#/$defs/workers" }),
        "isl" => positive("Input tokens"),
        "osl" => positive("Output tokens"),
        "tp" => positive("Tensor parallelism"),
        "pp" => positive("Pipeline parallelism"),
        "dcp-size" => positive("Decode context parallelism; divides `tp`"),
        "pcp-size" => positive("Prefill context parallelism"),
        "ep" => positive("Expert parallelism"),
        "conc-start" => positive("Lowest concurrency of a range"),
        "conc-end" => positive("Highest concurrency of a range"),
        "conc-list" => json!({ "type": "array", "items": positive("A concurrency"), "description": "Concurrencies, in order" }),
        "num-worker" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "description": "Number of workers" }),
        "additional-settings" => json!({ "type": "array", "items": text("NAME=value for the recipe's environment") }),
        "dram-utilization" => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "The share of a node's memory that offloaded KV blocks may use" })
        }
        "available-cpu-dram-mib" => json!({ "type": "integer", "minimum": 1, "description": "Memory of a node, MiB" }),
        "gpus-per-node" => positive("GPUs of a node"),
        // Set by the caller, which knows what kind of entry it is.
        "multinode" | "scenarios" | "seq-len-configs" | "fixed-seq-len" | "agentic-coding" | "search-space" | "labels" => json!({}),
        other => json!({ "description": other }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field name in a schema, wherever it stands.
    fn names<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            found.extend(properties.iter().map(|(name, schema)| (name.as_str(), schema)));
        }
        match value {
            Value::Object(map) => map.values().for_each(|inner| names(inner, found)),
            Value::Array(list) => list.iter().for_each(|inner| names(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_field_of_the_readers_says_what_it_takes() {
        for schema in [config_schema(), runners_schema()] {
            let mut found = Vec::new();
            names(&schema, &mut found);
            assert!(found.len() > 3);
            for (name, field) in found {
                let says = ["type", "enum", "const", "$ref", "oneOf"]
                    .iter()
                    .any(|key| field.get(key).is_some());
                assert!(says, "{name}: {field}");
            }
        }
    }
}
