//! The engine's own metrics during a load: reads the text format of Prometheus and maps the metric names of each engine to common
//! keys.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::MetricSample;

/// One scrape of an engine's metrics. Metrics that the engine does not export are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct EngineSample {
    /// Seconds since the start of the load.
    pub seconds: f64,
    /// Requests that are being executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<f64>,
    /// Requests that wait in the engine's queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<f64>,
    /// Part of the KV cache in use, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_use: Option<f64>,
    /// Prompt tokens looked up in the prefix cache so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_queries: Option<f64>,
    /// Prompt tokens found in the prefix cache so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_hits: Option<f64>,
    /// Hit rate of the prefix cache, 0 to 1, if the engine exports only the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_hit_rate: Option<f64>,
    /// Tokens drafted by speculative decoding so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafted: Option<f64>,
    /// Drafts so far: steps of speculative decoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafts: Option<f64>,
    /// Drafted tokens that were accepted so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<f64>,
    /// Accepted length of speculative decoding, tokens per step, if the engine exports only that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_length: Option<f64>,
    /// Preemptions so far: requests that were evicted from the KV cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
}

impl EngineSample {
    /// A sample from after the load: its counters are those of the load, its gauges are not.
    #[must_use]
    pub fn without_gauges(self) -> Self {
        Self {
            running: None,
            waiting: None,
            kv_cache_use: None,
            ..self
        }
    }
}

/// A label and its required value.
type Label = Option<(&'static str, &'static str)>;

/// Access to a field of a sample.
type Field = fn(&mut EngineSample) -> &mut Option<f64>;

/// Metric name, required label and the field that is set. An engine with several processes exports each metric once per process; their
/// values are summed, but those of [`RATES`] averaged.
const NAMES: [(&str, Label, Field); 36] = [
    // vLLM
    ("vllm:num_requests_running", None, |s| &mut s.running),
    ("vllm:num_requests_waiting", None, |s| &mut s.waiting),
    ("vllm:kv_cache_usage_perc", None, |s| &mut s.kv_cache_use),
    ("vllm:gpu_cache_usage_perc", None, |s| &mut s.kv_cache_use),
    ("vllm:prefix_cache_queries_total", None, |s| &mut s.prefix_queries),
    ("vllm:prefix_cache_hits_total", None, |s| &mut s.prefix_hits),
    ("vllm:gpu_prefix_cache_queries_total", None, |s| &mut s.prefix_queries),
    ("vllm:gpu_prefix_cache_hits_total", None, |s| &mut s.prefix_hits),
    ("vllm:spec_decode_num_draft_tokens_total", None, |s| &mut s.drafted),
    ("vllm:spec_decode_num_accepted_tokens_total", None, |s| &mut s.accepted),
    ("vllm:spec_decode_num_drafts_total", None, |s| &mut s.drafts),
    ("vllm:num_preemptions_total", None, |s| &mut s.preemptions),
    // SGLang
    ("sglang:num_running_reqs", None, |s| &mut s.running),
    ("sglang:num_queue_reqs", None, |s| &mut s.waiting),
    ("sglang:token_usage", None, |s| &mut s.kv_cache_use),
    ("sglang:cache_hit_rate", None, |s| &mut s.prefix_hit_rate),
    ("sglang:spec_accept_length", None, |s| &mut s.accept_length),
    // trtllm-serve
    ("trtllm_num_requests_running", None, |s| &mut s.running),
    ("trtllm_num_requests_waiting", None, |s| &mut s.waiting),
    ("trtllm_kv_cache_utilization", None, |s| &mut s.kv_cache_use),
    ("trtllm_kv_cache_hit_rate", None, |s| &mut s.prefix_hit_rate),
    // Triton, and its TensorRT-LLM back end
    ("nv_trt_llm_request_metrics", Some(("request_type", "active")), |s| &mut s.running),
    ("nv_trt_llm_request_metrics", Some(("request_type", "waiting")), |s| &mut s.waiting),
    (
        "nv_trt_llm_kv_cache_block_metrics",
        Some(("kv_cache_block_type", "fraction")),
        |s| &mut s.kv_cache_use,
    ),
    ("nv_inference_pending_request_count", None, |s| &mut s.waiting),
    // llama.cpp
    ("llamacpp:requests_processing", None, |s| &mut s.running),
    ("llamacpp:requests_deferred", None, |s| &mut s.waiting),
    ("llamacpp:kv_cache_usage_ratio", None, |s| &mut s.kv_cache_use),
    // A prompt token is either processed or found in the cache.
    ("llamacpp:prompt_tokens_total", None, |s| &mut s.prefix_queries),
    ("llamacpp:prompt_tokens_cached_total", None, |s| &mut s.prefix_queries),
    ("llamacpp:prompt_tokens_cached_total", None, |s| &mut s.prefix_hits),
    ("llamacpp:spec_decode_num_draft_tokens_total", None, |s| &mut s.drafted),
    ("llamacpp:spec_decode_num_accepted_tokens_total", None, |s| &mut s.accepted),
    ("llamacpp:spec_decode_num_drafts_total", None, |s| &mut s.drafts),
    // imax sim
    ("imax_sim_requests_running", None, |s| &mut s.running),
    ("imax_sim_requests_waiting", None, |s| &mut s.waiting),
];

