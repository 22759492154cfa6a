//! A metric of points over the runs that measured them, and the newest curves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::annotation_table::Annotation;
use super::point_selection::is_selected_but_for_load;
use super::point_table::{self, PointReader, PointRowError};
use super::{Database, DatabaseError};
use crate::analysis::{Filter, INTERVAL_COLUMNS, Level, MetricLevels, PointField, RowError, is_selected, value_columns};
use crate::model::{Concurrency, CurveKey, Metric, PointKey};
use crate::result::Point;

/// Which series are read.
#[derive(Debug)]
pub(crate) struct SeriesFilter {
    pub project: Option<String>,
    /// The branch; `None` for runs of all branches.
    pub branch: Option<String>,
    pub points: Vec<Filter>,
    pub metric: Metric,
    /// Only runs from then on.
    pub since: Option<DateTime<Utc>>,
}

/// A point's values of a metric, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PointSeries {
    pub key: PointKey,
    pub metric: Metric,
    pub values: Vec<SeriesValue>,
    /// The kept levels of the branch, and the method that found them.
    pub levels: Vec<Level>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    pub annotations: Vec<Annotation>,
}

/// A value of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SeriesValue {
    pub run: i64,
    /// RFC 3339.
    pub date: String,
    pub commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The mean, else the median, in the metric's unit.
    pub value: f64,
    /// The 95 % confidence interval from the requests of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// The newest curve of a branch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NewestCurve {
    pub curve: CurveKey,
    /// The run that measured it last.
    pub run: i64,
    /// RFC 3339.
    pub date: String,
    pub commit: String,
    pub points: Vec<NewestPoint>,
}

/// A point of a newest curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NewestPoint {
    pub point: Point,
    /// The earlier run that it is taken from, because the curve's newest run did not measure it: no line may be drawn through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub borrowed_from: Option<i64>,
}

/// Filters that an index can serve: those without a wildcard, where they are the only ones of their key.
pub(super) struct CurveConditions(Vec<(&'static str, String)>);

impl CurveConditions {
    pub(super) fn of(filters: &[Filter]) -> Self {
        const COLUMNS: [(PointField, &str); 5] = [
            (PointField::Model, "model_prefix"),
            (PointField::Hardware, "hardware"),
            (PointField::Framework, "framework"),
            (PointField::Precision, "precision"),
            (PointField::Layout, "layout"),
        ];
        let only = |(field, column): (PointField, &'static str)| {
            let mut of_field = filters.iter().filter(|filter| filter.field() == field);
            let (first, None) = (of_field.next()?, of_field.next()) else {
                return None;
            };
            Some((column, first.literal()?.to_owned()))
        };
        Self(COLUMNS.into_iter().filter_map(only).collect())
    }

    /// The columns with their values.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(column, value)| (*column, value.as_str()))
    }

    /// ` AND c.model_prefix = $2`, with arguments numbered from `first`.
    pub(super) fn sql(&self, first: usize) -> String {
        let mut sql = String::new();
        for (at, (column, _)) in self.0.iter().enumerate() {
            let _ = write!(sql, " AND c.{column} = ${}", first + at);
        }
        sql
    }

    pub(super) fn bind<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        self.0.iter().fold(query, |query, (_, value)| query.bind(value.clone()))
    }
}

/// A point that is known, by its number.
struct KnownPoint {
    id: i64,
    key: PointKey,
}

