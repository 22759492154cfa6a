//! The JSON Schema of the changelog and its fragments.

use schemars::JsonSchema;
use serde_json::Value;

use super::Entry;
use crate::model::json_schema;

#[derive(JsonSchema)]
#[schemars(title = "imax performance changelog")]
#[expect(dead_code, reason = "only its schema is used; the reader keeps the place of each entry")]
struct ChangelogDocument(Vec<Entry>);

/// The schema of a changelog. Which config keys exist is checked by `imax changelog validate`.
#[must_use]
pub fn schema() -> Value {
    json_schema::<ChangelogDocument>()
}
