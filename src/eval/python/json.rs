//! `json.dumps` with the separators of Python, for texts whose hash or spelling has to be that of lm-eval.

use serde_json::Value;

use super::nested::{self, Leaf};

/// `json.dumps(value, ensure_ascii=False)`.
#[must_use]
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    nested::write(value, leaf, &mut out);
    out
}

fn leaf(leaf: Leaf<'_>, out: &mut String) {
    match leaf {
        Leaf::Null => out.push_str("null"),
        Leaf::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Leaf::Number(number) => out.push_str(&number.to_string()),
        Leaf::Text(text) => out.push_str(&Value::from(text).to_string()),
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