/// Fields that are a share or a mean in each process, so that a sum over processes has no meaning. The processes are weighted equally,
/// because no engine exports what such a gauge was averaged over; engines that export counters get their rates from these (see [`json`]).
const RATES: [Field; 3] = [|s| &mut s.kv_cache_use, |s| &mut s.prefix_hit_rate, |s| &mut s.accept_length];

/// Parses a page of metrics; `None` if it has no known name.
#[must_use]
pub fn read(text: &str, seconds: f64) -> Option<EngineSample> {
    let mut sample = EngineSample {
        seconds,
        ..EngineSample::default()
    };
    let (mut is_known, mut processes) = (false, EngineSample::default());
    for found in text.lines().filter_map(MetricSample::parse).filter(|found| found.value.is_finite()) {
        for (name, label, field) in &NAMES {
            let has_label = label.is_none_or(|(key, value)| found.label(key) == Some(value));
            if *name == found.name && has_label {
                is_known = true;
                add(field(&mut sample), found.value);
                add(field(&mut processes), 1.0);
            }
        }
    }
    for field in RATES {
        let number = *field(&mut processes);
        let sum = field(&mut sample);
        *sum = sum.zip(number).map(|(sum, number)| sum / number);
    }
    is_known.then_some(sample)
}

fn add(total: &mut Option<f64>, value: f64) {
    *total = Some(total.unwrap_or(0.0) + value);
}

/// The metrics of all servers of a load, a series of samples each: rates over the load, from the growth of counters where the engine has
/// them, else the mean of its gauges, and the highest values of any one server. The samples follow if there is one server.
#[must_use]
pub fn json(servers: &[Vec<EngineSample>]) -> Value {
    if servers.iter().all(Vec::is_empty) {
        return Value::Null;
    }
    let hit_rate = share(grown(servers, |s| s.prefix_hits), grown(servers, |s| s.prefix_queries));
    let accepted_per_draft = share(grown(servers, |s| s.accepted), grown(servers, |s| s.drafts));
    let mut json = json!({
        "max_running": highest(servers, |sample| sample.running),
        "max_waiting": highest(servers, |sample| sample.waiting),
        "max_kv_cache_use": highest(servers, |sample| sample.kv_cache_use),
        "prefix_hit_rate": hit_rate.or_else(|| mean(servers, |sample| sample.prefix_hit_rate)),
        "acceptance_rate": share(grown(servers, |s| s.accepted), grown(servers, |s| s.drafted)),
        // A step gives the accepted tokens of a draft and one of the target model.
        "acceptance_length": accepted_per_draft.map(|accepted| 1.0 + accepted).or_else(|| mean(servers, |sample| sample.accept_length)),
        "preemptions": grown(servers, |sample| sample.preemptions),
    });
    if let [only] = servers {
        json["samples"] = json!(only);
    }
    json
}

/// Growth of a counter between the first and the last sample, over all servers; `None` if a server lacks it. A counter that shrinks was
/// reset, for example by a restart of the engine; it gives no figure.
fn grown(servers: &[Vec<EngineSample>], figure: fn(&EngineSample) -> Option<f64>) -> Option<f64> {
    servers.iter().map(|samples| grown_at_server(samples, figure)).sum()
}

fn grown_at_server(samples: &[EngineSample], figure: fn(&EngineSample) -> Option<f64>) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    Some(figure(last)? - figure(first)?).filter(|grown| *grown >= 0.0)
}

/// Highest value of a gauge. The first sample does not count: it is taken when the load begins, and its zero would be the figure of a
/// load that ends before the second one.
fn highest(servers: &[Vec<EngineSample>], figure: fn(&EngineSample) -> Option<f64>) -> Option<f64> {
    let during = servers.iter().flat_map(|samples| samples.iter().skip(1));
    during.filter_map(figure).reduce(f64::max)
}

fn share(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole.filter(|whole| *whole > 0.0)?)
}

