//! Which points are read: conditions that the database checks, and filters with wildcards that are checked here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::point_table::{self, PointRowError};
use super::series::CurveConditions;
use super::{AsOf, Database, DatabaseError};
use crate::analysis::{COMMUNITY, Filter, PointField, RowError, RunPoint, is_selected};
use crate::model::{Concurrency, CurveKey, PointKey};
use crate::result::Point;

/// Points of all runs that were not retracted.
#[derive(Debug, Clone, Default)]
pub(crate) struct PointSelection {
    pub project: Option<String>,
    pub branch: Option<String>,
    /// The kind of the run, such as `main`.
    pub kind: Option<String>,
    /// This run alone.
    pub run: Option<i64>,
    pub commit: Option<String>,
    pub image: Option<String>,
    /// `measured`, or the class of the failure.
    pub outcome: Option<String>,
    /// Only runs from then on, by the date of the measurement.
    pub since: Option<DateTime<Utc>>,
    /// Only runs before then.
    pub until: Option<DateTime<Utc>>,
    /// Without runs of pull requests.
    pub without_pull_requests: bool,
    /// Of each curve the points of the newest run on a branch (`""` for runs without one).
    pub newest_on: Option<String>,
    pub filters: Vec<Filter>,
}

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Text(String),
    Whole(i64),
    Number(f64),
}

/// Conditions of a statement with their arguments, which are numbered from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    pub sql: String,
    pub arguments: Vec<Argument>,
}

/// The order in which tables are searched. SQLite keeps the order of a cross join, and without statistics chooses a bad one itself: the newest
/// 1,000 of a million points took 8.6 s. PostgreSQL chooses by its statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableOrder {
    /// By the dates of runs.
    Runs,
    /// By a list of points' keys.
    Keys,
    /// By curves, whose newest runs are known.
    Curves,
}

impl TableOrder {
    /// The tables: `p` point, `k` its key, `c` curve, `r` run, `j` project, `v` the run's revision.
    pub fn tables(self) -> &'static str {
        match self {
            Self::Runs => {
                "run_revision v CROSS JOIN run r CROSS JOIN project j CROSS JOIN point p CROSS JOIN point_key k CROSS JOIN curve c"
            }
            Self::Keys => {
                "point p CROSS JOIN run_revision v CROSS JOIN run r CROSS JOIN project j CROSS JOIN point_key k CROSS JOIN curve c"
            }
            Self::Curves => {
                "curve c CROSS JOIN point_key k CROSS JOIN point p CROSS JOIN run_revision v CROSS JOIN run r CROSS JOIN project j"
            }
        }
    }
}

/// How the tables belong together.
pub(super) const JOINS: &str =
    "k.id = p.point_key_id AND c.id = k.curve_id AND v.run_id = p.run_id AND r.id = v.run_id AND j.id = r.project_id";

impl Conditions {
    /// The conditions of a selection as of a change, which is the first argument.
    pub fn of(selection: &PointSelection, change: i64) -> Self {
        let mut conditions = Self::of_runs(selection, change);
        conditions.sql = format!(
            "{JOINS} AND p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1) AND {}",
            conditions.sql
        );
        for (expression, value) in [("p.image =", &selection.image), ("p.outcome =", &selection.outcome)] {
            if let Some(value) = value {
                conditions.and(expression, Argument::Text(value.clone()));
            }
        }
        for (column, value) in CurveConditions::of(&selection.filters).values() {
            conditions.and(&format!("c.{column} ="), Argument::Text(value.to_owned()));
        }
        if let Some(branch) = &selection.newest_on {
            conditions.newest(branch, change);
        }
        conditions
    }

