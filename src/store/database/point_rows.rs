//! Points of all runs as rows of chosen columns, page by page: what exports and charts read of a history of any size. A page is a statement of
//! its own that begins behind the last row of the page before, as of the same change, so that memory and locks do not grow with the history.

use std::sync::OnceLock;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::point_selection::{Argument, Conditions, JOINS, PointSelection, SelectedCurves, TableOrder, curve_key};
use super::series::date;
use super::{AsOf, Database, DatabaseError};
use crate::analysis::{INTERVAL_COLUMNS, METRIC_COLUMNS};
use crate::store::export::Cell;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    Whole,
    Number,
    /// `true` or `false`.
    Flag,
    /// RFC 3339, from milliseconds since 1970.
    Date,
    /// 64 hex digits.
    Digest,
    /// JSON.
    Json,
    /// The dimensions of results of other tools, `dataset=sharegpt turns=4`, from a curve's document.
    Variant,
}

/// A column of points.
#[derive(Debug)]
pub(crate) struct PointColumn {
    pub name: String,
    pub kind: ColumnType,
    /// Of the tables of a selection; a constant of this program.
    expression: String,
}

const DESCRIBING: [(&str, ColumnType, &str); 32] = [
    ("id", ColumnType::Whole, "p.id"),
    ("project", ColumnType::Text, "j.slug"),
    ("run", ColumnType::Whole, "p.run_id"),
    ("provider", ColumnType::Text, "r.provider"),
    ("repository", ColumnType::Text, "r.repository"),
    ("run_id", ColumnType::Text, "r.external_id"),
    ("attempt", ColumnType::Whole, "r.attempt"),
    ("kind", ColumnType::Text, "v.kind"),
    ("branch", ColumnType::Text, "v.branch"),
    ("commit", ColumnType::Text, "v.commit_sha"),
    ("started", ColumnType::Date, "v.started_ms"),
    ("curve", ColumnType::Digest, "c.key_hash"),
    ("model_prefix", ColumnType::Text, "c.model_prefix"),
    ("model", ColumnType::Text, "p.model"),
    ("precision", ColumnType::Text, "c.precision"),
    ("hardware", ColumnType::Text, "c.hardware"),
    ("framework", ColumnType::Text, "c.framework"),
    ("spec_decoding", ColumnType::Text, "c.spec_decoding"),
    ("disagg", ColumnType::Flag, "c.disagg"),
    ("scenario", ColumnType::Text, "c.scenario"),
    ("isl", ColumnType::Whole, "c.isl"),
    ("osl", ColumnType::Whole, "c.osl"),
    ("layout", ColumnType::Text, "c.layout"),
    ("variant", ColumnType::Variant, "c.document"),
    ("gpus", ColumnType::Whole, "p.gpus"),
    ("conc", ColumnType::Whole, "k.load"),
    ("outcome", ColumnType::Text, "p.outcome"),
    ("reason", ColumnType::Text, "p.reason"),
    ("image", ColumnType::Text, "p.image"),
    ("revision", ColumnType::Whole, "p.revision"),
    ("digest", ColumnType::Digest, "p.digest"),
    ("source", ColumnType::Digest, "p.source_digest"),
];

/// All columns, in the order in which they are given.
pub(crate) fn point_columns() -> &'static [PointColumn] {
    static COLUMNS: OnceLock<Vec<PointColumn>> = OnceLock::new();
    COLUMNS.get_or_init(|| {
        let describing = DESCRIBING
            .iter()
            .map(|(name, kind, expression)| column(name, *kind, (*expression).to_owned()));
        let metrics = METRIC_COLUMNS
            .iter()
            .map(|name| column(name, ColumnType::Number, format!("p.{}", name.replace('.', "_"))));
        let intervals = INTERVAL_COLUMNS.iter().flat_map(|(_, name)| {
            ["low", "high"].map(|end| column(&format!("ci_{end}_{name}"), ColumnType::Number, format!("p.ci_{end}_{name}")))
        });
        let extra = column("extra", ColumnType::Json, "p.extra".to_owned());
        describing.chain(metrics).chain(intervals).chain([extra]).collect()
    })
}

fn column(name: &str, kind: ColumnType, expression: String) -> PointColumn {
    PointColumn {
        name: name.to_owned(),
        kind,
        expression,
    }
}

/// The column of a name.
pub(crate) fn point_column(name: &str) -> Option<&'static PointColumn> {
    point_columns().iter().find(|column| column.name == name)
}

