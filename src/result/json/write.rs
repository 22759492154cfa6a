//! The writer: indented by two spaces, as the original tools write their files. Writing to a `String` cannot fail, so the results of
//! `write!` are dropped.

use std::fmt::Write as _;

use super::Json;

pub(super) fn pretty(value: &Json) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

fn write(text: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Integer(number) => {
            let _ = write!(text, "{number}");
        }
        Json::Float(number) => float(text, *number),
        Json::Text(value) => quoted(text, value),
        Json::List(items) => {
            let items = items.iter().map(|item| (None, item));
            block(text, ('[', ']'), items, depth);
        }
        Json::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (Some(key.as_str()), value));
            block(text, ('{', '}'), entries, depth);
        }
    }
}

fn block<'a>(
    text: &mut String,
    (open, close): (char, char),
    items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Json)>,
    depth: usize,
) {
    text.push(open);
    let last = items.len();
    for (index, (key, value)) in items.enumerate() {
        indent(text, depth + 1);
        if let Some(key) = key {
            quoted(text, key);
            text.push_str(": ");
        }
        write(text, value, depth + 1);
        if index + 1 < last {
            text.push(',');
        }
    }
    if last > 0 {
        indent(text, depth);
    }
    text.push(close);
}

fn indent(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

/// The shortest digits that read back as the same double; whole numbers keep their `.0`.
fn float(text: &mut String, number: f64) {
    if number.is_nan() {
        text.push_str("NaN");
    } else if number.is_infinite() {
        text.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        let _ = write!(text, "{number:?}");
    }
}

fn quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
