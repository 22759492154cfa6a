//! JSON Schema of runner profiles, for editors and for checks without imax: derived from the documents that the reader uses, with
//! the section of each launcher.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::PhaseTime;
use super::document::ProfileDocument;
use super::launcher::Launchers;

impl JsonSchema for PhaseTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PhaseTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

/// The schema of a file in `runners/`.
#[must_use]
pub fn profile_schema(launchers: Launchers<'_>) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut generator = settings.into_generator();
    let sections: Vec<_> = launchers.iter().filter(|launcher| launcher.has_settings()).collect();
    let sections: Vec<(&str, Schema)> = sections
        .into_iter()
        .map(|launcher| (launcher.name(), launcher.section_schema(&mut generator)))
        .collect();
    let mut schema = generator.into_root_schema_for::<ProfileDocument>();
    let names: Vec<&str> = launchers.iter().map(|launcher| launcher.name()).collect();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        if let Some(launcher) = properties.get_mut("launcher").and_then(Value::as_object_mut) {
            launcher.remove("type");
            launcher.insert("enum".to_owned(), json!(names));
        }
        properties.extend(sections.into_iter().map(|(name, section)| (name.to_owned(), section.into())));
    }
    // A profile without a launcher inherits one.
    schema.insert(
        "anyOf".to_owned(),
        json!([{ "required": ["launcher"] }, { "required": ["extends"] }]),
    );
    RecursiveTransform(refuse_null).transform(&mut schema);
    schema.to_value()
}

/// A key that is present has a value: an optional field is an absent key, not a null.
fn refuse_null(schema: &mut Schema) {
    let null = json!({ "type": "null" });
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(names)) = object.get_mut("enum") {
        names.retain(|name| !name.is_null());
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    let count = choices.len();
    choices.retain(|choice| *choice != null);
    if let ([one], true) = (choices.as_slice(), choices.len() < count) {
        let one = one.clone();
        object.remove("anyOf");
        if let Value::Object(one) = one {
            for (key, value) in one {
                // The field's own description stays.
                object.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::profile::document::KEYS;

    #[test]
    fn schema_has_the_keys_of_the_document() {
        let schema = profile_schema(&[]);
        let properties: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(properties, KEYS);
    }

    #[test]
    fn schema_allows_neither_null_nor_unknown_keys() {
        let text = profile_schema(&crate::fleet::launcher::launch_rules()).to_string();
        assert!(!text.contains("null"), "{text}");
        let blocks = text.matches("\"properties\"").count();
        assert_eq!(text.matches("\"additionalProperties\":false").count(), blocks);
    }
}
