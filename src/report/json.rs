//! The report for programs: the run, and the comparison where there is one.

use serde::Serialize;

use super::view::View;
use crate::analysis::{Comparison, Run};

/// The format; the number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    headline: String,
    run: &'a Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

/// The report as indented JSON.
///
/// # Errors
/// None in practice: all values of a run are finite and all keys are texts.
pub fn json(view: &View) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Document {
        schema: SCHEMA,
        headline: view.headline(),
        run: view.run,
        comparison: view.comparison,
    })
}
