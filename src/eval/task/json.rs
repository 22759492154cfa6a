//! Nodes of a task file as JSON, for results that quote the file and for examples that it contains.

use serde_json::{Map, Number, Value as Json};

use crate::yaml::{Node, Value};

/// The JSON value of a node.
pub(super) fn value(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Date(text) | Value::Text(text) => text.as_str().into(),
        Value::Sequence(items) => items.iter().map(|item| value(item)).collect(),
        Value::Mapping(_) => Json::Object(object(node)),
    }
}

/// The entries of a mapping; empty for other values.
pub(super) fn object(node: &Node) -> Map<String, Json> {
    let Value::Mapping(map) = &node.value else {
        return Map::new();
    };
    let entries = map.iter().map(|entry| {
        let name = entry.name().map_or_else(|| value(&entry.key).to_string(), str::to_owned);
        (name, value(&entry.value))
    });
    entries.collect()
}
