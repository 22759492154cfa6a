//! Requests to one server under test other than the measured load: probe, profiler, models, metrics, prefix cache.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::measurement::{MeasureError, plan_of};
use super::server_tokenizer::ServerTokenizer;
use crate::load::optional_key::OptionalKey;
use crate::load::prompt::{Content, Prompt, RandomPrompts};
use crate::load::{BenchmarkSettings, Failure, Notice, Reason, Schedule, Target, TokenizerError, request};
use crate::measure::load_driver::{Drive, KernelClock};
use crate::system::cancellation::Cancellation;
use crate::system::http_client::{Answer, HttpError, Question, send_blocking};
use crate::system::tls::TlsClient;

/// Output tokens of the probe: enough for a stream, few enough to cost nothing.
const PROBE_TOKENS: u32 = 4;
/// Time between two probes of a server that is starting.
pub(super) const READY_INTERVAL: Duration = Duration::from_millis(500);
/// Timeout of requests that control the server: its profiler and its prefix cache.
const CONTROL_LIMIT: Duration = Duration::from_secs(60);
/// How long an engine may take to write its trace before it answers `/stop_profile`. vLLM's documentation has 10 minutes for 100 requests.
pub const PROFILE_FLUSH_LIMIT: Duration = Duration::from_secs(30 * 60);
/// The body of control requests without arguments.
const EMPTY: &str = "{}";

/// What a server's profiler shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfilerSwitch {
    Start,
    Stop,
}
/// Timeout of the metrics request. Many servers have no metrics.
const METRICS_LIMIT: Duration = Duration::from_secs(10);

/// Index of the first prompt of probe and warm-up; the others count down from it. These prompts differ from all measured ones, so that no
/// measured prompt is already in the server's prefix cache.
const UNMEASURED: u64 = u64::MAX / 2;
/// Output tokens of a warm-up request if there is no tokenizer.
const UNMEASURED_OUTPUT: u32 = 32;

/// Redirects that a probe follows, one after another.
const MAX_REDIRECTS: usize = 5;

/// A control request that the server did not answer with success.
struct FailedRequest {
    url: String,
    problem: String,
}

/// The server under test, as the settings describe it.
pub(super) struct ServerUnderTest {
    settings: BenchmarkSettings,
    tls: Option<TlsClient>,
    kernel_clock: KernelClock,
}

impl ServerUnderTest {
    pub fn new(settings: BenchmarkSettings) -> Result<Self, MeasureError> {
        let tls = match settings.target.tls {
            true => Some(TlsClient::new(settings.ca_cert.as_deref())?),
            false => None,
        };
        Ok(Self {
            settings,
            tls,
            kernel_clock: KernelClock::switch_on(),
        })
    }

    /// The settings, adapted to the server by the probe.
    pub fn settings(&self) -> &BenchmarkSettings {
        &self.settings
    }

    /// The tokenizer of the server, if it lends one.
    pub fn tokenizer(&self, stop: &Cancellation) -> Result<ServerTokenizer, TokenizerError> {
        ServerTokenizer::connect(&self.settings, self.tls.clone(), stop)
    }

    /// The TLS client, if the server uses TLS.
    pub fn tls(&self) -> Option<&TlsClient> {
        self.tls.as_ref()
    }

    /// Leaves these keys out of requests.
    pub fn omit_keys(&mut self, keys: Vec<OptionalKey>) {
        self.settings.omitted_keys = keys;
    }

