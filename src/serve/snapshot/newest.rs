//! The newest curves of each branch: what most pages show first.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::SnapshotError;
use super::ask::{Asker, Row, model_filter, text, whole};
use super::shards::Shards;
use super::table::Table;

/// Curves of a shard; a curve has a handful of points.
const CURVES: &str = "200";

/// A shard of newest curves.
#[derive(Debug, Serialize)]
pub(super) struct NewestShard {
    branch: String,
    model: String,
    shard: String,
}

/// A curve of a run.
pub(super) type CurveOfRun = (String, i64);

/// Writes the newest curves of a model, and notes them in `kept`.
pub(super) async fn write(
    asker: &mut Asker,
    shards: &mut Shards,
    branch: &str,
    model: &str,
    written: &mut Vec<NewestShard>,
    kept: &mut BTreeSet<CurveOfRun>,
) -> Result<(), SnapshotError> {
    let filter = model_filter(model);
    let mut cursor: Option<String> = None;
    loop {
        let parameters = [("branch", branch), ("filter", filter.as_str()), ("limit", CURVES)];
        let (curves, next) = asker.page("/api/v1/curves", &parameters, cursor.as_deref()).await?;
        if !curves.is_empty() {
            kept.extend(curves.iter().map(|curve| (text(curve, "curve").to_owned(), whole(curve, "run"))));
            let shard = shards.put("newest", &shard_of(curves))?;
            written.push(NewestShard {
                branch: branch.to_owned(),
                model: model.to_owned(),
                shard,
            });
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// The points of curves as a table, and which of its columns describe the curves.
fn shard_of(curves: Vec<Row>) -> Value {
    let dimensions: Vec<String> = curves
        .first()
        .into_iter()
        .flat_map(Row::keys)
        .filter(|name| *name != "points")
        .cloned()
        .collect();
    let mut table = Table::default();
    for mut curve in curves {
        let Some(Value::Array(points)) = curve.shift_remove("points") else {
            continue;
        };
        for point in points {
            let Value::Object(mut point) = point else { continue };
            point.insert("extra".to_owned(), conditions(&point));
            table.push(point);
        }
    }
    json!({ "dimensions": dimensions, "points": table })
}

/// What decides whether points can be compared; the rest of the provenance is with the points of all runs.
const CONDITIONS: [&str; 3] = ["producer", "engine_version", "power"];

fn conditions(point: &Row) -> Value {
    let provenance = &point.get("extra").unwrap_or(&Value::Null)["provenance"];
    let known: Row = CONDITIONS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), provenance.get(name)?.clone())))
        .collect();
    json!({ "provenance": known })
}
