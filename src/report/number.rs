//! Numbers for people: only significant digits.

/// Three significant digits below a thousand, whole numbers with separators from a thousand on: `0.0123`, `1.23`, `12.3`, `123`,
/// `12,345`.
pub(super) fn plain(number: f64) -> String {
    if !number.is_finite() {
        return "–".to_owned();
    }
    let size = number.abs();
    let decimals = if size >= 100.0 || size == 0.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else if size >= 0.1 {
        3
    } else {
        4
    };
    separated(&format!("{number:.decimals$}"))
}

/// Seconds as milliseconds.
pub(super) fn milliseconds(seconds: f64) -> String {
    plain(seconds * 1000.0)
}

/// A relative change with its direction: `▲4.2%`, `▼12%`, `=`.
pub(super) fn change(relative: f64) -> String {
    let percent = relative.abs() * 100.0;
    let arrow = if relative > 0.0 { '▲' } else { '▼' };
    if percent < 0.05 {
        "=".to_owned()
    } else if percent < 9.95 {
        format!("{arrow}{percent:.1}%")
    } else {
        format!("{arrow}{}%", separated(&format!("{percent:.0}")))
    }
}

/// A relative change in running text: `+4.2 %`, `−12 %`.
pub(super) fn signed_percent(relative: f64) -> String {
    let percent = relative.abs() * 100.0;
    if percent < 0.05 {
        return "±0 %".to_owned();
    }
    let sign = if relative < 0.0 { '−' } else { '+' };
    if percent < 9.95 {
        format!("{sign}{percent:.1} %")
    } else {
        format!("{sign}{percent:.0} %")
    }
}

/// Separates groups of thousands.
fn separated(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("−", rest));
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (number, text) in [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (0.5, "0.500"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (123.45, "123"),
            (12_345.6, "12,346"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "−1,234"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(plain(number), text);
        }
    }

    #[test]
    fn changes_have_a_direction() {
        for (relative, text) in [(0.042, "▲4.2%"), (-0.123, "▼12%"), (0.0001, "="), (12.5, "▲1,250%")] {
            assert_eq!(change(relative), text);
        }
        assert_eq!(signed_percent(-0.042), "−4.2 %");
        assert_eq!(signed_percent(-0.0001), "±0 %");
    }
}