impl Database {
    /// The series of a filter, sorted by their points.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn series(&mut self, filter: &SeriesFilter) -> Result<Vec<PointSeries>, DatabaseError> {
        let mut points = self.known_points(filter.project.as_deref(), &filter.points).await?;
        points.sort_by(|left, right| left.key.cmp(&right.key));
        let mut all = Vec::new();
        for point in points {
            let values = self.values(&point, filter).await.map_err(self.address.sql())?;
            if values.is_empty() {
                continue;
            }
            let (levels, method) = self.levels(&point, filter).await?;
            all.push(PointSeries {
                annotations: self.annotations_of(&point.key, &values).await?,
                key: point.key,
                metric: filter.metric,
                values,
                levels,
                method,
            });
        }
        Ok(all)
    }

    /// The points that filters select.
    async fn known_points(&mut self, project: Option<&str>, filters: &[Filter]) -> Result<Vec<KnownPoint>, DatabaseError> {
        let conditions = CurveConditions::of(filters);
        let sql = format!(
            "SELECT k.id, k.curve_id, k.load, c.document FROM curve c JOIN project j ON j.id = c.project_id \
             JOIN point_key k ON k.curve_id = c.id WHERE ($1 IS NULL OR j.slug = $1){} ORDER BY k.curve_id",
            conditions.sql(2)
        );
        // The text is made of constants and numbers of arguments.
        let query = sqlx::query(AssertSqlSafe(sql)).bind(project.map(str::to_owned));
        let rows = conditions
            .bind(query)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let mut points = Vec::new();
        let mut curve: Option<(i64, CurveKey)> = None;
        for row in rows {
            let (id, number, load): (i64, i64, i64) = read_key(&row).map_err(self.address.sql())?;
            if curve.as_ref().is_none_or(|(known, _)| *known != number) {
                let document: String = row.try_get(3).map_err(self.address.sql())?;
                let read = serde_json::from_str(&document).map_err(|source| RowError::Json {
                    what: "the curve's key",
                    source,
                });
                curve = Some((number, read.map_err(self.address.row())?));
            }
            let conc = u32::try_from(load).ok().and_then(Concurrency::new);
            let (Some((_, curve)), Some(conc)) = (&curve, conc) else { continue };
            let key = PointKey {
                curve: curve.clone(),
                conc,
            };
            if is_selected(&key, filters) {
                points.push(KnownPoint { id, key });
            }
        }
        Ok(points)
    }

    async fn values(&mut self, point: &KnownPoint, filter: &SeriesFilter) -> Result<Vec<SeriesValue>, sqlx::Error> {
        let (mean, median) = value_columns(filter.metric);
        let interval = INTERVAL_COLUMNS.iter().find(|(metric, _)| *metric == filter.metric);
        let ends = interval.map_or_else(|| "NULL, NULL".to_owned(), |(_, name)| format!("p.ci_low_{name}, p.ci_high_{name}"));
        let sql = format!(
            "SELECT p.run_id, v.started_ms, v.commit_sha, p.image, p.{mean}, p.{median}, {ends} FROM point p \
             JOIN run_revision v ON v.run_id = p.run_id AND v.valid_to IS NULL \
             WHERE p.point_key_id = $1 AND p.valid_to IS NULL AND p.outcome = 'measured' AND v.kind <> 'pull-request' \
             AND (v.kind <> 'community' OR v.branch = $2) AND ($2 IS NULL OR v.branch = $2) AND v.started_ms >= $3 \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = p.run_id AND t.valid_to IS NULL) \
             ORDER BY v.started_ms, p.run_id"
        );
        // The text is made of constants.
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(point.id)
            .bind(filter.branch.clone())
            .bind(filter.since.map_or(i64::MIN, |since| since.timestamp_millis()))
            .fetch_all(&mut self.connection)
            .await?;
        let mut readings = Vec::with_capacity(rows.len());
        for row in &rows {
            readings.push(reading(row)?);
        }
        // A change of the statistic would look like a change of the level.
        let use_median = readings.iter().any(|(mean, ..)| mean.is_none());
        let value = |(mean, median, value): (Option<f64>, Option<f64>, SeriesValue)| {
            let chosen = if use_median { median } else { mean };
            chosen.map(|chosen| SeriesValue { value: chosen, ..value })
        };
        Ok(readings.into_iter().filter_map(value).collect())
    }

    /// The kept levels of a point's metric; none where runs of all branches are shown.
    async fn levels(&mut self, point: &KnownPoint, filter: &SeriesFilter) -> Result<(Vec<Level>, Option<String>), DatabaseError> {
        let Some(branch) = &filter.branch else {
            return Ok((Vec::new(), None));
        };
        let row = sqlx::query("SELECT method, document FROM level WHERE point_key_id = $1 AND branch = $2")
            .bind(point.id)
            .bind(branch.clone())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let Some(row) = row else { return Ok((Vec::new(), None)) };
        let (method, document): (String, String) = (
            row.try_get(0).map_err(self.address.sql())?,
            row.try_get(1).map_err(self.address.sql())?,
        );
        let read = serde_json::from_str::<Vec<MetricLevels>>(&document).map_err(|source| RowError::Json {
            what: "the levels",
            source,
        });
        let all = read.map_err(self.address.row())?;
        let levels = all
            .into_iter()
            .find(|found| found.metric == filter.metric)
            .map(|found| found.levels);
        Ok((levels.unwrap_or_default(), Some(method)))
    }

    /// The newest curve of each that filters select, on a branch. A curve comes from one run; `borrow` adds the points that only earlier runs
    /// measured, marked as such.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn newest_curves(
        &mut self,
        project: Option<&str>,
        branch: &str,
        filters: &[Filter],
        borrow: bool,
    ) -> Result<Vec<NewestCurve>, DatabaseError> {
        let read = self.newest_of_own_runs(project, branch, filters).await;
        let mut curves = read.map_err(|error| error.at(&self.address))?;
        if borrow {
            for curve in &mut curves {
                let borrowed = self.borrow_points(curve, branch, filters).await;
                borrowed.map_err(|error| error.at(&self.address))?;
            }
        }
        let mut found: Vec<NewestCurve> = curves.into_iter().filter_map(CurveOfRun::into_newest).collect();
        found.sort_by(|left, right| left.curve.cmp(&right.curve));
        Ok(found)
    }

    /// The newest run of each curve with the points that it measured and filters select, which may be none.
    async fn newest_of_own_runs(
        &mut self,
        project: Option<&str>,
        branch: &str,
        filters: &[Filter],
    ) -> Result<Vec<CurveOfRun>, PointRowError> {
        let conditions = CurveConditions::of(filters);
        // The text is made of constants and numbers of arguments.
        let query = sqlx::query(AssertSqlSafe(point_table::select_newest(&conditions.sql(3))))
            .bind(branch.to_owned())
            .bind(project.map(str::to_owned));
        let mut rows = conditions.bind(query).fetch(&mut self.connection);
        let mut reader = PointReader::default();
        let mut curves: Vec<CurveOfRun> = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let point = reader.read(&row)?.point;
            let number: i64 = row.try_get("curve_id")?;
            if curves.last().is_none_or(|last| last.number != number) {
                curves.push(CurveOfRun {
                    number,
                    key: point.key.curve.clone(),
                    run: row.try_get("run_id")?,
                    started_ms: row.try_get("started_ms")?,
                    commit: row.try_get("commit_sha")?,
                    points: BTreeMap::new(),
                });
            }
            if let Some(curve) = curves.last_mut() {
                curve.add(point, None, filters);
            }
        }
        curves.retain(|curve| is_selected_but_for_load(&curve.key, filters));
        Ok(curves)
    }

    /// Adds what only earlier runs measured, newest first.
    async fn borrow_points(&mut self, curve: &mut CurveOfRun, branch: &str, filters: &[Filter]) -> Result<(), PointRowError> {
        let mut reader = PointReader::default();
        for row in self.earlier_points(curve.number, branch).await? {
            let point = reader.read(&row)?.point;
            let from: i64 = row.try_get("run_id")?;
            curve.add(point, (from != curve.run).then_some(from), filters);
        }
        Ok(())
    }

    /// The points of a curve by all runs of a branch, newest first.
    async fn earlier_points(&mut self, curve: i64, branch: &str) -> Result<Vec<AnyRow>, sqlx::Error> {
        let condition = "EXISTS (SELECT 1 FROM run_revision v WHERE v.run_id = p.run_id AND v.valid_to IS NULL AND coalesce(v.branch, '') = $2) \
                         AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = p.run_id AND t.valid_to IS NULL)";
        let order =
            " ORDER BY (SELECT v.started_ms FROM run_revision v WHERE v.run_id = p.run_id AND v.valid_to IS NULL) DESC, p.run_id DESC";
        sqlx::query(AssertSqlSafe(point_table::select_of_curve(condition) + order))
            .bind(curve)
            .bind(branch.to_owned())
            .fetch_all(&mut self.connection)
            .await
    }
}

