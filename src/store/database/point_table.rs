//! The table of points: statements and the order of their columns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::DatabaseError;
use super::attempts::{OtherAttempts, Reported};
use super::counts::Known;
use super::engine::Address;
use super::ingest::{Ingest, Source, StoreError};
use crate::analysis::{INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, PointRow, RowError};
use crate::model::{Concurrency, CurveKey, Digest, PointKey};
use crate::result::Point;

/// Points per statement. A round trip to PostgreSQL costs more than a row. SQLite finds the name of each value by a search over those before
/// it: 1,800 points took 1.0 s in statements of 100 points.
fn rows_of_a_statement(address: &Address) -> usize {
    match address {
        Address::Sqlite(_) => 10,
        Address::Postgres(_) => 100,
    }
}

/// A point to store.
struct NewPoint<'a> {
    run_id: i64,
    point_key_id: i64,
    revision: i64,
    change: i64,
    source: Option<Digest>,
    row: &'a PointRow,
    columns: PointColumns,
}

/// The columns of a point's values, in the order of [`PointColumns`].
fn value_columns() -> String {
    let mut columns = "model, image, layout, gpus, outcome, reason".to_owned();
    for name in METRIC_COLUMNS {
        let _ = write!(columns, ", {}", name.replace('.', "_"));
    }
    for (_, name) in INTERVAL_COLUMNS {
        let _ = write!(columns, ", ci_low_{name}, ci_high_{name}");
    }
    columns.push_str(", extra");
    columns
}

/// `($1, $2), ($3, $4)` for two rows of two columns: the placeholders that both engines understand.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let _ = write!(text, "{}${}", if column == 0 { "" } else { ", " }, row * columns + column + 1);
        }
        text.push(')');
    }
    text
}

/// Columns of one inserted row.
const INSERTED: usize = 6 + 6 + METRIC_COLUMNS.len() + 2 * INTERVAL_COLUMNS.len() + 1;

/// The statement that inserts points.
fn insert(points: Vec<NewPoint<'_>>) -> Query<'static, Any, AnyArguments> {
    let sql = format!(
        "INSERT INTO point (run_id, point_key_id, revision, valid_from, digest, source_digest, {}) VALUES {}",
        value_columns(),
        placeholders(points.len(), INSERTED)
    );
    // The text consists of the constants above.
    points.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind_point)
}

fn bind_point<'q>(query: Query<'q, Any, AnyArguments>, point: NewPoint<'_>) -> Query<'q, Any, AnyArguments> {
    let NewPoint {
        run_id,
        point_key_id,
        revision,
        change,
        source,
        row,
        columns,
    } = point;
    let PointColumns {
        model,
        image,
        layout,
        gpus,
        outcome,
        reason,
        metrics,
        intervals,
        extra,
    } = columns;
    let query = query.bind(run_id).bind(point_key_id).bind(revision).bind(change);
    let query = query
        .bind(row.digest.as_slice().to_vec())
        .bind(source.map(|digest| digest.as_slice().to_vec()));
    let query = query.bind(model).bind(image).bind(layout).bind(gpus).bind(outcome).bind(reason);
    let query = metrics.into_iter().fold(query, Query::bind);
    let query = intervals.into_iter().fold(query, |query, ends| {
        query.bind(ends.map(|(low, _)| low)).bind(ends.map(|(_, high)| high))
    });
    query.bind(extra)
}

