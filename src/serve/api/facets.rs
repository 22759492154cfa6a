//! `/facets`: the values of each dimension, with numbers of points.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::analysis::{FieldFilter, Filter, PointField};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::CurveCounts;

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
    let (selection, as_of) = selection.parse()?;
    let mut reader = app.reader().await?;
    let curves = reader.point_counts(&selection, as_of).await?;
    reader.give_back();
    let rows: Vec<Value> = count(&curves, &selection.filters)
        .into_iter()
        .flat_map(|facet| {
            let name = facet.field.name();
            let row = move |(value, points)| json!({ "dimension": name, "value": value, "points": points });
            facet.points.into_iter().map(row)
        })
        .collect();
    answer::list(format, &rows, None)
}

/// The values of a dimension with their numbers of points.
struct Facet<'a> {
    field: PointField,
    filter: FieldFilter<'a>,
    points: BTreeMap<String, i64>,
}

impl<'a> Facet<'a> {
    fn new(field: PointField, filters: &'a [Filter]) -> Self {
        Self {
            field,
            filter: FieldFilter::new(field, filters),
            points: BTreeMap::new(),
        }
    }

    fn add(&mut self, value: &str, points: i64) {
        match self.points.get_mut(value) {
            Some(count) => *count += points,
            None => {
                self.points.insert(value.to_owned(), points);
            }
        }
    }
}

/// A point counts for a value if the filters of all other dimensions select it: those of a curve that fails one filter count for the dimension
/// of that filter alone, those of a curve that fails two for none.
fn count<'a>(curves: &[CurveCounts], filters: &'a [Filter]) -> Vec<Facet<'a>> {
    let mut concurrency = Facet::new(PointField::Concurrency, filters);
    let mut facets: Vec<Facet<'a>> = PointField::ALL
        .into_iter()
        .filter(|field| *field != PointField::Concurrency)
        .map(|field| Facet::new(field, filters))
        .collect();
    for curve in curves {
        let selected: Vec<bool> = facets
            .iter_mut()
            .map(|facet| curve.value(facet.field).is_some_and(|value| facet.filter.matches(value)))
            .collect();
        let failed = selected.iter().filter(|is_selected| !**is_selected).count();
        let mut of_loads = 0;
        for load in &curve.loads {
            let value = load.load.to_string();
            if concurrency.filter.matches(&value) {
                of_loads += load.points;
            }
            concurrency.add(&value, if failed == 0 { load.points } else { 0 });
        }
        for (facet, is_selected) in facets.iter_mut().zip(selected) {
            let failed_others = failed - usize::from(!is_selected);
            if let Some(value) = curve.value(facet.field) {
                facet.add(value, if failed_others == 0 { of_loads } else { 0 });
            }
        }
    }
    facets.push(concurrency);
    facets
}
