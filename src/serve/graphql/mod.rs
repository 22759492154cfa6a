//! `/api/graphql`: several reads of the API in one request, read-only (<https://spec.graphql.org/October2021/>). Each query of a request is a
//! request to the same routes that REST has, so that parameters, limits, numbers and kept answers are theirs. Documents are parsed by
//! graphql-parser; the schema is a table, of which every field but the queries is a member of a document, so that resolving needs no framework.

mod argument;
mod call;
mod compile;
mod execute;
mod introspection;
mod request;
mod schema;
mod sdl;
mod types;
mod variable;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use graphql_parser::Pos;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::app::App;
use super::authorization::closed;
use super::blocking::on_blocking_thread;
use super::error::ApiError;
use super::write::read_body;
use crate::model::saturating;
use call::Call;
use execute::Answer;
pub(super) use request::{GraphQlBody, GraphQlParams};
use schema::Schema;

/// The longest document with its variables, bytes.
const LONGEST: usize = 64 << 10;
/// How deep fields may be nested: introspection as `graphql-js` asks for it has 14.
const DEPTH: usize = 16;
/// How many fields and fragments a request may have, those of fragments at each place where they are spread.
const COMPLEXITY: usize = 500;
/// Queries of one request: its fields are cheap, each query costs what a request of REST costs.
const MOST_QUERIES: usize = 10;
/// What the queries of one request may read together, and the largest answer, bytes. Read documents take several times as much memory.
const MOST_BYTES: usize = 8 << 20;
/// Requests at the same time: together with [`MOST_BYTES`] the bound of the memory that they take.
const MOST_RUNNING: usize = 4;
/// How long a request waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

/// The media type that <https://graphql.github.io/graphql-over-http/draft/> prefers.
const RESPONSE_TYPE: &str = "application/graphql-response+json";

/// What a handler needs.
#[derive(Clone)]
struct GraphQl {
    schema: Arc<Schema>,
    /// The routes that read.
    reads: Router,
    query_time: Duration,
    running: Arc<Semaphore>,
}

/// The schema in GraphQL's own language.
pub(crate) fn graphql_schema() -> String {
    sdl::print(&Schema::new())
}

/// The route, over the routes that read.
pub(super) fn route(app: &Arc<App>, reads: Router) -> Router<Arc<App>> {
    let graphql = GraphQl {
        schema: Arc::new(Schema::new()),
        reads,
        query_time: app.limits.query_time,
        running: Arc::new(Semaphore::new(MOST_RUNNING)),
    };
    Router::new()
        .route("/api/graphql", get(answer).post(answer).with_state(graphql))
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(app), closed))
}

async fn no_such_method(method: Method) -> ApiError {
    ApiError::Method {
        method: method.to_string(),
        allowed: "GET, HEAD, POST",
    }
}

/// Several reads in one request, GraphQL
///
/// The schema is `dist/schema.graphql`, which `imax schema graphql` prints; introspection gives it as well. Queries are named as the routes of REST,
/// arguments as their parameters. A request has at most 10 queries, 500 fields, 16 levels and 64 KiB, and is answered within the time of one query of
/// REST. There is nothing to write. With `Accept: application/graphql-response+json` the answer has this type.
#[utoipa::path(get, path = "/api/graphql", tag = "results", params(GraphQlParams),
    responses(
        (status = 200, description = "The data, and errors of queries without an answer", body = Object),
        (status = 400, description = "The document is invalid, or asks for too much", body = Object),
        (status = 404, description = "GraphQL is switched off (--no-graphql)"),
    ))]
#[expect(dead_code, reason = "describes the GET of `answer` in OpenAPI")]
pub(super) fn graphql_get() {}

/// Several reads in one request, GraphQL, by POST
///
/// As GET, with the parameters as members of the body. A batch, that is a list of requests, is refused.
#[utoipa::path(post, path = "/api/graphql", tag = "results", request_body = GraphQlBody,
    responses(
        (status = 200, description = "The data, and errors of queries without an answer", body = Object),
        (status = 400, description = "The document is invalid, or asks for too much", body = Object),
        (status = 404, description = "GraphQL is switched off (--no-graphql)"),
        (status = 413, description = "The body is larger than 64 KiB"),
        (status = 415, description = "The body is not application/json"),
    ))]
#[expect(dead_code, reason = "describes the POST of `answer` in OpenAPI")]
pub(super) fn graphql_post() {}

async fn answer(State(graphql): State<GraphQl>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let asked = if parts.method == Method::POST {
        request::check_media_type(&parts.headers)?;
        // By its length, before anything of it is read.
        if body.size_hint().lower() > saturating::to_u64(LONGEST) {
            return Err(ApiError::TooLarge(LONGEST));
        }
        GraphQlBody::of_json(&read_body(body, LONGEST).await?)?
    } else {
        GraphQlBody::of_query(parts.uri.query().unwrap_or_default())?
    };
    let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, Arc::clone(&graphql.running).acquire_owned()).await else {
        return Err(ApiError::Busy);
    };
    // Computing on what was read may take long, so it has a thread; its queries have their own turns.
    let authorization = parts.headers.get(AUTHORIZATION).cloned();
    let work = move || async move {
        let _turn = turn;
        Ok(respond(&graphql.schema, &asked, Call::new(graphql.reads, authorization)).await)
    };
    let (status, body) = on_blocking_thread(graphql.query_time, work).await?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type(&parts.headers))),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("accept")),
    ];
    Ok((status, headers, Body::from(body)).into_response())
}

fn media_type(headers: &HeaderMap) -> &'static str {
    let mut accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|value| value.contains(RESPONSE_TYPE)) {
        RESPONSE_TYPE
    } else {
        "application/json"
    }
}

/// A request that is invalid has no data; one of which a query failed has both.
async fn respond(schema: &Schema, asked: &GraphQlBody, call: Call) -> (StatusCode, Vec<u8>) {
    let selected = match compile::compile(schema, asked) {
        Ok(selected) => selected,
        Err(error) => return refusal(&error),
    };
    match execute::execute(schema, &selected, call).await {
        Ok(Answer { data, errors }) => (StatusCode::OK, document(&data, &errors)),
        Err(error) => refusal(&error),
    }
}

fn document(data: &[u8], errors: &[Value]) -> Vec<u8> {
    let mut body = br#"{"data":"#.to_vec();
    body.extend(data);
    if !errors.is_empty() {
        body.extend(format!(r#","errors":{}"#, json!(errors)).bytes());
    }
    body.push(b'}');
    body
}

fn refusal(error: &InvalidRequest) -> (StatusCode, Vec<u8>) {
    let InvalidRequest { message, place } = error;
    let mut described = json!({ "message": message });
    if let Some(Pos { line, column }) = place {
        described["locations"] = json!([{ "line": line, "column": column }]);
    }
    (StatusCode::BAD_REQUEST, json!({ "errors": [described] }).to_string().into_bytes())
}

/// Why a request is not carried out.
#[derive(Debug)]
struct InvalidRequest {
    message: String,
    place: Option<Pos>,
}

impl InvalidRequest {
    fn at(place: Pos, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some(place),
        }
    }
}