impl Ingest<'_> {
    /// Stores points that are new or have changed.
    pub(super) async fn store_points(
        &mut self,
        project: i64,
        run: i64,
        points: &[PointRow],
        others: &OtherAttempts,
        source: &Source,
    ) -> Result<StoredPoints, StoreError> {
        let current = self.current_points(run).await?;
        let mut by_curve: BTreeMap<Digest, Vec<&PointRow>> = BTreeMap::new();
        for point in points {
            by_curve.entry(point.curve).or_default().push(point);
        }
        let mut stored = StoredPoints::default();
        let (mut changed, mut taken) = (Vec::new(), Vec::new());
        for (hash, of_curve) in by_curve {
            let Some(first) = of_curve.first() else { continue };
            let curve = self.curve(project, hash, &first.point.key.curve).await?;
            let keys = self.point_keys(curve, &of_curve).await?;
            let mut is_measured = false;
            for row in of_curve {
                let Some(key) = keys.get(&i64::from(row.point.key.conc.get())) else {
                    continue;
                };
                let before = current.get(key);
                let is_there = before.is_some_and(|before| before.digest.as_deref() == Some(row.digest.as_slice()));
                let reported = others.point(&row.digest).filter(|_| !is_there);
                self.counts.points.add(match (before.map(|before| &before.digest), reported) {
                    _ if is_there => Known::Unchanged,
                    (_, Some(_)) => Known::Unchanged,
                    (None | Some(None), None) => Known::New,
                    (Some(Some(_)), None) => Known::Revised,
                });
                if reported.is_some_and(|reported| reported.stays) {
                    continue;
                }
                is_measured |= row.point.measurement().is_some();
                if !is_there {
                    changed.push((*key, before.map_or(1, |before| before.revision + 1), row));
                    taken.extend(reported);
                }
            }
            if is_measured {
                stored.measured_curves.push(curve);
            }
        }
        self.insert_points(run, &changed, source).await?;
        for Reported { id, run, .. } in taken {
            let change = self.change().await?;
            sqlx::query("UPDATE point SET valid_to = $1 WHERE id = $2")
                .bind(change)
                .bind(id)
                .execute(&mut *self.transaction)
                .await?;
            stored.taken_from.insert(run);
        }
        Ok(stored)
    }

    async fn insert_points(&mut self, run: i64, points: &[(i64, i64, &PointRow)], source: &Source) -> Result<(), StoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let change = self.change().await?;
        self.store_source(source, change).await?;
        for (key, revision, _) in points {
            if *revision > 1 {
                sqlx::query("UPDATE point SET valid_to = $1 WHERE run_id = $2 AND point_key_id = $3 AND valid_to IS NULL")
                    .bind(change)
                    .bind(run)
                    .bind(*key)
                    .execute(&mut *self.transaction)
                    .await?;
            }
        }
        for chunk in points.chunks(rows_of_a_statement(&self.address)) {
            let rows: Result<Vec<NewPoint<'_>>, RowError> = chunk
                .iter()
                .map(|(key, revision, row)| {
                    Ok(NewPoint {
                        run_id: run,
                        point_key_id: *key,
                        revision: *revision,
                        change,
                        source: Some(source.digest),
                        row,
                        columns: PointColumns::of(&row.point)?,
                    })
                })
                .collect();
            insert(rows?).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// The points of a run by their key, also those that belong to another attempt now.
    async fn current_points(&mut self, run: i64) -> Result<BTreeMap<i64, CurrentPoint>, sqlx::Error> {
        let mut current: BTreeMap<i64, CurrentPoint> = BTreeMap::new();
        let statement = "SELECT point_key_id, revision, digest, valid_to FROM point WHERE run_id = $1 ORDER BY revision";
        for row in sqlx::query(statement).bind(run).fetch_all(&mut *self.transaction).await? {
            let valid_to: Option<i64> = row.try_get(3)?;
            let digest: Vec<u8> = row.try_get(2)?;
            let point = CurrentPoint {
                revision: row.try_get(1)?,
                digest: valid_to.is_none().then_some(digest),
            };
            current.insert(row.try_get(0)?, point);
        }
        Ok(current)
    }
}

/// A point of a run.
struct CurrentPoint {
    /// Its last revision.
    revision: i64,
    /// Of the revision that holds, if one does.
    digest: Option<Vec<u8>>,
}

