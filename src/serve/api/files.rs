//! `/files/{digest}`: where numbers come from.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::model::Digest;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::source::Served;
use crate::store::history::HistoryHome;

/// A file that rows were read from
///
/// Points name it as their `source`. `content` is the path of its content where the history is a folder, a branch or object storage, else null:
/// databases keep name, size and digest alone.
#[utoipa::path(get, path = "/api/v1/files/{digest}", tag = "results",
    params(("digest" = String, Path, pattern = "^[0-9a-f]{64}$", description = "SHA-256 of the file, 64 hex digits")),
    responses((status = 200, description = "The file", body = Object), (status = 404, description = "No rows are from such a file")))]
pub(in crate::serve) async fn file(
    app: Arc<App>,
    format: Format,
    (Path(digest), Form(Nothing {}, _)): (Path<String>, Form<Nothing>),
) -> Result<Response, ApiError> {
    let digest = digest_of(&digest)?;
    let served = app.served();
    let mut reader = served.readers.take().await?;
    let stored = reader.source_file(&digest).await?;
    reader.give_back();
    let file = match (stored, served.files.get(&digest)) {
        (Some(stored), _) => source_row(&served, &digest, json!(stored)),
        (None, Some(file)) => source_row(
            &served,
            &digest,
            json!({ "digest": digest.to_string(), "name": file.name, "bytes": file.bytes }),
        ),
        (None, None) => return Err(unknown(&digest)),
    };
    match format {
        Format::Json => answer::document(format, &file, ""),
        Format::Csv | Format::Ndjson | Format::Parquet => answer::list(format, &[file], None),
    }
}

/// The content of a file
///
/// Of histories that are folders: their files, and the files of a folder of artifacts. Of a branch or object storage: the files that runs are in,
/// fetched from there.
#[utoipa::path(get, path = "/api/v1/files/{digest}/content", tag = "results",
    params(("digest" = String, Path, pattern = "^[0-9a-f]{64}$", description = "SHA-256 of the file, 64 hex digits")),
    responses((status = 200, description = "The bytes, as a download", body = String, content_type = "application/octet-stream"),
        (status = 404, description = "The content is not kept, or has changed")))]
pub(in crate::serve) async fn content(
    app: Arc<App>,
    (Path(digest), Form(Nothing {}, _)): (Path<String>, Form<Nothing>),
) -> Result<Response, ApiError> {
    let digest = digest_of(&digest)?;
    let served = app.served();
    let found = match &served.remote {
        Some(home) => run_file(&served, home, &digest).await?,
        None => served.files.content(&digest).map_err(ApiError::internal)?,
    };
    let Some((name, bytes)) = found else {
        let words = format!(
            "the history does not have the content of {digest}; histories in folders, branches and object storage keep their files"
        );
        return Err(ApiError::NotFound(words));
    };
    // Names are of files from outside.
    let last = name.rsplit('/').next().unwrap_or_default();
    let safe: String = last
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || "._-".contains(character) {
                character
            } else {
                '_'
            }
        })
        .collect();
    let disposition = format!("attachment; filename=\"{safe}\"");
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, bytes).into_response())
}

/// Name and content of a file that runs are in.
async fn run_file(served: &Served, home: &HistoryHome, digest: &Digest) -> Result<Option<(String, Vec<u8>)>, ApiError> {
    let mut reader = served.readers.take().await?;
    let stored = reader.source_file(digest).await?;
    reader.give_back();
    let Some(stored) = stored else { return Ok(None) };
    let content = home.run_file(&stored.name, digest).await.map_err(ApiError::internal)?;
    Ok(content.map(|content| (stored.name, content)))
}

/// A file that rows are from, with the path of its content; null where the history does not have it.
pub(super) fn source_row(served: &Served, digest: &Digest, mut file: Value) -> Value {
    let has_content = served.remote.is_some() || served.files.has(digest);
    file["content"] = json!(has_content.then(|| format!("/api/v1/files/{digest}/content")));
    file
}

/// The files of a folder of artifacts, which has one run.
pub(super) fn files_of_folder(served: &Served) -> Vec<Value> {
    let file = |file: &crate::store::history::FolderFile| {
        let digest = file.digest.to_string();
        json!({ "content": format!("/api/v1/files/{digest}/content"), "digest": digest, "name": file.name, "bytes": file.bytes })
    };
    served.files.iter().map(file).collect()
}

/// A digest in a path.
pub(super) fn digest_of(text: &str) -> Result<Digest, ApiError> {
    let bytes = hex::decode(text).ok().and_then(|bytes| Digest::from_slice(&bytes));
    bytes.ok_or_else(|| ApiError::parameter("digest", text, "64 hex digits"))
}

fn unknown(digest: &Digest) -> ApiError {
    ApiError::NotFound(format!("no rows are from a file with the digest {digest}"))
}
