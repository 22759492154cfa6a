//! A request as <https://graphql.github.io/graphql-over-http/draft/> has it: members of a JSON body, or parameters of a query string.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::LONGEST;
use crate::serve::error::ApiError;

/// A request.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
pub(in crate::serve) struct GraphQlBody {
    /// The document.
    pub query: String,
    /// Which of its operations, where it has several.
    #[serde(default)]
    pub operation_name: Option<String>,
    /// The values of its variables.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub variables: Option<Map<String, Value>>,
    /// Not used.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub extensions: Option<Map<String, Value>>,
}

/// The parameters of GET.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters in OpenAPI")]
pub(in crate::serve) struct GraphQlParams {
    /// The document.
    #[param(example = "{projects{project}}")]
    query: String,
    /// Which of its operations, where it has several.
    #[param(rename = "operationName")]
    operation_name: Option<String>,
    /// The values of its variables, a JSON object.
    variables: Option<String>,
    /// Not used; a JSON object.
    extensions: Option<String>,
}

/// # Errors
/// [`ApiError::MediaType`] for another one than JSON.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = found.split(';').next().unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::MediaType {
        found: found.chars().take(100).collect(),
        expected: "application/json",
    })
}

impl GraphQlBody {
    /// # Errors
    /// [`ApiError::Invalid`].
    pub(super) fn of_json(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(ApiError::Invalid(
                "the body is a batch; send one request with several queries".to_owned(),
            ));
        }
        serde_json::from_slice(body).map_err(|error| ApiError::Invalid(format!("the body is not a GraphQL request: {error}")))
    }

    /// # Errors
    /// [`ApiError::UnknownParameter`], [`ApiError::Parameter`], [`ApiError::Invalid`], [`ApiError::TooLarge`].
    pub(super) fn of_query(text: &str) -> Result<Self, ApiError> {
        if text.len() > LONGEST {
            return Err(ApiError::TooLarge(LONGEST));
        }
        let mut query = None;
        let mut found = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "query" => query = Some(value.into_owned()),
                "operationName" => found.operation_name = Some(value.into_owned()).filter(|name| !name.is_empty()),
                "variables" => found.variables = object("variables", &value)?,
                "extensions" => found.extensions = object("extensions", &value)?,
                _ => {
                    return Err(ApiError::UnknownParameter {
                        help: "expected query, operationName, variables or extensions".to_owned(),
                        name: name.chars().take(100).collect(),
                    });
                }
            }
        }
        found.query = query.ok_or_else(|| ApiError::Invalid("the parameter `query` is missing".to_owned()))?;
        Ok(found)
    }
}

/// A JSON object; `None` for nothing and null.
fn object(name: &str, text: &str) -> Result<Option<Map<String, Value>>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map_err(|error| {
        let start: String = text.chars().take(100).collect();
        ApiError::parameter(name, &start, format!("a JSON object: {error}"))
    })
}
