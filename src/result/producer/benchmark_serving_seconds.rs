//! benchmark_serving.py as some derivatives have it: latencies in seconds, under names without `_ms`, and no `total_token_throughput`. Read as
//! milliseconds, they would be a thousand times too good.
//! Source: <https://github.com/SemiAnalysisAI/InferenceX/tree/main/experimental/token_position_decode_slo>.

use super::{Canonical, Fields, Producer, ProducerError};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    let has_seconds = document.contains_key("median_ttft") && !document.contains_key("median_ttft_ms");
    has_seconds && document.contains_key("input_throughput") && document.contains_key("max_concurrency")
}

/// Names of latencies within the keys.
const LATENCIES: [&str; 4] = ["_ttft", "_tpot", "_itl", "_e2el"];

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::BenchmarkServingSeconds,
        document,
    };
    let mut result = Canonical::new(Producer::BenchmarkServingSeconds);
    let total = fields.number(&["input_throughput"])? + fields.number(&["output_throughput"])?;
    for (key, value) in document {
        match LATENCIES.iter().any(|latency| key.ends_with(latency)) {
            true if *value == Json::Null => {}
            true => result.put(&format!("{key}_ms"), Json::Float(fields.number(&[key])? * 1000.0)),
            false => result.put(key, value.clone()),
        }
    }
    result.put("total_token_throughput", total.into());
    Ok(result.0)
}
