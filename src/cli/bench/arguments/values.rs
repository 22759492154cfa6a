//! The values of flags that have a form of their own.

use crate::load::settings::{MetricName, SettingsError};
use crate::model::Secret;

/// A secret that can stand in a header.
pub fn secret(text: &str) -> Result<Secret, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("expected printable ASCII".to_owned())
    }
}

/// A header, `NAME=VALUE`.
pub fn header(text: &str) -> Result<(String, Secret), String> {
    let (name, value) = key_value(text)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is not a header name"));
    }
    Ok((name, secret(&value)?))
}

/// `KEY=VALUE`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A latency limit, `METRIC:MILLISECONDS`.
pub fn goodput(text: &str) -> Result<(MetricName, f64), String> {
    let (name, limit) = text.split_once(':').ok_or("expected METRIC:MILLISECONDS, such as ttft:200")?;
    let metric = name.parse().map_err(|error: SettingsError| error.to_string())?;
    let limit: f64 = limit.parse().map_err(|_| format!("{limit:?} is not a number of milliseconds"))?;
    if limit >= 0.0 {
        Ok((metric, limit))
    } else {
        Err(format!("a limit of {limit} ms cannot be met"))
    }
}

/// A JSON object.
pub fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}
