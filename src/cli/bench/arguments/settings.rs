//! From the command line to the settings of a benchmark: each rate at each concurrency is a load.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    ArrivalArgs, BenchArgs, ClientArgs, DatasetArgs, DatasetName, ExtentArgs, MetricArgs, RampName, RequestArgs, SaveArgs, ServerArgs,
};
use crate::load::settings::{Arrival, Dataset, Deadlines, Protocol, Ramp, RandomLengths, Sessions, Settings, SettingsError, Target};
use crate::measure::{BenchSettings, ResultFiles};

/// Why the command line cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A number is outside its range.
    #[error("{flag} is {found}, expected {expected}")]
    Range {
        flag: &'static str,
        found: f64,
        expected: &'static str,
    },
    /// Two flags exclude each other, or one requires another.
    #[error("{0}")]
    Combination(&'static str),
}

/// Requests to measure unless the user or the data set says how many.
const DEFAULT_PROMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

fn within(flag: &'static str, found: f64, is: bool, expected: &'static str) -> Result<f64, ArgumentError> {
    if is {
        Ok(found)
    } else {
        Err(ArgumentError::Range { flag, found, expected })
    }
}

fn share(flag: &'static str, found: f64) -> Result<f64, ArgumentError> {
    within(flag, found, (0.0..=1.0).contains(&found), "a fraction from 0 to 1")
}

fn positive(flag: &'static str, found: f64) -> Result<f64, ArgumentError> {
    within(flag, found, found > 0.0, "a number greater than 0")
}

fn seconds(flag: &'static str, found: f64) -> Result<Duration, ArgumentError> {
    let is = found > 0.0 && found <= 1e7;
    within(flag, found, is, "seconds, greater than 0").map(Duration::from_secs_f64)
}

fn rate(flag: &'static str, found: Option<f64>) -> Result<f64, ArgumentError> {
    let found = found.unwrap_or(0.0);
    within(flag, found, found > 0.0 && found.is_finite(), "a finite number greater than 0")
}

impl TryFrom<BenchArgs> for BenchSettings {
    type Error = ArgumentError;

    fn try_from(arguments: BenchArgs) -> Result<Self, ArgumentError> {
        let BenchArgs {
            server,
            dataset,
            extent,
            arrival,
            request,
            metrics,
            client,
            save,
            disable_tqdm: _,
        } = arguments;
        let protocol = Protocol::of_backend(&server.backend)?;
        dataset.check_protocol(protocol, &server.backend)?;
        let arrivals = arrival.into_arrivals()?;
        extent.check(&dataset, &arrivals)?;
        let ExtentArgs {
            num_prompts,
            duration,
            num_runs,
            num_warmups,
        } = extent;
        let num_prompts = num_prompts.unwrap_or_else(|| dataset.default_num_prompts());
        let mut load = server.into_settings(protocol, !request.no_stream, num_prompts)?;
        load.duration = duration.map(|found| seconds("--duration", found)).transpose()?;
        load.num_warmups = num_warmups;
        dataset.apply(&mut load)?;
        request.apply(&mut load);
        metrics.apply(&mut load)?;
        let ClientArgs {
            calibrate,
            allow_saturated_client,
            connect_timeout,
            no_progress_timeout,
            max_error_share,
            client_threads,
        } = client;
        load.deadlines = Deadlines {
            connect: seconds("--connect-timeout", connect_timeout)?,
            no_progress: seconds("--no-progress-timeout", no_progress_timeout)?,
        };
        load.max_error_share = share("--max-error-share", max_error_share)?;
        load.client_threads = client_threads;
        let loads = arrivals.into_iter().map(|arrival| Settings { arrival, ..load.clone() });
        Ok(Self {
            loads: loads.collect(),
            num_runs,
            calibrate,
            allow_saturated_client,
            result_files: save.into_result_files(),
        })
    }
}

impl ServerArgs {
    /// Settings of a load on the server, with the defaults for everything that other arguments say.
    fn into_settings(self, protocol: Protocol, stream: bool, num_prompts: NonZeroU32) -> Result<Settings, ArgumentError> {
        let Self {
            backend,
            base_url,
            host,
            port,
            endpoint,
            model,
            served_model_name,
            tokenizer,
        } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let base_url = base_url.unwrap_or_else(|| format!("http://{host}:{port}"));
        let endpoint = endpoint.as_deref().unwrap_or_else(|| protocol.default_endpoint(stream));
        let target = Target::from_base_url(&base_url, endpoint, protocol)?;
        let nothing = Dataset::Random(RandomLengths {
            input: NonZeroU32::MIN,
            output: NonZeroU32::MIN,
            range_ratio: 1.0,
            prefix: 0,
        });
        Ok(Settings {
            backend,
            served_model_name,
            tokenizer,
            ..Settings::new(target, &model, nothing, num_prompts)
        })
    }
}

