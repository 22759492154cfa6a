//! `json.dumps` with the separators of Python, for texts whose hash or spelling has to be that of lm-eval.

use serde_json::Value;

/// `json.dumps(value, ensure_ascii=False)`.
#[must_use]
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write(item, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn separators_are_those_of_python() {
        let value = serde_json::json!({ "a": [1, "é\n", null], "b": {} });
        assert_eq!(super::dumps(&value), r#"{"a": [1, "é\n", null], "b": {}}"#);
    }
}
