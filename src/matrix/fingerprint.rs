//! The identity of what a row runs: rows with the same fingerprint differ in nothing but concurrency and name, so a
//! point measured for one holds for the other.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Row;

/// What a row may differ in and still be the same recipe.
const LEFT_OUT: [&str; 3] = ["conc", "exp-name", "recipe-fingerprint"];

/// SHA-256, hexadecimal, of the row's canonical JSON (keys sorted, no spaces, everything beyond ASCII escaped) without
/// concurrency, name and the fingerprint itself.
///
/// # Errors
/// None in practice: a row always has a JSON form.
pub fn fingerprint(row: &Row) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(row)?;
    if let Value::Object(object) = &mut value {
        object.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
    }
    let mut canonical = String::new();
    write_canonical(&value, &mut canonical);
    let digest = Sha256::digest(canonical.as_bytes());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn write_object(object: &Map<String, Value>, out: &mut String) {
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort();
    out.push('{');
    for (index, key) in keys.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        if let Some(value) = object.get(key) {
            write_canonical(value, out);
        }
    }
    out.push('}');
}

/// JSON text with `\uXXXX` (UTF-16, so two of them beyond the first plane) for what is not ASCII.
fn write_text(text: &str, out: &mut String) {
    for c in Value::from(text).to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}
