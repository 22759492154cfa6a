//! `environment` of a config entry or a search-space entry: variables of the recipe.

use std::collections::BTreeMap;

use crate::model::RecipeEnvironment;
use crate::yaml::{Object, Reader, Value};

/// Reads the field; no variables if it is absent.
pub(super) fn read(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<RecipeEnvironment> {
    let Some(node) = object.get("environment") else {
        return Some(RecipeEnvironment::default());
    };
    let mapping = reader.mapping(node, "environment")?;
    let mut variables = BTreeMap::new();
    let mut is_valid = true;
    for entry in mapping.iter() {
        let name = entry.name().unwrap_or_default();
        let value = match &entry.value.value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            // How YAML wrote these is not known any more: `1.10` and `on` would reach the recipe as `1.1` and `true`.
            Value::Bool(_) | Value::Float(_) | Value::Date(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
                let message = format!("the value of `{name}` is {}, expected text", entry.value.value.describe());
                reader.error_with_help(entry.value.span, "type", message, "put it in quotes");
                is_valid = false;
                continue;
            }
        };
        if let Err(error) = RecipeEnvironment::check(name, &value) {
            reader.error(entry.key.span, "environment", error.to_string());
            is_valid = false;
        }
        variables.insert(name.to_owned(), value);
    }
    if !is_valid {
        return None;
    }
    // Each variable has been checked.
    RecipeEnvironment::try_from(variables).ok()
}
