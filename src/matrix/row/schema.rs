//! The JSON Schema of a matrix row, for workflows and tools that write or read rows without imax.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::read::{ConcDocument, RowDocument};
use crate::model::{Concurrency, json_schema};

/// The schema of one row.
#[must_use]
pub fn row_schema() -> Value {
    json_schema::<RowDocument>()
}

impl JsonSchema for ConcDocument {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Conc".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Concurrency>();
        schemars::json_schema!({ "oneOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }
}
