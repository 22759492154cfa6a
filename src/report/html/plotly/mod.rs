//! plotly.js, which draws the page's charts: the basic bundle, vendored. `README.md` beside this file has its version.

use std::io::Read as _;

use flate2::read::GzDecoder;

/// Compressed, because it would be a twentieth of the program.
const PLOTLY_JS_GZ: &[u8] = include_bytes!("plotly-basic.min.js.gz");

/// Defines the global `Plotly`. It contains no `</script` and no `<!--`, so it needs no escaping inside a script element.
pub(super) fn plotly_js() -> std::io::Result<String> {
    let mut script = String::new();
    GzDecoder::new(PLOTLY_JS_GZ).read_to_string(&mut script)?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn bundle_matches_the_documented_version_and_checksum() {
        let readme = include_str!("README.md");
        let script = plotly_js().unwrap();
        let checksum = hex::encode(Sha256::digest(&script));
        let version = script.split_once("minified) v").and_then(|(_, rest)| rest.lines().next());
        let row = format!("| {} | {checksum} |", version.unwrap_or_default());
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }

    #[test]
    fn bundle_can_stand_inside_a_script_element() {
        let script = plotly_js().unwrap().to_ascii_lowercase();
        assert!(!script.contains("</script") && !script.contains("<!--"));
    }
}
