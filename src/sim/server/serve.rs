//! Answers or refuses requests that have arrived completely.

use std::time::Duration;

use super::{Server, nanos};
use crate::model::saturating;
use crate::sim::completion::{Completion, document_response};
use crate::sim::connection::{Generating, NotARequest, Received};
use crate::sim::faults::Fault;
use crate::sim::knowledge;
use crate::sim::protocol::{self, Api, Counting, GenerateRequest, Refusal, Route};
use crate::sim::scheduler::Job;
use crate::sim::trace::Trace;

const NANOS: u64 = 1_000_000_000;
/// How many tokens too many usage reports for [`Fault::Miscount`].
const MISCOUNT: u32 = 3;

impl Server {
    pub(super) fn take_requests(&mut self, at: usize) {
        loop {
            let Some(Some(connection)) = self.connections.get_mut(at) else {
                return;
            };
            if connection.generating.is_some() || connection.close {
                return;
            }
            match connection.next_request() {
                Ok(None) => return,
                Ok(Some(request)) => self.serve(at, request),
                Err(NotARequest { status, message }) => {
                    connection.close = true;
                    self.reply(at, &document_response(status, "text/plain", message));
                }
            }
        }
    }

    fn serve(&mut self, at: usize, request: Received) {
        if let Some(Some(connection)) = self.connections.get_mut(at) {
            connection.close = request.close;
        }
        let is_starting = self.options.ready_after.is_none_or(|time| self.started.elapsed() < time);
        let route = if is_starting {
            Route::Refuse(503, "the engine is starting")
        } else {
            protocol::route(&request.method, &request.path)
        };
        match route {
            Route::Health => self.reply(at, &document_response(200, "text/plain", "")),
            Route::Models => self.reply(at, &document_response(200, "application/json", &self.models())),
            Route::Metrics => self.reply(at, &document_response(200, "text/plain; version=0.0.4", &self.counters())),
            Route::Refuse(status, message) => self.refuse(at, status, message),
            Route::Profile { .. } if !self.options.has_profiler => self.refuse(at, 404, "not found"),
            Route::Profile { on } => self.switch_profiler(at, on),
            Route::Tokenize => self.tokenize_or_detokenize(at, false, &request.body),
            Route::Detokenize => self.tokenize_or_detokenize(at, true, &request.body),
            Route::Generate(api) => {
                let counting = Counting {
                    tokenizer: self.options.tokenizer.as_ref(),
                    blocks: self.options.prefix_cache,
                    text: self.options.knowledge.is_some(),
                };
                let parsed = protocol::parse(api, &request.body, counting);
                match parsed.and_then(|generate| self.check_model(generate)) {
                    Ok(generate) => self.admit(at, generate, request.request_id, request.arrived),
                    Err(refusal) => self.reply(at, &document_response(refusal.status, "application/json", &refusal.body())),
                }
            }
        }
    }

    fn check_model(&self, request: GenerateRequest) -> Result<GenerateRequest, Refusal> {
        // The other dialects have no model in the request.
        let names_model = matches!(request.api, Api::Completions | Api::Chat);
        if !names_model || self.options.model_names.contains(&request.model) {
            return Ok(request);
        }
        let known = self.options.model_names.join("`, `");
        Err(Refusal {
            status: 404,
            message: format!("the model `{}` does not exist, expected `{known}`", request.model),
        })
    }

