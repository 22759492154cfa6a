//! GitHub's documents: the examples of its published description (`documents.json`, from npm `@octokit/openapi`, MIT), with
//! values of our own in them, so that they have every field that the description requires.

use serde_json::{Map, Value};

/// The document of a kind, with these values instead of the example's.
pub fn of(kind: &str, values: Value) -> Value {
    let mut all: Map<String, Value> = serde_json::from_str(include_str!("documents.json")).unwrap();
    let mut document = all.remove(kind).unwrap();
    let Value::Object(values) = values else {
        panic!("values of a document are an object")
    };
    document.as_object_mut().unwrap().extend(values);
    document
}