    /// The conditions of a selection's runs, of the tables `v` and `j`, as of a change, which is the first argument.
    pub fn of_runs(selection: &PointSelection, change: i64) -> Self {
        let PointSelection {
            project,
            branch,
            kind,
            run,
            commit,
            image: _,
            outcome: _,
            since,
            until,
            without_pull_requests,
            newest_on,
            filters: _,
        } = selection;
        let mut conditions = Self {
            sql: "v.valid_from <= $1 AND (v.valid_to IS NULL OR v.valid_to > $1) AND NOT EXISTS (SELECT 1 FROM retraction t \
                  WHERE t.run_id = v.run_id AND t.valid_from <= $1 AND (t.valid_to IS NULL OR t.valid_to > $1))"
                .to_owned(),
            arguments: vec![Argument::Whole(change)],
        };
        for (expression, value) in [
            ("j.slug =", project),
            ("v.branch =", branch),
            ("v.kind =", kind),
            ("v.commit_sha =", commit),
        ] {
            if let Some(value) = value {
                conditions.and(expression, Argument::Text(value.clone()));
            }
        }
        for (expression, value) in [
            ("v.run_id =", *run),
            ("v.started_ms >=", since.map(|since| since.timestamp_millis())),
            ("v.started_ms <", until.map(|until| until.timestamp_millis())),
        ] {
            if let Some(value) = value {
                conditions.and(expression, Argument::Whole(value));
            }
        }
        if *without_pull_requests {
            conditions.sql.push_str(" AND v.kind <> 'pull-request'");
            // Runs of the community are on a branch of their own, and shown where it is asked for.
            if ![branch, newest_on].into_iter().flatten().any(|branch| branch == COMMUNITY) {
                conditions.sql.push_str(" AND v.kind <> 'community'");
            }
        }
        conditions
    }

    /// Adds a condition whose right side is a value. The left side is a constant of this program.
    pub fn and(&mut self, left: &str, value: Argument) {
        let number = self.bind(value);
        let _ = write!(self.sql, " AND {left} ${number}");
    }

    /// The number of a new argument.
    pub fn bind(&mut self, value: Argument) -> usize {
        self.arguments.push(value);
        self.arguments.len()
    }

    /// The newest run of each curve is kept for the present; of an earlier state it is searched.
    fn newest(&mut self, branch: &str, change: i64) {
        let number = self.bind(Argument::Text(branch.to_owned()));
        let newest = if change == i64::MAX {
            format!("SELECT l.run_id FROM curve_latest l WHERE l.curve_id = k.curve_id AND l.branch = ${number}")
        } else {
            format!(
                "SELECT p2.run_id FROM point p2 JOIN point_key k2 ON k2.id = p2.point_key_id JOIN run_revision v2 ON v2.run_id = p2.run_id \
                 AND v2.valid_from <= $1 AND (v2.valid_to IS NULL OR v2.valid_to > $1) WHERE k2.curve_id = k.curve_id \
                 AND p2.outcome = 'measured' AND p2.valid_from <= $1 AND (p2.valid_to IS NULL OR p2.valid_to > $1) \
                 AND coalesce(v2.branch, '') = ${number} AND NOT EXISTS (SELECT 1 FROM retraction t2 WHERE t2.run_id = p2.run_id \
                 AND t2.valid_from <= $1 AND (t2.valid_to IS NULL OR t2.valid_to > $1)) ORDER BY v2.started_ms DESC, p2.run_id DESC LIMIT 1"
            )
        };
        let _ = write!(self.sql, " AND p.run_id = ({newest})");
    }

    /// A statement with these arguments.
    pub fn query(&self, sql: String) -> Query<'static, Any, AnyArguments> {
        // The text is made of constants and numbers of arguments.
        let query = sqlx::query(AssertSqlSafe(sql));
        self.arguments.iter().fold(query, |query, argument| match argument {
            Argument::Text(text) => query.bind(text.clone()),
            Argument::Whole(number) => query.bind(*number),
            Argument::Number(number) => query.bind(*number),
        })
    }
}

/// The curves that filters select, and which of their points.
#[derive(Debug, Default)]
pub(super) struct SelectedCurves {
    curves: HashMap<i64, CurveKey>,
    /// By curve and load; a document of a curve is not looked at again for each of its points.
    decided: HashMap<(i64, i64), bool>,
}

