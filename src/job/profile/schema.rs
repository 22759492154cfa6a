//! JSON Schema of runner profiles, for editors and for validation without imax: derived from the parsed documents, with
//! the section of each launcher.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::PhaseTime;
use super::document::ProfileDocument;
use super::launcher::Launchers;
use crate::model::refuse_null;

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
    RecursiveTransform(remove_default).transform(&mut schema);
    RecursiveTransform(refuse_null).transform(&mut schema);
    schema.to_value()
}

/// A key that a profile leaves out is inherited, so it has no default of its own.
fn remove_default(schema: &mut Schema) {
    schema.remove("default");
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
