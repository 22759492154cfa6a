//! Parameters of a query. Their names and types are those of the OpenAPI description; what it does not name is refused, because a misspelt
//! filter would otherwise select everything.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::IntoParams;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::Schema;

use super::error::ApiError;
use crate::model::suggestion;

/// The longest query, bytes.
const LONGEST_QUERY: usize = 8 << 10;
/// The most values of a query.
const MOST_VALUES: usize = 100;

/// The parameters of a route, in groups that routes share.
#[derive(Debug)]
pub(super) struct Form<A, B = Nothing>(pub A, pub B);

/// Two groups of parameters as one.
#[derive(Debug)]
pub(super) struct Both<A, B>(pub A, pub B);

impl<A: IntoParams, B: IntoParams> IntoParams for Both<A, B> {
    fn into_params(parameter_in_provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let first = A::into_params(&parameter_in_provider);
        first.into_iter().chain(B::into_params(&parameter_in_provider)).collect()
    }
}

impl<'de, A: DeserializeOwned, B: DeserializeOwned> Deserialize<'de> for Both<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Value::deserialize(deserializer)?;
        Ok(Self(
            A::deserialize(&values).map_err(D::Error::custom)?,
            B::deserialize(&values).map_err(D::Error::custom)?,
        ))
    }
}

/// No more parameters.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Nothing {}

impl<S, A, B> FromRequestParts<S> for Form<A, B>
where
    S: Sync,
    A: DeserializeOwned + IntoParams,
    B: DeserializeOwned + IntoParams,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let known: Vec<Parameter> = A::into_params(|| None).into_iter().chain(B::into_params(|| None)).collect();
        let values = Value::Object(read(parts.uri.query().unwrap_or_default(), &known)?);
        let first = A::deserialize(&values).map_err(|error| ApiError::Invalid(error.to_string()))?;
        let second = B::deserialize(&values).map_err(|error| ApiError::Invalid(error.to_string()))?;
        Ok(Self(first, second))
    }
}

fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.schema, Some(RefOr::T(Schema::Array(_))))
}

/// The values by name; those of a list as an array.
fn read(query: &str, known: &[Parameter]) -> Result<Map<String, Value>, ApiError> {
    if query.len() > LONGEST_QUERY {
        return Err(ApiError::Invalid(format!("the query has more than {LONGEST_QUERY} bytes")));
    }
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut values = Map::new();
    for (at, (name, value)) in url::form_urlencoded::parse(query.as_bytes()).enumerate() {
        if at >= MOST_VALUES {
            return Err(ApiError::Invalid(format!("the query has more than {MOST_VALUES} values")));
        }
        let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
            let names: Vec<&str> = known.iter().map(|parameter| parameter.name.as_str()).collect();
            return Err(ApiError::UnknownParameter {
                help: suggestion(&name, &names),
                name: name.chars().take(100).collect(),
            });
        };
        // Control characters are part of no name, and PostgreSQL refuses NUL.
        if value.contains(char::is_control) || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(ApiError::parameter(&name, &value, "text without control characters, in UTF-8"));
        }
        let value = Value::from(value.into_owned());
        if is_list(parameter) {
            lists.entry(name.into_owned()).or_default().push(value);
        } else if values.insert(name.to_string(), value).is_some() {
            return Err(ApiError::Invalid(format!("`{name}` is given twice")));
        }
    }
    values.extend(lists.into_iter().map(|(name, list)| (name, Value::Array(list))));
    Ok(values)
}

/// A number within bounds.
pub(super) fn number(name: &str, text: Option<&str>, usual: usize, most: usize) -> Result<usize, ApiError> {
    let Some(text) = text else { return Ok(usual.min(most)) };
    let number = text.parse::<usize>().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| ApiError::parameter(name, text, format!("a number from 1 to {most}")))
}

/// `true` or `false`.
pub(super) fn flag(name: &str, text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::parameter(name, other, "true or false")),
    }
}
