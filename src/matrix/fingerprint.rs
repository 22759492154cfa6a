//! The identity of a row's recipe: rows with the same fingerprint differ only in concurrency, name and config entry, so a
//! point measured for one is valid for the other.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Row;

/// Keys that are not part of the recipe.
const LEFT_OUT: [&str; 4] = ["conc", "exp-name", "recipe-fingerprint", "config-key"];

/// SHA-256, hexadecimal, of the row's canonical JSON (keys sorted, no spaces, everything beyond ASCII escaped) without
/// concurrency, name, config key and the fingerprint itself.
///
/// # Errors
/// None in practice: a row always has a JSON form.
pub fn fingerprint(row: &Row) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(row)?;
    if let Value::Object(object) = &mut value {
        object.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
    }
    value.sort_all_objects();
    let canonical = serde_json::to_string(&value)?;
    Ok(hex::encode(Sha256::digest(ascii(&canonical).as_bytes())))
}

/// JSON text with `\uXXXX` escapes (UTF-16, so surrogate pairs beyond the first plane) for everything beyond ASCII.
fn ascii(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_ascii_is_escaped_as_utf_16() {
        assert_eq!(ascii(r#"{"a":"b~"}"#), r#"{"a":"b~"}"#);
        assert_eq!(ascii("\"\u{7f}\u{e9}\u{1f600}\""), r#""\u007f\u00e9\ud83d\ude00""#);
    }
}
