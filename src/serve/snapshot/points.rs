//! Points of all runs, model by model, the oldest first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::SnapshotError;
use super::ask::{Asker, Row, model_filter, text, whole};
use super::newest::CurveOfRun;
use super::records::Records;
use super::shards::Shards;
use super::table::Table;

/// Points of a shard: at most two megabytes of JSON, a fifth of that compressed.
const POINTS: &str = "2000";
/// A history of more points keeps provenance of the newest curves alone: it is more than half of a point's bytes.
pub(super) const MOST_EXTRAS: i64 = 20_000;
/// Counts of outcomes of a shard.
const OUTCOMES: usize = 10_000;

/// A shard of points.
#[derive(Debug, Serialize)]
pub(super) struct PointShard {
    shard: String,
    model: String,
    points: usize,
    from: String,
    to: String,
    runs: BTreeSet<i64>,
}

/// Of which points the provenance is kept.
#[derive(Debug)]
pub(super) enum Extras {
    All,
    Of(BTreeSet<CurveOfRun>),
}

/// Counts of points by what the page of reliability selects and groups by: run, branch, kind, start, model, hardware, engine and outcome.
#[derive(Debug, Default)]
pub(super) struct Outcomes(BTreeMap<(i64, [String; 9]), u64>);

/// What is noted of the points while they are written.
#[derive(Debug)]
pub(super) struct Noted {
    pub outcomes: Outcomes,
    pub records: Records,
}

/// The names of an outcome's texts.
const OUTCOME_COLUMNS: [&str; 9] = [
    "project",
    "branch",
    "kind",
    "commit",
    "started",
    "model_prefix",
    "hardware",
    "framework",
    "outcome",
];

impl Outcomes {
    fn add(&mut self, point: &Row) {
        let key = (whole(point, "run"), OUTCOME_COLUMNS.map(|name| text(point, name).to_owned()));
        *self.0.entry(key).or_default() += 1;
    }

    pub(super) fn write(self, shards: &mut Shards) -> Result<Vec<String>, SnapshotError> {
        let rows = self.0.into_iter().map(|((run, texts), points)| {
            let mut row = Row::from_iter([("run".to_owned(), json!(run)), ("points".to_owned(), json!(points))]);
            row.extend(
                OUTCOME_COLUMNS
                    .iter()
                    .zip(texts)
                    .map(|(name, text)| ((*name).to_owned(), Value::String(text))),
            );
            row
        });
        let rows: Vec<Row> = rows.collect();
        let tables = rows.chunks(OUTCOMES).map(|part| part.iter().cloned().collect::<Table>());
        tables.map(|table| shards.put("outcomes", &table)).collect()
    }
}

/// The curves and concurrencies that were measured.
pub(super) type Measured = BTreeSet<(String, i64)>;

/// Writes the points of a model.
pub(super) async fn write(
    asker: &mut Asker,
    shards: &mut Shards,
    model: &str,
    extras: &Extras,
    noted: &mut Noted,
    written: &mut Vec<PointShard>,
) -> Result<Measured, SnapshotError> {
    let filter = model_filter(model);
    let mut measured = Measured::new();
    let mut cursor: Option<String> = None;
    loop {
        let parameters = [("filter", filter.as_str()), ("sort", "started"), ("limit", POINTS)];
        let (points, next) = asker.page("/api/v1/points", &parameters, cursor.as_deref()).await?;
        for point in &points {
            noted.outcomes.add(point);
            noted.records.note(point);
            if text(point, "outcome") == "measured" {
                measured.insert((text(point, "curve").to_owned(), whole(point, "conc")));
            }
        }
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let (from, to) = (text(first, "started").to_owned(), text(last, "started").to_owned());
            let runs = points.iter().map(|point| whole(point, "run")).collect();
            let table: Table = points.into_iter().map(|point| kept(point, extras)).collect();
            written.push(PointShard {
                points: table.len(),
                shard: shards.put("points", &table)?,
                model: model.to_owned(),
                from,
                to,
                runs,
            });
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(measured);
        }
    }
}

/// What values over time need of the provenance.
const ORIGIN: [&str; 2] = ["engine_version", "producer"];

/// A point with the parts of its provenance that values over time need; not all keep the whole.
fn kept(mut point: Row, extras: &Extras) -> Row {
    for name in ORIGIN {
        let value = point.get("extra").map(|extra| extra["provenance"][name].clone());
        point.insert(name.to_owned(), value.unwrap_or_default());
    }
    let keeps = match extras {
        Extras::All => true,
        Extras::Of(curves) => curves.contains(&(text(&point, "curve").to_owned(), whole(&point, "run"))),
    };
    if !keeps {
        point.insert("extra".to_owned(), Value::Null);
    }
    point
}
