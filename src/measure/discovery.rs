//! Discovers model, protocol and tokenizer from a server when the user gives only its URL.

use std::time::Instant;

use super::measurement::{MeasureError, SERVER};
use super::server_under_test::{READY_INTERVAL, ServerUnderTest};
use super::tokenizer;
use crate::load::{BenchmarkSettings, Protocol, Reason};
use crate::system::cancellation::Cancellation;

/// The settings to discover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unknown {
    /// The model: the first that the server lists.
    pub model: bool,
    /// Completions or chat completions.
    pub protocol: bool,
    /// The tokenizer; random prompts do not need one.
    pub tokenizer: bool,
}

impl Unknown {
    pub(super) fn is_any(self) -> bool {
        let Self {
            model,
            protocol,
            tokenizer,
        } = self;
        model || protocol || tokenizer
    }
}

/// The discovered settings. A field is `None` if its setting was known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The first model that the server lists, and how many it lists.
    pub model: Option<(String, usize)>,
    /// The name of the backend that speaks the protocol.
    pub backend: Option<&'static str>,
    /// Where the tokenizer comes from.
    pub tokenizer: Option<TokenizerSource>,
    /// The complete values of the settings that discovery may change.
    found: Found,
}

/// Values that [`Discovery::apply`] copies into the settings of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    model: String,
    backend: String,
    protocol: Option<Protocol>,
    tokenizer: Option<String>,
    has_no_tokenizer: bool,
}

/// Where the tokenizer of a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenizerSource {
    /// The model's folder, or its repository on the hub.
    Model(String),
    /// The server's tokenizer at this URL.
    Server(String),
    /// There is no tokenizer.
    Nobody {
        /// Why none was found by the model's name.
        model: String,
        /// What the server answered.
        server: String,
    },
}

impl Discovery {
    /// Copies the discovered values into the settings of a load on the same server.
    pub(super) fn apply(&self, load: &mut BenchmarkSettings) {
        let found = &self.found;
        load.model.clone_from(&found.model);
        load.backend.clone_from(&found.backend);
        if let Some(protocol) = found.protocol {
            for target in std::iter::once(&mut load.target).chain(&mut load.further_targets) {
                *target = target.with_protocol(protocol, load.stream);
            }
        }
        load.tokenizer.clone_from(&found.tokenizer);
        load.has_no_tokenizer = found.has_no_tokenizer;
    }
}

/// Requests the unknown facts from the server.
///
/// # Errors
/// [`MeasureError`] if it does not answer, lists no model, or speaks neither protocol.
pub(super) fn discover(settings: &BenchmarkSettings, unknown: Unknown, stop: &Cancellation) -> Result<Discovery, MeasureError> {
    let mut settings = settings.clone();
    let model = if unknown.model {
        Some(find_model(&mut settings, stop)?)
    } else {
        None
    };
    let backend = if unknown.protocol {
        Some(find_protocol(&mut settings, stop)?)
    } else {
        None
    };
    let tokenizer = if unknown.tokenizer {
        Some(find_tokenizer(&mut settings, stop)?)
    } else {
        None
    };
    Ok(Discovery {
        model,
        backend,
        tokenizer,
        found: Found {
            model: settings.model,
            backend: settings.backend,
            protocol: backend.map(|_| settings.target.protocol),
            tokenizer: settings.tokenizer,
            has_no_tokenizer: settings.has_no_tokenizer,
        },
    })
}

fn find_model(settings: &mut BenchmarkSettings, stop: &Cancellation) -> Result<(String, usize), MeasureError> {
    let models = ServerUnderTest::new(settings.clone())?.models(stop)?;
    let first = models.first().cloned().unwrap_or_default();
    settings.model.clone_from(&first);
    Ok((first, models.len()))
}

/// Completions come first: their prompts reach the engine without a template, as those of benchmark_serving.py do.
fn find_protocol(settings: &mut BenchmarkSettings, stop: &Cancellation) -> Result<&'static str, MeasureError> {
    let deadline = Instant::now() + settings.ready_timeout;
    let completions = loop {
        match speak(settings, "openai", Protocol::Completions, stop) {
            Ok(()) => return Ok("openai"),
            Err(error) if is_starting(&error) && Instant::now() + READY_INTERVAL < deadline => {
                let _ = stop.wait_timeout(READY_INTERVAL);
            }
            Err(error) if error.is_of_the_connection() || matches!(error, MeasureError::Stopped) => return Err(error),
            Err(error) => break error,
        }
    };
    match speak(settings, "openai-chat", Protocol::ChatCompletions, stop) {
        Ok(()) => Ok("openai-chat"),
        Err(MeasureError::Stopped) => Err(MeasureError::Stopped),
        Err(chat) => Err(MeasureError::NoProtocol {
            completions: Box::new(completions),
            chat: Box::new(chat),
        }),
    }
}

/// Whether the server may answer later. A protocol that it does not speak has status 404, which does not justify waiting.
fn is_starting(error: &MeasureError) -> bool {
    error.is_of_the_connection()
        || match error {
            MeasureError::Probe { failure, .. } => matches!(failure.reason, Reason::Status(429 | 502..=504)),
            MeasureError::TokenizerFile(_)
            | MeasureError::ServerTokenizer { .. }
            | MeasureError::Prompts(_)
            | MeasureError::File(_)
            | MeasureError::Dataset { .. }
            | MeasureError::Hub(_)
            | MeasureError::NoModel { .. }
            | MeasureError::NoProtocol { .. }
            | MeasureError::PrefixCache { .. }
            | MeasureError::Shortage { .. }
            | MeasureError::EmptyShard { .. }
            | MeasureError::StartMissed { .. }
            | MeasureError::Tls(_)
            | MeasureError::Driver(_)
            | MeasureError::Profile { .. }
            | MeasureError::Stopped => false,
        }
}

/// Sends one request with a protocol. If it succeeds, the settings keep the protocol.
fn speak(settings: &mut BenchmarkSettings, backend: &str, protocol: Protocol, stop: &Cancellation) -> Result<(), MeasureError> {
    let mut tried = settings.clone();
    tried.target = tried.target.with_protocol(protocol, tried.stream);
    backend.clone_into(&mut tried.backend);
    ServerUnderTest::new(tried.clone())?.probe(None, stop)?;
    *settings = tried;
    Ok(())
}

fn find_tokenizer(settings: &mut BenchmarkSettings, stop: &Cancellation) -> Result<TokenizerSource, MeasureError> {
    let of_model = match tokenizer::read(settings.tokenizer_source(), &mut || !stop.is_cancelled()) {
        Ok(_) => return Ok(TokenizerSource::Model(settings.model.clone())),
        Err(error) => error,
    };
    let lent = ServerUnderTest::new(settings.clone())?.tokenizer(stop);
    if stop.is_cancelled() {
        return Err(MeasureError::Stopped);
    }
    match lent {
        Ok(lent) => {
            settings.tokenizer = Some(SERVER.to_owned());
            Ok(TokenizerSource::Server(lent.url()))
        }
        Err(problem) => {
            settings.has_no_tokenizer = true;
            Ok(TokenizerSource::Nobody {
                model: of_model.to_string(),
                server: problem.to_string(),
            })
        }
    }
}
