//! The routes, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, Method};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

use super::api::{
    accuracy, annotated, annotations, bisection, changelog, changes, cheapest, compare, corrections, costs, deployments, evals, facets,
    files, frontier, hardware, ingest, logs, operations, pictures, point, points, projects, published, quarantine, records, regressions,
    reliability, runs, series, submissions, trends,
};
use super::app::{App, Shared};
use super::authorization::closed;
use super::conditional::conditional;
use super::error::ApiError;
use super::format::Format;
use super::write::write;
use super::{ServeError, graphql, health, metrics, openapi, pages, plain_boards, plain_page, rate_limit, security};
use crate::store::database::Scope;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All routes.
///
/// # Errors
/// [`ServeError::Origin`], [`ServeError::Description`].
pub(super) fn router(app: &Arc<App>) -> Result<Router, ServeError> {
    let reads = reads()
        .method_not_allowed_fallback(read_only)
        .layer(middleware::from_fn_with_state(Arc::clone(app), conditional));
    let graphql = if app.rules.has_graphql {
        // Its queries were let in with it, so they pass by the check of tokens.
        graphql::route(app, reads.clone().merge(unkept()).with_state(Arc::clone(app)))
    } else {
        Router::new()
    };
    let reads = reads.layer(middleware::from_fn_with_state(Arc::clone(app), closed));
    let writes = Router::new()
        .route("/api/v1/ingest", write("ingest", Scope::Ingest, ingest::ingest))
        .route(
            "/api/v1/submissions",
            // Not kept, and without a validator: a submission does not change the measured results.
            read(submissions::submissions)
                .layer(middleware::from_fn_with_state(Arc::clone(app), closed))
                .merge(write("submit", Scope::Submit, submissions::submit)),
        )
        .route("/api/v1/submissions/{id}", read(submissions::submission))
        .route(
            "/api/v1/submissions/{id}/accept",
            write("accept", Scope::Review, submissions::accept),
        )
        .route(
            "/api/v1/submissions/{id}/refuse",
            write("refuse", Scope::Review, submissions::refuse),
        )
        .route("/api/v1/annotations", write("annotate", Scope::Annotate, corrections::annotate))
        .route(
            "/api/v1/annotations/{id}/withdraw",
            write("withdraw", Scope::Annotate, corrections::withdraw),
        )
        .route("/api/v1/runs/{run}/retract", write("retract", Scope::Review, corrections::retract))
        .route("/api/v1/runs/{run}/restore", write("restore", Scope::Review, corrections::restore))
        .route("/api/v1/audit", read(logs::audit))
        .route("/api/v1/deliveries", read(logs::deliveries));
    let probed = Router::new()
        .route("/metrics", get(metrics::metrics))
        .merge(plain_page::routes())
        .merge(plain_boards::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(app), closed));
    let description = openapi::pages(&openapi::description())?;
    let router = Router::new()
        .merge(reads)
        .merge(writes)
        .merge(probed)
        .merge(graphql)
        .merge(description)
        .merge(pages::routes()?)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(app), rate_limit::limit))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), metrics::count))
        .layer(RequestBodyLimitLayer::new(app.limits.body))
        .layer(security::cors(&app.rules.cors_origins)?)
        .layer(middleware::map_response(security::harden))
        .layer(CompressionLayer::new())
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(TraceLayer::new_for_http())
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(Arc::clone(app));
    Ok(router)
}

/// The routes that read the history.
pub(super) fn reads() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/projects", read(projects::projects))
        .route("/api/v1/runs", read(runs::runs))
        .route("/api/v1/runs/{run}", read(runs::run))
        .route("/api/v1/points", read(points::points))
        .route("/api/v1/points/{id}", read(point::point))
        .route("/api/v1/curves", read(points::curves))
        .route("/api/v1/series", read(series::series))
        .route("/api/v1/compare", read(compare::compare))
        .route("/api/v1/frontier", read(frontier::frontier))
        .route("/api/v1/cheapest", read(cheapest::cheapest))
        .route("/api/v1/costs", read(costs::costs))
        .route("/api/v1/deployments", read(deployments::deployments))
        .route("/api/v1/versions", read(deployments::versions))
        .route("/api/v1/architectures", read(deployments::architectures))
        .route("/api/v1/accuracy", read(accuracy::accuracy))
        .route("/api/v1/facets", read(facets::facets))
        .route("/api/v1/evals", read(evals::evals))
        .route("/api/v1/reliability", read(reliability::reliability))
        .route("/api/v1/changes", read(changes::changes))
        .route("/api/v1/annotations", read(annotations::annotations))
        .route("/api/v1/changelog", read(changelog::changelog))
        .route("/api/v1/annotated", read(annotated::annotated))
        .route("/api/v1/regressions", read(regressions::regressions))
        .route("/api/v1/bisection", read(bisection::bisection))
        .route("/api/v1/trends", read(trends::trends))
        .route("/api/v1/records", read(records::records))
        .route("/api/v1/operations", read(operations::operations))
        .route("/api/v1/hardware", read(hardware::hardware))
        .route("/api/v1/prices", read(hardware::prices))
        .route("/api/v1/files/{digest}", read(files::file))
        .route("/api/v1/files/{digest}/content", of_one_format(files::content))
        .route("/api/v1/mlperf", read(published::mlperf))
        .route("/api/v1/mlperf-derived", read(published::derived))
        .route("/api/v1/mlperf-datasets", read(published::data_sets))
        .route("/api/v1/quarantine", read(quarantine::quarantine))
        .route("/badge/{metric}", of_one_format(pictures::badge))
        .route("/card/{metric}", of_one_format(pictures::card))
        .route("/chart/{metric}", of_one_format(pictures::chart))
}

/// Routes that read what is not kept and has no validator: submissions and messages do not change the measured results.
fn unkept() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/submissions", read(submissions::submissions))
        .route("/api/v1/audit", read(logs::audit))
        .route("/api/v1/deliveries", read(logs::deliveries))
}

/// A route that reads the history.
fn read<P, F>(handler: impl Fn(Arc<App>, Format, P) -> F + Clone + Send + Sync + 'static) -> MethodRouter<Arc<App>>
where
    P: FromRequestParts<Arc<App>> + Send + 'static,
    F: Future<Output = Result<Response, ApiError>>,
{
    get(move |State(app): Shared, format: Format, parameters: P| async move {
        let (turns, time) = (app.reads.clone(), app.limits.query_time);
        turns.run(time, move || handler(app, format, parameters)).await
    })
}

/// A route whose answers have one format.
fn of_one_format<P, F>(handler: impl Fn(Arc<App>, P) -> F + Clone + Send + Sync + 'static) -> MethodRouter<Arc<App>>
where
    P: FromRequestParts<Arc<App>> + Send + 'static,
    F: Future<Output = Result<Response, ApiError>>,
{
    get(move |State(app): Shared, parameters: P| async move {
        let (turns, time) = (app.reads.clone(), app.limits.query_time);
        turns.run(time, move || handler(app, parameters)).await
    })
}

async fn unknown(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::NotFound(format!("there is nothing at {path:?}; /api/docs lists what there is"))
}

async fn read_only(method: Method) -> ApiError {
    ApiError::Method {
        method: method.to_string(),
        allowed: "GET, HEAD",
    }
}
