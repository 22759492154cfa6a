//! The aggregate that process_agentic_result.py of InferenceX writes of a replay by AIPerf. The whole aggregate is carried along, because
//! it says more than benchmark_serving.py has keys for; see [`crate::result::agentx`].

use super::{Canonical, Counts, Fields, Producer, ProducerError};
use crate::result::{Json, Object, agentx};

/// The key under which the aggregate travels to the normalised document.
pub(in crate::result) const AGGREGATE: &str = "agentx_aggregate";

/// Latencies in seconds, and statistics under benchmark_serving.py's names.
const LATENCIES: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];
const STATISTICS: [(&str, &str); 6] = [
    ("mean", "mean"),
    ("p50", "median"),
    ("std", "std"),
    ("p75", "p75"),
    ("p90", "p90"),
    ("p95", "p95"),
];

pub(super) fn wrote(document: &Object) -> bool {
    agentx::is_aggregate(document)
}

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::Agentx,
        document,
    };
    let mut result = Canonical::new(Producer::Agentx);
    result.put_some("model_id", fields.at(&["model"]));
    result.put_some("max_concurrency", fields.at(&["conc"]));
    let completed = fields.number(&["num_requests_successful"])?;
    if completed < 1.0 {
        // Without a request there are neither rates nor a duration; normalisation says that nothing was measured.
        for key in ["completed", "total_output_tokens", "total_token_throughput", "output_throughput"] {
            result.put(key, Json::Integer(0));
        }
        return Ok(result.0);
    }
    result.put_counts(counts(fields, completed)?);
    result.put_some("failed", fields.at(&["request_accounting", "records_error_dropped"]));
    for latency in LATENCIES {
        for (statistic, name) in STATISTICS {
            if let Some(seconds) = fields.finite(&["request_metrics", "latency", latency, statistic]) {
                result.put(&format!("{name}_{latency}_ms"), (seconds * 1000.0).into());
            }
        }
    }
    result.put(AGGREGATE, Json::Object(document.clone()));
    Ok(result.0)
}

/// The aggregate has rates and the time between the first request's start and the last one's end; tokens follow from them.
fn counts(fields: Fields<'_>, completed: f64) -> Result<Counts, ProducerError> {
    const INPUT_RATE: &[&str] = &["request_metrics", "throughput", "input", "tokens_per_second"];
    const OUTPUT_RATE: &[&str] = &["request_metrics", "throughput", "output", "tokens_per_second"];
    let duration_s = fields.above_zero(&["request_metrics", "throughput", "duration_seconds"])?;
    Ok(Counts {
        completed,
        input_tokens: fields.above_zero(INPUT_RATE)? * duration_s,
        output_tokens: fields.above_zero(OUTPUT_RATE)? * duration_s,
        duration_s,
    })
}
