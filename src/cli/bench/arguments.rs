//! The flags of `imax bench`: names and defaults of benchmark_serving.py and `vllm bench serve`. A flag of theirs that is
//! not here is refused by clap with its name, never ignored.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use crate::load::settings::{Arrival, Dataset, Deadlines, MetricName, Protocol, RandomLengths, Settings, SettingsError, Target};
use crate::model::Secret;

/// Load-tests an OpenAI-compatible server and writes the raw result of benchmark_serving.py.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  imax bench --model benchmarks/demo --served-model-name demo --port 8000 --dataset-name random \\\n    \
    --random-input-len 1024 --random-output-len 128 --num-prompts 160 --max-concurrency 16 --ignore-eos --save-result"
)]
pub struct BenchArgs {
    /// Engine that serves; decides the protocol.
    #[arg(long, default_value = "vllm")]
    backend: String,
    /// Base URL of the server, in place of --host and --port.
    #[arg(long)]
    base_url: Option<String>,
    /// Host of the server.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server.
    #[arg(long, default_value = "8000")]
    port: NonZeroU16,
    /// Path of requests; the backend's own by default.
    #[arg(long)]
    endpoint: Option<String>,
    /// The model: its hub name, or a folder.
    #[arg(long)]
    model: String,
    /// The model's name in requests, where it is another.
    #[arg(long)]
    served_model_name: Option<String>,
    /// Folder with a tokenizer.json, or the file; by default the model.
    #[arg(long)]
    tokenizer: Option<String>,
    /// What the prompts are.
    #[arg(long, value_enum, default_value_t = DatasetName::Random)]
    dataset_name: DatasetName,
    /// Input tokens of a request (at most, see --random-range-ratio).
    #[arg(long, visible_alias = "input-len", default_value = "1024")]
    random_input_len: NonZeroU32,
    /// Output tokens of a request (at most, see --random-range-ratio).
    #[arg(long, visible_alias = "output-len", default_value = "128")]
    random_output_len: NonZeroU32,
    /// Shortest length as a share of the longest, 0 to 1; 1 makes all equal.
    #[arg(long, default_value_t = 1.0)]
    random_range_ratio: f64,
    /// Tokens that all prompts start with, beyond the input length.
    #[arg(long, default_value_t = 0)]
    random_prefix_len: u32,
    /// Requests to measure.
    #[arg(long, default_value = "1000")]
    num_prompts: NonZeroU32,
    /// Requests sent before the clock starts.
    #[arg(long, default_value_t = 0)]
    num_warmups: u32,
    /// Most requests under way at once; several, such as `4,8,16`, are measured one after the other, a result file each.
    #[arg(long, value_delimiter = ',')]
    max_concurrency: Vec<NonZeroU32>,
    /// Requests a second, or `inf` to send each as soon as a slot is free; several are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "inf")]
    request_rate: Vec<f64>,
    /// Shape of the gamma distributed intervals: 1 is Poisson, `inf` is constant.
    #[arg(long, default_value = "1.0")]
    burstiness: f64,
    /// Ask for the full output length even where the model would stop.
    #[arg(long)]
    ignore_eos: bool,
    /// Ask for whole answers in place of streams; there is no time to first token then.
    #[arg(long)]
    no_stream: bool,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Metrics that get their statistics into the result.
    #[arg(long, value_delimiter = ',', default_value = "ttft,tpot,itl,e2el")]
    percentile_metrics: Vec<MetricName>,
    /// Percentiles of each metric.
    #[arg(long, value_delimiter = ',', default_value = "90,99,99.9")]
    metric_percentiles: Vec<f64>,
    /// Latency limits of a good request in ms, such as `ttft:200 tpot:50`.
    #[arg(long, num_args = 1.., value_parser = goodput)]
    goodput: Vec<(MetricName, f64)>,
    /// `KEY=VALUE` pairs for the result.
    #[arg(long, num_args = 0.., value_parser = key_value)]
    metadata: Vec<(String, String)>,
    /// Further keys of each request's body, a JSON object.
    #[arg(long, value_parser = json_object)]
    extra_body: Option<serde_json::Map<String, serde_json::Value>>,
    /// A further header of each request, `NAME=VALUE`; can be given several times.
    #[arg(long = "header", num_args = 1.., value_parser = header)]
    headers: Vec<(String, Secret)>,
    /// Sent as a bearer token.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, value_parser = secret)]
    api_key: Option<Secret>,
    /// Seconds to wait for a connection.
    #[arg(long, default_value_t = 10.0)]
    connect_timeout: f64,
    /// Seconds to wait for the next byte of an answer.
    #[arg(long, default_value_t = 600.0)]
    no_progress_timeout: f64,
    /// Share of failed requests from which on the run counts as failed.
    #[arg(long, default_value_t = 0.05)]
    max_error_share: f64,
    /// Client threads; by default as many as the concurrency needs.
    #[arg(long)]
    client_threads: Option<NonZeroU32>,
    /// Write the result to a file.
    #[arg(long)]
    pub save_result: bool,
    /// Put each request's figures into the result too, and its instants into a .jsonl file beside it.
    #[arg(long, requires = "save_result")]
    pub save_detailed: bool,
    /// Folder of the result file.
    #[arg(long)]
    pub result_dir: Option<PathBuf>,
    /// Name of the result file.
    #[arg(long)]
    pub result_filename: Option<String>,
    /// Show no progress.
    #[arg(long, action = ArgAction::SetTrue)]
    pub disable_tqdm: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DatasetName {
    /// Random tokens.
    Random,
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("expected printable ASCII".to_owned())
    }
}

