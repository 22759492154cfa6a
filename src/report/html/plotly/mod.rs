//! plotly.js, which draws the page's charts: the basic bundle, vendored. `README.md` beside this file has its version.

/// Defines the global `Plotly`. It contains no `</script` and no `<!--`, so it needs no escaping inside a script element.
pub(super) const PLOTLY_JS: &str = include_str!("plotly-basic.min.js");

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn bundle_matches_the_documented_version_and_checksum() {
        let readme = include_str!("README.md");
        let checksum = hex::encode(Sha256::digest(PLOTLY_JS));
        let version = PLOTLY_JS.split_once("minified) v").and_then(|(_, rest)| rest.lines().next());
        let row = format!("| {} | {checksum} |", version.unwrap_or_default());
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }

    #[test]
    fn bundle_can_stand_inside_a_script_element() {
        let script = PLOTLY_JS.to_ascii_lowercase();
        assert!(!script.contains("</script") && !script.contains("<!--"));
    }
}