    fn admit(&mut self, at: usize, mut request: GenerateRequest, request_id: Option<String>, arrived: Option<u64>) {
        self.requests += 1;
        let id = self.requests;
        let known_answer = self.known_answer(&request);
        let natural = match &known_answer {
            Some(known_answer) => saturating::to_u32(known_answer.len()),
            None => self.natural_length(id),
        };
        let stops = !request.ignore_eos && natural < request.max_tokens;
        let output = if stops { natural } else { request.max_tokens };
        let job = Job {
            id,
            prompt: request.prompt_tokens,
            output,
        };
        if !self.pace.fits(&job) {
            self.refuse(at, 400, "the request needs more KV cache than the deployment has");
            return;
        }
        let now = self.started.elapsed();
        let arrived = arrived.map_or(now, |unix| self.since_start(unix, now));
        let blocks = std::mem::take(&mut request.blocks);
        let mut answer = Completion::new(request, id, self.started_unix / NANOS + now.as_secs(), output, stops);
        if let Some(known_answer) = known_answer {
            answer.set_tokens(known_answer);
        }
        let fault = self.options.faults.of(id);
        if let Some(fault) = fault
            && !self.begin_fault(at, fault, &mut answer)
        {
            return;
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        connection.generating = Some(Generating {
            id,
            answer,
            sent: 0,
            request_id: request_id.unwrap_or_else(|| id.to_string()),
            received: self.started_unix + nanos(arrived),
            fault,
        });
        self.owners.insert(id, at);
        self.pace.admit(job, blocks, arrived, now);
    }

    /// Converts the system's clock to the server's own. The system's clock can be set: a time in the future, or further back than a
    /// request can wait to be read, is replaced by the present.
    fn since_start(&self, unix: u64, now: Duration) -> Duration {
        const LONGEST_WAIT: Duration = Duration::from_secs(60);
        let at = Duration::from_nanos(unix.saturating_sub(self.started_unix));
        match now.checked_sub(at) {
            Some(waited) if waited <= LONGEST_WAIT => at,
            Some(_) | None => now,
        }
    }

    /// Injects a fault that replaces the response. Returns whether there is still a response.
    fn begin_fault(&mut self, at: usize, fault: Fault, answer: &mut Completion) -> bool {
        match fault {
            Fault::Status(status) => self.refuse(at, status, "injected fault"),
            Fault::Html => self.reply(at, &document_response(200, "text/html", "<html><body>A proxy's page</body></html>")),
            Fault::NoTokens => self.reply(at, &answer.empty_stream()),
            Fault::Close => self.drop_connection(at),
            Fault::WrongUsage => {
                answer.miscount = MISCOUNT;
                return true;
            }
            Fault::Truncate | Fault::Reset | Fault::Hang | Fault::Malformed => return true,
        }
        false
    }

    /// The tokens of the known answer. A request with `ignore_eos` is load, not a question.
    fn known_answer(&self, request: &GenerateRequest) -> Option<Vec<String>> {
        let knowledge = self.options.knowledge.as_ref().filter(|_| !request.ignore_eos)?;
        let answer = knowledge.answer(&request.prompt)?;
        // Text completions of a model start with a space.
        Some(knowledge::tokens(&format!(" {answer}")))
    }

    /// The length at which the model would end response `id` itself: geometric, from the seed and the number alone.
    fn natural_length(&self, id: u64) -> u32 {
        use rand::{RngExt as _, SeedableRng as _};
        let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(self.options.seed);
        random.set_stream(id);
        let uniform: f64 = 1.0 - random.random::<f64>();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive length; beyond u32 it saturates"
        )]
        let length = (-uniform.ln() * f64::from(self.options.mean_answer)).ceil() as u32;
        length.max(1)
    }

    fn switch_profiler(&mut self, at: usize, on: bool) {
        let written = if on {
            self.trace = Some(Trace::begin(self.started_unix + nanos(self.started.elapsed())));
            Ok(())
        } else {
            match (self.trace.take(), &self.options.trace_folder) {
                (Some(trace), Some(folder)) => trace.write(folder),
                (Some(_) | None, _) => Ok(()),
            }
        };
        match written {
            Ok(()) => self.reply(at, &document_response(200, "text/plain", "")),
            Err(error) => self.refuse(at, 500, &format!("cannot write the trace: {error}")),
        }
    }

    pub(super) fn refuse(&mut self, at: usize, status: u16, message: &str) {
        let refusal = Refusal {
            status,
            message: message.to_owned(),
        };
        self.reply(at, &document_response(status, "application/json", &refusal.body()));
    }

    pub(super) fn reply(&mut self, at: usize, response: &str) {
        if let Some(Some(connection)) = self.connections.get_mut(at) {
            let lost = connection.send(response.as_bytes()).is_err();
            if lost || connection.is_finished() {
                self.drop_connection(at);
            }
        }
    }

    fn models(&self) -> String {
        let models: Vec<_> = self
            .options
            .model_names
            .iter()
            .map(|name| serde_json::json!({ "id": name, "object": "model", "owned_by": "imax sim" }))
            .collect();
        serde_json::json!({ "object": "list", "data": models }).to_string()
    }

    fn counters(&self) -> String {
        let (running, waiting) = self.pace.load();
        format!(
            "# TYPE imax_sim_requests_total counter\nimax_sim_requests_total {}\n\
             # TYPE imax_sim_requests_running gauge\nimax_sim_requests_running {running}\n\
             # TYPE imax_sim_requests_waiting gauge\nimax_sim_requests_waiting {waiting}\n\
             # TYPE imax_sim_cached_prompt_tokens_total counter\nimax_sim_cached_prompt_tokens_total {}\n\
             # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {}.{:09}\n",
            self.requests,
            self.pace.cached_tokens(),
            self.started_unix / NANOS,
            self.started_unix % NANOS,
        )
    }
}
