//! `/files/{digest}`: where numbers come from.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use serde_json::json;

use crate::model::Digest;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;

/// A file that rows were read from
///
/// Points name it as their `source`. The history keeps its name, size and digest, not its content.
#[utoipa::path(get, path = "/api/v1/files/{digest}", tag = "results",
    params(("digest" = String, Path, pattern = "^[0-9a-f]{64}$", description = "SHA-256 of the file, 64 hex digits")),
    responses((status = 200, description = "The file", body = Object), (status = 404, description = "No rows are from such a file")))]
pub(in crate::serve) async fn file(
    app: Arc<App>,
    format: Format,
    (Path(digest), Form(Nothing {}, _)): (Path<String>, Form<Nothing>),
) -> Result<Response, ApiError> {
    let bytes = hex::decode(&digest).ok().and_then(|bytes| Digest::from_slice(&bytes));
    let bytes = bytes.ok_or_else(|| ApiError::parameter("digest", &digest, "64 hex digits"))?;
    let mut reader = app.reader().await?;
    let file = reader.source_file(&bytes).await?;
    reader.give_back();
    let file = file.ok_or_else(|| ApiError::NotFound(format!("no rows are from a file with the digest {bytes}")))?;
    match format {
        Format::Json => answer::document(format, &json!(file), ""),
        Format::Csv | Format::Ndjson | Format::Parquet => answer::list(format, &[json!(file)], None),
    }
}
