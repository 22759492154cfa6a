//! From the command line to the settings of each load that it asks for.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::{BenchArgs, DatasetName};
use crate::load::settings::{Arrival, Dataset, Deadlines, Protocol, Ramp, RandomLengths, Sessions, Settings, SettingsError, Target};
use crate::measure::{BenchSettings, ResultFiles};

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
    /// Two flags that do not go together, or one that lacks another.
    #[error("{0}")]
    Combination(&'static str),
}

/// Requests to measure where nobody says how many.
const DEFAULT_PROMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// One load of those that a command line asks for.
#[derive(Debug, Clone, Copy)]
struct Load {
    max_concurrency: Option<NonZeroU32>,
    request_rate: f64,
}

fn within(flag: &'static str, found: f64, is: bool, expected: &'static str) -> Result<f64, ArgumentError> {
    if is {
        Ok(found)
    } else {
        Err(ArgumentError::Range { flag, found, expected })
    }
}

fn share(flag: &'static str, found: f64) -> Result<f64, ArgumentError> {
    within(flag, found, (0.0..=1.0).contains(&found), "a share from 0 to 1")
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

impl BenchArgs {
    /// What to measure, and what to do with the results.
    ///
    /// # Errors
    /// [`ArgumentError`] naming the flag.
    pub fn bench_settings(&self) -> Result<BenchSettings, ArgumentError> {
        let detailed = self.detailed_format.into();
        Ok(BenchSettings {
            loads: self.settings()?,
            num_runs: self.num_runs,
            calibrate: self.calibrate,
            allow_saturated_client: self.allow_saturated_client,
            result_files: self.save_result.then(|| ResultFiles {
                folder: self.result_dir.clone().unwrap_or_default(),
                name: self.result_filename.clone(),
                detailed: self.save_detailed.then_some(detailed),
            }),
        })
    }

    /// The settings of every load that the command line asks for, in their order: each rate at each concurrency.
    fn settings(&self) -> Result<Vec<Settings>, ArgumentError> {
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
        for percentile in &self.metric_percentiles {
            let is = (0.0..=100.0).contains(percentile);
            within("--metric-percentiles", *percentile, is, "percentiles from 0 to 100")?;
        }
        let target = self.target()?;
        self.check_forms(target.protocol)?;
        let arrival = self.arrival(load)?;
        let duration = self.duration.map(|found| seconds("--duration", found)).transpose()?;
        let is_closed = arrival.request_rate.is_none() && arrival.ramp.is_none();
        let replays = self.dataset_name.is_trace() && is_closed;
        if duration.is_some() && is_closed && arrival.max_concurrency.is_none() && !replays {
            return Err(ArgumentError::Combination(
                "--duration without a rate needs --max-concurrency: how many requests shall be under way?",
            ));
        }
        if self.num_prompts.is_some() && self.dataset_name.is_recorded() {
            return Err(ArgumentError::Combination(
                "--num-prompts and --dataset-name recorded do not go together: the sessions have their turns; --duration limits the time",
            ));
        }
        if duration.is_some() && self.sessions.is_some() {
            return Err(ArgumentError::Combination(
                "--duration and --sessions do not go together: conversations end with their last turn",
            ));
        }
        let base = Settings::new(target, &self.model, self.dataset()?, self.num_prompts());
        Ok(Settings {
            backend: self.backend.clone(),
            served_model_name: self.served_model_name.clone(),
            tokenizer: self.tokenizer.clone(),
            duration,
            sessions: self.conversations()?,
            num_warmups: self.num_warmups,
            arrival,
            ignore_eos: self.ignore_eos,
            stream: !self.no_stream,
            seed: self.seed,
            percentile_metrics: self.percentile_metrics.clone(),
            metric_percentiles: self.metric_percentiles.clone(),
            deadlines: Deadlines {
                connect: seconds("--connect-timeout", self.connect_timeout)?,
                no_progress: seconds("--no-progress-timeout", self.no_progress_timeout)?,
            },
            send_token_ids: self.prompt_token_ids,
            use_chat_template: self.use_chat_template,
            lora_modules: self.lora_modules.clone(),
            extra_body: self.extra_body.clone().unwrap_or_default(),
            extra_headers: self.headers.clone(),
            api_key: self.api_key.clone(),
            ca_cert: self.ca_cert.clone(),
            profile: self.profile,
            metadata: self.metadata.clone(),
            goodput: self.goodput.clone(),
            client_threads: self.client_threads,
            max_error_share: share("--max-error-share", self.max_error_share)?,
            ..base
        })
    }

    fn base_url(&self) -> String {
        self.base_url.clone().unwrap_or_else(|| {
            let host = if self.host.contains(':') {
                format!("[{}]", self.host)
            } else {
                self.host.clone()
            };
            format!("http://{host}:{}", self.port)
        })
    }

    fn target(&self) -> Result<Target, ArgumentError> {
        let protocol = Protocol::of_backend(&self.backend)?;
        let endpoint = self.endpoint.as_deref();
        let endpoint = endpoint.unwrap_or_else(|| protocol.default_endpoint(!self.no_stream));
        Ok(Target::from_base_url(&self.base_url(), endpoint, protocol)?)
    }

    fn check_forms(&self, protocol: Protocol) -> Result<(), ArgumentError> {
        let unsupported = |asked, why| {
            let backend = self.backend.clone();
            Err(SettingsError::Unsupported { asked, backend, why }.into())
        };
        if self.prompt_token_ids && !protocol.takes_token_ids() {
            return unsupported("--prompt-token-ids", "its requests have a place for text alone");
        }
        if self.use_chat_template && !protocol.sends_plain_text() {
            return unsupported("--use-chat-template", "the server applies the template itself");
        }
        if self.prompt_token_ids && (self.use_chat_template || self.sessions.is_some() || self.dataset_name.is_recorded()) {
            return Err(ArgumentError::Combination(
                "--prompt-token-ids goes neither with --use-chat-template nor with conversations, which are made of text",
            ));
        }
        Ok(())
    }

    fn arrival(&self, load: Load) -> Result<Arrival, ArgumentError> {
        let request_rate = positive("--request-rate", load.request_rate)?;
        let ramp = match self.ramp_up_strategy {
            None => None,
            Some(_) if request_rate.is_finite() => {
                return Err(ArgumentError::Combination(
                    "--ramp-up-strategy replaces --request-rate: give one of them",
                ));
            }
            Some(name) => Some(Ramp {
                kind: name.kind(),
                from: rate("--ramp-up-start-rps", self.ramp_up_start_rps)?,
                to: rate("--ramp-up-end-rps", self.ramp_up_end_rps)?,
            }),
        };
        Ok(Arrival {
            max_concurrency: load.max_concurrency,
            request_rate: request_rate.is_finite().then_some(request_rate),
            ramp,
            burstiness: positive("--burstiness", self.burstiness)?,
        })
    }

    fn dataset(&self) -> Result<Dataset, ArgumentError> {
        let path = || -> Result<PathBuf, ArgumentError> {
            let missing = ArgumentError::Combination("--dataset-path is missing: where are the prompts of --dataset-name?");
            self.dataset_path.clone().ok_or(missing)
        };
        match self.dataset_name {
            DatasetName::Random if self.dataset_path.is_some() => Err(ArgumentError::Combination(
                "--dataset-path is given, but --dataset-name random reads no file; expected sharegpt, custom, recorded or mooncake",
            )),
            DatasetName::Random => Ok(Dataset::Random(RandomLengths {
                input: self.random_input_len,
                output: self.random_output_len,
                range_ratio: share("--random-range-ratio", self.random_range_ratio)?,
                prefix: self.random_prefix_len,
            })),
            DatasetName::Sharegpt => Ok(Dataset::ShareGpt {
                path: path()?,
                output: self.sharegpt_output_len,
            }),
            DatasetName::Custom => Ok(Dataset::Jsonl {
                path: path()?,
                output: self.custom_output_len,
            }),
            DatasetName::Recorded => Ok(Dataset::Recorded { path: path()? }),
            DatasetName::Mooncake => Ok(Dataset::Trace {
                path: path()?,
                block: self.trace_block_size,
            }),
        }
    }

    fn num_prompts(&self) -> NonZeroU32 {
        let default = match (self.dataset_name, self.sessions) {
            (DatasetName::Random | DatasetName::Sharegpt, Some(sessions)) => sessions.saturating_mul(self.turns),
            (DatasetName::Random | DatasetName::Sharegpt, None) => DEFAULT_PROMPTS,
            (DatasetName::Custom | DatasetName::Recorded | DatasetName::Mooncake, _) => NonZeroU32::MAX,
        };
        self.num_prompts.unwrap_or(default)
    }

    fn conversations(&self) -> Result<Option<Sessions>, ArgumentError> {
        let Some(number) = self.sessions else { return Ok(None) };
        match self.dataset_name {
            DatasetName::Random | DatasetName::Sharegpt => {}
            DatasetName::Custom | DatasetName::Recorded | DatasetName::Mooncake => {
                return Err(ArgumentError::Combination(
                    "--sessions, the number of conversations, needs --dataset-name random or sharegpt",
                ));
            }
        }
        let is = (0.0..=1e7).contains(&self.think_time);
        let think_time = within("--think-time", self.think_time, is, "seconds, 0 or more")?;
        Ok(Some(Sessions {
            number,
            turns: self.turns,
            think_time: Duration::from_secs_f64(think_time),
        }))
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
