//! The pages of a report: one run, with its comparison as it was judged.

use chrono::{DateTime, Utc};
use serde_json::{Map, json};

use super::SnapshotError;
use super::ask::{Asker, QUERY_TIME, READERS};
use super::index::{Scope, write_all};
use super::shards::Shards;
use crate::analysis::{Comparison, Run};
use crate::report::Pages;
use crate::serve::metric_registry::metric_registry;
use crate::serve::source::Source;
use crate::store::history::{FolderFiles, run_database};

/// What a report shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportSource<'a> {
    pub run: &'a Run,
    pub comparison: Option<&'a Comparison>,
}

/// The data of a report's pages, for [`crate::report::View::with_pages`].
///
/// # Errors
/// [`SnapshotError`].
pub(crate) async fn report_pages(source: ReportSource<'_>) -> Result<Pages, SnapshotError> {
    let ReportSource { run, comparison } = source;
    // Records of jobs are shown by servers alone, and are not those of the selected points only.
    let mut run = run.clone();
    run.records.clear();
    let started = run.conditions.started.as_deref();
    let date = started.and_then(|date| DateTime::parse_from_rfc3339(date).ok());
    let date = date.map_or_else(Utc::now, |date| date.to_utc());
    let database = run_database(run, date, &FolderFiles::default()).await?;
    let mut asker = Asker::new(Source::of_scratch(database, READERS, QUERY_TIME).await?);
    let mut shards = Shards::Memory(Map::new());
    write_all(&mut asker, &mut shards, Scope::Run(comparison)).await?;
    let shards = match shards {
        Shards::Memory(shards) => shards,
        Shards::Folder { .. } => Map::new(),
    };
    let sets = comparison.map(|comparison| json!({ "base": comparison.base, "head": comparison.head }));
    Ok(Pages {
        metrics: serde_json::to_string(&metric_registry())?,
        source: json!({ "kind": "report", "compared": sets }).to_string(),
        shards: serde_json::to_string(&shards)?,
    })
}
