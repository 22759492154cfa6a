//! Short names made from long ones: of models, precisions and hardware.

/// Words of model names that do not tell models apart in one repository.
const DROPPED: [&str; 10] = ["instruct", "chat", "it", "gguf", "hf", "mlx", "fp8", "fp4", "nvfp4", "mxfp4"];
/// Longest short name, characters.
const LONGEST: usize = 24;

/// A short name of a model: the last part of its path, in lower case, without words about its format.
pub(crate) fn model_prefix(model: &str) -> String {
    let model = model.trim_end_matches('/');
    let last = model.rsplit(['/', '\\']).next().unwrap_or(model).to_lowercase();
    let last = last.strip_suffix(".gguf").unwrap_or(&last);
    let mut prefix = String::new();
    for word in last.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if is_quantisation(word) || (DROPPED.contains(&word) && !prefix.is_empty()) {
            continue;
        }
        if !prefix.is_empty() && prefix.len() + 1 + word.len() > LONGEST {
            break;
        }
        if !prefix.is_empty() {
            prefix.push('-');
        }
        prefix.extend(word.chars().take(LONGEST));
    }
    if prefix.is_empty() { "model".to_owned() } else { prefix }
}

/// GGUF's names of quantisations begin with `q4`, `iq3` and so on; `k`, `m`, `s`, `l` and digits follow as words of their own.
fn is_quantisation(word: &str) -> bool {
    let digits = word.strip_prefix("iq").or_else(|| word.strip_prefix('q')).unwrap_or_default();
    let is_level = digits.len() == 1 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_level || matches!(word, "k" | "m" | "s" | "l" | "xl" | "f16" | "bf16")
}

/// The precision in a model's name, else `bf16`.
pub(super) fn precision(model: &str) -> &'static str {
    let name = model.to_lowercase();
    let signs = [
        (&["fp4"] as &[&str], "fp4"),
        (&["fp8"], "fp8"),
        (&["int4", "awq", "gptq", "w4a16"], "int4"),
        (&["int8", "w8a8"], "int8"),
        (&["q8_0", "q8"], "q8"),
        (&["q4_", "q4", "gguf", "4bit"], "q4"),
    ];
    let known = signs.into_iter().find(|(signs, _)| signs.iter().any(|sign| name.contains(sign)));
    known.map_or("bf16", |(_, precision)| precision)
}

/// Models of data-centre GPUs, the longer names first.
const GPUS: [&str; 16] = [
    "gb300", "gb200", "mi355x", "mi325x", "mi300x", "mi250x", "b300", "b200", "h200", "h100", "h20", "gh200", "a100", "l40s", "l4", "a10",
];

/// The label of a GPU, such as `h100` for `NVIDIA H100 80GB HBM3`.
pub(super) fn hardware(gpu: &str) -> String {
    let name = gpu.to_lowercase();
    let words: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    if let Some(known) = GPUS.into_iter().find(|known| words.contains(known)) {
        return known.to_owned();
    }
    let other = ["nvidia", "amd", "geforce", "instinct", "radeon", "graphics"];
    let rest: Vec<&str> = words.into_iter().filter(|word| !other.contains(word)).take(3).collect();
    if rest.is_empty() { "gpu".to_owned() } else { rest.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_get_short_names() {
        for (model, expected) in [
            ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1-0528"),
            ("bartowski/SmolLM2-135M-Instruct-GGUF", "smollm2-135m"),
            ("/models/llama/Llama-3.2-1B-Instruct-Q4_K_M.gguf", "llama-3-2-1b"),
            ("nvidia/Llama-3.1-405B-Instruct-FP4", "llama-3-1-405b"),
            ("qwen2.5:7b", "qwen2-5-7b"),
            ("a-model-with-a-name-that-never-seems-to-end", "a-model-with-a-name-that"),
            ("../..", "model"),
            ("gguf", "gguf"),
        ] {
            assert_eq!(model_prefix(model), expected, "{model}");
        }
    }

    #[test]
    fn precision_is_in_the_name() {
        for (model, expected) in [
            ("amd/DeepSeek-R1-MXFP4", "fp4"),
            ("Qwen/Qwen3-32B-FP8", "fp8"),
            ("x/model-AWQ", "int4"),
            ("x/Llama-Q8_0.gguf", "q8"),
            ("x/Llama-GGUF", "q4"),
            ("x/Llama", "bf16"),
        ] {
            assert_eq!(precision(model), expected, "{model}");
        }
    }

    #[test]
    fn gpus_get_labels() {
        for (gpu, expected) in [
            ("NVIDIA H100 80GB HBM3", "h100"),
            ("NVIDIA GB200", "gb200"),
            ("AMD Instinct MI300X", "mi300x"),
            ("NVIDIA GeForce RTX 4090", "rtx4090"),
            ("", "gpu"),
        ] {
            assert_eq!(hardware(gpu), expected, "{gpu}");
        }
    }
}
