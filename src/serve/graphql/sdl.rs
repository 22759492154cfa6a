//! The schema in GraphQL's schema definition language (<https://spec.graphql.org/October2021/#sec-Type-System>).

use super::schema::{FieldDefinition, JSON, ObjectDefinition, SCALARS, Schema};

pub(super) fn print(schema: &Schema) -> String {
    let mut text = String::new();
    for (name, description) in SCALARS.iter().filter(|(name, _)| *name == JSON) {
        describe(&mut text, "", Some(description));
        text.push_str(&format!("scalar {name}\n"));
    }
    for (name, object) in &schema.objects {
        text.push('\n');
        print_object(&mut text, name, object);
    }
    text
}

fn print_object(text: &mut String, name: &str, object: &ObjectDefinition) {
    describe(text, "", object.description.as_deref());
    text.push_str(&format!("type {name} {{\n"));
    for (name, field) in &object.fields {
        print_field(text, name, field);
    }
    text.push_str("}\n");
}

fn print_field(text: &mut String, name: &str, field: &FieldDefinition) {
    describe(text, "  ", field.description.as_deref());
    text.push_str(&format!("  {name}"));
    if !field.arguments.is_empty() {
        text.push_str("(\n");
        for (name, argument) in &field.arguments {
            describe(text, "    ", argument.description.as_deref());
            text.push_str(&format!("    {name}: {}\n", argument.of));
        }
        text.push_str("  )");
    }
    text.push_str(&format!(": {}\n", field.of));
}

/// A description as a block string.
fn describe(text: &mut String, indent: &str, description: Option<&str>) {
    let Some(description) = description else { return };
    text.push_str(&format!("{indent}\"\"\"\n"));
    for line in description.replace("\"\"\"", "\\\"\"\"").lines() {
        text.push_str(format!("{indent}{line}").trim_end());
        text.push('\n');
    }
    text.push_str(&format!("{indent}\"\"\"\n"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use graphql_parser::schema::{Definition, TypeDefinition};

    use super::*;

    #[test]
    fn every_type_that_is_named_is_defined_once() {
        let schema = Schema::new();
        let text = print(&schema);
        let document = graphql_parser::parse_schema::<String>(&text).unwrap();
        let defined: Vec<String> = document
            .definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::TypeDefinition(TypeDefinition::Object(object)) => Some(object.name.clone()),
                Definition::TypeDefinition(TypeDefinition::Scalar(scalar)) => Some(scalar.name.clone()),
                Definition::SchemaDefinition(_)
                | Definition::TypeDefinition(_)
                | Definition::TypeExtension(_)
                | Definition::DirectiveDefinition(_) => None,
            })
            .collect();
        let mut unique = defined.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), defined.len());
        assert_eq!(defined.len(), schema.objects.len() + 1);
        for (name, object) in &schema.objects {
            for (field, definition) in &object.fields {
                let of = definition.of.innermost();
                let is_scalar = SCALARS.iter().any(|(scalar, _)| *scalar == of);
                assert!(is_scalar || schema.objects.contains_key(of), "{name}.{field}: {of}");
            }
        }
    }

    #[test]
    fn description_cannot_end_its_block() {
        let mut text = String::new();
        describe(&mut text, "  ", Some("a \"\"\" b\n\nc"));
        assert_eq!(text, "  \"\"\"\n  a \\\"\"\" b\n\n  c\n  \"\"\"\n");
    }
}