/// The order of rows; rows that are equal in it are ordered by their numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PointSort {
    /// By a column of numbers or dates. Rows without a value are last.
    By { column: &'static PointColumn, descending: bool },
    /// By curves, so that the points of one follow each other.
    Curve,
}

/// The place of a row in an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PointCursor {
    pub key: CursorKey,
    pub id: i64,
}

/// A row's value in an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CursorKey {
    Absent,
    Whole(i64),
    Number(f64),
}

/// A row of points.
#[derive(Debug)]
pub(crate) struct PointRow {
    /// The number of its curve.
    pub curve: i64,
    pub cursor: PointCursor,
    /// The values of the columns that were asked for, in their order.
    pub cells: Vec<Cell>,
}

/// Points that are read page by page.
#[derive(Debug)]
pub(crate) struct PointReader {
    columns: Vec<&'static PointColumn>,
    selection: PointSelection,
    sort: PointSort,
    conditions: Conditions,
    order: TableOrder,
    curves: SelectedCurves,
    after: Option<PointCursor>,
    is_at_end: bool,
}

impl PointSort {
    /// Whether a place can be one in this order.
    pub(crate) fn has(self, key: CursorKey) -> bool {
        match key {
            CursorKey::Absent => !self.is_always_there(),
            CursorKey::Whole(_) => !self.is_number(),
            CursorKey::Number(_) => self.is_number(),
        }
    }

    fn expression(self) -> &'static str {
        match self {
            Self::By { column, .. } => &column.expression,
            Self::Curve => "k.curve_id",
        }
    }

    fn is_number(self) -> bool {
        match self {
            Self::By { column, .. } => column.kind == ColumnType::Number,
            Self::Curve => false,
        }
    }

    fn is_descending(self) -> bool {
        match self {
            Self::By { descending, .. } => descending,
            Self::Curve => false,
        }
    }

    /// Whether every row has a value. A test for NULL would keep an index from giving the order.
    fn is_always_there(self) -> bool {
        match self {
            Self::By { column, .. } => matches!(column.name.as_str(), "started" | "conc" | "id" | "run" | "gpus"),
            Self::Curve => true,
        }
    }

    fn order(self) -> String {
        let (expression, direction) = (self.expression(), if self.is_descending() { "DESC" } else { "ASC" });
        let nulls = if self.is_always_there() {
            String::new()
        } else {
            format!("({expression} IS NULL), ")
        };
        format!("{nulls}{expression} {direction}, p.id {direction}")
    }

    /// Rows behind a place.
    fn behind(self, after: PointCursor, conditions: &mut Conditions) {
        let expression = self.expression();
        let sign = if self.is_descending() { '<' } else { '>' };
        let id = conditions.bind(Argument::Whole(after.id));
        let value = match after.key {
            CursorKey::Absent => {
                conditions.sql.push_str(&format!(" AND {expression} IS NULL AND p.id {sign} ${id}"));
                return;
            }
            CursorKey::Whole(number) => conditions.bind(Argument::Whole(number)),
            CursorKey::Number(number) => conditions.bind(Argument::Number(number)),
        };
        let absent = if self.is_always_there() {
            // A bound that an index can serve, which the alternatives below cannot.
            conditions.sql.push_str(&format!(" AND {expression} {sign}= ${value}"));
            String::new()
        } else {
            format!(" OR {expression} IS NULL")
        };
        conditions.sql.push_str(&format!(
            " AND ({expression} {sign} ${value} OR ({expression} = ${value} AND p.id {sign} ${id}){absent})"
        ));
    }

    fn key(self, row: &AnyRow, at: usize) -> Result<CursorKey, sqlx::Error> {
        Ok(if self.is_number() {
            row.try_get::<Option<f64>, _>(at)?.map_or(CursorKey::Absent, CursorKey::Number)
        } else {
            row.try_get::<Option<i64>, _>(at)?.map_or(CursorKey::Absent, CursorKey::Whole)
        })
    }
}

impl Database {
    /// Starts to read points, behind `after` if it is given.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn read_points(
        &mut self,
        selection: PointSelection,
        columns: Vec<&'static PointColumn>,
        sort: PointSort,
        after: Option<PointCursor>,
        as_of: AsOf,
    ) -> Result<PointReader, DatabaseError> {
        // The present is read as of its newest change, so that all pages are of the same state. The newest runs are kept only for the present.
        let change = match (as_of, &selection.newest_on) {
            (AsOf::Now, Some(_)) => i64::MAX,
            (AsOf::Now, None) => self.generation(AsOf::Now).await?,
            (AsOf::Time(_), _) => self.change_at(as_of).await?,
        };
        let mut conditions = Conditions::of(&selection, change);
        let (curves, filters, order) = self.filter_condition(&selection).await?;
        conditions.sql.push_str(&filters);
        Ok(PointReader {
            columns,
            selection,
            sort,
            conditions,
            order,
            curves,
            after,
            is_at_end: false,
        })
    }
}

