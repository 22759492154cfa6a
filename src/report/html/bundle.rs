//! The script and the style of the dashboards: what `web/` is built to, compressed in the program.

use std::io::Read as _;

use flate2::read::GzDecoder;

pub(crate) const SCRIPT_GZ: &[u8] = include_bytes!("../../../web/dist/app.js.gz");
pub(crate) const STYLE_GZ: &[u8] = include_bytes!("../../../web/dist/app.css.gz");

/// The script for an element of HTML, which `</script` would end and `<!--` would change. Both occur in texts and patterns of a script alone,
/// where `\x3c` is the same character.
///
/// # Errors
/// If it cannot be decompressed.
pub(super) fn script() -> std::io::Result<String> {
    Ok(text(SCRIPT_GZ)?.replace("</script", "\\x3c/script").replace("<!--", "\\x3c!--"))
}

/// The style sheet for an element of HTML.
///
/// # Errors
/// As [`script`].
pub(super) fn style() -> std::io::Result<String> {
    text(STYLE_GZ)
}

fn text(compressed: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn bundle_can_stand_inside_elements() {
        let (script, style) = (script().unwrap().to_ascii_lowercase(), style().unwrap().to_ascii_lowercase());
        assert!(!script.contains("</script") && !script.contains("<!--"));
        assert!(!style.contains("</style"));
    }

    /// The chart is part of it: no library draws.
    #[test]
    fn script_and_style_stay_small() {
        assert!(SCRIPT_GZ.len() + STYLE_GZ.len() < 150_000);
    }
}
