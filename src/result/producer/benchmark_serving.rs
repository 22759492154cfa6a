//! benchmark_serving.py, of vLLM and as InferenceX and srt-slurm carry it, and `vllm bench serve`, which writes the same keys
//! (and `endpoint_type`). All other producers are turned into its words.
//! Source: <https://github.com/vllm-project/vllm/blob/main/vllm/benchmarks/serve.py>.

use crate::result::Object;

pub(super) fn wrote(document: &Object) -> bool {
    ["total_token_throughput", "output_throughput"]
        .iter()
        .all(|key| document.contains_key(*key))
}
