//! The example documents of GitHub's published API description (`documents.json`, from npm `@octokit/openapi`, MIT) with values of the
//! test, so that they have every required field.

use serde_json::{Map, Value};

/// The example document of a kind with some of its values replaced.
pub fn of(kind: &str, values: Value) -> Value {
    let mut all: Map<String, Value> = serde_json::from_str(include_str!("documents.json")).unwrap();
    let mut document = all.remove(kind).unwrap();
    let Value::Object(values) = values else {
        panic!("values of a document are an object")
    };
    document.as_object_mut().unwrap().extend(values);
    document
}
