//! Texts and JSON values to numbers as Python's `int()` and `float()` take them, because that is what the original
//! tools accept: a concurrency of `"32"` or `32.9`, a length of `" 1_024 "`.

use super::Json;

/// The whole number in a text: optional white space around it, a sign, digits with single underscores between them.
pub(super) fn whole_from_text(text: &str) -> Option<i64> {
    let digits = text.trim();
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let number = without_underscores(digits)?.parse::<i64>().ok()?;
    Some(if negative { -number } else { number })
}

/// Digits without the underscores that may stand between two of them.
fn without_underscores(digits: &str) -> Option<String> {
    let between = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    (between && only_digits && !digits.is_empty()).then(|| digits.replace('_', ""))
}

/// The whole number of a JSON value: fractions are cut off, texts are parsed.
pub(super) fn whole(value: &Json) -> Option<i64> {
    /// Beyond it doubles are not exact, and no count is that high.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    match value {
        Json::Integer(number) => Some(*number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cutting off the fraction is what is meant, and the size is checked"
        )]
        Json::Float(number) => (number.abs() <= LIMIT).then(|| number.trunc() as i64),
        Json::Bool(value) => Some(i64::from(*value)),
        Json::Text(text) => whole_from_text(text),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

/// The number of a JSON value, possibly infinite or NaN; texts are parsed.
pub(super) fn float(value: &Json) -> Option<f64> {
    match value {
        Json::Integer(_) | Json::Float(_) => value.as_number(),
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Text(text) => text.trim().parse().ok(),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_parsed_as_in_python() {
        for (text, number) in [
            (" 1_024 ", Some(1024)),
            ("-7", Some(-7)),
            ("+7", Some(7)),
            ("1k", None),
            ("", None),
            ("_1", None),
            ("1__0", None),
            ("1.5", None),
        ] {
            assert_eq!(whole_from_text(text), number, "{text:?}");
        }
        assert_eq!(whole(&Json::Float(32.9)), Some(32));
        assert_eq!(whole(&Json::from("32")), Some(32));
        assert_eq!(whole(&Json::Float(f64::NAN)), None);
        assert_eq!(whole(&Json::Null), None);
    }

    #[test]
    fn floats_are_parsed_as_in_python() {
        assert_eq!(float(&Json::from(" 15000.5 ")), Some(15000.5));
        assert_eq!(float(&Json::from("inf")), Some(f64::INFINITY));
        assert_eq!(float(&Json::Null), None);
    }
}
