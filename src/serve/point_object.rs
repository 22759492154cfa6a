//! A point in memory as an object with the columns of `/api/v1/points`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use crate::analysis::{INTERVAL_COLUMNS, METRIC_COLUMNS, RunPoint};
use crate::model::Workload;

/// The dimensions and numbers of a point; a number that was not reported is null.
pub(super) fn point_object(found: &RunPoint) -> Map<String, Value> {
    let RunPoint {
        run,
        started,
        commit,
        point,
    } = found;
    let curve = &point.key.curve;
    let (isl, osl, scenario) = match curve.workload {
        Workload::FixedSeqLen(lens) => (Some(lens.isl.get()), Some(lens.osl.get()), "fixed-seq-len"),
        Workload::AgenticCoding => (None, None, "agentic-coding"),
    };
    let variant: Vec<String> = curve.variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let described = [
        ("run", json!(run)),
        ("started", json!(started.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))),
        ("commit", json!(commit)),
        ("curve", json!(curve.identity().to_string())),
        ("model_prefix", json!(curve.model_prefix)),
        ("model", json!(point.model)),
        ("precision", json!(curve.precision)),
        ("hardware", json!(curve.runner)),
        ("framework", json!(curve.framework)),
        ("spec_decoding", json!(curve.spec_decoding)),
        ("disagg", json!(curve.disagg)),
        ("scenario", json!(scenario)),
        ("isl", json!(isl)),
        ("osl", json!(osl)),
        ("layout", json!(curve.layout)),
        ("variant", json!((!variant.is_empty()).then(|| variant.join(" ")))),
        ("gpus", json!(point.gpus)),
        ("conc", json!(point.key.conc)),
        ("image", json!(point.image)),
    ];
    let mut object: Map<String, Value> = described.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let numbers = point.measurement();
    for name in METRIC_COLUMNS {
        object.insert(name.to_owned(), json!(numbers.and_then(|numbers| numbers.number(name))));
    }
    for (metric, name) in INTERVAL_COLUMNS {
        let interval = point.interval(metric);
        object.insert(format!("ci_low_{name}"), json!(interval.map(|ends| ends.low)));
        object.insert(format!("ci_high_{name}"), json!(interval.map(|ends| ends.high)));
    }
    object
}

/// The object with the members of another one.
pub(super) fn with<T: Serialize>(mut object: Map<String, Value>, more: &T) -> Result<Value, ApiError> {
    let more = serde_json::to_value(more).map_err(ApiError::internal)?;
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Ok(Value::Object(object))
}
