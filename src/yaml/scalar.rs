//! Values of plain scalars by YAML 1.1, as its type repository (yaml.org/type) defines them and PyYAML implements them: octal `010`,
//! sexagesimal `1:30`, `_` between digits, `yes` and `off`; unlike in YAML 1.2, `1e5` and `0o10` are text.

use super::Value;

/// Why a plain scalar has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A whole number beyond 64 bits.
    TooLarge,
    /// `=`, YAML 1.1's value key, which has no meaning of its own.
    ValueKey,
}

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Value, Unreadable> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Ok(Value::Bool(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Ok(Value::Bool(false)),
        "=" => return Err(Unreadable::ValueKey),
        _ => {}
    }
    // Most scalars are words: only these characters can start a number or a date.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Value::Text(text.to_owned()));
    }
    if let Some(number) = int(text) {
        return number.map(Value::Int).ok_or(Unreadable::TooLarge);
    }
    if let Some(number) = float(text) {
        return Ok(Value::Float(number));
    }
    if is_date(text) {
        return Ok(Value::Date(text.to_owned()));
    }
    Ok(Value::Text(text.to_owned()))
}

/// `Some(None)` is a whole number that does not fit.
pub(super) fn int(text: &str) -> Option<Option<i64>> {
    let (negative, digits) = sign(text);
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        radix(hexadecimal, 16)?
    } else if digits == "0" {
        Some(0)
    } else if let Some(octal) = digits.strip_prefix('0') {
        radix(octal, 8)?
    } else if digits.contains(':') {
        sexagesimal(digits)?
    } else if digits.starts_with(|c: char| c.is_ascii_digit()) {
        radix(digits, 10)?
    } else {
        return None;
    };
    Some(magnitude.and_then(|value| i64::try_from(if negative { -value } else { value }).ok()))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Digits with `_` anywhere among them.
fn radix(digits: &str, radix: u32) -> Option<Option<i128>> {
    if digits.is_empty() || !digits.chars().all(|c| c == '_' || c.is_digit(radix)) {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() {
        None
    } else {
        Some(i128::from_str_radix(&plain, radix).ok())
    }
}

/// Sexagesimal: `1:30` is 90. Every part after the first is at most 59.
fn sexagesimal(digits: &str) -> Option<Option<i128>> {
    let mut parts = digits.split(':');
    let first = parts.next().filter(|part| part.starts_with(|c: char| matches!(c, '1'..='9')))?;
    let mut total = radix(first, 10)?;
    for part in parts {
        let small = minutes(part)?;
        total = total.and_then(|sum| sum.checked_mul(60)?.checked_add(small));
    }
    Some(total)
}

fn minutes(part: &str) -> Option<i128> {
    let shape = match part.as_bytes() {
        [unit] => unit.is_ascii_digit(),
        [ten, unit] => (b'0'..=b'5').contains(ten) && unit.is_ascii_digit(),
        _ => false,
    };
    if shape { part.parse().ok() } else { None }
}

pub(super) fn float(text: &str) -> Option<f64> {
    let (negative, rest) = sign(text);
    let signed = |value: f64| if negative { -value } else { value };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (whole, fraction) = rest.split_once('.')?;
    if whole.contains(':') {
        return sexagesimal_float(whole, fraction).map(signed);
    }
    let (fraction, exponent) = match fraction.find(['e', 'E']) {
        Some(at) => (&fraction[..at], Some(&fraction[at + 1..])),
        None => (fraction, None),
    };
    // YAML 1.1 requires a sign of the exponent, and a digit on at least one side of the point.
    let exponent_fits = exponent.is_none_or(|e| {
        e.strip_prefix(['+', '-'])
            .is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
    });
    let unsigned = rest.len() == text.len();
    let whole_fits = if whole.is_empty() {
        unsigned && starts_with_digit(fraction)
    } else {
        starts_with_digit(whole)
    };
    if !exponent_fits || !whole_fits || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let plain: String = rest.chars().filter(|c| *c != '_').collect();
    plain.parse().ok().map(signed)
}

fn is_digits(part: &str) -> bool {
    part.chars().all(|c| c == '_' || c.is_ascii_digit())
}

fn starts_with_digit(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_digit())
}

fn sexagesimal_float(whole: &str, fraction: &str) -> Option<f64> {
    let mut parts = whole.split(':');
    let first = parts.next().filter(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut total = first.replace('_', "").parse::<f64>().ok()?;
    for part in parts {
        total = total * 60.0 + f64::from(i16::try_from(minutes(part)?).ok()?);
    }
    if !fraction.chars().all(|c| c == '_' || c.is_ascii_digit()) {
        return None;
    }
    let fraction: f64 = format!("0.{}", fraction.replace('_', "")).parse().ok()?;
    Some(total + fraction)
}

/// `2026-08-21`, optionally followed by a time.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ', '\t']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let short = if time.is_some() { 1..=2 } else { 2..=2 };
    let clock = time.is_none_or(|time| {
        let start: Vec<&str> = time.splitn(3, ':').collect();
        matches!(start.as_slice(), [hour, minute, second]
            if has_digits(hour, 1..=2) && has_digits(minute, 2..=2) && second.len() >= 2 && second.bytes().take(2).all(|b| b.is_ascii_digit()))
    });
    has_digits(year, 4..=4) && has_digits(month, short.clone()) && has_digits(day, short) && clock
}

fn has_digits(part: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_all_spellings_of_yaml_1_1() {
        for (text, value) in [
            ("0", 0),
            ("42", 42),
            ("-8", -8),
            ("+8", 8),
            ("010", 8),
            ("0b1000", 8),
            ("0x2000", 8192),
            ("1_6", 16),
            ("2_063_920", 2_063_920),
            ("1:30", 90),
            ("2:16:32", 8192),
        ] {
            assert_eq!(resolve(text), Ok(Value::Int(value)), "{text}");
        }
        assert_eq!(resolve("123456789012345678901234567890"), Err(Unreadable::TooLarge));
    }

    #[test]
    fn text_that_looks_like_a_number_elsewhere() {
        for text in [
            "1e5", "0o10", "08", "1.3.1", "v1", "8,192", "1k", "-", "+", "1:75", "tRue", "-.5", "y", "1.5e3", ".", "-foo", "-.nan",
        ] {
            assert_eq!(resolve(text), Ok(Value::Text(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn floats_dates_and_booleans() {
        for (text, value) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("8.0e+0", 8.0),
            ("-.inf", f64::NEG_INFINITY),
            ("1_0.5", 10.5),
            ("1:30.5", 90.5),
        ] {
            assert_eq!(resolve(text), Ok(Value::Float(value)), "{text}");
        }
        assert!(matches!(resolve(".nan"), Ok(Value::Float(value)) if value.is_nan()));
        for text in ["2026-01-01", "2026-1-1 10:00:00", "2001-12-14t21:59:43.10-05:00"] {
            assert_eq!(resolve(text), Ok(Value::Date(text.to_owned())));
        }
        for (text, value) in [("yes", true), ("OFF", false), ("True", true)] {
            assert_eq!(resolve(text), Ok(Value::Bool(value)));
        }
        assert_eq!(resolve("="), Err(Unreadable::ValueKey));
        assert_eq!(resolve("~"), Ok(Value::Null));
    }
}
