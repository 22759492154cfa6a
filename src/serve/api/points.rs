//! `/points` and `/curves`.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::cursor;
use crate::serve::encode::{Column, object_of};
use crate::serve::error::ApiError;
use crate::serve::form::{Form, flag, number};
use crate::serve::format::Format;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{ColumnType, PointColumn, PointCursor, PointSort, point_column, point_columns};

/// Points of a page of JSON, unless asked for otherwise.
const USUAL_PAGE: usize = 1000;
/// Curves of a page.
const MOST_CURVES: usize = 1000;

/// Which page of which columns.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct PageParams {
    /// Columns, separated by commas [default: all].
    #[param(example = "hardware,conc,tput_per_gpu,median_intvty")]
    pub fields: Option<String>,
    /// A column of numbers or `started`, with `-` in front for the largest first. Points without a number are last [default: -started].
    #[param(example = "-tput_per_gpu")]
    pub sort: Option<String>,
    /// Points of a page [default: 1000 in JSON, all in other formats].
    #[param(value_type = Option<u32>, minimum = 1)]
    pub limit: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// Which page of curves.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct CurveParams {
    /// Columns of the points, separated by commas [default: all].
    pub fields: Option<String>,
    /// Curves of a page [default: 100].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// Whether points that only earlier runs measured are left out (false) or runs of pull requests are included (true).
    #[param(value_type = Option<bool>)]
    pub pull_requests: Option<String>,
}

/// Points of all runs, measured or failed
///
/// One object for each point that a run measured or failed to measure. A number that was not reported is null, never 0. `source` and
/// `digest` tell where it comes from, see `/files/{digest}`.
#[utoipa::path(get, path = "/api/v1/points", tag = "results", params(SelectionParams, PageParams),
    responses((status = 200, description = "Points, the newest first", body = inline(crate::serve::openapi::PointPage))))]
pub(in crate::serve) async fn points(
    app: Arc<App>,
    format: Format,
    Form(selection, page): Form<SelectionParams, PageParams>,
) -> Result<Response, ApiError> {
    let PageParams {
        fields,
        sort,
        limit,
        cursor,
    } = page;
    let (selection, as_of) = selection.parse()?;
    let limit = limit
        .map(|limit| number("limit", Some(&limit), USUAL_PAGE, app.limits.points))
        .transpose()?;
    let limit = match format {
        Format::Json => Some(limit.unwrap_or(USUAL_PAGE.min(app.limits.points))),
        Format::Csv | Format::Ndjson | Format::Parquet => limit,
    };
    let sort = sort_of(sort.as_deref())?;
    let after = cursor
        .as_deref()
        .map(cursor::parse)
        .transpose()?
        .map(|after| checked(sort, after))
        .transpose()?;
    let columns = columns(fields.as_deref())?;
    let mut reader = app.reader().await?;
    let points = reader.read_points(selection, columns, sort, after, as_of).await?;
    reader.give_back();
    answer::points(&app, format, points, limit).await
}

/// The newest curves of a branch
///
/// A curve is drawn from one run, the newest of the branch that measured it. Without `branch`, it is `main`.
#[utoipa::path(get, path = "/api/v1/curves", tag = "results", params(SelectionParams, CurveParams),
    responses((status = 200, description = "Curves with their points, by ascending concurrency; in other formats the points", body = inline(crate::serve::openapi::CurvePage))))]
