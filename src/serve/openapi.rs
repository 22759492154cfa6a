//! The OpenAPI description, made from the handlers, and the page that shows it without a network.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Description, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::api::{
    accuracy, annotated, annotations, bisection, changelog, changes, cheapest, compare, corrections, costs, deployments, evals, facets,
    files, frontier, hardware, ingest, logs, operations, pictures, point, points, projects, published, quarantine, records, regressions,
    reliability, runs, series, submissions, trends,
};
use super::error::{PROBLEM_TYPE, Problem};
use super::format::Format;
use super::{ServeError, docs_page, graphql, health, metrics};
use crate::analysis::{RunKind, ThreadState, TokenKind};
use crate::model::{FailureClass, Metric};
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
        projects::projects, runs::runs, runs::run, points::points, point::point, points::curves, series::series, compare::compare, frontier::frontier,
        cheapest::cheapest, costs::costs, deployments::deployments, deployments::versions, deployments::architectures, accuracy::accuracy,
        facets::facets, evals::evals, reliability::reliability, changes::changes, annotations::annotations, annotated::annotated, changelog::changelog,
        regressions::regressions, bisection::bisection, trends::trends, records::records, operations::operations, hardware::hardware, hardware::prices,
        files::file, files::content, published::mlperf, published::derived, published::data_sets, quarantine::quarantine, pictures::badge,
        pictures::card, pictures::chart, ingest::ingest,
        submissions::submissions, submissions::submission, submissions::submit, submissions::accept, submissions::refuse,
        corrections::annotate, corrections::withdraw, corrections::retract, corrections::restore, logs::audit, logs::deliveries, graphql::graphql_get, graphql::graphql_post, health::healthz, health::readyz,
        metrics::metrics,
    ),
    components(schemas(Problem)),
    tags(
        (name = "results", description = "What was measured"),
        (name = "costs", description = "What it costs"),
        (name = "pictures", description = "Pictures for READMEs and release notes"),
        (name = "writes", description = "Adding and correcting, with a token"),
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

/// The values that a parameter may have, where they are few.
fn values_of(name: &str) -> Option<Vec<String>> {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Some(match name {
        "kind" => owned(RunKind::ALL.map(RunKind::as_str).to_vec()),
        "outcome" => {
            let classes = FailureClass::ALL.iter().map(|class| class.as_str());
            owned(std::iter::once("measured").chain(classes).collect())
        }
        "metric" => owned(Metric::ALL.map(Metric::id).to_vec()),
        "state" => owned(ThreadState::ALL.map(ThreadState::as_str).to_vec()),
        "by" => owned(vec!["date", "commit", "version", "image"]),
        "tokens" => owned(TokenKind::ALL.map(TokenKind::as_str).to_vec()),
        "sort" => {
            let sortable = point_columns()
                .iter()
                .filter(|column| matches!(column.kind, ColumnType::Whole | ColumnType::Number | ColumnType::Date));
            sortable
                .flat_map(|column| [column.name.clone(), format!("-{}", column.name)])
                .collect()
        }
        _ => return None,
    })
}

/// The parameters of a query with the values that they may have.
fn constrain(parameters: &mut [Parameter]) {
    for parameter in parameters {
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else {
            continue;
        };
        if let Some(values) = values_of(&parameter.name) {
            schema.enum_values = Some(values.into_iter().map(Value::from).collect());
            schema.schema_type = SchemaType::Type(Type::String);
        }
    }
}

/// Responses that every route has.
struct CommonResponses;

impl Modify for CommonResponses {
    fn modify(&self, description: &mut Description) {
        let token = SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "A token of imax token create, or one that GitHub signed for a workflow (OpenID Connect)",
                ))
                .build(),
        );
        description.components.get_or_insert_default().add_security_scheme("token", token);
        for (path, item) in &mut description.paths.paths {
            let is_of_api = path.starts_with("/api/v1/");
            for (operation, is_post) in [(&mut item.get, false), (&mut item.post, true)] {
                let Some(operation) = operation else { continue };
                constrain(operation.parameters.as_deref_mut().unwrap_or_default());
                let responses = &mut operation.responses.responses;
                if is_post && is_of_api {
                    add(responses, "400", "A parameter or header is invalid", true);
                    add(responses, "403", "The token does not allow it, or the server does not write", true);
                    add(responses, "413", "The body is too large", true);
                    add(responses, "422", "The body is invalid", true);
                } else if is_of_api {
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
                    if let ("400" | "403" | "404" | "409" | "413" | "415" | "422", RefOr::T(response)) = (status.as_str(), response) {
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