impl SelectedCurves {
    /// Whether a point of a curve is selected.
    pub fn has(&mut self, curve: i64, load: i64, filters: &[Filter]) -> bool {
        if filters.is_empty() {
            return true;
        }
        if let Some(decided) = self.decided.get(&(curve, load)) {
            return *decided;
        }
        let key = self.curves.get(&curve).and_then(|key| {
            Some(PointKey {
                curve: key.clone(),
                conc: Concurrency::new(u32::try_from(load).ok()?)?,
            })
        });
        let is_in = key.is_some_and(|key| is_selected(&key, filters));
        self.decided.insert((curve, load), is_in);
        is_in
    }

    /// The key of a curve.
    pub fn key(&self, curve: i64) -> Option<&CurveKey> {
        self.curves.get(&curve)
    }
}

/// How many curves or keys are named in a statement one by one.
const MOST_LISTED: usize = 500;

impl Database {
    /// The number of the newest change at a time: what is read as of it does not change while it is read.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn generation(&mut self, as_of: AsOf) -> Result<i64, DatabaseError> {
        let latest = match as_of {
            AsOf::Now => i64::MAX,
            AsOf::Time(time) => time.timestamp_millis(),
        };
        sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM change WHERE at_ms <= $1")
            .bind(latest)
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.address.sql())
    }

    /// The curves of a selection, and a condition that names them where they are few.
    pub(super) async fn selected_curves(&mut self, selection: &PointSelection) -> Result<(SelectedCurves, Option<String>), DatabaseError> {
        let conditions = CurveConditions::of(&selection.filters);
        let sql = format!(
            "SELECT c.id, c.document FROM curve c JOIN project j ON j.id = c.project_id WHERE ($1 IS NULL OR j.slug = $1){}",
            conditions.sql(2)
        );
        // The text is made of constants and numbers of arguments.
        let query = sqlx::query(AssertSqlSafe(sql)).bind(selection.project.clone());
        let rows = conditions
            .bind(query)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let mut curves = HashMap::new();
        for row in rows {
            let document: String = row.try_get(1).map_err(self.address.sql())?;
            let key = curve_key(&document).map_err(self.address.row())?;
            if is_selected_but_for_load(&key, &selection.filters) {
                curves.insert(row.try_get(0).map_err(self.address.sql())?, key);
            }
        }
        let mut ids: Vec<i64> = curves.keys().copied().collect();
        ids.sort_unstable();
        let is_listed = !selection.filters.is_empty() && ids.len() <= MOST_LISTED;
        let list = is_listed.then(|| {
            // Numbers of this database. An empty list is no SQL.
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let texts = if texts.is_empty() { "-1".to_owned() } else { texts.join(", ") };
            format!(" AND k.curve_id IN ({texts})")
        });
        let selected = SelectedCurves {
            curves,
            decided: HashMap::new(),
        };
        Ok((selected, list))
    }

    /// The condition of a selection's filters, and the order of tables that it asks for.
    pub(super) async fn filter_condition(
        &mut self,
        selection: &PointSelection,
    ) -> Result<(SelectedCurves, String, TableOrder), DatabaseError> {
        let usual = if selection.newest_on.is_some() {
            TableOrder::Curves
        } else {
            TableOrder::Runs
        };
        if selection.filters.is_empty() {
            return Ok((SelectedCurves::default(), String::new(), usual));
        }
        let (mut curves, list) = self.selected_curves(selection).await?;
        let Some(list) = list else {
            return Ok((curves, String::new(), usual));
        };
        // The text is made of a constant and numbers of this database.
        let sql = AssertSqlSafe(format!("SELECT k.id, k.curve_id, k.load FROM point_key k WHERE 1 = 1{list}"));
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(self.address.sql())?;
        let mut keys = Vec::new();
        for row in &rows {
            let (id, curve, load): (i64, i64, i64) = key_row(row).map_err(self.address.sql())?;
            if curves.has(curve, load, &selection.filters) {
                keys.push(id.to_string());
            }
        }
        if keys.len() > MOST_LISTED {
            return Ok((curves, list, usual));
        }
        // An empty list is no SQL.
        let keys = if keys.is_empty() { "-1".to_owned() } else { keys.join(", ") };
        let order = if selection.newest_on.is_some() {
            TableOrder::Curves
        } else {
            TableOrder::Keys
        };
        Ok((curves, format!(" AND p.point_key_id IN ({keys})"), order))
    }

    /// The keys of the curves that filters select, by their numbers.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn curve_keys(&mut self, selection: &PointSelection) -> Result<HashMap<i64, CurveKey>, DatabaseError> {
        Ok(self.selected_curves(selection).await?.0.curves)
    }

    /// The measured points of a selection with the numbers of their runs, sorted by their keys. A curve comes from one run, the newest of
    /// those selected. `None` where there are more than `most`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn newest_points(
        &mut self,
        selection: &PointSelection,
        as_of: AsOf,
        most: usize,
    ) -> Result<Option<Vec<(i64, Point)>>, DatabaseError> {
        let Some(found) = self.run_points(selection, as_of, most).await? else {
            return Ok(None);
        };
        let mut runs: BTreeMap<CurveKey, i64> = BTreeMap::new();
        let mut points: BTreeMap<PointKey, (i64, Point)> = BTreeMap::new();
        for RunPoint { run, point, .. } in found {
            if *runs.entry(point.key.curve.clone()).or_insert(run) == run {
                points.entry(point.key.clone()).or_insert((run, point));
            }
        }
        Ok(Some(points.into_values().collect()))
    }

    /// The measured points of a selection with their runs, the newest first. `None` where there are more than `most`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_points(
        &mut self,
        selection: &PointSelection,
        as_of: AsOf,
        most: usize,
    ) -> Result<Option<Vec<RunPoint>>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let (_, filters, order) = self.filter_condition(selection).await?;
        let conditions = Conditions::of(selection, change);
        let sql = format!(
            "SELECT {}, v.started_ms AS run_started_ms, v.commit_sha AS run_commit FROM {} WHERE {}{filters} AND p.outcome = 'measured' \
             ORDER BY v.started_ms DESC, p.run_id DESC, p.id LIMIT {}",
            point_table::columns(),
            order.tables(),
            conditions.sql,
            most.saturating_add(1)
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(self.address.sql())?;
        if rows.len() > most {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let point = match point_table::read(row) {
                Ok(stored) => stored.point,
                Err(PointRowError::Sql(source)) => return Err(self.address.error(source)),
                Err(PointRowError::Row(source)) => return Err(self.address.row()(source)),
            };
            if is_selected(&point.key, &selection.filters) {
                found.push(run_point(row, point).map_err(self.address.sql())?);
            }
        }
        Ok(Some(found))
    }
}

fn run_point(row: &sqlx::any::AnyRow, point: Point) -> Result<RunPoint, sqlx::Error> {
    Ok(RunPoint {
        run: row.try_get("run_id")?,
        started: DateTime::from_timestamp_millis(row.try_get("run_started_ms")?).unwrap_or_default(),
        commit: row.try_get("run_commit")?,
        point,
    })
}

fn key_row(row: &sqlx::any::AnyRow) -> Result<(i64, i64, i64), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

/// The key of a curve's document.
pub(super) fn curve_key(document: &str) -> Result<CurveKey, RowError> {
    serde_json::from_str(document).map_err(|source| RowError::Json {
        what: "the curve's key",
        source,
    })
}

/// Whether some concurrency of a curve could be selected.
pub(super) fn is_selected_but_for_load(curve: &CurveKey, filters: &[Filter]) -> bool {
    let others: Vec<Filter> = filters
        .iter()
        .filter(|filter| filter.field() != PointField::Concurrency)
        .cloned()
        .collect();
    let key = PointKey {
        curve: curve.clone(),
        conc: Concurrency::MIN,
    };
    is_selected(&key, &others)
}
