//! The kept levels of each point on each branch. They are derived: each change recomputes those of the points that it touched, from the runs
//! that count then.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::ingest::StoreError;
use super::point_table::placeholders;
use crate::analysis::{LEVEL_METHOD, MetricLevels, Reading, RowError, levels, value_columns};
use crate::model::Metric;

/// Points whose levels are recomputed by one statement.
const CHUNK: usize = 100;

/// The readings of a point by metric, in the order of [`Metric::COMPARED`]: by the mean and by the median.
#[derive(Default)]
struct Readings([(Vec<Reading>, Vec<Reading>); Metric::COMPARED.len()]);

impl Readings {
    /// The means, unless some runs have only a median: a change of the statistic would look like a change of the level.
    fn levels(&self, series: usize) -> Vec<MetricLevels> {
        let of_metric = |(metric, (means, medians)): (Metric, &(Vec<Reading>, Vec<Reading>))| MetricLevels {
            metric,
            levels: levels(if means.len() < medians.len() { medians } else { means }, series),
        };
        let all = Metric::COMPARED.into_iter().zip(&self.0).map(of_metric);
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

async fn read(transaction: &mut Transaction<'_, Any>, branch: &str, keys: &[i64]) -> Result<BTreeMap<i64, Readings>, StoreError> {
    let mut columns = String::new();
    for metric in Metric::COMPARED {
        let (mean, median) = value_columns(metric);
        let _ = write!(columns, ", p.{mean}, p.{median}");
    }
    let sql = format!(
        "SELECT p.point_key_id, p.run_id, v.started_ms{columns} FROM point p \
         JOIN run_revision v ON v.run_id = p.run_id AND v.valid_to IS NULL \
         WHERE p.valid_to IS NULL AND p.outcome = 'measured' AND coalesce(v.branch, '') = $1 AND v.kind <> 'pull-request' \
         AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = p.run_id AND t.valid_to IS NULL) \
         AND p.point_key_id IN ({}) ORDER BY p.point_key_id, v.started_ms, p.run_id",
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
