//! One measurement: tokenizer, prompts, probe, warm-up, load, metrics. `imax bench` and `imax run` both call it; it blocks
//! until the measurement has ended or was stopped.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::engine_sampler::sample_during;
use super::hub_questions::HubQuestionsError;
use super::prompt_source::PromptSource;
use super::prompts::{self, Materials, Prompts};
use super::servers_under_test::ServersUnderTest;
use crate::load::dataset::DatasetError;
use crate::load::dialogue::Dialogues;
use crate::load::prompt::RandomPrompts;
use crate::load::search::judgement::exceeds_error_share;
use crate::load::shard_result::{ShardResult, plan_fingerprint};
use crate::load::{
    BenchmarkSettings, Dataset, Failure, Limit, Measured, Notice, Plan, PreparedRequest, Progress, PromptTemplate, Schedule, Shard, Stamp,
    Tokenizer, TokenizerError, request,
};
use crate::measure::load_driver::{Drive, DriverError, clock};
use crate::measure::tokenizer::{self, TokenizerFileError};
use crate::model::saturating;
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files::FileError;
use crate::system::tls::TlsError;

/// Why there is no measurement. Failed requests are part of a measurement, not an error.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is no tokenizer to make prompts with.
    #[error(transparent)]
    TokenizerFile(#[from] TokenizerFileError),
    /// The server's own tokenizer cannot be used.
    #[error("{}the server cannot be used as tokenizer: {problem}; set --tokenizer", absence.as_ref().map_or_else(String::new, |error| format!("{error}; ")))]
    ServerTokenizer {
        /// Why the model's tokenizer was not found; `None` if the user chose the server's.
        absence: Option<TokenizerFileError>,
        /// What the server answered.
        problem: TokenizerError,
    },
    /// The tokenizer cannot make prompts.
    #[error("cannot make prompts: {0}")]
    Prompts(#[from] TokenizerError),
    /// The file of prompts cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file of prompts is wrong.
    #[error("{path}: {source}")]
    Dataset {
        /// The file.
        path: String,
        /// What is wrong.
        source: DatasetError,
    },
    /// The data set cannot be read.
    #[error(transparent)]
    Hub(#[from] HubQuestionsError),
    /// The server did not reset its prefix cache.
    #[error("cannot reset the prefix cache: {url}: {problem}; vLLM does it with VLLM_SERVER_DEV_MODE=1 in its environment")]
    PrefixCache {
        /// The URL of the request.
        url: String,
        /// The response, or why there was none.
        problem: String,
    },
    /// The server does not say which models it has.
    #[error("cannot learn the model from {url}: {problem}; {remedy}")]
    NoModel {
        /// The URL of the request.
        url: String,
        /// The response, or why there was none.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server speaks neither protocol of the OpenAI API.
    #[error("the server takes neither completions nor chat completions: {completions}; {chat}; name its engine with --backend")]
    NoProtocol {
        /// What it answered to a completion, with the URL.
        completions: Box<MeasureError>,
        /// What it answered to a chat completion, with the URL.
        chat: Box<MeasureError>,
    },
    /// The data set has fewer prompts than were asked for.
    #[error("{path}: {available} usable {what}, expected {asked}; {remedy}")]
    Shortage {
        /// The file.
        path: String,
        /// Prompts or conversations.
        what: &'static str,
        /// How many there are.
        available: usize,
        /// How many were asked for.
        asked: usize,
        /// What to do.
        remedy: String,
    },
    /// A shard has nothing to send.
    #[error("shard {shard} has none of the {available} requests or conversations of the load; use at most {available} shards")]
    EmptyShard {
        /// The shard.
        shard: Shard,
        /// Requests or conversations of the whole load.
        available: usize,
    },
    /// The instant at which the load was to start passed during the preparation.
    #[error(
        "the instant of --start-at passed {:.1} s before this client was ready; choose a later one, which leaves time for tokenizer, prompts, \
         probe and warm-up",
        late.as_secs_f64()
    )]
    StartMissed {
        /// How long ago.
        late: Duration,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The load generator could not run.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The server's profiler could not be started or stopped.
    #[error(
        "cannot profile the server: {url}: {problem}; start the server with its profiler (vLLM: VLLM_TORCH_PROFILER_DIR or --profiler-config, SGLang: SGLANG_TORCH_PROFILER_DIR), or measure without it"
    )]
    Profile {
        /// The URL of the request.
        url: String,
        /// The response, or why there was none.
        problem: String,
    },
    /// The probe failed: a single request that finds what would be wrong with all of them.
    #[error("the probe request to {url} failed: {failure}; check that the server is ready and the model name is correct")]
    Probe {
        /// Its URL.
        url: String,
        /// Why.
        failure: Failure,
    },
    /// Stopped before the first measured request.
    #[error("stopped before the measurement began")]
    Stopped,
}