/// Mean over the samples of all servers.
fn mean(servers: &[Vec<EngineSample>], figure: fn(&EngineSample) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = servers.iter().flatten().filter_map(figure).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / crate::model::count(values.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn the_names_of_each_engine_become_the_same_keys() {
        let vllm = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n\
                    vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 2.0\nvllm:num_requests_waiting{engine=\"0\"} 1.0\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.75\n";
        let sample = read(vllm, 1.5).unwrap();
        assert_eq!(
            (sample.seconds, sample.running, sample.waiting, sample.kv_cache_use),
            (1.5, Some(5.0), Some(1.0), Some(0.5))
        );
        let triton =
            "nv_trt_llm_request_metrics{model=\"e\",request_type=\"active\"} 4\nnv_trt_llm_request_metrics{request_type=\"max\"} 9\n";
        assert_eq!(read(triton, 0.0).unwrap().running, Some(4.0));
        let llama = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 7\n";
        let sample = read(llama, 0.0).unwrap();
        assert_eq!((sample.running, sample.waiting, sample.kv_cache_use), (Some(2.0), Some(7.0), None));
        // As llama.cpp wrote after it got one prompt of 23 tokens twice.
        let llama = "llamacpp:prompt_tokens_total 24\nllamacpp:prompt_tokens_cached_total 22\n";
        let sample = read(llama, 0.0).unwrap();
        assert_eq!((sample.prefix_queries, sample.prefix_hits), (Some(46.0), Some(22.0)));
        let sglang = "sglang:cache_hit_rate{dp_rank=\"0\"} 0.5\nsglang:cache_hit_rate{dp_rank=\"1\"} 0.9\n\
                      sglang:spec_accept_length{dp_rank=\"0\"} 2\nsglang:spec_accept_length{dp_rank=\"1\"} 3\n\
                      sglang:num_running_reqs{dp_rank=\"0\"} 2\nsglang:num_running_reqs{dp_rank=\"1\"} 3\n";
        let sample = read(sglang, 0.0).unwrap();
        assert_eq!(
            (sample.prefix_hit_rate, sample.accept_length, sample.running),
            (Some(0.7), Some(2.5), Some(5.0))
        );
        let trtllm = "trtllm_kv_cache_utilization{rank=\"0\"} 0.5\ntrtllm_kv_cache_utilization{rank=\"1\"} 0.75\n\
                      trtllm_kv_cache_hit_rate{rank=\"0\"} 0.25\ntrtllm_kv_cache_hit_rate{rank=\"1\"} 0.75\n";
        let sample = read(trtllm, 0.0).unwrap();
        assert_eq!((sample.kv_cache_use, sample.prefix_hit_rate), (Some(0.625), Some(0.5)));
        assert_eq!(read("process_start_time_seconds 5\nvllm:num_requests_running NaN\n", 0.0), None);
    }

    fn sample(queries: f64, hits: f64) -> EngineSample {
        EngineSample {
            prefix_queries: Some(queries),
            prefix_hits: Some(hits),
            waiting: Some(queries / 100.0),
            ..EngineSample::default()
        }
    }

    #[test]
    fn counters_give_rates_over_the_load() {
        let one = vec![sample(100.0, 90.0), sample(300.0, 140.0)];
        let series = json(std::slice::from_ref(&one));
        assert_eq!((&series["prefix_hit_rate"], &series["max_waiting"]), (&json!(0.25), &json!(3.0)));
        assert_eq!((&series["acceptance_rate"], &series["max_running"]), (&Value::Null, &Value::Null));
        assert_eq!(series["samples"].as_array().map(Vec::len), Some(2));
        assert_eq!(json(&[]), Value::Null);
        // A busy server and an idle one: the rate is that of all lookups, not the mean of two rates.
        let both = json(&[one.clone(), vec![sample(0.0, 0.0), sample(50.0, 50.0)]]);
        assert_eq!((&both["prefix_hit_rate"], &both["max_waiting"]), (&json!(0.4), &json!(3.0)));
        assert_eq!(both.get("samples"), None);
        // A load that is shorter than the interval: its counters are known, what was in flight is not.
        let short = json(&[vec![sample(100.0, 90.0), sample(300.0, 140.0).without_gauges()]]);
        assert_eq!((&short["prefix_hit_rate"], &short["max_waiting"]), (&json!(0.25), &Value::Null));
        // Growth of which a server says nothing is not known.
        assert_eq!(json(&[one, Vec::new()])["prefix_hit_rate"], Value::Null);
    }

    #[test]
    fn engines_without_counters_give_the_mean_of_their_gauges() {
        let gauge = |rate: f64, length: f64| EngineSample {
            prefix_hit_rate: Some(rate),
            accept_length: Some(length),
            ..EngineSample::default()
        };
        let series = json(&[vec![gauge(0.25, 2.0), gauge(0.75, 3.0)]]);
        assert_eq!(
            (&series["prefix_hit_rate"], &series["acceptance_length"]),
            (&json!(0.5), &json!(2.5))
        );
        let drafts = |drafts: f64, accepted: f64| EngineSample {
            drafts: Some(drafts),
            accepted: Some(accepted),
            ..EngineSample::default()
        };
        let series = json(&[vec![drafts(10.0, 5.0), drafts(20.0, 30.0)]]);
        assert_eq!(series["acceptance_length"], json!(3.5));
    }
}
