//! Points as a table for browsers without scripts. The address is that of the dashboards: filters by dimension, branch, run, `as_of`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

use super::app::{App, Shared};
use super::encode::{Column, object_of};
use super::error::ApiError;
use super::metric_registry::{MetricDescription, metric_registry};
use super::page_files::PageFile;
use super::pages::{PAGES, head, html_error, html_page};
use super::selection_params::SelectionParams;
use crate::store::database::{PointSort, point_column, point_columns};

/// Rows of the table.
const MOST_ROWS: usize = 200;
/// Rows of one run and concurrency, among which a point is searched.
const MOST_OF_RUN: usize = 10_000;
/// The dimensions that addresses of dashboards filter by.
const DIMENSIONS: [&str; 7] = ["model", "hardware", "framework", "precision", "sequence", "layout", "conc"];
/// What the table shows of a point before its metrics.
const DESCRIBING: [&str; 11] = [
    "started",
    "model_prefix",
    "hardware",
    "framework",
    "precision",
    "isl",
    "osl",
    "layout",
    "conc",
    "run",
    "outcome",
];
const METRICS: [&str; 5] = ["tput_per_gpu", "median_intvty", "median_ttft", "median_tpot", "median_e2el"];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/plain", get(table)).route("/plain/point", get(point))
}

async fn table(State(app): Shared, RawQuery(query): RawQuery) -> Response {
    let time = app.limits.query_time;
    let page = app
        .reads
        .clone()
        .run(time, move || async move { points_page(&app, &query.unwrap_or_default()).await })
        .await;
    page.map_or_else(html_error, |page| html_page(page.into_string()))
}

async fn point(State(app): Shared, RawQuery(query): RawQuery) -> Response {
    let time = app.limits.query_time;
    let page = app
        .reads
        .clone()
        .run(time, move || async move { point_page(&app, &query.unwrap_or_default()).await })
        .await;
    page.map_or_else(html_error, |page| html_page(page.into_string()))
}

/// What an address selects; keys that only a script understands are ignored.
fn selection(query: &str) -> SelectionParams {
    let mut params = SelectionParams::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(100) {
        let (name, value) = (name.as_ref(), value.into_owned());
        match name {
            _ if DIMENSIONS.contains(&name) && !value.is_empty() => params.filter.push(format!("{name}={value}")),
            "branch" => params.branch = Some(value),
            "run" => params.run = Some(value),
            "as_of" => params.as_of = Some(value),
            _ => {}
        }
    }
    params
}

/// Points with some columns, the newest first.
async fn read(app: &App, params: SelectionParams, names: &[&str], most: usize) -> Result<Vec<Map<String, Value>>, ApiError> {
    let (selection, as_of) = params.parse()?;
    let columns: Vec<_> = names.iter().filter_map(|name| point_column(name)).collect();
    let named: Vec<Column> = columns
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    let Some(started) = point_column("started") else {
        return Ok(Vec::new());
    };
    let sort = PointSort::By {
        column: started,
        descending: true,
    };
    let mut reader = app.reader().await?;
    let mut points = reader.read_points(selection, columns, sort, None, as_of).await?;
    let mut rows = Vec::new();
    while rows.len() < most {
        let page = points.page(&mut reader, most - rows.len()).await?;
        if page.is_empty() {
            break;
        }
        rows.extend(page.iter().map(|row| object_of(&named, &row.cells)));
    }
    reader.give_back();
    Ok(rows)
}

async fn points_page(app: &App, query: &str) -> Result<Markup, ApiError> {
    let names: Vec<&str> = DESCRIBING.into_iter().chain(["curve"]).chain(METRICS).collect();
    let rows = read(app, selection(query), &names, MOST_ROWS).await?;
    let metrics: Vec<MetricDescription> = metric_registry()
        .into_iter()
        .filter(|metric| METRICS.contains(&metric.column))
        .collect();
    let body = html! {
        h1 { "Points" }
        form method="get" action="/plain" {
            @for dimension in DIMENSIONS {
                label { (dimension) " " input name=(dimension) size="10" value=(value_of(query, dimension)); }
                " "
            }
            button { "Filter" }
        }
        p { "The newest " (rows.len()) " points. " a href="/api/v1/points.csv" { "All as CSV" } }
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    @for name in DESCRIBING { th scope="col" { (name.replace('_', " ")) } }
                    @for metric in &metrics { th.number scope="col" { (metric.title) " (" (metric.unit) ")" } }
                } }
                tbody { @for row in &rows { tr {
                    @for name in DESCRIBING {
                        td { @if name == "conc" { a href=(address(row)) { (text(&row[name])) } } @else { (text(&row[name])) } }
                    }
                    @for metric in &metrics { td.number { (shown(metric, &row[metric.column])) } }
                } } }
            }
        }
    };
    document("Points", &body)
}

async fn point_page(app: &App, query: &str) -> Result<Markup, ApiError> {
    let names: Vec<&str> = point_columns().iter().map(|column| column.name.as_str()).collect();
    let curve = value_of(query, "curve");
    let rows = read(app, selection(query), &names, MOST_OF_RUN).await?;
    let found = rows.into_iter().find(|row| text(&row["curve"]).starts_with(&curve));
    let row = found.ok_or_else(|| ApiError::NotFound("there is no such point".to_owned()))?;
    let metrics = metric_registry();
    let body = html! {
        h1 { (text(&row["model_prefix"])) " " (text(&row["hardware"])) " " (text(&row["framework"])) " conc " (text(&row["conc"])) }
        table {
            @for (name, value) in &row {
                @if !value.is_null() {
                    @let metric = metrics.iter().find(|metric| metric.column == name);
                    tr { th scope="row" { (name) } td {
                        @if let Some(metric) = metric { (shown(metric, value)) " " (metric.unit) } @else { (text(value)) }
                    } }
                }
            }
        }
    };
    document("Point", &body)
}

pub(super) fn document(title: &str, body: &Markup) -> Result<Markup, ApiError> {
    let style = PageFile::style().map_err(ApiError::internal)?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title, &style)) }
            body {
                nav.plain { @for (path, title) in PAGES { @if path != "/point" { a href=(path) { (title) } " " } } }
                main.plain { (body) }
            }
        }
    })
}

pub(super) fn value_of(query: &str, name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The address of a point's page.
fn address(row: &Map<String, Value>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["run", "curve", "conc"] {
        query.append_pair(name, &text(&row[name]));
    }
    format!("/point?{}", query.finish())
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn shown(metric: &MetricDescription, value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "–".to_owned(), |number| significant(number * metric.scale))
}

/// Four significant digits at least, and all before the point.
pub(super) fn significant(number: f64) -> String {
    let size = number.abs();
    let digits = if size >= 1000.0 || number == 0.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else if size >= 1.0 {
        3
    } else {
        5
    };
    format!("{number:.digits$}")
}
