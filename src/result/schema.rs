//! The JSON Schema of a normalised result, `agg_*.json`: the keys that every result has. Latencies and rates depend on the load
//! generator, so other keys are allowed and not listed.

#![expect(
    dead_code,
    reason = "only their schema is used; `agg` keeps the whole document, unknown keys included"
)]

use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::model::json_schema;

#[derive(JsonSchema)]
#[schemars(title = "imax normalised result")]
struct ResultDocument {
    /// The kind of GPU.
    hw: String,
    /// Container image of the engine.
    image: String,
    /// The model that was loaded.
    model: String,
    /// The model's short name.
    infmax_model_prefix: String,
    /// The inference engine.
    framework: String,
    /// Numeric format of the weights.
    precision: String,
    /// How tokens were drafted.
    spec_decoding: String,
    /// Concurrent requests.
    conc: u64,
    /// Input tokens of a request.
    isl: Option<u64>,
    /// Output tokens of a request.
    osl: Option<u64>,
    /// Tensor parallelism.
    tp: Option<u64>,
    /// Pipeline parallelism.
    pp: Option<u64>,
    /// Decode context parallelism.
    dcp_size: Option<u64>,
    /// Prefill context parallelism.
    pcp_size: Option<u64>,
    /// Expert parallelism.
    ep: Option<u64>,
    /// Whether prefill and decode had separate workers.
    disagg: bool,
    /// Whether the deployment spanned nodes.
    is_multinode: bool,
    /// Input and output tokens per second and GPU.
    tput_per_gpu: f64,
    /// Output tokens per second and GPU.
    output_tput_per_gpu: Option<f64>,
    /// Input tokens per second and GPU.
    input_tput_per_gpu: Option<f64>,
    /// What imax adds to the keys of InferenceX.
    imax: Option<OwnBlock>,
}

#[derive(JsonSchema)]
struct OwnBlock {
    /// The version of this block.
    version: Value,
    #[schemars(flatten)]
    others: Map<String, Value>,
}

/// The schema of one document.
#[must_use]
pub fn schema() -> Value {
    json_schema::<ResultDocument>()
}