impl MeasureError {
    /// Whether the probe could not connect or lost its connection.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Probe { failure, .. } => failure.reason.is_of_the_connection(),
            Self::TokenizerFile(_)
            | Self::ServerTokenizer { .. }
            | Self::Prompts(_)
            | Self::File(_)
            | Self::Dataset { .. }
            | Self::Hub(_)
            | Self::NoModel { .. }
            | Self::NoProtocol { .. }
            | Self::PrefixCache { .. }
            | Self::Shortage { .. }
            | Self::EmptyShard { .. }
            | Self::StartMissed { .. }
            | Self::Tls(_)
            | Self::Driver(_)
            | Self::Profile { .. }
            | Self::Stopped => false,
        }
    }
}

/// What a measurement needs before it asks a server anything.
#[derive(Debug)]
pub struct Prepared {
    materials: Materials,
    source: PromptSource,
    /// Whether to use the server's own tokenizer. `absence` then says why the model's was not found, unless the user chose the server's.
    is_server_asked: bool,
    absence: Option<TokenizerFileError>,
    notices: Vec<Notice>,
}

impl Prepared {
    /// Checks what can be checked before the server runs.
    ///
    /// # Errors
    /// [`MeasureError`] if the model has no tokenizer, the user named none, and the server cannot provide one.
    pub fn check(self, settings: &BenchmarkSettings) -> Result<(), MeasureError> {
        match self.absence {
            Some(absence) if !settings.may_lend_tokenizer() => Err(absence.into()),
            Some(_) | None => Ok(self.materials.random(settings).map(drop)?),
        }
    }
}

