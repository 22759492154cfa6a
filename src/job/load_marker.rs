//! Lines that recipes print when their load begins: the command of a load generator, as a shell traces it, and what generators print
//! first. Before such a line a recipe starts its engine.

/// Texts of such lines. Sources: benchmark_lib.sh and benchmark_serving.py of InferenceX, vLLM's and SGLang's benchmarks, AIPerf,
/// sa-bench of srt-slurm, lm-eval.
const MARKERS: [&str; 11] = [
    "benchmark_serving.py",
    "starting initial single prompt test run",
    "starting main benchmark run",
    "vllm bench serve",
    "sglang.bench_serving",
    "imax bench",
    "imax eval",
    "aiperf profile",
    "sa-bench config",
    "lm_eval ",
    "lm-eval ",
];

/// Whether a line of a recipe's output shows that its load, or its evaluation, has begun.
#[must_use]
pub fn begins_load(line: &str) -> bool {
    let line = line.to_lowercase();
    // Installing a generator or looking for one is not a load.
    let is_preparation = ["pip", "install", "command -v", "git clone"].iter().any(|word| line.contains(word));
    !is_preparation && MARKERS.iter().any(|marker| line.contains(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_first_lines_of_generators_begin_a_load() {
        for (line, begins) in [
            ("+ python3 /workspace/utils/bench_serving/benchmark_serving.py --model m", true),
            ("Starting initial single prompt test run...", true),
            ("SA-Bench Config: endpoint=http://n1:8000; isl=1024", true),
            ("+ aiperf profile --model m", true),
            ("+ python3 -m lm_eval --model local-chat-completions", true),
            ("+ pip install aiperf lm_eval ", false),
            ("+ python3 -m sglang.launch_server --model m", false),
            ("server fired up and is ready to roll!", false),
        ] {
            assert_eq!(begins_load(line), begins, "{line}");
        }
    }
}