/// A curve with the run that measured it last.
struct CurveOfRun {
    number: i64,
    key: CurveKey,
    run: i64,
    started_ms: i64,
    commit: String,
    points: BTreeMap<Concurrency, NewestPoint>,
}

impl CurveOfRun {
    /// Adds a measured point that filters select, if there is none of its concurrency.
    fn add(&mut self, point: Point, borrowed_from: Option<i64>, filters: &[Filter]) {
        if is_selected(&point.key, filters) && point.measurement().is_some() {
            let concurrency = point.key.conc;
            self.points.entry(concurrency).or_insert(NewestPoint { point, borrowed_from });
        }
    }

    fn into_newest(self) -> Option<NewestCurve> {
        let Self {
            number: _,
            key,
            run,
            started_ms,
            commit,
            points,
        } = self;
        (!points.is_empty()).then(|| NewestCurve {
            curve: key,
            run,
            date: date(started_ms),
            commit,
            points: points.into_values().collect(),
        })
    }
}

fn read_key(row: &AnyRow) -> Result<(i64, i64, i64), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

fn reading(row: &AnyRow) -> Result<(Option<f64>, Option<f64>, SeriesValue), sqlx::Error> {
    let value = SeriesValue {
        run: row.try_get(0)?,
        date: date(row.try_get(1)?),
        commit: row.try_get(2)?,
        image: row.try_get(3)?,
        value: 0.0,
        low: row.try_get(6)?,
        high: row.try_get(7)?,
    };
    Ok((row.try_get(4)?, row.try_get(5)?, value))
}

/// RFC 3339 of milliseconds since 1970.
pub(super) fn date(milliseconds: i64) -> String {
    let date = DateTime::from_timestamp_millis(milliseconds).unwrap_or_default();
    date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
