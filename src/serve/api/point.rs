//! `/points/{id}`: where the numbers of a point come from.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::encode::{Column, object_of};
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::store::database::point_columns;

/// A point and where its numbers come from
///
/// The `id` of a point is a column of `/points`. Beside all columns: the revisions with who stored them when from which file, what is known of
/// these files, the jobs that were to measure it, the verdicts that were given, and how the values of its requests were distributed. Other
/// formats than JSON have the revisions.
#[utoipa::path(get, path = "/api/v1/points/{id}", tag = "results",
    params(("id" = i64, Path, minimum = 1, description = "The number of the point in this history")),
    responses((status = 200, description = "The point", body = Object), (status = 404, description = "There is no such point")))]
pub(in crate::serve) async fn point(
    app: Arc<App>,
    format: Format,
    (Path(id), Form(Nothing {}, _)): (Path<String>, Form<Nothing>),
) -> Result<Response, ApiError> {
    let number = id.parse::<i64>().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| ApiError::parameter("id", &id, "the number of a point"))?;
    let mut reader = app.reader().await?;
    let (cells, origin) = (reader.point_cells(number).await?, reader.point_origin(number).await?);
    let (Some(cells), Some(origin)) = (cells, origin) else {
        reader.give_back();
        return Err(ApiError::NotFound(format!("there is no point {number}; /api/v1/points lists them")));
    };
    let mut sources: Vec<Value> = Vec::new();
    for digest in origin.revisions.iter().filter_map(|revision| revision.source.as_deref()) {
        let known = super::files::digest_of(digest)?;
        sources.extend(reader.source_file(&known).await?.map(|file| json!(file)));
    }
    reader.give_back();
    let columns: Vec<Column> = point_columns()
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    let document = json!({
        "point": origin.key.to_string(),
        "key": origin.key,
        "run": origin.run,
        "columns": object_of(&columns, &cells),
        "revisions": origin.revisions,
        "sources": sources,
        "jobs": origin.jobs,
        "verdicts": origin.verdicts,
        "distributions": origin.distributions,
    });
    answer::document(format, &document, "revisions")
}
