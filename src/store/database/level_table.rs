//! The levels of each point on each branch. Those of the present are kept: each change recomputes those of the points that it touched, from the
//! runs that count then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::ingest::StoreError;
use super::point_selection::{Argument, Conditions, PointSelection};
use super::point_table::placeholders;
use super::{AsOf, Database, DatabaseError};
use crate::analysis::{LEVEL_METHOD, MetricLevels, Reading, RowError, is_selected, levels, value_columns};
use crate::model::{Concurrency, Metric, PointKey};

/// Points whose levels are recomputed by one statement.
const CHUNK: usize = 100;

/// The readings of a point by metric, in the order of [`Metric::JUDGED`]: by the mean and by the median.
#[derive(Default)]
struct Readings([(Vec<Reading>, Vec<Reading>); Metric::JUDGED.len()]);

impl Readings {
    /// The means, unless some runs have only a median: a change of the statistic would look like a change of the level.
    fn levels(&self, series: usize) -> Vec<MetricLevels> {
        let all = Metric::JUDGED
            .into_iter()
            .zip(&self.0)
            .map(|(metric, (means, medians))| MetricLevels {
                metric,
                levels: levels(if means.len() < medians.len() { medians } else { means }, series),
            });
        all.filter(|found| !found.levels.is_empty()).collect()
    }
}

/// Recomputes the levels of a run's points on a branch (`''` for none).
pub(super) async fn recompute(transaction: &mut Transaction<'_, Any>, run: i64, branch: &str) -> Result<(), StoreError> {
    let keys: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT point_key_id FROM point WHERE run_id = $1 ORDER BY point_key_id")
        .bind(run)
        .fetch_all(&mut **transaction)
        .await?;
    let series = keys.len() * Metric::COMPARED.len();
    for chunk in keys.chunks(CHUNK) {
        let found = read(transaction, branch, chunk).await?;
        delete(transaction, branch, chunk).await?;
        insert(transaction, branch, &found, series).await?;
    }
    Ok(())
}

/// `$2, $3, …` for keys that follow the first argument.
fn list(keys: &[i64]) -> String {
    let mut text = String::new();
    for at in 0..keys.len() {
        let _ = write!(text, "{}${}", if at == 0 { "" } else { ", " }, at + 2);
    }
    text
}

/// `, p.mean_ttft, p.median_ttft, …` of all metrics that are compared.
fn metric_columns() -> String {
    let mut columns = String::new();
    for metric in Metric::JUDGED {
        let (mean, median) = value_columns(metric);
        let _ = write!(columns, ", p.{mean}, p.{median}");
    }
    columns
}

async fn read(transaction: &mut Transaction<'_, Any>, branch: &str, keys: &[i64]) -> Result<BTreeMap<i64, Readings>, StoreError> {
    let sql = format!(
        "SELECT p.point_key_id, p.run_id, v.started_ms{} FROM point p \
         JOIN run_revision v ON v.run_id = p.run_id AND v.valid_to IS NULL \
         WHERE p.valid_to IS NULL AND p.outcome = 'measured' AND coalesce(v.branch, '') = $1 AND v.kind <> 'pull-request' \
         AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = p.run_id AND t.valid_to IS NULL) \
         AND p.point_key_id IN ({}) ORDER BY p.point_key_id, v.started_ms, p.run_id",
        metric_columns(),
        list(keys)
    );
    // The text is made of constants and numbers of arguments.
    let query = sqlx::query(AssertSqlSafe(sql)).bind(branch.to_owned());
    let query = keys.iter().fold(query, |query, key| query.bind(*key));
    let mut found: BTreeMap<i64, Readings> = BTreeMap::new();
    for row in query.fetch_all(&mut **transaction).await? {
        add(found.entry(row.try_get(0)?).or_default(), &row)?;
    }
    Ok(found)
}

/// The levels of a point on a branch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PointLevels {
    pub key: PointKey,
    pub method: String,
    pub levels: Vec<MetricLevels>,
}

/// What a point's levels of an earlier state are computed from.
struct EarlierPoint {
    curve: i64,
    load: i64,
    /// The newest run that measured it.
    newest: i64,
    readings: Readings,
}

