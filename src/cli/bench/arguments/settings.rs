//! Conversion of the command line to the settings of a benchmark. Each combination of a rate and a concurrency is a load.

use std::num::NonZeroU32;
use std::time::Duration;

use super::dataset::{DatasetArgs, unsupported};
use super::values::PromptCount;
use super::{ArrivalArgs, BenchArgs, ClientArgs, ExtentArgs, MetricArgs, RampName, RateType, RequestArgs, SaveArgs, ServerArgs};
use crate::load::settings::{
    Arrival, BenchmarkSettings, Dataset, Deadlines, Protocol, Ramp, RandomLengths, SettingsError, Shortage, Target,
};
use crate::measure::{BenchSettings, ResultFiles, Unknown};
use crate::model::Profiler;
use crate::system::proxy::{ProxyError, proxy_for};

/// Why a command line is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    #[error(transparent)]
    BenchmarkSettings(#[from] SettingsError),
    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A number is outside its range.
    #[error("{flag} is {found}, expected {expected}")]
    Range {
        flag: &'static str,
        found: f64,
        expected: &'static str,
    },
    /// The start time is in the past.
    #[error(
        "--start-at passed {ago_s:.1} s ago; choose an instant ahead by what preparing takes (tokenizer, prompts, probe, warm-up), such as \
         `$(date -d '+60 sec' +%s)`, and check this machine's clock"
    )]
    StartPassed { ago_s: f64 },
    /// The start time is too far in the future.
    #[error("--start-at is {days:.1} days ahead, expected at most 7; seconds since the Unix epoch, not milliseconds")]
    StartFar { days: f64 },
    /// There are more shards than requests in flight.
    #[error("--max-concurrency {streams} over {shards} shards leaves some without a request in flight; use at most {streams} shards")]
    TooManyShards { shards: u32, streams: u32 },
    /// A server is named twice.
    #[error("--base-url names {url} twice, expected different servers; name each once")]
    SameServer { url: String },
    /// Some servers would have no metrics.
    #[error("--engine-metrics-url has {found} URLs for {expected} servers; name one for each server, in the order of --base-url")]
    MetricsUrls { found: usize, expected: usize },
    /// Two flags exclude each other, or one requires another.
    #[error("{0}")]
    Combination(&'static str),
}

/// The backend if none is given or detected.
const DEFAULT_BACKEND: &str = "vllm";
/// Requests to measure if neither a flag nor the data set sets their number.
pub(super) const DEFAULT_PROMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

pub(super) fn within(flag: &'static str, found: f64, is_valid: bool, expected: &'static str) -> Result<f64, ArgumentError> {
    if is_valid {
        Ok(found)
    } else {
        Err(ArgumentError::Range { flag, found, expected })
    }
}

pub(super) fn share(flag: &'static str, found: f64) -> Result<f64, ArgumentError> {
    within(flag, found, (0.0..=1.0).contains(&found), "a fraction from 0 to 1")
}

pub(super) fn positive(flag: &'static str, found: f64) -> Result<f64, ArgumentError> {
    within(flag, found, found > 0.0, "a number greater than 0")
}

