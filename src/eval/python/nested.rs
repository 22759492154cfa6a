//! Lists and mappings as Python writes them, in `json.dumps` and in `repr` alike; the two differ in what a leaf looks like.

use serde_json::{Number, Value};

/// A value without parts, or a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf<'v> {
    Null,
    Bool(bool),
    Number(&'v Number),
    Text(&'v str),
}

/// Appends a value, its leaves as `leaf` appends them.
pub(super) fn write(value: &Value, leaf: fn(Leaf<'_>, &mut String), out: &mut String) {
    match value {
        Value::Null => leaf(Leaf::Null, out),
        Value::Bool(value) => leaf(Leaf::Bool(*value), out),
        Value::Number(number) => leaf(Leaf::Number(number), out),
        Value::String(text) => leaf(Leaf::Text(text), out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write(item, leaf, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                separate(index, out);
                leaf(Leaf::Text(key), out);
                out.push_str(": ");
                write(item, leaf, out);
            }
            out.push('}');
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}