/// What storing points changed beside them.
#[derive(Default)]
pub(super) struct StoredPoints {
    /// The curves of which the run has a measured point.
    pub measured_curves: Vec<i64>,
    /// The attempts whose points belong to this run now.
    pub taken_from: BTreeSet<i64>,
}

/// A stored point.
pub(super) struct StoredPoint {
    pub id: i64,
    pub point: Point,
    pub digest: Vec<u8>,
}

/// The points of a run as of a change. Arguments: the run, the change.
pub(super) fn select_of_run() -> String {
    format!(
        "{} AND p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to > $2)",
        select_all_of_run()
    )
}

/// The points of a run with all their revisions. Argument: the run.
pub(super) fn select_all_of_run() -> String {
    format!("SELECT {} FROM {TABLES_OF_RUN} AND p.run_id = $1", columns())
}

/// Points with their keys and curves, from the points on. SQLite keeps the order of a cross join; with statistics of a history of a million points
/// it would begin with every curve, and read 1,800 points in 31 ms instead of 13.
pub(super) const TABLES_OF_RUN: &str =
    "point p CROSS JOIN point_key k CROSS JOIN curve c WHERE k.id = p.point_key_id AND c.id = k.curve_id";

/// One point of a run as of a change. Arguments: the run, the change, the digest of the curve's key, the concurrency.
pub(super) fn select_point_of_run() -> String {
    format!(
        "SELECT {} FROM curve c CROSS JOIN point_key k CROSS JOIN point p WHERE c.project_id = (SELECT r.project_id FROM run r WHERE r.id = $1) \
         AND c.key_hash = $3 AND k.curve_id = c.id AND k.load = $4 AND p.run_id = $1 AND p.point_key_id = k.id \
         AND p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to > $2)",
        columns()
    )
}

/// The points of a curve that hold and meet a condition. Argument: the curve, then those of the condition.
pub(super) fn select_of_curve(condition: &str) -> String {
    format!(
        "SELECT {} WHERE k.curve_id = $1 AND p.valid_to IS NULL AND {condition}",
        columns_and_tables()
    )
}

/// The points that the newest run of each curve of a branch measured, curve by curve, with what tells of the run after the columns of every
/// point. Arguments: the branch, the project or null, then those of the condition.
///
/// The point is looked up by run and key. In a join PostgreSQL reads each key's points of all runs instead, which takes longer with every night.
pub(super) fn select_newest(condition: &str) -> String {
    format!(
        "SELECT {}, l.curve_id AS curve_id, l.started_ms AS started_ms, v.commit_sha AS commit_sha FROM curve c \
         JOIN project j ON j.id = c.project_id JOIN curve_latest l ON l.curve_id = c.id \
         JOIN run_revision v ON v.run_id = l.run_id AND v.valid_to IS NULL JOIN point_key k ON k.curve_id = c.id \
         JOIN point p ON p.id = (SELECT q.id FROM point q WHERE q.run_id = l.run_id AND q.point_key_id = k.id AND q.valid_to IS NULL) \
         WHERE l.branch = $1 AND ($2 IS NULL OR j.slug = $2){condition} ORDER BY l.curve_id",
        columns()
    )
}

/// The columns in the order in which [`PointReader`] takes them, and `run_id`.
pub(super) fn columns() -> String {
    let columns: String = value_columns().split(", ").fold(String::new(), |mut text, column| {
        let _ = write!(text, ", p.{column}");
        text
    });
    format!("p.id, p.digest, c.document, k.load{columns}, p.run_id AS run_id")
}

fn columns_and_tables() -> String {
    format!(
        "{} FROM point p JOIN point_key k ON k.id = p.point_key_id JOIN curve c ON c.id = k.curve_id",
        columns()
    )
}

/// Why a row is not a point.
#[derive(Debug, thiserror::Error)]
pub(super) enum PointRowError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Reads rows of points one after another. Those of a curve often follow each other, so its key is parsed once.
#[derive(Default)]
pub(super) struct PointReader {
    curve: Option<(String, CurveKey)>,
}