/// Reads data set, tokenizer and chat template. A download ends when `go_on` returns false. A model without a tokenizer is not an error
/// here: the server may lend its own.
///
/// # Errors
/// [`MeasureError`] naming the file or repository that is missing or wrong.
pub fn prepare(settings: &BenchmarkSettings, go_on: &mut dyn FnMut() -> bool) -> Result<Prepared, MeasureError> {
    let mut notices = Vec::new();
    let source = PromptSource::read(settings, &mut notices, go_on)?;
    let name = settings.tokenizer_source();
    let template = match settings.prompt_template {
        PromptTemplate::None => None,
        PromptTemplate::Tokenizer => Some(Arc::new(tokenizer::read_chat_template(name, go_on)?)),
        PromptTemplate::DeepSeekV4 => Some(Arc::new(tokenizer::deepseek_v4_template()?)),
    };
    let mut prepared = Prepared {
        materials: Materials { tokenizer: None, template },
        source,
        is_server_asked: false,
        absence: None,
        notices,
    };
    if settings.has_no_tokenizer {
        return Ok(prepared);
    }
    if settings.tokenizer.as_deref() == Some(SERVER) {
        prepared.is_server_asked = true;
        return Ok(prepared);
    }
    match tokenizer::read(name, go_on) {
        Ok(tokenizer) => prepared.materials.tokenizer = Some(tokenizer),
        Err(error) if settings.tokenizer.is_none() && error.is_absence() => {
            if needs_tokenizer(settings) {
                prepared.is_server_asked = true;
                prepared.absence = Some(error);
            } else {
                let problem = error.to_string();
                prepared.notices.push(Notice::NoTokenizer { problem });
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(prepared)
}

/// The value of `--tokenizer` that selects the server's own.
pub(super) const SERVER: &str = "server";

/// Runs one measurement, from reading its inputs to computing its metrics.
///
/// # Errors
/// [`MeasureError`] if not one measured request was sent.
pub fn measure(settings: &BenchmarkSettings, stop: &Cancellation, progress: &mut dyn FnMut(Progress)) -> Result<Measured, MeasureError> {
    let Prepared {
        mut materials,
        source,
        is_server_asked,
        absence,
        mut notices,
    } = prepare(settings, &mut || !stop.is_cancelled())?;
    let mut servers = ServersUnderTest::new(settings)?;
    if is_server_asked {
        let lent = servers.tokenizer(stop);
        let lent = lent.map_err(|problem| MeasureError::ServerTokenizer { absence, problem })?;
        notices.push(Notice::ServerTokenizer { url: lent.url() });
        materials.tokenizer = Some(Tokenizer::remote(Box::new(lent)));
    }
    let maker = materials.random(settings)?;
    let maker = maker.as_ref();
    let source = source.counted(settings, &materials, stop, &mut notices)?;
    // The probe comes first: making thousands of prompts for a server that does not answer would only waste time.
    notices.extend(servers.await_ready(maker, stop)?);
    let mut settings = servers.settings().clone();
    let fingerprint = plan_fingerprint(&settings, source.count, &whole_schedule(&settings, &source));
    let (plan, inexact) = plan(&mut settings, &materials, maker, &source, stop)?;
    servers.warm_up(maker, stop, progress)?;
    if stop.is_cancelled() {
        return Err(MeasureError::Stopped);
    }
    servers.reset_prefix_caches(stop)?;
    let pages = servers.metrics_pages(stop);
    if let Some(start_at) = settings.start_at {
        await_start(start_at, stop)?;
    }
    servers.start_profilers(stop)?;
    let load_stop = stop.child();
    let (run, engine_metrics) = sample_during(&servers, &pages, stop, || {
        let drive = Drive {
            tokenizer: materials.tokenizer.as_ref(),
            keep_chunks: settings.keep_chunks,
            start_at: settings.start_at,
            ..servers.drive(false)
        };
        drive.run(&plan, &load_stop, &mut |update| {
            let limit = settings.abort_error_share;
            if limit.is_some_and(|share| exceeds_error_share(update.failed, update.completed + update.failed, share)) {
                load_stop.cancel(CancelCause::Abandoned);
            }
            progress(update);
        })
    });
    let stopped = servers.stop_profilers(stop);
    // An engine that failed cannot stop its profiler, and a load that was cut short has its results.
    let mut run = run?;
    if !stop.is_cancelled() {
        stopped?;
    }
    run.new_servers = servers.restarted(&run, &pages, stop);
    let tokenizer = materials.tokenizer.as_ref();
    let is_shard = !settings.shard.is_whole();
    let shard = is_shard.then(|| ShardResult::of(&settings, &fingerprint, &run, tokenizer));
    let mut measured = Measured::new(settings, run, tokenizer, inexact);
    measured.shard = shard.map(|shard| Box::new(shard.with_doubts_of(&measured)));
    measured.engine_metrics = engine_metrics;
    measured.notices = notices;
    Ok(measured)
}

/// With `--start-at`, connections are opened this long before the start: long enough for a handshake, and short enough for servers that
/// close idle connections.
const LEAD: Duration = Duration::from_secs(1);
/// Maximum time until the real-time clock is read again, because it may be set during the wait.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Waits until shortly before the start of the load.
fn await_start(at: Stamp, stop: &Cancellation) -> Result<(), MeasureError> {
    let late = clock::now().since(at);
    if !late.is_zero() {
        return Err(MeasureError::StartMissed { late });
    }
    loop {
        let left = at.since(clock::now()).saturating_sub(LEAD);
        if left.is_zero() {
            return Ok(());
        }
        if stop.wait_timeout(left.min(LONGEST_SLEEP)).is_some() {
            return Err(MeasureError::Stopped);
        }
    }
}

/// Reads the inputs before the first request to the server, so that an invalid one is reported at once.
///
/// # Errors
/// [`MeasureError`] naming what is missing or wrong.
pub(super) fn check_ahead(settings: &BenchmarkSettings, stop: &Cancellation) -> Result<(), MeasureError> {
    let go_on = &mut || !stop.is_cancelled();
    // The default tokenizer is looked up by the model's name, which is not known yet.
    if settings.model.is_empty() && settings.tokenizer.is_none() {
        return PromptSource::read(settings, &mut Vec::new(), go_on).map(drop);
    }
    let Prepared {
        materials,
        source,
        is_server_asked,
        ..
    } = prepare(settings, go_on)?;
    if is_server_asked {
        return Ok(());
    }
    materials.random(settings)?;
    source.counted(settings, &materials, stop, &mut Vec::new()).map(drop)
}

/// Whether making the prompts needs a tokenizer. Prompts of a JSONL file are sent as written, and the server counts their tokens.
fn needs_tokenizer(settings: &BenchmarkSettings) -> bool {
    !matches!(settings.dataset, Dataset::Jsonl { .. }) || settings.send_token_ids
}

/// The plan of the measurement, and how many of its prompts do not have the requested length. Sets the number of prompts to
/// that of the plan.
fn plan(
    settings: &mut BenchmarkSettings,
    materials: &Materials,
    maker: Option<&RandomPrompts<'_>>,
    source: &PromptSource,
    stop: &Cancellation,
) -> Result<(Plan, u32), MeasureError> {
    let shard = settings.shard;
    let mut plan = match prompts::make(settings, materials, maker, source, stop)? {
        Prompts::Single(prompts, arrivals) => {
            let inexact = prompts.iter().filter(|prompt| prompt.tokens != prompt.wanted_tokens).count();
            let requests: Vec<PreparedRequest> = prompts
                .iter()
                .zip(0..)
                .map(|(prompt, own)| request::prepare(settings, shard.item(own), prompt))
                .collect();
            let schedule = match (whole_schedule(settings, source).part(shard), arrivals) {
                // A trace has its own arrivals, unless a rate replaces them.
                (Schedule::Closed, Some(arrivals)) => Schedule::Open(within(arrivals, settings.duration)),
                (schedule, _) => schedule,
            };
            let plan = plan_of(settings, requests, schedule);
            (plan, saturating::to_u32(inexact))
        }
        Prompts::Sessions(sessions) => {
            // Request numbers depend on the longest conversation. Shards use that of the whole load, so that no two clients send the same
            // request id.
            let longest = if shard.is_whole() {
                sessions.iter().map(Vec::len).max().unwrap_or(1)
            } else {
                source.longest_conversation()
            };
            let dialogues = Dialogues::new(sessions, longest, settings.clone(), materials.template.clone());
            let schedule = whole_schedule(settings, source).part(shard);
            let plan = Plan {
                dialogues: Some(dialogues),
                ..plan_of(settings, Vec::new(), schedule)
            };
            (plan, 0)
        }
    };
    if let Some(dialogues) = &plan.0.dialogues {
        plan.0.requests = dialogues.openings();
        plan.0.max_concurrency = concurrency(settings, plan.0.starts());
    }
    if plan.0.starts() == 0 && !shard.is_whole() && !stop.is_cancelled() {
        return Err(MeasureError::EmptyShard {
            shard,
            available: source.count,
        });
    }
    plan.0.duration = settings.duration;
    plan.0.shard = shard;
    if let Some(expected) = NonZeroU32::new(plan.0.expected()) {
        settings.num_prompts = expected;
    }
    Ok(plan)
}

/// The arrivals of all shards together.
fn whole_schedule(settings: &BenchmarkSettings, source: &PromptSource) -> Schedule {
    let limit = settings.duration.map_or(Limit::Requests(source.count), Limit::Time);
    Schedule::new(&settings.arrival, limit, settings.seed)
}

fn within(arrivals: Vec<Duration>, duration: Option<Duration>) -> Vec<Duration> {
    arrivals.into_iter().filter(|at| duration.is_none_or(|end| *at < end)).collect()
}

fn concurrency(settings: &BenchmarkSettings, requests: usize) -> NonZeroU32 {
    let everything = u32::try_from(requests).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let Some(whole) = settings.arrival.max_concurrency else {
        return everything;
    };
    NonZeroU32::new(settings.shard.part_of(whole.get())).unwrap_or(NonZeroU32::MIN)
}

/// A plan of single requests.
pub(super) fn plan_of(settings: &BenchmarkSettings, requests: Vec<PreparedRequest>, schedule: Schedule) -> Plan {
    let starts = match &schedule {
        Schedule::Closed => requests.len(),
        Schedule::Open(offsets) => offsets.len(),
    };
    Plan {
        max_concurrency: concurrency(settings, starts),
        keep_texts: true,
        requests,
        schedule,
        shard: Shard::WHOLE,
        dialogues: None,
        duration: None,
    }
}
