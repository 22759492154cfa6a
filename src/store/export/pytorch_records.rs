//! Points as records of PyTorch's benchmark dashboard, version 3: a JSON line for each number.
//! Source: <https://github.com/pytorch/test-infra>, `.github/scripts/upload_benchmark_results.py`.

use serde_json::{Value, json};

use crate::analysis::HistoryRun;
use crate::model::{PointKey, Workload};
use crate::result::Point;

/// The records of a measured point, one for each number; none for one that failed.
pub(super) fn records(run: &HistoryRun, point: &Point) -> Vec<Value> {
    let Some(measurement) = point.measurement() else {
        return Vec::new();
    };
    let seconds = run.instant().map(|instant| instant.timestamp());
    let context = &run.context;
    let describe = |(name, number): (&str, f64)| {
        let record = json!({
            "benchmark": {
                "name": "imax", "mode": "inference", "dtype": point.key.curve.precision, "extra_info": extra(&point.key, point.gpus),
            },
            "model": {
                "name": point.model.as_deref().unwrap_or(point.key.curve.model_prefix.as_str()), "type": "LLM",
                "backend": point.key.curve.framework, "extra_info": { "image": point.image },
            },
            "metric": { "name": name, "benchmark_values": [number], "extra_info": { "unit": unit(name) } },
            "runners": [{ "name": point.key.curve.runner, "type": "gpu" }],
            "repo": context.repository, "head_branch": run.branch, "head_sha": run.commit, "workflow_id": run.run_id,
            "run_attempt": context.attempt, "timestamp": seconds,
        });
        without_null(record)
    };
    measurement.numbers().map(describe).collect()
}

fn extra(key: &PointKey, gpus: u64) -> Value {
    let curve = &key.curve;
    let (isl, osl) = match curve.workload {
        Workload::FixedSeqLen(lens) => (Some(lens.isl), Some(lens.osl)),
        Workload::AgenticCoding => (None, None),
    };
    without_null(json!({
        "conc": key.conc, "isl": isl, "osl": osl, "layout": curve.layout, "gpus": gpus, "spec_decoding": curve.spec_decoding.as_str(),
        "disagg": curve.disagg, "variant": curve.variant,
    }))
}

/// The unit of a number by its name, as `agg_*.json` has it.
fn unit(name: &str) -> Option<&'static str> {
    let ends = [
        ("tput_per_gpu", "tokens/s/GPU"),
        ("_intvty", "tokens/s/user"),
        ("_ttft", "s"),
        ("_tpot", "s"),
        ("_itl", "s"),
        ("_e2el", "s"),
        ("_power_w", "W"),
        ("_energy_j", "J"),
        ("_temp_c", "°C"),
        ("_pct", "%"),
        ("_mb", "MB"),
    ];
    ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, unit)| unit)
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => other,
    }
}
