//! `/facets`: the values of each dimension, with numbers of points.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::analysis::{Filter, PointField, is_selected};
use crate::model::{Concurrency, PointKey};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;

/// Values of the dimensions
///
/// `points` is the number of points that a filter for the value would select beside the filters of other dimensions; 0 for a value that the
/// others leave none of.
#[utoipa::path(get, path = "/api/v1/facets", tag = "results", params(SelectionParams),
    responses((status = 200, description = "One object for each value of a dimension", body = inline(ObjectList))))]
pub(in crate::serve) async fn facets(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    let filters = std::mem::take(&mut selection.filters);
    let mut reader = app.reader().await?;
    let keys = reader.curve_keys(&selection).await?;
    let loads = reader.loads(&selection, as_of).await?;
    reader.give_back();
    let mut counts: BTreeMap<(PointField, String), i64> = BTreeMap::new();
    for (curve, load, points) in loads {
        let conc = u32::try_from(load).ok().and_then(Concurrency::new);
        let (Some(curve), Some(conc)) = (keys.get(&curve).cloned(), conc) else {
            continue;
        };
        let key = PointKey { curve, conc };
        for field in PointField::ALL {
            let count = counts.entry((field, field.of(&key))).or_default();
            let others: Vec<Filter> = filters.iter().filter(|filter| filter.field() != field).cloned().collect();
            if is_selected(&key, &others) {
                *count += points;
            }
        }
    }
    let rows: Vec<Value> = counts
        .into_iter()
        .map(|((field, value), points)| json!({ "dimension": field.name(), "value": value, "points": points }))
        .collect();
    answer::list(format, &rows, None)
}