fn seconds(flag: &'static str, found: f64) -> Result<Duration, ArgumentError> {
    let is_valid = found > 0.0 && found <= 1e7;
    within(flag, found, is_valid, "seconds, greater than 0").map(Duration::from_secs_f64)
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
            random,
            extent,
            arrival,
            request,
            sampling,
            metrics,
            search: _,
            shard,
            client,
            save,
            noise,
            overview: _,
            disable_tqdm: _,
        } = arguments;
        let unknown = server.unknown(&dataset);
        let backend = server.backend.clone().unwrap_or_else(|| DEFAULT_BACKEND.to_owned());
        let protocol = Protocol::of_backend(&backend)?;
        dataset.check_protocol(protocol, &backend)?;
        let arrivals = arrival.into_arrivals()?;
        extent.check(&dataset, &arrivals)?;
        let ExtentArgs {
            num_prompts,
            oversample,
            duration,
            num_runs,
            num_warmups,
        } = extent;
        let is_named = matches!(num_prompts, Some(PromptCount::Number(_))) || dataset.sessions.is_some();
        let shortage = match (oversample, is_named) {
            (true, _) => Shortage::Repeat,
            (false, true) => Shortage::Refuse,
            (false, false) => Shortage::Accept,
        };
        let num_prompts = match num_prompts {
            Some(PromptCount::Number(number)) => number,
            Some(PromptCount::All) if !dataset.dataset_name.is_finite() => {
                return Err(ArgumentError::Combination(
                    "--num-prompts -1 means all requests of the data set, but this data set is generated without end; give a number",
                ));
            }
            Some(PromptCount::All) => NonZeroU32::MAX,
            None => dataset.default_num_prompts(),
        };
        let sampling = sampling.into_body(protocol, &backend)?;
        let mut load = server.into_settings(protocol, !request.no_stream, num_prompts)?;
        load.duration = duration.map(|found| seconds("--duration", found)).transpose()?;
        load.num_warmups = num_warmups;
        load.shortage = shortage;
        dataset.apply(&random, &mut load)?;
        request.apply(sampling, &mut load)?;
        metrics.apply(&mut load)?;
        let ClientArgs {
            calibrate,
            allow_saturated_client,
            connect_timeout,
            no_progress_timeout,
            request_timeout,
            max_error_share,
            abort_error_share,
            engine_metrics_interval,
            engine_metrics_url,
            reset_prefix_cache,
            client_threads,
        } = client;
        load.deadlines = Deadlines {
            connect: seconds("--connect-timeout", connect_timeout)?,
            no_progress: seconds("--no-progress-timeout", no_progress_timeout)?,
            whole: seconds("--request-timeout", request_timeout)?,
        };
        load.max_error_share = share("--max-error-share", max_error_share)?;
        load.abort_error_share = abort_error_share.map(|found| share("--abort-error-share", found)).transpose()?;
        let is_valid = engine_metrics_interval == 0.0 || (0.1..=1e6).contains(&engine_metrics_interval);
        let interval = within(
            "--engine-metrics-interval",
            engine_metrics_interval,
            is_valid,
            "0, or seconds from 0.1",
        )?;
        load.engine_metrics_interval = Duration::from_secs_f64(interval);
        load.engine_metrics_urls = metrics_urls(&engine_metrics_url, &load, protocol)?;
        if reset_prefix_cache
            && !(load.backend.starts_with("sglang") || load.backend.contains("vllm") || load.backend.starts_with("openai"))
        {
            return Err(unsupported(
                "--reset-prefix-cache",
                &load.backend,
                "only vLLM and SGLang have such a request",
            ));
        }
        load.reset_prefix_cache = reset_prefix_cache;
        load.client_threads = client_threads;
        let loads = arrivals.into_iter().map(|arrival| BenchmarkSettings { arrival, ..load.clone() });
        let mut bench = Self {
            loads: loads.collect(),
            unknown,
            num_runs: noise.runs().unwrap_or(num_runs),
            calibrate,
            allow_saturated_client,
            result_files: save.into_result_files(),
        };
        shard.apply(&mut bench)?;
        Ok(bench)
    }
}

impl ServerArgs {
    /// What is detected by requests to the server: the model unless it is given, protocol and tokenizer only with a positional URL.
    fn unknown(&self, dataset: &DatasetArgs) -> Unknown {
        let has_url = !self.server_url.is_empty();
        Unknown {
            model: self.model.is_none(),
            protocol: has_url && self.backend.is_none() && self.endpoint.is_none() && dataset.suits_any_protocol(),
            tokenizer: has_url && self.tokenizer.is_none() && dataset.allows_word_prompts(),
        }
    }