impl PointReader {
    /// A row of [`select_of_run`], [`select_all_of_run`], [`select_of_curve`] or [`select_newest`].
    pub(super) fn read(&mut self, row: &AnyRow) -> Result<StoredPoint, PointRowError> {
        let document: &str = row.try_get(2)?;
        let curve = match &self.curve {
            Some((known, curve)) if known == document => curve.clone(),
            Some(_) | None => {
                let curve: CurveKey = serde_json::from_str(document).map_err(|source| RowError::Json {
                    what: "the curve's key",
                    source,
                })?;
                self.curve = Some((document.to_owned(), curve.clone()));
                curve
            }
        };
        read_on_curve(row, curve)
    }
}

impl PointRowError {
    /// The error with the address.
    pub(super) fn at(self, address: &Address) -> DatabaseError {
        match self {
            Self::Sql(source) => address.error(source),
            Self::Row(source) => address.row()(source),
        }
    }
}

/// A row of a single point.
pub(super) fn read(row: &AnyRow) -> Result<StoredPoint, PointRowError> {
    PointReader::default().read(row)
}

fn read_on_curve(row: &AnyRow, curve: CurveKey) -> Result<StoredPoint, PointRowError> {
    const FIRST_METRIC: usize = 10;
    const FIRST_INTERVAL: usize = FIRST_METRIC + METRIC_COLUMNS.len();
    let mut metrics = [None; METRIC_COLUMNS.len()];
    for (at, metric) in metrics.iter_mut().enumerate() {
        *metric = row.try_get(FIRST_METRIC + at)?;
    }
    let mut intervals = [None; INTERVAL_COLUMNS.len()];
    for (at, interval) in intervals.iter_mut().enumerate() {
        let low: Option<f64> = row.try_get(FIRST_INTERVAL + 2 * at)?;
        *interval = low.zip(row.try_get(FIRST_INTERVAL + 2 * at + 1)?);
    }
    let columns = PointColumns {
        model: row.try_get(4)?,
        image: row.try_get(5)?,
        layout: row.try_get(6)?,
        gpus: row.try_get(7)?,
        outcome: row.try_get(8)?,
        reason: row.try_get(9)?,
        metrics,
        intervals,
        extra: row.try_get(FIRST_INTERVAL + 2 * INTERVAL_COLUMNS.len())?,
    };
    Ok(StoredPoint {
        id: row.try_get(0)?,
        digest: row.try_get(1)?,
        point: columns.into_point(key(curve, row.try_get(3)?)?)?,
    })
}

/// The key of a point on a curve.
fn key(curve: CurveKey, load: i64) -> Result<PointKey, RowError> {
    Ok(PointKey {
        curve,
        conc: concurrency(load)?,
    })
}

pub(super) fn concurrency(load: i64) -> Result<Concurrency, RowError> {
    let conc = u32::try_from(load).ok().and_then(Concurrency::new);
    conc.ok_or_else(|| RowError::Value {
        what: "the concurrency",
        found: load.to_string(),
        expected: "a number from 1 to 2^32 - 1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(placeholders(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }

    /// A column that the conversion knows and the tables lack would otherwise fail at the first insert.
    #[test]
    fn migrations_of_both_engines_have_every_column() {
        for sql in [
            [
                include_str!("migrations/sqlite/0001_history.sql"),
                include_str!("migrations/sqlite/0012_rates_of_sessions.sql"),
            ],
            [
                include_str!("migrations/postgres/0001_history.sql"),
                include_str!("migrations/postgres/0012_rates_of_sessions.sql"),
            ],
        ] {
            let sql = sql.concat();
            for column in value_columns().split(", ") {
                let is_there = ["\n    ", "\nALTER TABLE point ADD COLUMN "]
                    .iter()
                    .any(|start| sql.contains(&format!("{start}{column} ")));
                assert!(is_there, "{column}");
            }
        }
    }
}
