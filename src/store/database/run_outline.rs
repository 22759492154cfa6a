//! What a run has points of, without their numbers: pages and counts of a run with tens of thousands of points need no more.

use std::collections::{BTreeMap, HashMap};

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::point_table::{PointRowError, TABLES_OF_RUN, concurrency};
use super::read::RunSummary;
use super::{Database, DatabaseError, eval_table};
use crate::analysis::{EvalScore, HardwareStats, HistoryRun, RowError, run_of_rows};
use crate::model::{Concurrency, CurveKey, PointKey};

/// A run without the numbers of its points.
#[derive(Debug)]
pub(crate) struct RunOutline {
    /// What the run says about itself, with its scores and without points and records.
    pub run: HistoryRun,
    /// The concurrencies of each curve in ascending order, and whether each was measured.
    pub curves: BTreeMap<CurveKey, Vec<(Concurrency, bool)>>,
    /// By curve and concurrency.
    pub failures: Vec<FailedPoint>,
}

/// A point without numbers.
#[derive(Debug)]
pub(crate) struct FailedPoint {
    pub key: PointKey,
    /// The class of the failure.
    pub class: String,
    pub reason: String,
}

impl RunOutline {
    /// Success by hardware, as [`crate::analysis::Run::stats`] counts it.
    pub(crate) fn stats(&self) -> BTreeMap<String, HardwareStats> {
        let mut stats: BTreeMap<String, HardwareStats> = BTreeMap::new();
        for (curve, points) in &self.curves {
            let entry = stats.entry(curve.runner.as_str().to_owned()).or_default();
            entry.total += points.len();
            entry.n_success += points.iter().filter(|(_, is_measured)| *is_measured).count();
        }
        stats
    }
}

/// What holds of points at the change that is the second argument.
const HELD: &str = "p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to > $2)";

impl Database {
    /// A run without the numbers of its points.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_outline(&mut self, summary: &RunSummary) -> Result<RunOutline, DatabaseError> {
        let read = self.read_outline(summary).await;
        read.map_err(|error| error.at(&self.address))
    }

    async fn read_outline(&mut self, summary: &RunSummary) -> Result<RunOutline, PointRowError> {
        let curves = self.curves_of_run(summary).await?;
        let run = run_of_rows(summary.document(), Vec::new(), self.scores_of_run(summary).await?, Vec::new())?;
        let (mut points, mut failures) = (HashMap::<i64, Vec<(Concurrency, bool)>>::new(), Vec::new());
        let sql = format!(
            "SELECT k.curve_id, k.load, CASE WHEN p.outcome = 'measured' THEN NULL ELSE p.outcome END, \
             CASE WHEN p.outcome = 'measured' THEN NULL ELSE p.reason END FROM {TABLES_OF_RUN} AND p.run_id = $1 AND {HELD}"
        );
        for row in self.rows_of_run(sql, summary).await? {
            let (curve, conc): (i64, _) = (row.try_get(0)?, concurrency(row.try_get(1)?)?);
            let class: Option<String> = row.try_get(2)?;
            points.entry(curve).or_default().push((conc, class.is_none()));
            if let (Some(class), Some(curve)) = (class, curves.get(&curve)) {
                failures.push(FailedPoint {
                    key: PointKey {
                        curve: curve.clone(),
                        conc,
                    },
                    class,
                    reason: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
                });
            }
        }
        failures.sort_by(|left, right| left.key.cmp(&right.key));
        points.values_mut().for_each(|points| points.sort_unstable());
        let curves = curves.into_iter().filter_map(|(id, curve)| Some((curve, points.remove(&id)?)));
        Ok(RunOutline {
            run,
            curves: curves.collect(),
            failures,
        })
    }

    /// Each curve of a run once: the document of a curve is longer than all that is read of its points.
    async fn curves_of_run(&mut self, summary: &RunSummary) -> Result<HashMap<i64, CurveKey>, PointRowError> {
        let sql = format!(
            "SELECT c.id, c.document FROM curve c WHERE c.id IN (SELECT k.curve_id FROM point p CROSS JOIN point_key k \
             WHERE k.id = p.point_key_id AND p.run_id = $1 AND {HELD})"
        );
        let rows = self.rows_of_run(sql, summary).await?;
        rows.iter().map(curve).collect()
    }

    async fn scores_of_run(&mut self, summary: &RunSummary) -> Result<Vec<EvalScore>, PointRowError> {
        let rows = self.rows_of_run(eval_table::SELECT_OF_RUN.to_owned(), summary).await?;
        rows.iter().map(|row| eval_table::read(row).map(|stored| stored.score)).collect()
    }

    /// The rows of a statement with a run and a change. Its text is made of constants.
    async fn rows_of_run(&mut self, sql: String, summary: &RunSummary) -> Result<Vec<AnyRow>, sqlx::Error> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(summary.id)
            .bind(summary.change())
            .fetch_all(&mut self.connection)
            .await
    }
}

fn curve(row: &AnyRow) -> Result<(i64, CurveKey), PointRowError> {
    let document: &str = row.try_get(1)?;
    let key = serde_json::from_str(document).map_err(|source| RowError::Json {
        what: "the curve's key",
        source,
    })?;
    Ok((row.try_get(0)?, key))
}