    /// Settings of a load on the server, with defaults for what other arguments set.
    fn into_settings(self, protocol: Protocol, stream: bool, num_prompts: NonZeroU32) -> Result<BenchmarkSettings, ArgumentError> {
        let Self {
            server_url,
            backend,
            base_url,
            balance,
            host,
            port,
            endpoint,
            model,
            served_model_name,
            tokenizer,
            trust_remote_code: _,
            ready_check_timeout_sec,
        } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let mut base_urls = if server_url.is_empty() { base_url } else { server_url };
        if base_urls.is_empty() {
            base_urls.push(format!("http://{host}:{port}"));
        }
        let endpoint = endpoint.as_deref().unwrap_or_else(|| protocol.default_endpoint(stream));
        let mut targets: Vec<Target> = Vec::new();
        for url in &base_urls {
            let target = target_of(url, endpoint, protocol)?;
            if targets.contains(&target) {
                return Err(ArgumentError::SameServer { url: target.base_url() });
            }
            targets.push(target);
        }
        let further_targets = targets.split_off(1);
        let target = targets.remove(0);
        let is_valid = (0.0..=1e7).contains(&ready_check_timeout_sec);
        let ready_timeout = within("--ready-check-timeout-sec", ready_check_timeout_sec, is_valid, "seconds, 0 or more")?;
        let placeholder = Dataset::Random(RandomLengths::exact(NonZeroU32::MIN, NonZeroU32::MIN));
        Ok(BenchmarkSettings {
            further_targets,
            balance: balance.into(),
            backend: backend.unwrap_or_else(|| DEFAULT_BACKEND.to_owned()),
            served_model_name,
            tokenizer,
            ready_timeout: Duration::from_secs_f64(ready_timeout),
            // Without a name, the model is detected once the server runs, see `unknown`.
            ..BenchmarkSettings::new(target, model.as_deref().unwrap_or_default(), placeholder, num_prompts)
        })
    }
}

/// A server by its base URL, with the proxy that the environment has for it.
fn target_of(url: &str, endpoint: &str, protocol: Protocol) -> Result<Target, ArgumentError> {
    // genai-perf accepts an address without a scheme.
    let base_url = if url.contains("://") || url.starts_with("unix:") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let mut target = Target::from_base_url(&base_url, endpoint, protocol)?;
    if target.unix_socket.is_none() {
        target.proxy = proxy_for(&target.host, target.tls, &|name| std::env::var(name).ok())?;
    }
    Ok(target)
}