impl DatasetArgs {
    fn check_protocol(&self, protocol: Protocol, backend: &str) -> Result<(), ArgumentError> {
        if self.prompt_token_ids && !protocol.takes_token_ids() {
            return Err(unsupported("--prompt-token-ids", backend, "its requests carry text only"));
        }
        if self.use_chat_template && !protocol.sends_plain_text() {
            return Err(unsupported(
                "--use-chat-template",
                backend,
                "the server applies the template itself",
            ));
        }
        if self.prompt_token_ids && (self.use_chat_template || self.sessions.is_some() || self.dataset_name.is_recorded()) {
            return Err(ArgumentError::Combination(
                "--prompt-token-ids excludes --use-chat-template and conversations, which are sent as text",
            ));
        }
        Ok(())
    }

    fn default_num_prompts(&self) -> NonZeroU32 {
        match (self.dataset_name, self.sessions) {
            (DatasetName::Random | DatasetName::Sharegpt, Some(sessions)) => sessions.saturating_mul(self.turns),
            (DatasetName::Random | DatasetName::Sharegpt, None) => DEFAULT_PROMPTS,
            (DatasetName::Custom | DatasetName::Recorded | DatasetName::Mooncake, _) => NonZeroU32::MAX,
        }
    }

    fn apply(self, load: &mut Settings) -> Result<(), ArgumentError> {
        let Self {
            dataset_name,
            dataset_path,
            sharegpt_output_len,
            custom_output_len,
            trace_block_size,
            sessions,
            turns,
            think_time,
            use_chat_template,
            prompt_token_ids,
            random_input_len,
            random_output_len,
            random_range_ratio,
            random_prefix_len,
        } = self;
        load.use_chat_template = use_chat_template;
        load.send_token_ids = prompt_token_ids;
        load.sessions = sessions
            .map(|number| conversations(dataset_name, number, turns, think_time))
            .transpose()?;
        load.dataset = match dataset_name {
            DatasetName::Random if dataset_path.is_some() => {
                return Err(ArgumentError::Combination(
                    "--dataset-path is given, but --dataset-name random reads no file; expected sharegpt, custom, recorded or mooncake",
                ));
            }
            DatasetName::Random => Dataset::Random(RandomLengths {
                input: random_input_len,
                output: random_output_len,
                range_ratio: share("--random-range-ratio", random_range_ratio)?,
                prefix: random_prefix_len,
            }),
            DatasetName::Sharegpt => Dataset::ShareGpt {
                path: required(dataset_path)?,
                output: sharegpt_output_len,
            },
            DatasetName::Custom => Dataset::Jsonl {
                path: required(dataset_path)?,
                output: custom_output_len,
            },
            DatasetName::Recorded => Dataset::Recorded {
                path: required(dataset_path)?,
            },
            DatasetName::Mooncake => Dataset::Trace {
                path: required(dataset_path)?,
                block: trace_block_size,
            },
        };
        Ok(())
    }
}

fn unsupported(asked: &'static str, backend: &str, why: &'static str) -> ArgumentError {
    let backend = backend.to_owned();
    SettingsError::Unsupported { asked, backend, why }.into()
}

fn required(dataset_path: Option<PathBuf>) -> Result<PathBuf, ArgumentError> {
    dataset_path.ok_or(ArgumentError::Combination(
        "--dataset-path is missing: it names the file that --dataset-name reads",
    ))
}

fn conversations(dataset: DatasetName, number: NonZeroU32, turns: NonZeroU32, think_time: f64) -> Result<Sessions, ArgumentError> {
    match dataset {
        DatasetName::Random | DatasetName::Sharegpt => {}
        DatasetName::Custom | DatasetName::Recorded | DatasetName::Mooncake => {
            return Err(ArgumentError::Combination(
                "--sessions, the number of conversations, needs --dataset-name random or sharegpt",
            ));
        }
    }
    let is = (0.0..=1e7).contains(&think_time);
    let think_time = within("--think-time", think_time, is, "seconds, 0 or more")?;
    Ok(Sessions {
        number,
        turns,
        think_time: Duration::from_secs_f64(think_time),
    })
}