pub(in crate::serve) async fn curves(
    app: Arc<App>,
    format: Format,
    Form(selection, page): Form<SelectionParams, CurveParams>,
) -> Result<Response, ApiError> {
    let CurveParams {
        fields,
        limit,
        cursor,
        pull_requests,
    } = page;
    let (mut selection, as_of) = selection.parse()?;
    selection.newest_on = Some(selection.branch.take().unwrap_or_else(|| "main".to_owned()));
    selection.without_pull_requests = !flag("pull_requests", pull_requests.as_deref())?;
    selection.outcome.get_or_insert_with(|| "measured".to_owned());
    let most = number("limit", limit.as_deref(), 100, MOST_CURVES)?;
    let after = cursor.as_deref().map(cursor::parse).transpose()?;
    let after = after.map(|after| checked(PointSort::Curve, after)).transpose()?;
    let columns = columns(fields.as_deref())?;
    if format != Format::Json {
        let mut reader = app.reader().await?;
        let points = reader.read_points(selection, columns, PointSort::Curve, after, as_of).await?;
        reader.give_back();
        return answer::points(&app, format, points, None).await;
    }
    let named: Vec<Column> = columns
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    // The dimensions of a curve are read with every point, and shown once.
    let described: Vec<&'static PointColumn> = CURVE_COLUMNS.iter().filter_map(|name| point_column(name)).collect();
    let dimensions: Vec<Column> = described
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    let count = described.len();
    let mut reader = app.reader().await?;
    let all: Vec<&'static PointColumn> = described.into_iter().chain(columns).collect();
    let mut points = reader.read_points(selection, all, PointSort::Curve, after, as_of).await?;
    let mut found: Vec<FoundCurve> = Vec::new();
    let (mut last, mut next, mut read) = (None, None, 0);
    'pages: loop {
        let page = points.page(&mut reader, USUAL_PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let (curve, own) = row
                .cells
                .split_at_checked(count)
                .ok_or_else(|| ApiError::Invalid("a row is too short".to_owned()))?;
            if found.last().is_none_or(|(known, ..)| *known != row.curve) {
                if found.len() == most {
                    next = last.map(cursor::text);
                    break 'pages;
                }
                found.push((row.curve, object_of(&dimensions, curve), Vec::new()));
            }
            read += 1;
            if read > app.limits.points {
                return Err(ApiError::TooMany {
                    most: app.limits.points,
                    what: "points",
                });
            }
            let conc = object_of(&dimensions, curve)["conc"].as_i64().unwrap_or_default();
            if let Some((_, _, points)) = found.last_mut() {
                points.push((conc, Value::Object(object_of(&named, own))));
            }
            last = Some(row.cursor);
        }
    }
    reader.give_back();
    let curves: Vec<Value> = found
        .into_iter()
        .map(|(_, mut curve, mut points)| {
            curve.shift_remove("conc");
            points.sort_by_key(|(conc, _)| *conc);
            let points: Vec<Value> = points.into_iter().map(|(_, point)| point).collect();
            curve.insert("points".to_owned(), Value::Array(points));
            Value::Object(curve)
        })
        .collect();
    answer::document(format, &json!({ "data": curves, "next": next }), "data")
}

/// The number of a curve, its dimensions, and its points by their concurrencies.
type FoundCurve = (i64, Map<String, Value>, Vec<(i64, Value)>);

/// What the points of a newest curve have in common, and the concurrency, by which they are sorted.
pub(in crate::serve) const CURVE_COLUMNS: [&str; 20] = [
    "curve",
    "project",
    "run",
    "branch",
    "commit",
    "started",
    "model_prefix",
    "model",
    "precision",
    "hardware",
    "framework",
    "spec_decoding",
    "disagg",
    "scenario",
    "isl",
    "osl",
    "layout",
    "variant",
    "gpus",
    "conc",
];

/// The columns that a text names.
pub(in crate::serve) fn columns(fields: Option<&str>) -> Result<Vec<&'static PointColumn>, ApiError> {
    let Some(fields) = fields else {
        return Ok(point_columns().iter().collect());
    };
    let mut columns: Vec<&'static PointColumn> = Vec::new();
    for name in fields.split(',').map(str::trim) {
        let column = point_column(name).ok_or_else(|| unknown("fields", name, |_| true))?;
        if columns.iter().any(|known| known.name == column.name) {
            return Err(ApiError::parameter("fields", name, "each column once"));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn unknown(parameter: &str, found: &str, is_possible: impl Fn(&PointColumn) -> bool) -> ApiError {
    let names: Vec<&str> = point_columns()
        .iter()
        .filter(|column| is_possible(column))
        .map(|column| column.name.as_str())
        .collect();
    ApiError::unknown(parameter, found, &names)
}

fn is_sortable(column: &PointColumn) -> bool {
    match column.kind {
        ColumnType::Whole | ColumnType::Number | ColumnType::Date => true,
        ColumnType::Text | ColumnType::Flag | ColumnType::Digest | ColumnType::Json | ColumnType::Variant => false,
    }
}

fn sort_of(text: Option<&str>) -> Result<PointSort, ApiError> {
    let text = text.unwrap_or("-started");
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let column = point_column(name).filter(|column| is_sortable(column));
    let column = column.ok_or_else(|| unknown("sort", name, is_sortable))?;
    Ok(PointSort::By { column, descending })
}

/// A place in another order is none in this one.
fn checked(sort: PointSort, after: PointCursor) -> Result<PointCursor, ApiError> {
    if sort.has(after.key) {
        Ok(after)
    } else {
        Err(ApiError::Invalid("`cursor` is of another sort; begin without it".to_owned()))
    }
}
