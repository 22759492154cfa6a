//! `/deployments`, `/versions` and `/architectures`: points as deployments of engines, for the dashboards of RHAIIS and llm-d.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::{
    Deployment, DeploymentFamily, RunPoint, architecture_changes, deployments as deployments_of, version_changes, versions as versions_of,
};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::point_object::{point_object, with};
use crate::serve::selection_params::SelectionParams;

/// Which deployments.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct DeploymentParams {
    /// Only `llm-d` (behind a router, or with prefill and decode apart), `rhaiis` (engines on their own, from its tables) or `other`.
    pub family: Option<String>,
}

/// Which versions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct VersionParams {
    /// Only deployments of this family, as of `/deployments`.
    pub family: Option<String>,
    /// The version that is compared with [default: the newest but one].
    #[param(example = "vLLM-0.12.0")]
    pub base: Option<String>,
    /// The version that is compared [default: the newest].
    #[param(example = "vLLM-0.13.0")]
    pub head: Option<String>,
}

/// Measured points as deployments
///
/// Of each curve and version the points of the newest run, of all branches unless one is named. Columns of `/points`, and what the deployment is
/// made of: version, TP, pods of prefill and decode with their GPUs, replicas, router, error rate, arguments of the engine. `input_tput_per_gpu` is
/// per GPU that processes prompts, `output_tput_per_gpu` per GPU that generates.
#[utoipa::path(get, path = "/api/v1/deployments", tag = "results", params(SelectionParams, DeploymentParams),
    responses((status = 200, description = "Points, the newest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn deployments(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, DeploymentParams>,
) -> Result<Response, ApiError> {
    let family = params.family.as_deref().map(family).transpose()?;
    answer::list(format, &deployment_rows(&app, selection, family).await?, None)
}

/// The rows of `/deployments`.
pub(in crate::serve) async fn deployment_rows(
    app: &App,
    selection: SelectionParams,
    family: Option<DeploymentFamily>,
) -> Result<Vec<Value>, ApiError> {
    let found = read(app, selection).await?;
    let wanted = found
        .iter()
        .filter(|(_, deployment)| family.is_none_or(|family| deployment.family == family));
    wanted.map(|(point, deployment)| with(point_object(point), deployment)).collect()
}

/// Changes from one version to another
///
/// Of each configuration that both versions measured, the geometric mean of head over base at common concurrencies. `low` and `high` are the 95 %
/// interval of that mean over concurrencies, not over runs; fewer than three concurrencies are `unsure`.
#[utoipa::path(get, path = "/api/v1/versions", tag = "results", params(SelectionParams, VersionParams),
    responses((status = 200, description = "The versions that are known, `base` and `head`, changes by configuration and metric, what has no pair; in other formats than JSON the changes", body = Object),
        (status = 404, description = "No measured point has the version")))]
pub(in crate::serve) async fn versions(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, VersionParams>,
) -> Result<Response, ApiError> {
    let VersionParams {
        family: wanted,
        base,
        head,
    } = params;
    let wanted = wanted.as_deref().map(family).transpose()?;
    let mut found = read(&app, selection).await?;
    found.retain(|(_, deployment)| wanted.is_none_or(|wanted| deployment.family == wanted));
    let known = versions_of(&found);
    let (base, head) = (chosen(base, 1, &known)?, chosen(head, 0, &known)?);
    let changes = match (&base, &head) {
        (Some(base), Some(head)) => version_changes(&found, base, head),
        (None | Some(_), _) => Default::default(),
    };
    let document = json!({
        "versions": known, "base": base, "head": head, "data": changes.changes, "unpaired": changes.unpaired, "overall": changes.overall,
    });
    answer::document(format, &document, "data")
}

/// llm-d beside engines on their own
///
/// Deployments with one replica, for equal model, hardware, precision and lengths: every deployment behind a router or with prefill and decode
/// apart (`head`) against every other one (`base`), throughput per GPU, at common concurrencies, as `/versions` compares.
#[utoipa::path(get, path = "/api/v1/architectures", tag = "results", params(SelectionParams),
    responses((status = 200, description = "Pairs of deployments by metric", body = inline(ObjectList))))]
pub(in crate::serve) async fn architectures(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    let found = read(&app, selection).await?;
    let rows = answer::values(&architecture_changes(&found))?;
    answer::list(format, &rows, None)
}

/// The version that is asked for, else the one at a place of the known ones, of which the newest is the first.
fn chosen(wanted: Option<String>, usual: usize, known: &[String]) -> Result<Option<String>, ApiError> {
    match wanted {
        Some(version) if known.contains(&version) => Ok(Some(version)),
        Some(version) => {
            let version: String = version.chars().take(200).collect();
            Err(ApiError::NotFound(format!("no measured point has the version {version:?}")))
        }
        None => Ok(known.get(usual).cloned()),
    }
}

fn family(text: &str) -> Result<DeploymentFamily, ApiError> {
    let known = DeploymentFamily::ALL.into_iter().find(|family| family.as_str() == text);
    known.ok_or_else(|| ApiError::parameter("family", text, "llm-d, rhaiis or other"))
}

async fn read(app: &App, selection: SelectionParams) -> Result<Vec<(RunPoint, Deployment)>, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    selection.without_pull_requests = selection.kind.is_none();
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let points = reader.run_points(&selection, as_of, most).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    Ok(deployments_of(points))
}