impl Database {
    /// The values of all columns of a point, also of one that was replaced, with its run as it is now; `None` for an unknown number.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn point_cells(&mut self, id: i64) -> Result<Option<Vec<Cell>>, DatabaseError> {
        let expressions: Vec<&str> = point_columns().iter().map(|column| column.expression.as_str()).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {JOINS} AND v.valid_to IS NULL AND p.id = $1",
            expressions.join(", "),
            TableOrder::Keys.tables()
        );
        // The text is made of constants.
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        let cells: Result<Vec<Cell>, sqlx::Error> = point_columns()
            .iter()
            .enumerate()
            .map(|(at, column)| cell(column.kind, &row, at))
            .collect();
        cells.map(Some).map_err(self.address.sql())
    }
}

impl PointReader {
    /// The columns of the rows.
    pub(crate) fn columns(&self) -> &[&'static PointColumn] {
        &self.columns
    }

    /// The next rows, at most as many as asked for; none at the end. Filters with wildcards may leave fewer.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn page(&mut self, database: &mut Database, most: usize) -> Result<Vec<PointRow>, DatabaseError> {
        let mut rows = Vec::new();
        while rows.is_empty() && !self.is_at_end {
            rows = self.statement(database, most).await?;
        }
        Ok(rows)
    }

    async fn statement(&mut self, database: &mut Database, most: usize) -> Result<Vec<PointRow>, DatabaseError> {
        let mut conditions = self.conditions.clone();
        if let Some(after) = self.after {
            self.sort.behind(after, &mut conditions);
        }
        let expressions: String = self.columns.iter().map(|column| format!(", {}", column.expression)).collect();
        let sql = format!(
            "SELECT p.id, k.curve_id, k.load, {}{expressions} FROM {} WHERE {} ORDER BY {} LIMIT {most}",
            self.sort.expression(),
            self.order.tables(),
            conditions.sql,
            self.sort.order()
        );
        let found = conditions.query(sql).fetch_all(&mut database.connection).await;
        let found = found.map_err(database.address.sql())?;
        self.is_at_end = found.len() < most;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let read = self.row(row).map_err(database.address.sql())?;
            self.after = Some(read.1.cursor);
            if self.curves.has(read.1.curve, read.0, &self.selection.filters) {
                rows.push(read.1);
            }
        }
        Ok(rows)
    }

    /// A row, and its load.
    fn row(&self, row: &AnyRow) -> Result<(i64, PointRow), sqlx::Error> {
        const FIRST: usize = 4;
        let cells: Result<Vec<Cell>, sqlx::Error> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| cell(column.kind, row, FIRST + at))
            .collect();
        let cursor = PointCursor {
            id: row.try_get(0)?,
            key: self.sort.key(row, 3)?,
        };
        Ok((
            row.try_get(2)?,
            PointRow {
                curve: row.try_get(1)?,
                cursor,
                cells: cells?,
            },
        ))
    }
}

fn cell(kind: ColumnType, row: &AnyRow, at: usize) -> Result<Cell, sqlx::Error> {
    Ok(match kind {
        ColumnType::Text | ColumnType::Json => Cell::Text(row.try_get(at)?),
        ColumnType::Whole => Cell::Whole(row.try_get(at)?),
        ColumnType::Number => Cell::Number(row.try_get(at)?),
        ColumnType::Flag => {
            let flag: Option<i64> = row.try_get(at)?;
            Cell::Text(flag.map(|flag| (flag != 0).to_string()))
        }
        ColumnType::Date => Cell::Text(row.try_get::<Option<i64>, _>(at)?.map(date)),
        ColumnType::Digest => Cell::Text(row.try_get::<Option<Vec<u8>>, _>(at)?.map(hex::encode)),
        ColumnType::Variant => Cell::Text(variant(&row.try_get::<String, _>(at)?)),
    })
}

/// Most curves have none, and their documents are not parsed.
fn variant(document: &str) -> Option<String> {
    if !document.contains("\"variant\"") {
        return None;
    }
    let key = curve_key(document).ok()?;
    let texts: Vec<String> = key.variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(texts.join(" "))
}
