//! Values as Python's `str()` and `repr()` show them, and the text methods whose rules differ from Rust's.

use std::fmt::Write as _;

use serde_json::Value;

use super::nested::{self, Leaf};

/// `string.punctuation`.
pub const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// `str.strip()`. Unlike Rust, Python counts the four ASCII separators (0x1c to 0x1f) as white space.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// `str.isdigit()` for ASCII.
#[must_use]
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `str(value)`.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let mut out = String::new();
            nested::write(value, represent, &mut out);
            out
        }
    }
}

/// `repr()` of a leaf, appended.
fn represent(leaf: Leaf<'_>, out: &mut String) {
    match leaf {
        Leaf::Null => out.push_str("None"),
        Leaf::Bool(value) => out.push_str(if value { "True" } else { "False" }),
        Leaf::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => out.push_str(&float_text(float)),
            None => out.push_str(&number.to_string()),
        },
        Leaf::Text(text) => quote(text, out),
    }
}

/// `repr(float)`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let Some((digits, exponent)) = text.split_once('e') else {
            return text;
        };
        let (sign, power) = match exponent.strip_prefix('-') {
            Some(power) => ('-', power),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{power:0>2}");
    }
    format!("{number:?}")
}

fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 || (0x7f..0xa1).contains(&u32::from(c)) || c == '\u{ad}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_look_as_in_python() {
        for (value, expected) in [
            (json!("a\n"), "a\n"),
            (json!(null), "None"),
            (
                json!([true, 1, 1.0, 0.1, 1e16, 1.5e-7, -0.0]),
                "[True, 1, 1.0, 0.1, 1e+16, 1.5e-07, -0.0]",
            ),
            (
                json!(["it's", "say \"x\"", "both ' \"", "a\n\u{7f}"]),
                r#"["it's", 'say "x"', 'both \' "', 'a\n\x7f']"#,
            ),
            (json!({ "b": ["x"], "a": {} }), "{'b': ['x'], 'a': {}}"),
        ] {
            assert_eq!(shown(&value), expected);
        }
        assert_eq!(strip("\u{1c} \u{a0}x\u{85}\n"), "x");
        assert!(is_digits("042") && !is_digits("") && !is_digits("-1"));
    }
}
