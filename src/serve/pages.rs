//! The dashboards' pages: each address answers with the same document, whose script reads the API and shows what the address says. Browsers
//! without scripts go on to [`super::plain_page`].

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ServeError;
use super::app::App;
use super::error::ApiError;
use super::metric_registry::metric_registry;
use super::page_files::PageFile;
use super::plain_boards;

/// The addresses of pages and their titles.
pub(super) const PAGES: [(&str, &str); 15] = [
    ("/", "Overview"),
    ("/performance", "Performance"),
    ("/trends", "Trends"),
    ("/compare", "Compare"),
    ("/inbox", "Regressions"),
    ("/pulls", "Pull requests"),
    ("/details", "Details"),
    ("/point", "Point"),
    ("/cost", "Cost"),
    ("/accuracy", "Accuracy"),
    ("/rhaiis", "RHAIIS"),
    ("/llm-d", "LLM-D"),
    ("/mlperf", "MLPerf"),
    ("/reliability", "Reliability"),
    ("/coverage", "Coverage"),
];

/// Scripts and styles are files of this origin; charts are exported through images of `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The routes of pages and of their files.
///
/// # Errors
/// [`ServeError::Page`] for damaged files, [`ServeError::Description`].
pub(super) fn routes() -> Result<Router<Arc<App>>, ServeError> {
    let registry = serde_json::to_string(&metric_registry())?;
    let (script, style) = (PageFile::script()?, PageFile::style()?);
    let mut router = Router::new();
    for (path, title) in PAGES {
        let document = Bytes::from(document(title, &registry, &script, &style));
        let without_scripts = without_scripts(path);
        let page = move |uri: Uri| {
            let document = document.clone();
            async move { answer(&document, without_scripts, &uri) }
        };
        router = router.route(path, get(page));
    }
    Ok(router.merge(script.route()).merge(style.route()))
}

/// What a browser without scripts gets instead of a page.
fn without_scripts(path: &str) -> &'static str {
    match path {
        "/point" => "/plain/point",
        _ => plain_boards::address_of(path).unwrap_or("/plain"),
    }
}

/// Where the address of the page without scripts belongs in a document.
const PLAIN_ADDRESS: &str = "/plain?";

/// What stands in the head of every page.
pub(super) fn head(title: &str, style: &PageFile) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) " · imax" }
        link rel="stylesheet" href=(style.address());
        link rel="icon" href="data:,";
    }
}

fn document(title: &str, registry: &str, script: &PageFile, style: &PageFile) -> String {
    // `<` ends a script element; in JSON it stands in texts alone, where the escape means the same.
    let registry = registry.replace('<', "\\u003c");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head(title, style))
                noscript { meta http-equiv="refresh" content=(format!("0; url={PLAIN_ADDRESS}")); }
                script type="application/json" id="metrics" { (PreEscaped(registry)) }
                script type="module" src=(script.address()) {}
            }
            body {
                div #app { noscript { p { a href=(PLAIN_ADDRESS) { "This page as a table" } } } }
            }
        }
    };
    page.into_string()
}

/// The document, whose link for browsers without scripts has the query of the request.
fn answer(document: &Bytes, without_scripts: &str, uri: &Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    // Characters that end an attribute are percent-encoded in a URL; a client that sends them raw gets the table without its query.
    let is_safe = !query.contains(['"', '<', '>', '\'', ';']);
    let query = if is_safe { query.replace('&', "&amp;") } else { String::new() };
    let text = String::from_utf8_lossy(document).replace(PLAIN_ADDRESS, &format!("{without_scripts}?{query}"));
    html_page(text)
}

/// An HTML page with the headers of pages.
pub(super) fn html_page(text: String) -> Response {
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A page that cannot be made, as text.
pub(super) fn html_error(error: ApiError) -> Response {
    error.into_response()
}
