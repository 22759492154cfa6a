//! Help for users of other load generators: underscores in option names, which `vllm bench serve` accepts, and hints for options that
//! have another name here.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Options of `vllm bench serve`, genai-perf, AIPerf and GuideLLM that imax does not have, and what to use instead.
const HINTS: [(&str, &str); 27] = [
    ("--artifact-dir", "results are written with `--save-result --result-dir DIR`"),
    (
        "--output-path",
        "results are written with `--save-result --result-dir DIR --result-filename NAME`",
    ),
    ("--output-dir", "results are written with `--save-result --result-dir DIR`"),
    (
        "--profile-export-file",
        "results are written with `--save-result --result-filename NAME`",
    ),
    (
        "--data",
        "`--random-input-len N --random-output-len N` for synthetic prompts; `--dataset-name hf|custom --dataset-path …` for others",
    ),
    (
        "--input-file",
        "`--dataset-name custom --dataset-path FILE` reads JSON lines with `prompt`",
    ),
    (
        "--public-dataset",
        "`--dataset-name sharegpt --dataset-path FILE`, or `--dataset-name hf --dataset-path OWNER/NAME`",
    ),
    (
        "--custom-dataset-type",
        "`--dataset-name custom|recorded|mooncake` says what the file is",
    ),
    ("--service-kind", "leave it out: `--backend` names engine and protocol"),
    ("--endpoint-style", "leave it out: `--backend` names engine and protocol"),
    ("--extra-inputs", "`--extra-body '{\"key\": value}'` adds keys to each request"),
    ("--backend-kwargs", "`--extra-body '{\"key\": value}'` adds keys to each request"),
    (
        "--synthetic-input-tokens-stddev",
        "`--random-range-ratio-style vllm --random-range-ratio R` spreads the lengths",
    ),
    (
        "--output-tokens-stddev",
        "`--random-range-ratio-style vllm --random-range-ratio R` spreads the lengths",
    ),
    (
        "--measurement-interval",
        "`--duration SECONDS` measures for a time (seconds, not milliseconds)",
    ),
    (
        "--stability-percentage",
        "`--num-runs N` measures several times and reports the spread",
    ),
    ("--conversation-num", "`--sessions N` is the number of conversations"),
    (
        "--session-concurrency",
        "`--max-concurrency N` is the number of conversations at once",
    ),
    ("--num-dataset-entries", "`--num-prompts N` is the number of distinct prompts"),
    ("--max-error-rate", "`--max-error-share F` marks a run, a fraction from 0 to 1"),
    ("--max-errors", "`--max-error-share F` marks a run, a fraction from 0 to 1"),
    ("--insecure", "`--ca-cert FILE` trusts the server's own certificate"),
    (
        "--use-beam-search",
        "beam search sends no token before the last; it cannot be measured as a stream",
    ),
    ("--plot-timeline", "`--save-detailed` writes each request's instants for a plot"),
    (
        "--plot-dataset-stats",
        "`imax.input_tokens` and `imax.output_tokens` of the result have the statistics",
    ),
    ("--tokenizer-mode", "leave it out: tokenizers are read from tokenizer.json"),
    ("--max-tokens", "`--random-output-len N`, or the output length of the data set"),
];

/// The hint for an option that clap rejected as unknown.
#[must_use]
pub fn hint(error: &Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    HINTS.iter().find(|(name, _)| name == option).map(|(_, hint)| *hint)
}

/// Replaces underscores by dashes in the option names of `imax bench`.
pub fn with_dashes(line: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_bench = false;
    let renamed = line.map(|word| {
        let Some(text) = word.to_str() else { return word };
        is_bench |= text == "bench";
        match text.strip_prefix("--") {
            Some(option) if is_bench => {
                let (name, value) = option.split_at(option.find('=').unwrap_or(option.len()));
                format!("--{}{value}", name.replace('_', "-")).into()
            }
            Some(_) | None => word,
        }
    });
    renamed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_of_option_names_become_dashes() {
        let renamed = |line: &str| {
            let words = with_dashes(line.split(' ').map(OsString::from)).into_iter();
            words
                .map(|word| word.into_string().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            renamed("imax bench --dataset_name custom --extra_body={\"a_b\":1} --metadata a_b=c_d"),
            "imax bench --dataset-name custom --extra-body={\"a_b\":1} --metadata a_b=c_d"
        );
        assert_eq!(renamed("imax eval --base_url x"), "imax eval --base_url x");
    }
}