fn header(text: &str) -> Result<(String, Secret), String> {
    let (name, value) = key_value(text)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is not a header name"));
    }
    Ok((name, secret(&value)?))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn goodput(text: &str) -> Result<(MetricName, f64), String> {
    let (name, limit) = text.split_once(':').ok_or("expected METRIC:MILLISECONDS, such as ttft:200")?;
    let metric = name.parse().map_err(|error: SettingsError| error.to_string())?;
    let limit: f64 = limit.parse().map_err(|_| format!("{limit:?} is not a number of milliseconds"))?;
    if limit >= 0.0 {
        Ok((metric, limit))
    } else {
        Err(format!("a limit of {limit} ms cannot be met"))
    }
}

fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}

/// Why the command line cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A number is outside its range.
    #[error("{flag} is {found}, expected {expected}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// Its value.
        found: f64,
        /// What would do.
        expected: &'static str,
    },
}

/// One load of those that a command line asks for.
#[derive(Debug, Clone, Copy)]
struct Load {
    max_concurrency: Option<NonZeroU32>,
    request_rate: f64,
}

impl BenchArgs {
    /// The settings of every load that the command line asks for, in their order: each rate at each concurrency.
    ///
    /// # Errors
    /// [`ArgumentError`] naming the flag.
    pub fn settings(&self) -> Result<Vec<Settings>, ArgumentError> {
        let concurrencies: Vec<Option<NonZeroU32>> = match self.max_concurrency.as_slice() {
            [] => vec![None],
            several => several.iter().copied().map(Some).collect(),
        };
        let rates = &self.request_rate;
        let loads = concurrencies.into_iter().flat_map(|max_concurrency| {
            rates.iter().map(move |request_rate| Load {
                max_concurrency,
                request_rate: *request_rate,
            })
        });
        loads.map(|load| self.settings_of(load)).collect()
    }

    fn settings_of(&self, load: Load) -> Result<Settings, ArgumentError> {
        let protocol = Protocol::of_backend(&self.backend)?;
        let endpoint = self.endpoint.as_deref().unwrap_or_else(|| protocol.default_endpoint());
        let base_url = self.base_url.clone().unwrap_or_else(|| {
            let host = if self.host.contains(':') {
                format!("[{}]", self.host)
            } else {
                self.host.clone()
            };
            format!("http://{host}:{}", self.port)
        });
        let within = |flag, found: f64, is: bool, expected| {
            if is {
                Ok(found)
            } else {
                Err(ArgumentError::Range { flag, found, expected })
            }
        };
        let share = |flag, found: f64| within(flag, found, (0.0..=1.0).contains(&found), "a share from 0 to 1");
        let positive = |flag, found: f64| within(flag, found, found > 0.0, "a number greater than 0");
        let seconds = |flag, found: f64| {
            let is = found > 0.0 && found <= 1e7;
            within(flag, found, is, "seconds, greater than 0").map(Duration::from_secs_f64)
        };
        for percentile in &self.metric_percentiles {
            within(
                "--metric-percentiles",
                *percentile,
                (0.0..=100.0).contains(percentile),
                "percentiles from 0 to 100",
            )?;
        }
        let lengths = RandomLengths {
            input: self.random_input_len,
            output: self.random_output_len,
            range_ratio: share("--random-range-ratio", self.random_range_ratio)?,
            prefix: self.random_prefix_len,
        };
        let dataset = match self.dataset_name {
            DatasetName::Random => Dataset::Random(lengths),
        };
        let rate = positive("--request-rate", load.request_rate)?;
        Ok(Settings {
            target: Target::from_base_url(&base_url, endpoint, protocol)?,
            backend: self.backend.clone(),
            model: self.model.clone(),
            served_model_name: self.served_model_name.clone(),
            tokenizer: self.tokenizer.clone(),
            dataset,
            num_prompts: self.num_prompts,
            num_warmups: self.num_warmups,
            arrival: Arrival {
                max_concurrency: load.max_concurrency,
                request_rate: rate.is_finite().then_some(rate),
                burstiness: positive("--burstiness", self.burstiness)?,
            },
            ignore_eos: self.ignore_eos,
            stream: !self.no_stream,
            seed: self.seed,
            percentile_metrics: self.percentile_metrics.clone(),
            metric_percentiles: self.metric_percentiles.clone(),
            deadlines: Deadlines {
                connect: seconds("--connect-timeout", self.connect_timeout)?,
                no_progress: seconds("--no-progress-timeout", self.no_progress_timeout)?,
            },
            extra_body: self.extra_body.clone().unwrap_or_default(),
            extra_headers: self.headers.clone(),
            api_key: self.api_key.clone(),
            metadata: self.metadata.clone(),
            goodput: self.goodput.clone(),
            client_threads: self.client_threads,
            max_error_share: share("--max-error-share", self.max_error_share)?,
        })
    }
}
