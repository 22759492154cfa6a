//! The OpenAPI description, made from the handlers, and the page that shows it without a network.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Content, OpenApi as Description, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::api::{
    annotations, changes, cheapest, compare, evals, facets, files, frontier, hardware, points, projects, published, quarantine,
    reliability, runs, series,
};
use super::error::{PROBLEM_TYPE, Problem};
use super::format::Format;
use super::{ServeError, docs_page, health, metrics};
use crate::store::database::{ColumnType, point_columns};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "imax results",
        version = "1.0.0",
        description = "Everything measured, by address. Lists are JSON (`{\"data\": [...], \"next\": ...}`), CSV, NDJSON or Parquet, by Accept or by a \
                       suffix of the path such as `/api/v1/points.csv`. A number that was not reported is null, never 0. Answers have an ETag \
                       that changes with the history. Unknown parameters are refused.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        projects::projects, runs::runs, runs::run, points::points, points::curves, series::series, compare::compare, frontier::frontier,
        cheapest::cheapest, facets::facets, evals::evals, reliability::reliability, changes::changes, annotations::annotations,
        hardware::hardware, hardware::prices, files::file, published::mlperf, quarantine::quarantine, health::healthz, health::readyz,
        metrics::metrics,
    ),
    components(schemas(Problem)),
    tags(
        (name = "results", description = "What was measured"),
        (name = "costs", description = "What it costs"),
        (name = "operation", description = "The server"),
    ),
    modifiers(&CommonResponses),
)]
struct Api;

/// The description of the API.
#[must_use]
pub(crate) fn description() -> Description {
    Api::openapi()
}

/// Objects of a route, and the cursor of the next page.
pub(super) struct ObjectList;

/// Points with their columns.
pub(super) struct PointPage;

/// Curves with their points.
pub(super) struct CurvePage;

impl PartialSchema for ObjectList {
    fn schema() -> RefOr<Schema> {
        list_of(ObjectBuilder::new().schema_type(Type::Object).into())
    }
}

impl ToSchema for ObjectList {}

impl PartialSchema for PointPage {
    fn schema() -> RefOr<Schema> {
        list_of(point())
    }
}

impl ToSchema for PointPage {}

impl PartialSchema for CurvePage {
    fn schema() -> RefOr<Schema> {
        let points = ArrayBuilder::new().items(point());
        list_of(ObjectBuilder::new().property("points", points).required("points").into())
    }
}

impl ToSchema for CurvePage {}

fn list_of(item: RefOr<Schema>) -> RefOr<Schema> {
    let next = ObjectBuilder::new()
        .schema_type(nullable(Type::String))
        .description(Some("The cursor of the next page; null on the last one"));
    ObjectBuilder::new()
        .property("data", ArrayBuilder::new().items(item))
        .property("next", next)
        .required("data")
        .required("next")
        .into()
}

fn nullable(kind: Type) -> SchemaType {
    SchemaType::Array(vec![kind, Type::Null])
}

/// A point: every column, of which `fields` may leave some out.
fn point() -> RefOr<Schema> {
    let add = |object: ObjectBuilder, column: &crate::store::database::PointColumn| {
        let kind = match column.kind {
            ColumnType::Text | ColumnType::Date | ColumnType::Digest | ColumnType::Variant => Type::String,
            ColumnType::Whole => Type::Integer,
            ColumnType::Number => Type::Number,
            ColumnType::Flag => Type::Boolean,
            ColumnType::Json => Type::Object,
        };
        object.property(&column.name, ObjectBuilder::new().schema_type(nullable(kind)))
    };
    point_columns().iter().fold(ObjectBuilder::new(), add).into()
}

/// Responses that every route has.
struct CommonResponses;

impl Modify for CommonResponses {
    fn modify(&self, description: &mut Description) {
        for (path, item) in &mut description.paths.paths {
            let is_of_api = path.starts_with("/api/v1/");
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                if is_of_api {
                    add_formats(responses);
                    add(responses, "304", "The client has the answer already", false);
                    add(responses, "400", "A parameter is invalid or unknown", true);
                    add(responses, "406", "None of the formats of Accept is offered", true);
                    add(responses, "422", "The query selects too much", true);
                }
                add(responses, "401", "A token is missing, unknown or expired", true);
                add(responses, "429", "Too many requests", true);
                add(responses, "503", "The server is busy, or the query took too long", true);
                for (status, response) in responses.iter_mut() {
                    if let ("404", RefOr::T(response)) = (status.as_str(), response) {
                        response.content.insert(PROBLEM_TYPE.to_owned(), problem());
                    }
                }
            }
        }
    }
}

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

fn add(responses: &mut Responses, status: &str, words: &str, has_problem: bool) {
    let mut response = ResponseBuilder::new().description(words);
    if has_problem {
        response = response.content(PROBLEM_TYPE, problem());
    }
    responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
}

fn problem() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

/// The other formats of a list.
fn add_formats(responses: &mut Responses) {
    let Some(RefOr::T(response)) = responses.get_mut("200") else {
        return;
    };
    if !response.content.contains_key(Format::Json.media_type()) {
        return;
    }
    for format in [Format::Csv, Format::Ndjson, Format::Parquet] {
        let text: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).into();
        response.content.insert(format.media_type().to_owned(), Content::new(Some(text)));
    }
}

/// The description as JSON, and as a page for people.
///
/// # Errors
/// [`ServeError::Description`].
pub(super) fn pages<S: Clone + Send + Sync + 'static>(description: &Description) -> Result<Router<S>, ServeError> {
    let json = Bytes::from(serde_json::to_vec(description)?);
    let page = Bytes::from(docs_page::render(&serde_json::from_slice::<Value>(&json)?));
    let as_json = move || async move { ([(CONTENT_TYPE, "application/json")], json).into_response() };
    let as_page = move || async move { ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response() };
    Ok(Router::new()
        .route("/api/openapi.json", get(as_json))
        .route("/api/docs", get(as_page)))
}