/// The URLs of metrics: none, or one for each server.
fn metrics_urls(urls: &[String], load: &BenchmarkSettings, protocol: Protocol) -> Result<Vec<Target>, ArgumentError> {
    let expected = load.server_count();
    if !urls.is_empty() && urls.len() != expected {
        return Err(ArgumentError::MetricsUrls {
            found: urls.len(),
            expected,
        });
    }
    let mut targets = Vec::new();
    for url in urls {
        targets.push(Target::from_base_url(url, "", protocol)?);
    }
    Ok(targets)
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
        if self.oversample && (dataset.dataset_name.is_trace() || dataset.dataset_name.is_recorded()) {
            return Err(ArgumentError::Combination(
                "--oversample excludes --dataset-name mooncake and recorded: their requests have times of their own; --duration repeats sessions",
            ));
        }
        if self.oversample && !matches!(self.num_prompts, Some(PromptCount::Number(_))) && dataset.sessions.is_none() {
            return Err(ArgumentError::Combination(
                "--oversample needs --num-prompts or --sessions, the number of prompts to send",
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
    /// All combinations of a rate and a concurrency.
    fn into_arrivals(self) -> Result<Vec<Arrival>, ArgumentError> {
        let Self {
            max_concurrency,
            request_rate,
            rate_type,
            burstiness,
            ramp_up_strategy,
            ramp_up_start_rps,
            ramp_up_end_rps,
        } = self;
        let burstiness = positive("--burstiness", burstiness)?;
        let (request_rate, max_concurrency, burstiness) = match rate_type {
            None | Some(RateType::Poisson | RateType::Throughput) => (request_rate, max_concurrency, burstiness),
            Some(RateType::Constant) => (request_rate, max_concurrency, f64::INFINITY),
            Some(RateType::Synchronous) => (request_rate, vec![NonZeroU32::MIN], burstiness),
            Some(RateType::Concurrent) => (vec![f64::INFINITY], as_concurrencies(&request_rate)?, burstiness),
        };
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

/// The values of `--rate` as numbers of requests in flight.
fn as_concurrencies(rates: &[f64]) -> Result<Vec<NonZeroU32>, ArgumentError> {
    rates.iter().map(|rate| as_concurrency(*rate)).collect()
}

fn as_concurrency(rate: f64) -> Result<NonZeroU32, ArgumentError> {
    let is_whole = rate.fract() == 0.0 && (1.0..=1e9).contains(&rate);
    let expected = "a whole number of requests in flight, 1 or more, with `--rate-type concurrent`";
    let whole = within("--rate", rate, is_whole, expected)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let whole = whole as u32;
    Ok(NonZeroU32::new(whole).unwrap_or(NonZeroU32::MIN))
}

fn ramp(name: RampName, from: Option<f64>, to: Option<f64>) -> Result<Ramp, ArgumentError> {
    Ok(Ramp {
        kind: name.kind(),
        from: rate("--ramp-up-start-rps", from)?,
        to: rate("--ramp-up-end-rps", to)?,
    })
}

impl RequestArgs {
    fn apply(self, sampling: serde_json::Map<String, serde_json::Value>, load: &mut BenchmarkSettings) -> Result<(), ArgumentError> {
        let Self {
            ignore_eos,
            streaming: _,
            no_stream,
            request_id_prefix,
            seed,
            max_tokens_field,
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
        if max_tokens_field != load.max_tokens_field && !load.target.protocol.is_openai() {
            return Err(unsupported(
                "--max-tokens-field",
                &load.backend,
                "its API has one name for the output length",
            ));
        }
        load.max_tokens_field = max_tokens_field;
        load.extra_body = sampling;
        for (key, value) in extra_body.unwrap_or_default() {
            load.extra_body.insert(key, value);
        }
        load.request_id_prefix = request_id_prefix;
        load.extra_headers = last_of_each(headers, |(name, _)| name.to_ascii_lowercase());
        load.api_key = api_key;
        load.lora_modules = lora_modules;
        load.ca_cert = ca_cert;
        load.profiler = profile.then(Profiler::default);
        Ok(())
    }
}

impl MetricArgs {
    fn apply(self, load: &mut BenchmarkSettings) -> Result<(), ArgumentError> {
        let Self {
            percentile_metrics,
            metric_percentiles,
            goodput,
            metadata,
        } = self;
        for percentile in &metric_percentiles {
            let is_valid = (0.0..=100.0).contains(percentile);
            within("--metric-percentiles", *percentile, is_valid, "percentiles from 0 to 100")?;
        }
        load.percentile_metrics = percentile_metrics;
        load.metric_percentiles = metric_percentiles;
        load.goodput = last_of_each(goodput, |(metric, _)| metric.as_str());
        load.metadata = metadata;
        Ok(())
    }
}

/// The last value of each key: later options replace earlier ones.
fn last_of_each<T, K: PartialEq>(values: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        kept.retain(|known| key(known) != key(&value));
        kept.push(value);
    }
    kept
}

impl SaveArgs {
    fn into_result_files(self) -> Option<ResultFiles> {
        let Self {
            save_result,
            append_result,
            label,
            save_detailed,
            detailed_format,
            result_dir,
            result_filename,
        } = self;
        save_result.then(|| ResultFiles {
            folder: result_dir.unwrap_or_default(),
            name: result_filename,
            label,
            is_appended: append_result,
            detailed: save_detailed.then_some(detailed_format.into()),
        })
    }
}