    pub fn drive(&self, warming_up: bool) -> Drive<'_> {
        Drive {
            targets: std::slice::from_ref(&self.settings.target),
            balance: self.settings.balance,
            tls: self.tls.as_ref(),
            kernel_clock: &self.kernel_clock,
            deadlines: self.settings.deadlines,
            threads: self.settings.client_threads,
            warming_up,
            tokenizer: None,
            keep_chunks: false,
            start_at: None,
        }
    }

    /// Sends a single request, so that an error that would fail all requests is found early. A key that the server refuses is omitted, a
    /// redirect on the same server is followed, and the probe is repeated; the settings keep both changes.
    pub fn probe(&mut self, maker: Option<&RandomPrompts<'_>>, cancellation: &Cancellation) -> Result<Vec<Notice>, MeasureError> {
        let prompt = Prompt {
            output_tokens: PROBE_TOKENS,
            ..unmeasured(maker, 0)?
        };
        let proxy = self.settings.target.proxy.as_ref();
        let mut notices: Vec<Notice> = proxy.map(|proxy| Notice::ThroughProxy { url: proxy.url() }).into_iter().collect();
        while let Some(failure) = self.probe_once(&prompt, cancellation)? {
            match self.adapt(&prompt, &failure, &notices) {
                Ok(notice) => notices.push(notice),
                Err(failure) => {
                    return Err(MeasureError::Probe {
                        url: self.settings.target.url(),
                        failure,
                    });
                }
            }
        }
        Ok(notices)
    }

    fn probe_once(&self, prompt: &Prompt, cancellation: &Cancellation) -> Result<Option<Failure>, MeasureError> {
        let requests = vec![request::prepare(&self.settings, 0, prompt)];
        let plan = plan_of(&self.settings, requests, Schedule::Closed);
        let mut drive = self.drive(true);
        // A few tokens need not take longer than the longest silence.
        drive.deadlines.whole = drive.deadlines.whole.min(drive.deadlines.no_progress);
        let run = drive.run(&plan, cancellation, &mut |_| {})?;
        if cancellation.is_cancelled() {
            return Err(MeasureError::Stopped);
        }
        let failure = run.records.into_iter().find_map(|record| record.failure);
        // A server whose model has nothing to say to random words works.
        Ok(failure.filter(|failure| failure.reason != Reason::EmptyAnswer))
    }

    /// Changes the settings so that the next probe may succeed where this one failed. Fails if nothing can be changed. Ends,
    /// because each key can be omitted once, and redirects are counted.
    fn adapt(&mut self, prompt: &Prompt, failure: &Failure, before: &[Notice]) -> Result<Notice, Failure> {
        let Reason::Status(status) = failure.reason else {
            return Err(failure.clone());
        };
        match (status, failure.location.as_deref()) {
            (400 | 422, _) => {
                let key = request::refused_key(&self.settings, prompt, &failure.detail).ok_or_else(|| failure.clone())?;
                self.settings.omitted_keys.push(key);
                Ok(Notice::KeyOmitted(key))
            }
            (301 | 302 | 307 | 308, Some(location)) => {
                let redirects = before.iter().filter(|notice| matches!(notice, Notice::Redirected { .. })).count();
                let target = match self.settings.target.redirected(location) {
                    Ok(_) if redirects >= MAX_REDIRECTS => Err(format!("after {MAX_REDIRECTS} other redirects")),
                    target => target,
                };
                self.settings.target = target.map_err(|problem| explained(failure, &problem))?;
                Ok(Notice::Redirected {
                    url: self.settings.target.url(),
                })
            }
            (303, Some(_)) => Err(explained(failure, "which a POST does not follow")),
            _ => Err(failure.clone()),
        }
    }

    /// Probes until the server answers or the deadline passes; at least once.
    pub fn await_ready(
        &mut self,
        deadline: Instant,
        maker: Option<&RandomPrompts<'_>>,
        cancellation: &Cancellation,
    ) -> Result<Vec<Notice>, MeasureError> {
        loop {
            match self.probe(maker, cancellation) {
                Err(MeasureError::Probe { failure, .. }) if may_pass(&failure) && Instant::now() + READY_INTERVAL < deadline => {
                    let _ = cancellation.wait_timeout(READY_INTERVAL);
                }
                ended => return ended,
            }
        }
    }

    /// Starts or stops the server's profiler, if requested.
    pub fn switch_profiler(&self, switch: ProfilerSwitch, cancellation: &Cancellation) -> Result<(), MeasureError> {
        // One request covers the whole load, so only the first shard sends it.
        let Some(profiler) = self.settings.profiler.filter(|_| self.settings.shard.number() == NonZeroU32::MIN) else {
            return Ok(());
        };
        let posted = match switch {
            ProfilerSwitch::Start => self.post("start_profile", profiler.start_request(), CONTROL_LIMIT, cancellation),
            ProfilerSwitch::Stop => self.post("stop_profile", EMPTY, PROFILE_FLUSH_LIMIT, cancellation),
        };
        posted.map_err(|FailedRequest { url, problem }| MeasureError::Profile { url, problem })
    }

    /// The models that the server lists; at least one. A server that is still starting is waited for as long as the settings allow.
    pub fn models(&self, cancellation: &Cancellation) -> Result<Vec<String>, MeasureError> {
        let deadline = Instant::now() + self.settings.ready_timeout;
        loop {
            let NoModels { problem, remedy, may_pass } = match self.models_once(cancellation) {
                Ok(models) => return Ok(models),
                Err(reason) => reason,
            };
            if cancellation.is_cancelled() {
                return Err(MeasureError::Stopped);
            }
            if !may_pass || Instant::now() + READY_INTERVAL >= deadline {
                let url = self.settings.target.url_of(&self.models_path());
                return Err(MeasureError::NoModel { url, problem, remedy });
            }
            let _ = cancellation.wait_timeout(READY_INTERVAL);
        }
    }

    fn models_path(&self) -> String {
        format!("{}/v1/models", self.settings.target.base_path)
    }

    fn models_once(&self, cancellation: &Cancellation) -> Result<Vec<String>, NoModels> {
        match self.ask(&self.models_path(), None, METRICS_LIMIT, cancellation) {
            Ok(answer) => models_of(&answer),
            Err(error) => Err(NoModels {
                problem: error.to_string(),
                remedy: "start an OpenAI-compatible server there, or correct host and port",
                may_pass: true,
            }),
        }
    }

    /// The page of metrics, if there is one.
    pub fn metrics_page(&self, cancellation: &Cancellation) -> Option<String> {
        let answer = match self.settings.engine_metrics_urls.first() {
            Some(url) => self.ask_at(url, &url.base_path, None, METRICS_LIMIT, cancellation),
            None => self.ask(
                &format!("{}/metrics", self.settings.target.base_path),
                None,
                METRICS_LIMIT,
                cancellation,
            ),
        };
        let answer = answer.ok().filter(|answer| answer.status == 200)?;
        Some(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Empties the prefix cache of the server, if requested: SGLang at `/flush_cache`, vLLM at `/reset_prefix_cache`.
    pub fn reset_prefix_cache(&self, cancellation: &Cancellation) -> Result<(), MeasureError> {
        if !self.settings.reset_prefix_cache {
            return Ok(());
        }
        let name = if self.settings.backend.starts_with("sglang") {
            "flush_cache"
        } else {
            "reset_prefix_cache"
        };
        self.post(name, EMPTY, CONTROL_LIMIT, cancellation)
            .map_err(|FailedRequest { url, problem }| MeasureError::PrefixCache { url, problem })
    }

    /// Sends JSON to a path of the server.
    fn post(&self, name: &str, json: &str, limit: Duration, cancellation: &Cancellation) -> Result<(), FailedRequest> {
        let path = format!("{}/{name}", self.settings.target.base_path);
        let problem = match self.ask(&path, Some(json), limit, cancellation) {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(()),
            Ok(answer) => format!("responded with status {}", answer.status),
            Err(error) => error.to_string(),
        };
        let url = self.settings.target.url_of(&path);
        Err(FailedRequest { url, problem })
    }

    fn ask(&self, path: &str, json: Option<&str>, limit: Duration, cancellation: &Cancellation) -> Result<Answer, HttpError> {
        self.ask_at(&self.settings.target, path, json, limit, cancellation)
    }

    fn ask_at(
        &self,
        target: &Target,
        path: &str,
        json: Option<&str>,
        limit: Duration,
        cancellation: &Cancellation,
    ) -> Result<Answer, HttpError> {
        let headers: Vec<(&str, String)> = request::headers(&self.settings).collect();
        let question = Question {
            host: &target.host,
            port: target.port,
            path,
            json,
            headers: &headers,
            tls: self.tls.as_ref().filter(|_| target.tls),
            unix_socket: target.unix_socket.as_deref(),
            proxy: target.proxy.as_ref(),
        };
        // After a first signal the profiler is still stopped and the metrics are still read, for the partial result.
        send_blocking(&question, limit, cancellation.cancelled_twice())
    }
}

/// Whether a starting server may cause the failure: nothing listens yet, or the model is still being loaded.
fn may_pass(failure: &Failure) -> bool {
    failure.reason.is_of_the_connection() || matches!(failure.reason, Reason::Status(404 | 429 | 502..=504))
}

/// Maximum number of models read.
const MOST_MODELS: usize = 1000;
/// Longest name of a model, bytes.
const LONGEST_NAME: usize = 1000;

/// Why a server lists no model.
struct NoModels {
    problem: String,
    remedy: &'static str,
    /// Whether the server may still be starting.
    may_pass: bool,
}

/// The names in a list of models; at least one.
fn models_of(answer: &Answer) -> Result<Vec<String>, NoModels> {
    let status = answer.status;
    let no_models = |problem: String, remedy| {
        Err(NoModels {
            problem,
            remedy,
            may_pass: matches!(status, 429 | 502..=504),
        })
    };
    let not_an_api = "check that this is the base URL of an OpenAI-compatible API, or name the model with --model";
    match (status, names(&answer.body)) {
        (200, Some(names)) if !names.is_empty() => Ok(names),
        (200, Some(_)) => no_models(
            "the list of models is empty".to_owned(),
            "load a model into the server, or name it with --model",
        ),
        (200, None) => no_models(
            format!("found {}, expected a JSON list of models", kind_of(&answer.body)),
            not_an_api,
        ),
        (401 | 403, _) => no_models(
            format!("responded with status {status}"),
            "set the server's key with --api-key or OPENAI_API_KEY",
        ),
        (429 | 502..=504, _) => no_models(
            format!("responded with status {status}, so it may still be starting"),
            "wait for it with --ready-check-timeout-sec",
        ),
        (_, _) => no_models(format!("responded with status {status}, expected a list of models"), not_an_api),
    }
}

fn names(body: &[u8]) -> Option<Vec<String>> {
    let list: serde_json::Value = serde_json::from_slice(body).ok()?;
    let models = list.get("data")?.as_array()?.iter().take(MOST_MODELS);
    let names = models.filter_map(|model| model.get("id")?.as_str());
    Some(names.filter(|name| is_name(name)).map(str::to_owned).collect())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

/// Describes a response that is not a list of models, for the error message.
fn kind_of(body: &[u8]) -> &'static str {
    match body.trim_ascii_start() {
        [] => "an empty response",
        [b'<', ..] => "a web page",
        [b'{' | b'[', ..] => "other JSON",
        _ => "text",
    }
}

/// A prompt of the probe or the warm-up. Without a tokenizer it is a fixed sentence with its number.
pub(super) fn unmeasured(maker: Option<&RandomPrompts<'_>>, number: u64) -> Result<Prompt, TokenizerError> {
    match maker {
        Some(maker) => maker.make(UNMEASURED - number),
        None => Ok(Prompt {
            content: Content::Text(format!("Warm-up {number}: please write a few words about the number {number}.")),
            tokens: 0,
            wanted_tokens: 0,
            output_tokens: UNMEASURED_OUTPUT,
        }),
    }
}

fn explained(failure: &Failure, problem: &str) -> Failure {
    Failure::new(failure.reason, &format!("{}, {problem}", failure.detail))
}
