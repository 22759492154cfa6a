//! Arguments: their names, and values of their types (<https://spec.graphql.org/October2021/#sec-Coercing-Field-Arguments>).

use graphql_parser::Pos;
use graphql_parser::query::Value as Written;
use indexmap::IndexMap;
use serde_json::Value;

use super::InvalidRequest;
use super::schema::{ArgumentDefinition, BOOLEAN, FLOAT, INT, JSON, STRING, TypeReference};
use super::variable::Variables;

/// The arguments of a field that have a value, in the order of the schema.
///
/// # Errors
/// Unknown, repeated and missing ones, and values of another type.
pub(super) fn arguments(
    definitions: &IndexMap<String, ArgumentDefinition>,
    written: &[(String, Written<'_, String>)],
    variables: &mut Variables,
    place: Pos,
) -> Result<Vec<(String, Value)>, InvalidRequest> {
    for (at, (name, _)) in written.iter().enumerate() {
        if !definitions.contains_key(name) {
            let known: Vec<&str> = definitions.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("`{name}` is not an argument of this field; it has {known}");
            return Err(InvalidRequest::at(place, message));
        }
        if written.iter().take(at).any(|(other, _)| other == name) {
            return Err(InvalidRequest::at(place, format!("`{name}` is given twice")));
        }
    }
    let mut found = Vec::new();
    for (name, definition) in definitions {
        let value = match written.iter().find(|(written, _)| written == name) {
            Some((_, value)) => {
                let value = coerce(value, &definition.of, variables);
                value.map_err(|words| InvalidRequest::at(place, format!("`{name}`: {words}")))?
            }
            None => None,
        };
        match (value, &definition.of) {
            (Some(value), _) => found.push((name.clone(), value)),
            (None, TypeReference::NonNull(_)) => {
                return Err(InvalidRequest::at(place, format!("the argument `{name}` is missing")));
            }
            (None, TypeReference::Named(_) | TypeReference::List(_)) => {}
        }
    }
    Ok(found)
}

/// The value that is written, of a type; `None` for a variable without a value.
///
/// # Errors
/// What was expected and found.
pub(super) fn coerce(written: &Written<'_, String>, of: &TypeReference, variables: &mut Variables) -> Result<Option<Value>, String> {
    if let Written::Variable(name) = written {
        return variables.value(name, of);
    }
    let value = match (written, of) {
        (Written::List(items), TypeReference::List(_) | TypeReference::NonNull(_)) if is_list(of) => {
            let items = items.iter().map(|item| coerce(item, item_of(of), variables));
            let items: Result<Vec<Option<Value>>, String> = items.collect();
            return Ok(Some(items?.into_iter().map(Option::unwrap_or_default).collect()));
        }
        (Written::Enum(name), _) => return Err(format!("expected {of}, found the name {name}; write it in quotes")),
        (written, _) => json_of(written)?,
    };
    coerce_json(value, of).map(Some)
}

fn is_list(of: &TypeReference) -> bool {
    match of {
        TypeReference::List(_) => true,
        TypeReference::NonNull(inner) => is_list(inner),
        TypeReference::Named(_) => false,
    }
}

fn item_of(of: &TypeReference) -> &TypeReference {
    match of {
        TypeReference::List(item) => item,
        TypeReference::NonNull(inner) => item_of(inner),
        TypeReference::Named(_) => of,
    }
}

fn json_of(written: &Written<'_, String>) -> Result<Value, String> {
    Ok(match written {
        Written::Variable(name) => return Err(format!("the variable ${name} cannot be here")),
        Written::Int(number) => number.as_i64().into(),
        Written::Float(number) => (*number).into(),
        Written::String(text) => text.as_str().into(),
        Written::Boolean(flag) => (*flag).into(),
        Written::Null => Value::Null,
        Written::Enum(name) => return Err(format!("found the name {name}; write it in quotes")),
        Written::List(items) => items.iter().map(json_of).collect::<Result<_, _>>()?,
        Written::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), json_of(value)?)));
            Value::Object(members.collect::<Result<_, String>>()?)
        }
    })
}

/// A value as a value of a type: one item is a list where a list is expected.
///
/// # Errors
/// What was expected and found.
pub(super) fn coerce_json(value: Value, of: &TypeReference) -> Result<Value, String> {
    match of {
        TypeReference::NonNull(_) if value.is_null() => Err(format!("null is not allowed, expected {of}")),
        TypeReference::NonNull(inner) => {
            coerce_json(value, inner).map_err(|words| words.replace(&format!("expected {inner},"), &format!("expected {of},")))
        }
        TypeReference::Named(_) | TypeReference::List(_) if value.is_null() => Ok(Value::Null),
        TypeReference::List(item) => {
            let items = match value {
                Value::Array(items) => items,
                value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => vec![value],
            };
            items.into_iter().map(|value| coerce_json(value, item)).collect()
        }
        TypeReference::Named(name) => scalar(value, name),
    }
}

fn scalar(value: Value, name: &str) -> Result<Value, String> {
    if name == INT {
        // Clients in languages without whole numbers send 1.0.
        let whole = value.as_i64().or_else(|| whole_of(value.as_f64()?));
        if let Some(whole) = whole {
            let fits = i32::try_from(whole).is_ok();
            return if fits {
                Ok(whole.into())
            } else {
                Err(format!("expected {name}, found {whole}, which has more than 32 bits"))
            };
        }
    }
    let fits = match &value {
        Value::String(_) => name == STRING,
        Value::Number(_) => name == FLOAT,
        Value::Bool(_) => name == BOOLEAN,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    if fits || name == JSON {
        Ok(value)
    } else {
        Err(format!("expected {name}, found {}", kind_of(&value)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the number is whole and below 2^53")]
fn whole_of(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
