//! Numbers of points by curve, load and outcome, from one pass over an index: what facets and reliability are made of. A row of the driver costs
//! far more than its numbers, so the loads of a curve come as one text.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::point_selection::{Argument, Conditions, PointSelection};
use super::{AsOf, Database, DatabaseError};
use crate::analysis::{PointField, RowError};
use crate::model::{SeqLens, Workload};

/// A curve with the numbers of its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurveCounts {
    pub model: String,
    pub hardware: String,
    pub framework: String,
    pub precision: String,
    /// As filters name it: `1k1k`, `agentic`.
    pub sequence: String,
    pub layout: String,
    pub loads: Vec<LoadCount>,
}

/// Points of one load of a curve with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadCount {
    pub load: i64,
    /// `measured`, or the class of the failure.
    pub outcome: String,
    pub points: i64,
    /// When the newest of them was measured, milliseconds since 1970.
    pub newest_ms: i64,
}

impl CurveCounts {
    /// The curve's value of a dimension; `None` for the concurrency, of which it has several.
    pub(crate) fn value(&self, field: PointField) -> Option<&str> {
        match field {
            PointField::Model => Some(&self.model),
            PointField::Hardware => Some(&self.hardware),
            PointField::Framework => Some(&self.framework),
            PointField::Precision => Some(&self.precision),
            PointField::Sequence => Some(&self.sequence),
            PointField::Layout => Some(&self.layout),
            PointField::Concurrency => None,
        }
    }
}

impl Database {
    /// Numbers of points of a selection, whose filters and newest curves are not regarded: the caller applies filters to the values of
    /// dimensions.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn point_counts(&mut self, selection: &PointSelection, as_of: AsOf) -> Result<Vec<CurveCounts>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let mut conditions = Conditions::of_runs(selection, change);
        let runs = std::mem::take(&mut conditions.sql);
        for (expression, value) in [("p.image =", &selection.image), ("p.outcome =", &selection.outcome)] {
            if let Some(value) = value {
                conditions.and(expression, Argument::Text(value.clone()));
            }
        }
        // Few runs are found by their points, all of them by one pass over `point_series`, whose order is that of the groups. SQLite keeps the
        // order of a cross join.
        let tables = if selection.run.is_some() || selection.commit.is_some() {
            "selected s CROSS JOIN point p"
        } else {
            "point p CROSS JOIN selected s"
        };
        let sql = format!(
            "WITH selected AS MATERIALIZED (SELECT v.run_id AS run_id, v.started_ms AS started_ms FROM run_revision v \
             JOIN run r ON r.id = v.run_id JOIN project j ON j.id = r.project_id WHERE {runs}), \
             counted AS (SELECT p.point_key_id AS point_key_id, p.outcome AS outcome, count(*) AS points, max(s.started_ms) AS newest \
             FROM {tables} WHERE s.run_id = p.run_id AND p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1){} \
             GROUP BY p.point_key_id, p.outcome) \
             SELECT c.model_prefix, c.hardware, c.framework, c.precision, c.isl, c.osl, c.layout, \
             string_agg(CAST(k.load AS TEXT) || ':' || q.outcome || ':' || CAST(q.points AS TEXT) || ':' || CAST(q.newest AS TEXT), ' ') \
             FROM counted q JOIN point_key k ON k.id = q.point_key_id JOIN curve c ON c.id = k.curve_id \
             GROUP BY c.id, c.model_prefix, c.hardware, c.framework, c.precision, c.isl, c.osl, c.layout",
            conditions.sql
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(self.address.sql())?;
        let mut curves = Vec::with_capacity(rows.len());
        for row in &rows {
            let (counts, loads) = curve(row).map_err(self.address.sql())?;
            let loads: Result<Vec<LoadCount>, RowError> = loads.split(' ').map(load).collect();
            let loads = loads.map_err(self.address.row())?;
            curves.push(CurveCounts { loads, ..counts });
        }
        Ok(curves)
    }
}

/// A curve without its loads, and these as text.
fn curve(row: &AnyRow) -> Result<(CurveCounts, String), sqlx::Error> {
    let (isl, osl): (Option<i64>, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
    let counts = CurveCounts {
        model: row.try_get(0)?,
        hardware: row.try_get(1)?,
        framework: row.try_get(2)?,
        precision: row.try_get(3)?,
        sequence: workload(isl, osl).to_string(),
        layout: row.try_get(6)?,
        loads: Vec::new(),
    };
    Ok((counts, row.try_get(7)?))
}

/// The workload of a curve's columns: one without lengths is agentic.
fn workload(isl: Option<i64>, osl: Option<i64>) -> Workload {
    let length = |tokens: Option<i64>| u32::try_from(tokens?).ok().and_then(std::num::NonZeroU32::new);
    match (length(isl), length(osl)) {
        (Some(isl), Some(osl)) => Workload::FixedSeqLen(SeqLens { isl, osl }),
        (None, _) | (_, None) => Workload::AgenticCoding,
    }
}

/// `LOAD:OUTCOME:POINTS:NEWEST`, of which an outcome that another program wrote may have any characters.
fn load(text: &str) -> Result<LoadCount, RowError> {
    let read = || {
        let mut parts = text.split(':');
        let (load, outcome, points, newest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(LoadCount {
            load: load.parse().ok()?,
            outcome: outcome.to_owned(),
            points: points.parse().ok()?,
            newest_ms: newest.parse().ok()?,
        })
    };
    read().ok_or_else(|| RowError::Value {
        what: "an outcome",
        found: text.chars().take(100).collect(),
        expected: "measured, or the class of a failure",
    })
}
