//! The pages of a report: one run, with its comparison as it was judged.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, json};

use super::SnapshotError;
use super::ask::{Asker, QUERY_TIME, READERS};
use super::index::{Scope, write_all};
use super::shards::Shards;
use crate::analysis::{Comparison, Run, RunRecord};
use crate::model::PointKey;
use crate::report::Pages;
use crate::serve::metric_registry::metric_registry;
use crate::serve::source::Source;
use crate::settings::Regressions;
use crate::store::history::{FolderFiles, run_database};

/// What a report shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportSource<'a> {
    pub run: &'a Run,
    pub comparison: Option<&'a Comparison>,
}

/// Whether a record is about one of the points.
fn is_of(record: &RunRecord, points: &BTreeSet<&PointKey>) -> bool {
    match record {
        RunRecord::Job(job) => points
            .iter()
            .any(|point| point.curve == job.curve && job.concurrencies.contains(&point.conc.get())),
        RunRecord::Distributions(_) | RunRecord::Verdict(_) => record.point().is_some_and(|point| points.contains(point)),
        RunRecord::Changelog(_) | RunRecord::Plan(_) => false,
    }
}

/// The data of a report's pages, for [`crate::report::View::with_pages`].
///
/// # Errors
/// [`SnapshotError`].
pub(crate) async fn report_pages(source: ReportSource<'_>) -> Result<Pages, SnapshotError> {
    let ReportSource { run, comparison } = source;
    let mut run = run.clone();
    // A selection keeps the records of all points.
    let shown: BTreeSet<&PointKey> = run.points.iter().map(|point| &point.key).collect();
    run.records.retain(|record| is_of(record, &shown));
    let started = run.conditions.started.as_deref();
    let date = started.and_then(|date| DateTime::parse_from_rfc3339(date).ok());
    let date = date.map_or_else(Utc::now, |date| date.to_utc());
    let database = run_database(run, date, &FolderFiles::default()).await?;
    // One run has no changes of levels, to which the settings would apply.
    let mut asker = Asker::new(Source::of_scratch(database, READERS, QUERY_TIME).await?, Regressions::default());
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
