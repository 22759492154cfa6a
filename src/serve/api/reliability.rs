//! `/reliability`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;

/// Points by hardware, engine and outcome
#[utoipa::path(get, path = "/api/v1/reliability", tag = "results", params(SelectionParams),
    responses((status = 200, description = "One object for each hardware and engine; `outcomes` has the numbers of points by failure class", body = inline(ObjectList))))]
pub(in crate::serve) async fn reliability(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let mut reader = app.reader().await?;
    let counts = reader.outcomes(&selection, as_of).await?;
    reader.give_back();
    let mut rows: BTreeMap<(&str, &str), BTreeMap<&str, i64>> = BTreeMap::new();
    for count in &counts {
        let row = rows.entry((&count.hardware, &count.framework)).or_default();
        row.insert(&count.outcome, count.points);
    }
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|((hardware, framework), outcomes)| {
            let points: i64 = outcomes.values().sum();
            let measured = outcomes.get("measured").copied().unwrap_or_default();
            let newest = |is_measured: bool| {
                let of_row = counts.iter().filter(|count| {
                    count.hardware == hardware && count.framework == framework && (count.outcome == "measured") == is_measured
                });
                of_row.map(|count| count.newest.as_str()).max()
            };
            json!({
                "hardware": hardware,
                "framework": framework,
                "points": points,
                "measured": measured,
                "failed": points - measured,
                "outcomes": outcomes,
                "newest_measured": newest(true),
                "newest_failed": newest(false),
            })
        })
        .collect();
    answer::list(format, &rows, None)
}
