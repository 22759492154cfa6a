//! Text from outside in files that spreadsheets open.

use std::borrow::Cow;

/// A text that spreadsheets would run as a formula is kept from it by a quote in front
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
#[must_use]
pub fn escape_formula(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if is_formula {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
