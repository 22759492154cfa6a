//! Reads runs from JSON for a store that must not guess: each point is read by itself, and one that this version does not fully
//! understand is set aside with the reason, instead of being taken for a similar one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{HISTORY_SCHEMA, HistoryError, HistoryRun};
use crate::analysis::run_document::RUN_SCHEMA;
use crate::analysis::{DatedPrice, PRICES_SCHEMA, PriceList, Run, RunDocumentError};
use crate::model::PointKey;
use crate::result::Point;

/// A point or a file that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it is in its file: `points[3]`.
    pub place: String,
    pub reason: String,
    /// What was found there, as JSON or as the text that it is; cut to [`Quarantined::MAX_PAYLOAD`] bytes.
    pub payload: String,
}

impl Quarantined {
    /// Ten times the largest point.
    pub const MAX_PAYLOAD: usize = 64 * 1024;

    #[must_use]
    pub fn new(place: impl Into<String>, reason: impl Into<String>, payload: &str) -> Self {
        let mut end = payload.len().min(Self::MAX_PAYLOAD);
        while !payload.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            place: place.into(),
            reason: reason.into(),
            payload: payload[..end].to_owned(),
        }
    }
}

/// What was read, and what was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    pub value: T,
    pub quarantined: Vec<Quarantined>,
}

/// The runs in a file of a history: one run, or a list of runs as `imax export` writes it. A run of a list that is not one is set
/// aside.
///
/// # Errors
/// [`HistoryError`] for a file that is not JSON, or a single run that is not one.
pub fn read_history(text: &str) -> Result<Read<Vec<HistoryRun>>, HistoryError> {
    let Value::Array(documents) = serde_json::from_str(text)? else {
        let run = read_history_run(serde_json::from_str(text)?, "")?;
        return Ok(Read {
            value: vec![run.value],
            quarantined: run.quarantined,
        });
    };
    let mut found = Read {
        value: Vec::new(),
        quarantined: Vec::new(),
    };
    for (index, document) in documents.into_iter().enumerate() {
        if is_price_list(&document) {
            continue;
        }
        let place = format!("[{index}]");
        let payload = document.to_string();
        match read_history_run(document, &format!("{place}.")) {
            Ok(run) => {
                found.value.push(run.value);
                found.quarantined.extend(run.quarantined);
            }
            Err(error) => found.quarantined.push(Quarantined::new(place, error.to_string(), &payload)),
        }
    }
    Ok(found)
}

fn is_price_list(document: &Value) -> bool {
    document["schema"].as_str() == Some(PRICES_SCHEMA)
}

/// The prices in a file of a history as `imax export` writes it, or in a document of prices. A list that is not one, or a price that cannot be,
/// is set aside.
///
/// # Errors
/// [`HistoryError`] for a file that is not JSON.
pub fn read_prices(text: &str) -> Result<Read<Vec<DatedPrice>>, HistoryError> {
    let mut found = Read {
        value: Vec::new(),
        quarantined: Vec::new(),
    };
    // Most files of runs have none, and are large.
    if !text.contains(PRICES_SCHEMA) {
        return Ok(found);
    }
    let documents = match serde_json::from_str(text)? {
        Value::Array(documents) => documents,
        document @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => vec![document],
    };
    for (index, document) in documents.into_iter().enumerate().filter(|(_, document)| is_price_list(document)) {
        let payload = document.to_string();
        match serde_json::from_value::<PriceList>(document) {
            Ok(list) => list.prices.into_iter().for_each(|price| match price.check() {
                Ok(()) => found.value.push(price),
                Err(error) => found
                    .quarantined
                    .push(Quarantined::new(format!("[{index}].prices"), error.to_string(), "")),
            }),
            Err(error) => found
                .quarantined
                .push(Quarantined::new(format!("[{index}]"), error.to_string(), &payload)),
        }
    }
    Ok(found)
}

fn read_history_run(mut document: Value, place: &str) -> Result<Read<HistoryRun>, HistoryError> {
    check_schema(&document, HISTORY_SCHEMA).map_err(HistoryError::Schema)?;
    let points = take_points(&mut document);
    let mut run = HistoryRun::of_value(document)?;
    let read = read_points(points, &format!("{place}run."));
    run.run.points = read.value;
    Ok(Read {
        value: run,
        quarantined: read.quarantined,
    })
}

/// The run of a `run.json`.
///
/// # Errors
/// [`RunDocumentError`] for other JSON or another version.
pub fn read_run(text: &str) -> Result<Read<Run>, RunDocumentError> {
    let mut document: Value = serde_json::from_str(text)?;
    check_schema(&document, RUN_SCHEMA).map_err(RunDocumentError::Schema)?;
    let points = take_points(&mut document);
    let run: Run = serde_json::from_value(document["run"].take())?;
    let read = read_points(points, "run.");
    Ok(Read {
        value: Run { points: read.value, ..run },
        quarantined: read.quarantined,
    })
}

fn check_schema(document: &Value, expected: &str) -> Result<(), String> {
    match document["schema"].as_str() {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(found.to_owned()),
        // Reading the document will say what is absent.
        None => Ok(()),
    }
}

/// Takes the points out of a document and leaves an empty list.
fn take_points(document: &mut Value) -> Vec<Value> {
    match document.get_mut("run").and_then(|run| run.get_mut("points")) {
        Some(Value::Array(points)) => std::mem::take(points),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) | None => Vec::new(),
    }
}

fn read_points(documents: Vec<Value>, place: &str) -> Read<Vec<Point>> {
    let mut seen: BTreeSet<PointKey> = BTreeSet::new();
    let mut points: Vec<Point> = Vec::with_capacity(documents.len());
    let mut quarantined = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let checked = PointKey::check_dimensions(&document["key"]).map_err(|error| error.to_string());
        let read = checked.and_then(|()| serde_json::from_value::<Point>(document.clone()).map_err(|error| error.to_string()));
        let read = read.and_then(|point| {
            if seen.insert(point.key.clone()) {
                Ok(point)
            } else {
                Err(format!("{} occurs twice in the run", point.key))
            }
        });
        match read {
            Ok(point) => points.push(point),
            Err(reason) => quarantined.push(Quarantined::new(format!("{place}points[{index}]"), reason, &document.to_string())),
        }
    }
    points.sort_by(|left, right| left.key.cmp(&right.key));
    Read {
        value: points,
        quarantined,
    }
}