impl ExtentArgs {
    fn check(&self, dataset: &DatasetArgs, arrivals: &[Arrival]) -> Result<(), ArgumentError> {
        let is_unlimited = arrivals.iter().any(|arrival| {
            let is_closed = arrival.request_rate.is_none() && arrival.ramp.is_none();
            is_closed && arrival.max_concurrency.is_none() && !dataset.dataset_name.is_trace()
        });
        if self.duration.is_some() && is_unlimited {
            return Err(ArgumentError::Combination(
                "--duration without a rate needs --max-concurrency, the number of requests in flight",
            ));
        }
        if self.num_prompts.is_some() && dataset.dataset_name.is_recorded() {
            return Err(ArgumentError::Combination(
                "--num-prompts excludes --dataset-name recorded, whose sessions have their own turns; --duration limits the time",
            ));
        }
        if self.duration.is_some() && dataset.sessions.is_some() {
            return Err(ArgumentError::Combination(
                "--duration excludes --sessions: conversations end with their last turn",
            ));
        }
        Ok(())
    }
}

impl ArrivalArgs {
    /// Each rate at each concurrency.
    fn into_arrivals(self) -> Result<Vec<Arrival>, ArgumentError> {
        let Self {
            max_concurrency,
            request_rate,
            burstiness,
            ramp_up_strategy,
            ramp_up_start_rps,
            ramp_up_end_rps,
        } = self;
        let burstiness = positive("--burstiness", burstiness)?;
        let ramp = ramp_up_strategy
            .map(|name| ramp(name, ramp_up_start_rps, ramp_up_end_rps))
            .transpose()?;
        let concurrencies: Vec<Option<NonZeroU32>> = match max_concurrency.as_slice() {
            [] => vec![None],
            several => several.iter().copied().map(Some).collect(),
        };
        let mut arrivals = Vec::new();
        for max_concurrency in concurrencies {
            for request_rate in &request_rate {
                let request_rate = positive("--request-rate", *request_rate)?;
                if ramp.is_some() && request_rate.is_finite() {
                    return Err(ArgumentError::Combination(
                        "--ramp-up-strategy replaces --request-rate: give one of them",
                    ));
                }
                arrivals.push(Arrival {
                    max_concurrency,
                    request_rate: request_rate.is_finite().then_some(request_rate),
                    ramp,
                    burstiness,
                });
            }
        }
        Ok(arrivals)
    }
}

fn ramp(name: RampName, from: Option<f64>, to: Option<f64>) -> Result<Ramp, ArgumentError> {
    Ok(Ramp {
        kind: name.kind(),
        from: rate("--ramp-up-start-rps", from)?,
        to: rate("--ramp-up-end-rps", to)?,
    })
}

impl RequestArgs {
    fn apply(self, load: &mut Settings) {
        let Self {
            ignore_eos,
            no_stream,
            seed,
            extra_body,
            headers,
            api_key,
            lora_modules,
            ca_cert,
            profile,
        } = self;
        load.ignore_eos = ignore_eos;
        load.stream = !no_stream;
        load.seed = seed;
        load.extra_body = extra_body.unwrap_or_default();
        load.extra_headers = headers;
        load.api_key = api_key;
        load.lora_modules = lora_modules;
        load.ca_cert = ca_cert;
        load.profile = profile;
    }
}

impl MetricArgs {
    fn apply(self, load: &mut Settings) -> Result<(), ArgumentError> {
        let Self {
            percentile_metrics,
            metric_percentiles,
            goodput,
            metadata,
        } = self;
        for percentile in &metric_percentiles {
            let is = (0.0..=100.0).contains(percentile);
            within("--metric-percentiles", *percentile, is, "percentiles from 0 to 100")?;
        }
        load.percentile_metrics = percentile_metrics;
        load.metric_percentiles = metric_percentiles;
        load.goodput = goodput;
        load.metadata = metadata;
        Ok(())
    }
}

impl SaveArgs {
    fn into_result_files(self) -> Option<ResultFiles> {
        let Self {
            save_result,
            save_detailed,
            detailed_format,
            result_dir,
            result_filename,
        } = self;
        save_result.then(|| ResultFiles {
            folder: result_dir.unwrap_or_default(),
            name: result_filename,
            detailed: save_detailed.then_some(detailed_format.into()),
        })
    }
}

impl DatasetName {
    fn is_trace(self) -> bool {
        match self {
            Self::Mooncake => true,
            Self::Random | Self::Sharegpt | Self::Custom | Self::Recorded => false,
        }
    }

    fn is_recorded(self) -> bool {
        match self {
            Self::Recorded => true,
            Self::Random | Self::Sharegpt | Self::Custom | Self::Mooncake => false,
        }
    }
}
