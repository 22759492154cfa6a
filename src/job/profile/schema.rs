//! JSON Schema of runner profiles, for editors and for checks without imax. A test holds its keys against those that the
//! reader knows.

use serde_json::{Map, Value, json};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What the value of a key may be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Texts,
    GpuIds,
    TextMap,
    Time,
    Whole,
    Count,
    Number,
    OneOf(&'static [&'static str]),
    Block(&'static [(&'static str, Kind)]),
}

const PROFILE: [(&str, Kind); 17] = [
    ("extends", Kind::Text),
    ("launcher", Kind::OneOf(&["local", "script", "docker", "slurm"])),
    ("vendor", Kind::OneOf(&["nvidia", "amd", "none"])),
    ("hf-cache", Kind::Text),
    ("pass-environment", Kind::Texts),
    ("environment", Kind::TextMap),
    ("secrets", Kind::Texts),
    ("health-path", Kind::Text),
    ("load", Kind::Block(&LOAD)),
    ("deadlines", Kind::Block(&DEADLINES)),
    ("node", Kind::Block(&NODE)),
    ("retries", Kind::Block(&RETRIES)),
    ("telemetry", Kind::Block(&[("dcgm", Kind::Texts)])),
    ("hooks", Kind::Block(&[("pre", Kind::Texts), ("post", Kind::Texts)])),
    ("script", Kind::Text),
    ("docker", Kind::Block(&DOCKER)),
    ("slurm", Kind::Block(&SLURM)),
];

const LOAD: [(&str, Kind); 6] = [
    ("prompts-per-concurrency", Kind::Whole),
    ("warmups-per-concurrency", Kind::Whole),
    ("random-range-ratio", Kind::Number),
    ("tokenizer", Kind::Text),
    ("backend", Kind::Text),
    ("sessions", Kind::Text),
];

const DEADLINES: [(&str, Kind); 11] = [
    ("preflight", Kind::Time),
    ("clean", Kind::Time),
    ("launch", Kind::Time),
    ("queue", Kind::Time),
    ("ready", Kind::Time),
    ("warm-up", Kind::Time),
    ("load", Kind::Time),
    ("eval", Kind::Time),
    ("collect", Kind::Time),
    ("stop", Kind::Time),
    ("stall", Kind::Time),
];

const NODE: [(&str, Kind); 5] = [
    ("gpu-name", Kind::Text),
    ("gpus", Kind::Whole),
    ("driver", Kind::Text),
    ("max-memory-used-mib", Kind::Whole),
    ("free-disk-gib", Kind::Number),
];

const RETRIES: [(&str, Kind); 3] = [("attempts", Kind::Whole), ("pause", Kind::Time), ("backoff", Kind::Number)];

const DOCKER: [(&str, Kind); 22] = [
    ("socket", Kind::Text),
    ("pull", Kind::OneOf(&["missing", "always"])),
    ("runtime", Kind::Text),
    ("gpus", Kind::Flag),
    ("gpu-ids", Kind::GpuIds),
    ("cdi-devices", Kind::Texts),
    ("devices", Kind::Texts),
    ("groups", Kind::Texts),
    ("mounts", Kind::Texts),
    ("tmpfs", Kind::Texts),
    ("host-network", Kind::Flag),
    ("network", Kind::Text),
    ("host-ipc", Kind::Flag),
    ("shm-size-mib", Kind::Whole),
    ("memory-mib", Kind::Count),
    ("cpuset", Kind::Text),
    ("init", Kind::Flag),
    ("ulimits", Kind::Texts),
    ("capabilities", Kind::Texts),
    ("security-options", Kind::Texts),
    ("user", Kind::Text),
    ("privileged", Kind::Flag),
];

const SLURM: [(&str, Kind); 18] = [
    ("partition", Kind::Text),
    ("account", Kind::Text),
    ("qos", Kind::Text),
    ("reservation", Kind::Text),
    ("exclusive", Kind::Flag),
    ("time-limit", Kind::Time),
    ("exclude", Kind::Text),
    ("nodelist", Kind::Text),
    ("constraint", Kind::Text),
    ("gpus-option", Kind::Text),
    ("gpus-per-node", Kind::Whole),
    ("extra-options", Kind::Texts),
    ("step-options", Kind::Texts),
    ("container", Kind::OneOf(&["none", "pyxis", "enroot"])),
    ("mounts", Kind::Texts),
    ("image-cache", Kind::Text),
    ("remap-root", Kind::Flag),
    ("secrets-folder", Kind::Text),
];

/// The schema of a file in `runners/`.
#[must_use]
pub fn profile_schema() -> Value {
    let mut schema = block(&PROFILE);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), json!(DRAFT));
        schema.insert("title".to_owned(), json!("imax runner profile"));
        // A profile without a launcher inherits one.
        schema.insert(
            "anyOf".to_owned(),
            json!([{ "required": ["launcher"] }, { "required": ["extends"] }]),
        );
    }
    schema
}

fn block(keys: &[(&str, Kind)]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|(name, kind)| ((*name).to_owned(), value(*kind))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn value(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::GpuIds => {
            let id = json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^([0-9]+|GPU-.+)$" }] });
            json!({ "type": "array", "items": id, "uniqueItems": true })
        }
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Time => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
        Kind::Whole => json!({ "type": "integer", "minimum": 0 }),
        Kind::Count => json!({ "type": "integer", "minimum": 1 }),
        Kind::Number => json!({ "type": "number", "minimum": 0 }),
        Kind::OneOf(names) => json!({ "enum": names }),
        Kind::Block(keys) => block(keys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::profile::document::ProfileDocument;

    /// The keys that the reader names when it meets one that it does not know.
    fn known(document: &Value) -> Vec<String> {
        let error = serde_json::from_value::<ProfileDocument>(document.clone()).unwrap_err().to_string();
        let (_, names) = error.split_once("expected ").unwrap();
        let mut names: Vec<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.sort();
        names
    }

    fn keys(keys: &[(&str, Kind)]) -> Vec<String> {
        let mut names: Vec<String> = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_schema_has_the_keys_that_the_reader_knows() {
        assert_eq!(keys(&PROFILE), known(&json!({ "?": 1 })));
        let mut blocks = 0;
        for (name, kind) in PROFILE {
            if let Kind::Block(inner) = kind {
                assert_eq!(keys(inner), known(&json!({ name: { "?": 1 } })), "{name}");
                blocks += 1;
            }
        }
        assert_eq!(blocks, 8);
    }
}
