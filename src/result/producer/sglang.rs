//! `sglang.bench_serving`: JSON lines, one for each run, appended to the file. Its keys differ from benchmark_serving.py's:
//! `e2e_latency` for `e2el`, `total_throughput`, and the model is only in what the server reports.
//! Source: <https://github.com/sgl-project/sglang/blob/main/python/sglang/bench_serving.py>.

use super::{Canonical, Counts, Fields, Producer, ProducerError};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    ["total_output_tokens_retokenized", "median_e2e_latency_ms"]
        .iter()
        .all(|key| document.contains_key(*key))
}

/// The statistics that are copied.
const STATISTICS: [&str; 6] = ["mean", "median", "std", "p90", "p95", "p99"];
/// Its names of the latencies, and benchmark_serving.py's.
const LATENCIES: [(&str, &str); 4] = [("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl"), ("e2e_latency", "e2el")];

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::Sglang,
        document,
    };
    let mut result = Canonical::new(Producer::Sglang);
    let model = [["server_info", "served_model_name"], ["server_info", "model_path"]];
    result.put_some("model_id", model.iter().find_map(|path| fields.at(path)));
    result.put_some("max_concurrency", fields.at(&["max_concurrency"]));
    result.put_some("num_prompts", fields.at(&["num_prompts"]));
    match fields.at(&["request_rate"]).and_then(Json::as_number) {
        Some(rate) if rate.is_infinite() => result.put("request_rate", "inf".into()),
        Some(rate) => result.put("request_rate", rate.into()),
        None => {}
    }
    let duration_s = fields.number(&["duration"])?;
    if duration_s <= 0.0 {
        return Err(fields.wrong(&["duration"], fields.at(&["duration"]), "seconds above zero"));
    }
    result.put_counts(Counts {
        completed: fields.number(&["completed"])?,
        input_tokens: fields.number(&["total_input_tokens"])?,
        output_tokens: fields.number(&["total_output_tokens"])?,
        duration_s,
    });
    for statistic in STATISTICS {
        for (theirs, ours) in LATENCIES {
            let value = fields.at(&[&format!("{statistic}_{theirs}_ms")]);
            result.put_some(&format!("{statistic}_{ours}_ms"), value);
        }
    }
    Ok(result.0)
}
