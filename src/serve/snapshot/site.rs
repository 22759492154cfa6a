//! A site of files: the dashboards' pages with the history as shards, for GitHub Pages or any other server of files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;

use super::SnapshotError;
use super::ask::{Asker, QUERY_TIME, READERS, Row, text};
use super::index::{Scope, write_all};
use super::shards::Shards;
use crate::report::escaped_json;
use crate::serve::metric_registry::metric_registry;
use crate::serve::page_files::PageFile;
use crate::serve::source::Source;
use crate::settings::Regressions;
use crate::store::history::HistoryHome;
use crate::system::files::{self, FileError};

/// A site that is to be written.
#[derive(Debug)]
pub(crate) struct SiteRequest {
    pub home: HistoryHome,
    pub folder: PathBuf,
    /// What the repository's settings say about changes.
    pub regressions: Regressions,
}

/// A site that was written.
#[derive(Debug)]
pub(crate) struct Site {
    /// Files of data.
    pub shards: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What marks a page as ours: such a folder may be written again.
const GENERATOR: &str = "imax publish --site";

/// Scripts, styles and data are files of the site.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; \
     form-action 'none'; base-uri 'none'";

/// Rows of the table that is there without scripts.
const ROWS: &str = "500";

/// Writes the site. Data of an earlier state are removed at the end, so that the site is whole at each moment.
///
/// # Errors
/// [`SnapshotError::Foreign`] for a folder with another page.
pub(crate) async fn publish_site(request: SiteRequest) -> Result<Site, SnapshotError> {
    let SiteRequest { home, folder, regressions } = request;
    let page = folder.join("index.html");
    if page.exists() && !files::read_text(&page)?.contains(GENERATOR) {
        return Err(SnapshotError::Foreign(folder.display().to_string()));
    }
    // First, so that a history that cannot be read leaves no folder.
    let mut asker = Asker::new(Source::open(home, READERS, QUERY_TIME).await?, regressions);
    let (data, assets) = (folder.join("data"), folder.join("assets"));
    files::create_folder(&data)?;
    files::create_folder(&assets)?;
    let mut shards = Shards::Folder {
        path: data.clone(),
        names: BTreeSet::new(),
    };
    write_all(&mut asker, &mut shards, Scope::History).await?;
    let names = match shards {
        Shards::Folder { names, .. } => names,
        Shards::Memory(_) => BTreeSet::new(),
    };
    let (script, style) = (PageFile::script()?, PageFile::style()?);
    for file in [&script, &style] {
        files::write(&folder.join(file.address().trim_start_matches('/')), file.content())?;
    }
    let (rows, _) = asker.page("/api/v1/curves", &[("limit", ROWS)], None).await?;
    files::write(&page, document(&script, &style, &rows)?.as_bytes())?;
    // Without this file GitHub Pages runs a site generator over the files.
    files::write(&folder.join(".nojekyll"), b"")?;
    let current: BTreeSet<&str> = [&script, &style]
        .iter()
        .filter_map(|file| file.address().rsplit('/').next())
        .collect();
    remove_others(&assets, &["js", "css"], |name| !name.starts_with("app-") || current.contains(name))?;
    remove_others(&data, &["json"], |name| {
        !is_shard(name) || names.contains(name.trim_end_matches(".json"))
    })?;
    let mut bytes = 0;
    for name in &names {
        bytes += std::fs::metadata(data.join(format!("{name}.json"))).map_or(0, |file| file.len());
    }
    Ok(Site {
        shards: names.len(),
        bytes,
    })
}

/// Whether a file's name is one that [`Shards::put`] gives.
fn is_shard(name: &str) -> bool {
    let digest = name
        .strip_suffix(".json")
        .and_then(|stem| stem.rsplit_once('-'))
        .map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn remove_others(folder: &Path, extensions: &[&str], is_kept: impl Fn(&str) -> bool) -> Result<(), SnapshotError> {
    for path in files::named(folder, extensions)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !is_kept(&name) {
            std::fs::remove_file(&path).map_err(|source| FileError::Write {
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

fn document(script: &PageFile, style: &PageFile, curves: &[Row]) -> Result<String, SnapshotError> {
    let source = json!({ "kind": "site", "made": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true) });
    let metrics = serde_json::to_string(&metric_registry())?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(GENERATOR);
                title { "imax" }
                link rel="stylesheet" href=(script_relative(style));
                link rel="icon" href="data:,";
                script type="application/json" id="source" { (PreEscaped(escaped_json(&source.to_string()))) }
                script type="application/json" id="metrics" { (PreEscaped(escaped_json(&metrics))) }
                script type="module" src=(script_relative(script)) {}
            }
            body { div #app { main.plain { (plain(curves)) } } }
        }
    };
    Ok(page.into_string())
}

/// An address relative to the document, which may be below any path.
fn script_relative(file: &PageFile) -> &str {
    file.address().trim_start_matches('/')
}

/// Columns of the table without scripts.
const COLUMNS: [(&str, &str); 6] = [
    ("conc", "Concurrency"),
    ("tput_per_gpu", "Throughput (tok/s/GPU)"),
    ("median_intvty", "Interactivity (tok/s/user)"),
    ("median_ttft", "TTFT (s)"),
    ("median_tpot", "TPOT (s)"),
    ("median_e2el", "E2E latency (s)"),
];
const DIMENSIONS: [(&str, &str); 6] = [
    ("model_prefix", "Model"),
    ("hardware", "Hardware"),
    ("framework", "Engine"),
    ("precision", "Precision"),
    ("layout", "Layout"),
    ("started", "Date"),
];

/// The newest curves of the main branch as a table.
fn plain(curves: &[Row]) -> Markup {
    html! {
        h1 { "Newest results" }
        p { "The charts and further pages need scripts." }
        div.scroll tabindex="0" role="region" aria-label="Newest results" {
            table {
                thead { tr { @for (_, title) in DIMENSIONS { th scope="col" { (title) } } @for (_, title) in COLUMNS { th.number scope="col" { (title) } } } }
                tbody {
                    @for curve in curves {
                        @for point in curve.get("points").and_then(serde_json::Value::as_array).into_iter().flatten() {
                            tr {
                                @for (name, _) in DIMENSIONS { td { (text(curve, name)) } }
                                @for (name, _) in COLUMNS { td.number { @if !point[name].is_null() { (point[name].to_string()) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shards_are_removed() {
        for (name, expected) in [
            ("points-0123456789abcdef.json", true),
            ("index.json", false),
            ("notes-for-readers.json", false),
            ("points-0123456789abcdef.txt", false),
        ] {
            assert_eq!(is_shard(name), expected, "{name}");
        }
    }
}
