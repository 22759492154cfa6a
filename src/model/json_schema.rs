//! JSON Schemas, derived from the types of documents. Their descriptions are the doc comments of the fields.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of a document. An optional key may be absent; it is never `null`, unless its type is [`Nullable`].
#[must_use]
pub fn json_schema<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(refuse_null).transform(&mut schema);
    RecursiveTransform(bound_integers).transform(&mut schema);
    schema.to_value()
}

/// A value or an explicit `null`. Only schemas name this type.
pub(crate) struct Nullable<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // `oneOf`, because `refuse_null` looks into `anyOf`, which schemars makes of an `Option`.
        schemars::json_schema!({ "oneOf": [generator.subschema_for::<T>(), { "type": "null" }] })
    }
}

/// schemars allows `null` for an `Option`; in these documents the key is absent instead.
pub(crate) fn refuse_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(only) = only_choice_beside_null(object) {
        object.remove("anyOf");
        for (key, value) in only {
            // The description of the field wins over that of its type.
            object.entry(key).or_insert(value);
        }
    }
}

fn only_choice_beside_null(object: &Map<String, Value>) -> Option<Map<String, Value>> {
    let null = json!({ "type": "null" });
    match object.get("anyOf")?.as_array()?.as_slice() {
        [Value::Object(only), other] if *other == null => Some(only.clone()),
        _ => None,
    }
}

/// schemars writes the range of an integer as a `format`, which validators ignore.
fn bound_integers(schema: &mut Schema) {
    let format = schema.get("format").and_then(Value::as_str).map(str::to_owned);
    match format.as_deref() {
        Some("uint32") => {
            schema.remove("format");
            schema.insert("maximum".to_owned(), u32::MAX.into());
        }
        Some("uint64" | "double") => {
            schema.remove("format");
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[schemars(title = "sample")]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        /// A count.
        count: Option<u32>,
        nothing: Nullable<bool>,
        share: f64,
        /// The field's own words.
        inner: Option<Inner>,
    }

    /// The type's words.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        text: String,
    }

    #[test]
    fn optional_keys_are_not_null_and_integers_are_bounded() {
        let schema = json_schema::<Sample>();
        assert_eq!(schema["required"], json!(["nothing", "share"]));
        assert_eq!(
            schema["properties"],
            json!({
                "count": { "description": "A count.", "type": "integer", "minimum": 0, "maximum": u32::MAX },
                "nothing": { "oneOf": [{ "type": "boolean" }, { "type": "null" }] },
                "share": { "type": "number" },
                "inner": { "description": "The field's own words.", "$ref": "#/$defs/Inner" },
            })
        );
    }
}
