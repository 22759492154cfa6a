//! `imax bench URL` without load options: a search for saturation that takes about a minute.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::settings::ArgumentError;
use super::{ArrivalArgs, BenchArgs, ExtentArgs};
use crate::load::search::LoadQuantity;
use crate::measure::{BenchSettings, ResultFiles, SearchGoal, SearchSettings};

/// Input tokens per request: few enough that an engine on a CPU processes them within seconds.
const INPUT: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
/// Duration of each load.
const LOAD: Duration = Duration::from_secs(6);
/// Highest concurrency, unless --search-limit is lower.
const HIGHEST: f64 = 64.0;
/// No load starts after this time. With the generation of prompts and the requests in flight, a run takes about a minute.
const LATEST: Duration = Duration::from_secs(45);

impl BenchArgs {
    /// Whether the command line has a positional URL and no load options except lengths.
    pub(super) fn is_url_alone(&self) -> bool {
        let ExtentArgs {
            num_prompts,
            oversample,
            duration,
            num_runs,
            num_warmups,
        } = &self.extent;
        let ArrivalArgs {
            max_concurrency,
            request_rate,
            rate_type,
            burstiness: _,
            ramp_up_strategy,
            ramp_up_start_rps: _,
            ramp_up_end_rps: _,
        } = &self.arrival;
        let has_extent = num_prompts.is_some() || *oversample || duration.is_some() || num_runs.get() > 1 || *num_warmups > 0;
        let has_arrival =
            !max_concurrency.is_empty() || *request_rate != [f64::INFINITY] || rate_type.is_some() || ramp_up_strategy.is_some();
        let has_load = has_extent || has_arrival || !self.dataset.is_unset();
        !self.server.server_url.is_empty() && !has_load && !self.search.is_requested() && self.noise.runs().is_none()
    }

    /// The search for such a command line.
    pub(super) fn into_quick_search(mut self) -> Result<SearchSettings, ArgumentError> {
        if self.random.random_input_len.is_none() {
            self.dataset.default_input_len(INPUT);
        }
        // The length of the answer to a random prompt is arbitrary.
        self.request.ignore_eos = true;
        let limit = self.search.limit_within(HIGHEST);
        let mut bench = BenchSettings::try_from(self)?;
        for load in &mut bench.loads {
            load.duration = Some(LOAD);
            load.abort_error_share = load.abort_error_share.or(Some(load.max_error_share));
        }
        bench.result_files.get_or_insert_with(new_folder);
        Ok(SearchSettings {
            bench,
            quantity: LoadQuantity::Concurrency,
            from: 1.0,
            limit,
            goal: SearchGoal::Saturation,
            scales_requests: true,
            time_limit: Some(LATEST),
        })
    }
}

/// Result files in a new folder of the working directory, named by the time.
fn new_folder() -> ResultFiles {
    let now = chrono::Utc::now().format("%Y%m%d-%H%M%S");
    ResultFiles {
        folder: PathBuf::from(format!("imax-bench-{now}")),
        name: Some("bench.json".to_owned()),
        label: None,
        is_appended: false,
        detailed: None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::bench::arguments::BenchTask;
    use crate::measure::Unknown;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn task(line: &str) -> BenchTask {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        BenchTask::try_from(Line::try_parse_from(words).unwrap().bench).unwrap()
    }

    #[test]
    fn options_of_a_load_end_the_search() {
        for line in [
            "",
            "--model m",
            "--input-len 8 --output-len 4",
            "--random-input-len 8",
            "--seed 1",
            "--search-limit 4",
        ] {
            assert!(matches!(task(&format!("http://h:1 {line}")), BenchTask::UrlAlone(_)), "{line}");
        }
        for line in [
            "--max-concurrency 4",
            "--request-rate 2",
            "--num-prompts 8",
            "--dataset-name custom --dataset-path p.jsonl",
            "--sessions 2",
        ] {
            assert!(matches!(task(&format!("http://h:1 {line}")), BenchTask::Loads(_)), "{line}");
        }
        assert!(matches!(task("http://h:1 --sweep"), BenchTask::Search(_)));
        assert!(matches!(task("--base-url http://h:1"), BenchTask::Loads(_)));
    }

    #[test]
    fn lengths_and_bounds() {
        let BenchTask::UrlAlone(search) = task("http://h:1 --search-limit 4 --random-output-len 16") else {
            panic!("not the search");
        };
        let load = &search.bench.loads[0];
        let crate::load::Dataset::Random(lengths) = &load.dataset else {
            panic!("not random")
        };
        assert_eq!((lengths.input.get(), lengths.output.get()), (256, 16));
        assert_eq!((search.from, search.limit, search.time_limit), (1.0, 4.0, Some(LATEST)));
        assert!(load.ignore_eos && load.duration == Some(LOAD));
    }

    #[test]
    fn what_is_named_is_not_asked_for() {
        for (line, model, protocol, tokenizer) in [
            ("http://h:1", true, true, true),
            ("http://h:1/v1 --model m --backend vllm --tokenizer t", false, false, false),
            ("http://h:1 --endpoint /x --max-concurrency 1", true, false, true),
            ("http://h:1 --sessions 2", true, true, false),
            ("http://h:1 --prompt-token-ids", true, false, false),
            ("--base-url http://h:1", true, false, false),
        ] {
            let found = match task(line) {
                BenchTask::Loads(bench) => bench.unknown,
                BenchTask::Search(search) | BenchTask::UrlAlone(search) => search.bench.unknown,
            };
            assert_eq!(
                found,
                Unknown {
                    model,
                    protocol,
                    tokenizer
                },
                "{line}"
            );
        }
    }
}
