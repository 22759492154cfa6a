//! The description of the API as a page without scripts, which needs nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#1b1f24;background:#fff}\
code{font:13px ui-monospace,monospace;background:#f2f4f6;padding:.1em .3em;border-radius:3px}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.3em .6em;border-bottom:1px solid #dde1e6}h2{margin-top:2em}\
.method{font-weight:600;margin-right:.5em}@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}code{background:#21262d}\
td,th{border-color:#30363d}a{color:#58a6ff}}";

/// The page of a description.
pub(super) fn render(description: &Value) -> String {
    let info = &description["info"];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (text(&info["title"])) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (text(&info["title"])) " " (text(&info["version"])) }
                p { (text(&info["description"])) }
                p { "The same for programs: " a href="/api/openapi.json" { "openapi.json" } }
                @for tag in description["tags"].as_array().into_iter().flatten() {
                    h2 { (text(&tag["description"])) }
                    @for (path, method, operation) in operations(description, text(&tag["name"])) {
                        (one(path, method, operation))
                    }
                }
            }
        }
    };
    page.into_string()
}

/// The operations of a tag, in the order of their paths.
fn operations<'a>(description: &'a Value, tag: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let paths = description["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    all.filter(move |(_, _, operation)| {
        operation["tags"]
            .as_array()
            .is_some_and(|tags| tags.iter().any(|known| known == tag))
    })
}

fn one(path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        section {
            h3 { span.method { (method.to_uppercase()) } code { (path) } }
            p { strong { (text(&operation["summary"])) } }
            @if operation["description"].is_string() { p { (text(&operation["description"])) } }
            @if !parameters.is_empty() {
                details {
                    summary { (parameters.len()) " parameters" }
                    table {
                        @for parameter in parameters {
                            tr { td { code { (text(&parameter["name"])) } } td { (text(&parameter["description"])) } }
                        }
                    }
                }
            }
            table {
                @for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    tr { td { (status) } td { (text(&response["description"])) } }
                }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
