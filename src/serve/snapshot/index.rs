//! The shard `index`, which tells what the others hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use super::SnapshotError;
use super::ask::{Asker, Row, text, whole};
use super::newest::{self, NewestShard};
use super::points::{self, Extras, Noted, PointShard};
use super::records::Records;
use super::series::{self, SeriesShard};
use super::shards::Shards;
use super::statistics;
use crate::analysis::Comparison;

/// The version of the shards; `web/src/source/shards.ts` reads it.
const FORMAT: &str = "imax-pages/1";
/// Runs of a shard.
const RUNS: &str = "1000";
/// Branches whose newest curves and changes are kept, those with the newest runs.
const MOST_BRANCHES: usize = 20;

#[derive(Debug, Serialize)]
pub(super) struct Index {
    format: &'static str,
    /// Branches with runs that are official.
    branches: Vec<String>,
    runs: Vec<String>,
    newest: Vec<NewestShard>,
    points: Vec<PointShard>,
    series: Vec<SeriesShard>,
    outcomes: Vec<String>,
    /// The shard that lists those of records, if there are any.
    records: Option<String>,
    /// Shards of answers by their paths.
    answers: BTreeMap<String, String>,
}

/// What a snapshot has besides the rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// A whole history, with comparisons of its newest runs.
    History,
    /// One run, with its comparison as it was judged.
    Run(Option<&'a Comparison>),
}

/// Writes all shards of a history, `index` last.
///
/// # Errors
/// [`SnapshotError`].
pub(super) async fn write_all(asker: &mut Asker, shards: &mut Shards, scope: Scope<'_>) -> Result<(), SnapshotError> {
    let (names, rows) = runs(asker, shards).await?;
    let branches = branches_of(&rows);
    let (models, total) = models(asker).await?;
    let mut newest_shards = Vec::new();
    let mut kept = BTreeSet::new();
    for branch in &branches {
        for model in &models {
            newest::write(asker, shards, branch, model, &mut newest_shards, &mut kept).await?;
        }
    }
    let extras = if total > points::MOST_EXTRAS {
        Extras::Of(kept)
    } else {
        Extras::All
    };
    let mut point_shards = Vec::new();
    let mut series_shards = Vec::new();
    let mut noted = Noted {
        outcomes: points::Outcomes::default(),
        records: Records::of(asker, scope).await?,
    };
    for model in &models {
        let measured = points::write(asker, shards, model, &extras, &mut noted, &mut point_shards).await?;
        series_shards.push(series::write(asker, shards, model, &branches, &measured).await?);
    }
    let index = Index {
        format: FORMAT,
        answers: statistics::write(asker, shards, &branches, &rows, scope, total).await?,
        branches,
        runs: names,
        newest: newest_shards,
        points: point_shards,
        series: series_shards,
        outcomes: noted.outcomes.write(shards)?,
        records: noted.records.write(asker, shards).await?,
    };
    shards.write("index", &serde_json::to_vec(&json!(index))?)
}

/// Writes the runs, the newest first, and returns them too.
async fn runs(asker: &mut Asker, shards: &mut Shards) -> Result<(Vec<String>, Vec<Row>), SnapshotError> {
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    let mut cursor: Option<String> = None;
    loop {
        let (page, next) = asker.page("/api/v1/runs", &[("limit", RUNS)], cursor.as_deref()).await?;
        names.push(shards.put("runs", &page)?);
        rows.extend(page);
        cursor = next;
        if cursor.is_none() {
            return Ok((names, rows));
        }
    }
}

/// The branches of official runs, `main` first, then those with the newest runs.
fn branches_of(runs: &[Row]) -> Vec<String> {
    let mut branches = vec!["main".to_owned()];
    for run in runs.iter().filter(|run| text(run, "kind") != "pull-request") {
        let branch = text(run, "branch");
        if !branch.is_empty() && !branches.iter().any(|known| known == branch) {
            branches.push(branch.to_owned());
        }
    }
    branches.truncate(MOST_BRANCHES);
    branches
}

/// The models of a history, and how many points it has.
async fn models(asker: &mut Asker) -> Result<(Vec<String>, i64), SnapshotError> {
    let (rows, _) = asker.page("/api/v1/facets", &[], None).await?;
    let of_models: Vec<&Row> = rows.iter().filter(|row| text(row, "dimension") == "model").collect();
    let total = of_models.iter().map(|row| whole(row, "points")).sum();
    Ok((of_models.into_iter().map(|row| text(row, "value").to_owned()).collect(), total))
}
