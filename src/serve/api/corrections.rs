//! Annotations, retractions and the log of writes.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::analysis::Filter;
use crate::serve::error::ApiError;
use crate::serve::selection_params::time;
use crate::serve::write::{WriteRequest, Written};
use crate::store::database::{Access, Address, AnnotationKind, AnnotationTarget, AsOf, Database, NewAnnotation, Retraction};

/// The longest text that people write.
const LONGEST_TEXT: usize = 4000;
/// The most filters of an annotation.
const MOST_FILTERS: usize = 50;

/// What is known, and of what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct AnnotationBody {
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    /// known-issue, environment, change, acknowledged, expected, invalid or note [default: note].
    #[serde(default)]
    kind: Option<String>,
    /// Where more is known: an http or https URL.
    #[serde(default)]
    link: Option<String>,
    /// The number of a run.
    #[serde(default)]
    run: Option<i64>,
    /// Filters of points.
    #[serde(default)]
    filters: Vec<String>,
    /// The period, RFC 3339.
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
}

/// Why a run is retracted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct RetractBody {
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Note what is known of a run, points or a period
#[utoipa::path(post, path = "/api/v1/annotations", tag = "writes", security(("token" = [])), request_body = AnnotationBody,
    responses((status = 201, description = "The number of the annotation", body = Object), (status = 404, description = "There is no such run")))]
pub(in crate::serve) async fn annotate(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let AnnotationBody {
        text,
        kind,
        link,
        run,
        filters,
        from,
        to,
    } = request.document()?;
    let kind = kind.as_deref().map_or(Ok(AnnotationKind::Note), kind_of)?;
    check_link(link.as_deref())?;
    check_filters(&filters)?;
    let new = NewAnnotation {
        target: AnnotationTarget {
            run,
            filters,
            from: time("from", from.as_deref())?,
            to: time("to", to.as_deref())?,
        },
        kind,
        text: checked("text", text)?,
        link,
        author: request.token.name.clone(),
    };
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    match run {
        Some(run) => request.check_run(&mut database, run).await?,
        None if request.is_unbound() => {}
        None => {
            return Err(ApiError::Forbidden(
                "a token of a project annotates runs of it alone; `run` is missing".to_owned(),
            ));
        }
    }
    let id = database.annotate(new).await?;
    database.close().await?;
    Ok(Written {
        status: StatusCode::CREATED,
        answer: json!({ "id": id }),
        detail: format!("annotation {id}"),
    })
}

/// Withdraw an annotation
#[utoipa::path(post, path = "/api/v1/annotations/{id}/withdraw", tag = "writes", security(("token" = [])),
    params(("id" = i64, Path, minimum = 1, description = "The number of the annotation")),
    responses((status = 200, description = "It is withdrawn", body = Object), (status = 404, description = "There is no such annotation")))]
pub(in crate::serve) async fn withdraw(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let id = request.number("id")?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    let known = database
        .annotations(AsOf::Now)
        .await?
        .into_iter()
        .find(|annotation| annotation.id == id);
    let missing = || ApiError::NotFound(format!("there is no annotation {id}"));
    match known.ok_or_else(missing)?.run {
        Some(run) => request.check_run(&mut database, run).await?,
        None if request.is_unbound() => {}
        None => {
            return Err(ApiError::Forbidden(
                "the annotation is not of a run of the token's project".to_owned(),
            ));
        }
    }
    if !database.withdraw_annotation(id, &request.token.name).await? {
        return Err(missing());
    }
    database.close().await?;
    Ok(done(json!({ "id": id }), format!("annotation {id}")))
}

/// Exclude a run from comparisons
///
/// It is not deleted, and `as_of` an earlier time still has it.
#[utoipa::path(post, path = "/api/v1/runs/{run}/retract", tag = "writes", security(("token" = [])), request_body = RetractBody,
    params(("run" = i64, Path, minimum = 1, description = "The number of the run")),
    responses((status = 200, description = "It is retracted", body = Object), (status = 404, description = "There is no such run"),
        (status = 409, description = "It is retracted already")))]
pub(in crate::serve) async fn retract(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let run = request.number("run")?;
    let RetractBody { reason } = request.document()?;
    let retraction = Retraction {
        run,
        reason: checked("reason", reason)?,
        author: request.token.name.clone(),
    };
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    request.check_run(&mut database, run).await?;
    database.retract(retraction).await?;
    database.close().await?;
    Ok(done(json!({ "run": run, "state": "retracted" }), format!("run {run}")))
}

/// Include a retracted run again
#[utoipa::path(post, path = "/api/v1/runs/{run}/restore", tag = "writes", security(("token" = [])),
    params(("run" = i64, Path, minimum = 1, description = "The number of the run")),
    responses((status = 200, description = "It is included again", body = Object), (status = 404, description = "There is no such run"),
        (status = 409, description = "It is not retracted")))]
pub(in crate::serve) async fn restore(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let run = request.number("run")?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    request.check_run(&mut database, run).await?;
    database.restore(run, &request.token.name).await?;
    database.close().await?;
    Ok(done(json!({ "run": run, "state": "active" }), format!("run {run}")))
}

fn done(answer: serde_json::Value, detail: String) -> Written {
    Written {
        status: StatusCode::OK,
        answer,
        detail,
    }
}

/// A text that people write: neither empty nor long.
///
/// # Errors
/// [`ApiError::Unprocessable`].
pub(in crate::serve) fn checked(name: &str, text: String) -> Result<String, ApiError> {
    let is_fit = !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT && !text.contains('\0');
    if is_fit {
        return Ok(text);
    }
    Err(ApiError::Unprocessable(format!(
        "`{name}` is empty or has more than {LONGEST_TEXT} characters"
    )))
}

fn kind_of(text: &str) -> Result<AnnotationKind, ApiError> {
    let known = AnnotationKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    let expected = || AnnotationKind::ALL.map(AnnotationKind::as_str).join(", ");
    known.ok_or_else(|| ApiError::Unprocessable(format!("`kind` is {text:?}, expected one of {}", expected())))
}

/// A link is shown in pages: another scheme, such as `javascript`, would run there.
fn check_link(link: Option<&str>) -> Result<(), ApiError> {
    let Some(link) = link else { return Ok(()) };
    let is_web = url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web && link.len() <= LONGEST_TEXT {
        return Ok(());
    }
    Err(ApiError::Unprocessable("`link` is not an http or https URL".to_owned()))
}

fn check_filters(filters: &[String]) -> Result<(), ApiError> {
    if filters.len() > MOST_FILTERS {
        return Err(ApiError::Unprocessable(format!("more than {MOST_FILTERS} filters")));
    }
    for filter in filters {
        if filter.contains(char::is_control) {
            return Err(ApiError::Unprocessable("a filter is one line of text".to_owned()));
        }
        filter
            .parse::<Filter>()
            .map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    }
    Ok(())
}
