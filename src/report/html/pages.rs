//! The dashboards inside of a report: data as JSON that no script engine runs, the script, and a policy that allows it alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html as markup};

use crate::model::Digest;

/// What the dashboards' pages read, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// The registry of metrics.
    pub metrics: String,
    /// Where the data come from.
    pub source: String,
    /// The shards by their names.
    pub shards: String,
}

/// JSON for a script element. `<` could end the element or begin a comment; in JSON it stands in texts alone, where the escape means the same.
#[must_use]
pub fn escaped_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// The elements behind the report.
pub(super) fn scripts(pages: &Pages, script: String) -> Markup {
    let Pages { metrics, source, shards } = pages;
    markup! {
        @for (id, json) in [("metrics", metrics), ("source", source), ("shards", shards)] {
            script type="application/json" id=(id) { (PreEscaped(escaped_json(json))) }
        }
        script type="module" { (PreEscaped(script)) }
    }
}

/// The policy: nothing is loaded, and no other script or style counts than those with these digests. Charts are exported through `blob:`.
pub(super) fn policy(style: &str, script: Option<&str>) -> String {
    let scripts = script.map_or_else(|| "'none'".to_owned(), digest);
    format!(
        "default-src 'none'; script-src {scripts}; style-src {}; img-src data: blob:; form-action 'none'; base-uri 'none'",
        digest(style)
    )
}

fn digest(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Digest::of(text.as_bytes()).as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_the_element_of_the_data() {
        let pages = Pages {
            metrics: "[]".to_owned(),
            source: "{}".to_owned(),
            shards: r#"{"model":"</script><script>alert(1)</script><!--"}"#.to_owned(),
        };
        let text = scripts(&pages, "run()".to_owned()).into_string();
        assert_eq!(text.matches("</script>").count(), 4);
        assert!(!text.contains("<!--"), "{text}");
    }

    /// The digest of the empty text is that of RFC 6234's tests.
    #[test]
    fn policy_names_the_digests() {
        let policy = policy("", Some(""));
        let empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert!(policy.contains(&format!("script-src {empty}; style-src {empty}")), "{policy}");
        assert!(super::policy("", None).contains("script-src 'none'"));
    }
}