impl Database {
    /// The levels of the points of a selection on a branch (`""` for runs without one). Those of the present are kept; those of an earlier state
    /// are computed from what held then, and searched together as those of the newest run that measured the point. `None` where there are more
    /// than `most` values. Of the selection, project and filters count.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn levels_at(
        &mut self,
        selection: &PointSelection,
        branch: &str,
        as_of: AsOf,
        most: usize,
    ) -> Result<Option<Vec<PointLevels>>, DatabaseError> {
        match as_of {
            AsOf::Now => self.kept_levels(selection, branch).await.map(Some),
            AsOf::Time(_) => self.earlier_levels(selection, branch, as_of, most).await,
        }
    }

    async fn earlier_levels(
        &mut self,
        selection: &PointSelection,
        branch: &str,
        as_of: AsOf,
        most: usize,
    ) -> Result<Option<Vec<PointLevels>>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let selection = PointSelection {
            project: selection.project.clone(),
            filters: selection.filters.clone(),
            outcome: Some("measured".to_owned()),
            without_pull_requests: true,
            ..PointSelection::default()
        };
        let keys = self.curve_keys(&selection).await?;
        let (_, filters, order) = self.filter_condition(&selection).await?;
        let mut conditions = Conditions::of(&selection, change);
        conditions.sql.push_str(&filters);
        conditions.and("coalesce(v.branch, '') =", Argument::Text(branch.to_owned()));
        let sql = format!(
            "SELECT p.point_key_id, p.run_id, v.started_ms{}, k.curve_id AS curve_id, k.load AS load FROM {} WHERE {} \
             ORDER BY p.point_key_id, v.started_ms, p.run_id LIMIT {}",
            metric_columns(),
            order.tables(),
            conditions.sql,
            most.saturating_add(1)
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(self.address.sql())?;
        if rows.len() > most {
            return Ok(None);
        }
        let mut points: BTreeMap<i64, EarlierPoint> = BTreeMap::new();
        for row in &rows {
            add_earlier(&mut points, row).map_err(self.address.sql())?;
        }
        let sizes = self.run_sizes(points.values().map(|point| point.newest).collect()).await?;
        let found = points.into_values().filter_map(|point| {
            let curve = keys.get(&point.curve)?.clone();
            let conc = Concurrency::new(u32::try_from(point.load).ok()?)?;
            let key = PointKey { curve, conc };
            let series = sizes.get(&point.newest).copied().unwrap_or(1) * Metric::COMPARED.len();
            is_selected(&key, &selection.filters).then(|| PointLevels {
                key,
                method: LEVEL_METHOD.to_owned(),
                levels: point.readings.levels(series),
            })
        });
        let mut found: Vec<PointLevels> = found.collect();
        found.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(Some(found))
    }

    /// How many points each of these runs has.
    async fn run_sizes(&mut self, runs: BTreeSet<i64>) -> Result<BTreeMap<i64, usize>, DatabaseError> {
        let mut sizes = BTreeMap::new();
        for run in runs {
            let size: Result<i64, sqlx::Error> = sqlx::query_scalar("SELECT count(DISTINCT point_key_id) FROM point WHERE run_id = $1")
                .bind(run)
                .fetch_one(&mut self.connection)
                .await;
            let size = size.map_err(self.address.sql())?;
            sizes.insert(run, usize::try_from(size).unwrap_or_default());
        }
        Ok(sizes)
    }

    /// The kept levels of the points of a selection on a branch (`""` for runs without one).
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn kept_levels(&mut self, selection: &PointSelection, branch: &str) -> Result<Vec<PointLevels>, DatabaseError> {
        let (mut curves, list) = self.selected_curves(selection).await?;
        let sql = format!(
            "SELECT k.curve_id, k.load, l.method, l.document FROM level l JOIN point_key k ON k.id = l.point_key_id WHERE l.branch = $1{}",
            list.unwrap_or_default()
        );
        // The text is made of constants and numbers of this database.
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(branch.to_owned())
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.address.sql())?;
        let mut found = Vec::new();
        for row in &rows {
            let (curve, load, method, document) = level(row).map_err(self.address.sql())?;
            let conc = u32::try_from(load).ok().and_then(Concurrency::new);
            let (Some(key), Some(conc)) = (curves.key(curve).cloned(), conc) else {
                continue;
            };
            if !curves.has(curve, load, &selection.filters) {
                continue;
            }
            let levels = serde_json::from_str(&document).map_err(|source| RowError::Json {
                what: "the levels",
                source,
            });
            found.push(PointLevels {
                key: PointKey { curve: key, conc },
                method,
                levels: levels.map_err(self.address.row())?,
            });
        }
        found.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(found)
    }
}

fn add_earlier(points: &mut BTreeMap<i64, EarlierPoint>, row: &AnyRow) -> Result<(), sqlx::Error> {
    let (key, run): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let (curve, load) = (row.try_get("curve_id")?, row.try_get("load")?);
    let point = points.entry(key).or_insert_with(|| EarlierPoint {
        curve,
        load,
        newest: run,
        readings: Readings::default(),
    });
    point.newest = run;
    add(&mut point.readings, row)
}

fn level(row: &AnyRow) -> Result<(i64, i64, String, String), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
}

fn add(readings: &mut Readings, row: &AnyRow) -> Result<(), sqlx::Error> {
    const FIRST: usize = 3;
    let (run, started_ms) = (row.try_get(1)?, row.try_get(2)?);
    for (at, (means, medians)) in readings.0.iter_mut().enumerate() {
        for (statistic, list) in [means, medians].into_iter().enumerate() {
            let value: Option<f64> = row.try_get(FIRST + 2 * at + statistic)?;
            // Zero has no logarithm.
            list.extend(value.filter(|value| *value > 0.0).map(|value| Reading { run, started_ms, value }));
        }
    }
    Ok(())
}

async fn delete(transaction: &mut Transaction<'_, Any>, branch: &str, keys: &[i64]) -> Result<(), sqlx::Error> {
    let sql = format!("DELETE FROM level WHERE branch = $1 AND point_key_id IN ({})", list(keys));
    let query = sqlx::query(AssertSqlSafe(sql)).bind(branch.to_owned());
    let query = keys.iter().fold(query, |query, key| query.bind(*key));
    query.execute(&mut **transaction).await?;
    Ok(())
}

async fn insert(
    transaction: &mut Transaction<'_, Any>,
    branch: &str,
    found: &BTreeMap<i64, Readings>,
    series: usize,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO level (point_key_id, branch, method, document) VALUES {}",
        placeholders(found.len(), 4)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (key, readings) in found {
        let document = serde_json::to_string(&readings.levels(series)).map_err(|source| RowError::Json {
            what: "the levels",
            source,
        })?;
        query = query.bind(*key).bind(branch.to_owned()).bind(LEVEL_METHOD).bind(document);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}
