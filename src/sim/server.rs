//! The simulated engine's event loop: one thread, epoll, and a kernel timer for the next token, so that tokens leave
//! within microseconds of their instant on an idle machine.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::answer::{Answer, document_response};
use super::connection::{Connection, Generating, NotARequest, Received};
use super::ground_truth::{GroundTruth, Line};
use super::pace::{Emission, Pace};
use super::protocol::{self, GenerateRequest, Refusal, Route};
use super::scheduler::Job;
use crate::load::Tokenizer;

/// What the server is told beside its timetable.
#[derive(Debug)]
pub struct ServerOptions {
    /// Names under which the model is served; the first one is listed.
    pub model_names: Vec<String>,
    /// Counts the tokens of text prompts; without one their words are counted.
    pub tokenizer: Option<Tokenizer>,
    /// Time after the start during which `/health` and requests get 503.
    pub ready_after: Duration,
    /// Tokens in one chunk of a stream; the first token always has a chunk of its own.
    pub stream_interval: u32,
    /// Mean length of an answer that the model ends itself, tokens.
    pub mean_answer: u32,
    /// Where to log what really happened.
    pub ground_truth: Option<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log cannot be written.
    #[error("cannot write the ground truth {}: {source}", path.display())]
    GroundTruth {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("the simulated engine cannot run: {0}")]
    System(#[from] io::Error),
}

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// How often the wish to stop is looked at, at the latest.
const STOP_CHECK: Duration = Duration::from_millis(50);
const EVENTS: usize = 1024;

/// A listening server.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listener: TcpListener,
    timer: TimerFd,
    timer_set_to: Option<Duration>,
    started: Instant,
    started_unix: u64,
    pace: Pace,
    options: ServerOptions,
    ground_truth: Option<GroundTruth>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Which connection a request in the timetable belongs to.
    owners: HashMap<u64, usize>,
    requests: u64,
    text: String,
}

impl Server {
    /// Listens at the address.
    ///
    /// # Errors
    /// [`ServerError`] naming what failed.
    pub fn bind(host: &str, port: u16, pace: Pace, options: ServerOptions) -> Result<Self, ServerError> {
        let refused = |source| ServerError::Listen {
            address: format!("{host}:{port}"),
            source,
        };
        let no_address = || refused(io::Error::other("the name has no address"));
        let address = (host, port).to_socket_addrs().map_err(refused)?.next().ok_or_else(no_address)?;
        let mut listener = TcpListener::bind(address).map_err(refused)?;
        let ground_truth = match &options.ground_truth {
            None => None,
            Some(path) => Some(GroundTruth::create(path).map_err(|source| ServerError::GroundTruth {
                path: path.clone(),
                source,
            })?),
        };
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC).map_err(io::Error::from)?;
        let timer_fd = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&timer_fd), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            timer,
            timer_set_to: None,
            started: Instant::now(),
            started_unix: unix_nanos(),
            pace,
            options,
            ground_truth,
            connections: Vec::new(),
            free: Vec::new(),
            owners: HashMap::new(),
            requests: 0,
            text: String::new(),
        })
    }

    /// The address it listens at, with the port that the system chose where 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` says so; it is asked at least every 50 ms.
    ///
    /// # Errors
    /// [`ServerError`] where the system or the log fails. A client's failure is the client's.
    pub fn run(mut self, stop: impl Fn() -> bool) -> Result<(), ServerError> {
        let mut events = Events::with_capacity(EVENTS);
        while !stop() {
            self.send_due()?;
            let wait = self.arm_timer()?;
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    TIMER => self.timer_set_to = None,
                    Token(at) => self.attend(at, event),
                }
                // A long list of events must not hold up the tokens that came due meanwhile.
                self.send_due()?;
            }
        }
        self.flush_ground_truth()
    }

    /// Sets the kernel's timer to the next token. Returns how long to wait for events at most.
    fn arm_timer(&mut self) -> io::Result<Duration> {
        let Some(next) = self.pace.next_event() else {
            return Ok(STOP_CHECK);
        };
        let left = next.saturating_sub(self.started.elapsed());
        if left.is_zero() {
            return Ok(Duration::ZERO);
        }
        if self.timer_set_to != Some(next) {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
            self.timer_set_to = Some(next);
        }
        Ok(STOP_CHECK)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut socket, _)) => {
                    let at = self.free.pop().unwrap_or_else(|| {
                        self.connections.push(None);
                        self.connections.len() - 1
                    });
                    self.poll
                        .registry()
                        .register(&mut socket, Token(at), Interest::READABLE | Interest::WRITABLE)?;
                    self.connections[at] = Some(Connection::new(socket));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client gave up before it was accepted, or there are too many open files: the next one may do.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn attend(&mut self, at: usize, event: &mio::event::Event) {
        if event.is_writable()
            && let Some(Some(connection)) = self.connections.get_mut(at)
        {
            let lost = connection.flush().is_err();
            if lost || (connection.close && connection.is_flushed()) {
                self.drop_connection(at);
            }
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() {
            match connection.read() {
                Ok(true) => self.take_requests(at),
                Ok(false) | Err(_) => self.drop_connection(at),
            }
        }
    }

    fn take_requests(&mut self, at: usize) {
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
        let route = if self.started.elapsed() < self.options.ready_after {
            Route::Refuse(503, "the engine is starting")
        } else {
            protocol::route(&request.method, &request.path)
        };
        match route {
            Route::Health => self.reply(at, &document_response(200, "text/plain", "")),
            Route::Models => self.reply(at, &document_response(200, "application/json", &self.models())),
            Route::Metrics => self.reply(at, &document_response(200, "text/plain; version=0.0.4", &self.counters())),
            Route::Refuse(status, message) => self.refuse(at, status, message),
            Route::Generate(api) => {
                let parsed = protocol::parse(api, &request.body, self.options.tokenizer.as_ref());
                match parsed.and_then(|generate| self.check_model(generate)) {
                    Ok(generate) => self.admit(at, generate, request.request_id),
                    Err(refusal) => self.reply(at, &document_response(refusal.status, "application/json", &refusal.body())),
                }
            }
        }
    }

    fn check_model(&self, request: GenerateRequest) -> Result<GenerateRequest, Refusal> {
        if self.options.model_names.contains(&request.model) {
            return Ok(request);
        }
        let known = self.options.model_names.join("`, `");
        Err(Refusal {
            status: 404,
            message: format!("the model `{}` does not exist, expected `{known}`", request.model),
        })
    }

    fn admit(&mut self, at: usize, request: GenerateRequest, request_id: Option<String>) {
        self.requests += 1;
        let id = self.requests;
        let natural = self.natural_length(id);
        let stops = !request.ignore_eos && natural < request.max_tokens;
        let output = if stops { natural } else { request.max_tokens };
        let job = Job {
            id,
            prompt: request.prompt_tokens,
            output,
        };
        if !self.pace.fits(&job) {
            self.refuse(at, 400, "the request needs more KV cache than there is");
            return;
        }
        let received = self.started.elapsed();
        let answer = Answer::new(request, id, self.started_unix / 1_000_000_000 + received.as_secs(), output, stops);
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        connection.generating = Some(Generating {
            id,
            answer,
            sent: 0,
            request_id: request_id.unwrap_or_else(|| id.to_string()),
            received: unix_nanos(),
        });
        self.owners.insert(id, at);
        self.pace.admit(job, received);
    }

    /// The length at which the model would end answer `id` itself: geometric, from the seed and the number alone.
    fn natural_length(&self, id: u64) -> u32 {
        use rand::{RngExt as _, SeedableRng as _};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(self.options.seed);
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

    fn send_due(&mut self) -> Result<(), ServerError> {
        while let Some(emission) = self.pace.next_due(self.started.elapsed()) {
            self.send_token(emission)?;
        }
        Ok(())
    }

    fn send_token(&mut self, emission: Emission) -> Result<(), ServerError> {
        let Some(at) = self.owners.get(&emission.id).copied() else {
            return Ok(());
        };
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let Some(generating) = connection.generating.as_mut() else {
            return Ok(());
        };
        let is_stream = generating.answer.request().stream;
        let is_chunk = emission.token == 1 || emission.token - generating.sent >= self.options.stream_interval;
        if !(emission.is_last || is_stream && is_chunk) {
            return Ok(());
        }
        self.text.clear();
        if is_stream {
            if generating.sent == 0 {
                self.text.push_str(&generating.answer.stream_head());
            }
            generating.answer.chunk(generating.sent, emission.token, &mut self.text);
        } else {
            self.text.push_str(&generating.answer.whole());
        }
        generating.sent = emission.token;
        let sent = unix_nanos();
        if let Some(log) = &mut self.ground_truth {
            let line = Line {
                request: &generating.request_id,
                received: generating.received,
                token: emission.token,
                due: self.started_unix + nanos(emission.due),
                sent,
            };
            log.add(&line).map_err(|source| ground_truth_error(&self.options, source))?;
        }
        if emission.is_last {
            connection.generating = None;
            self.owners.remove(&emission.id);
        }
        let lost = connection.send(self.text.as_bytes()).is_err();
        if lost || (emission.is_last && connection.close && connection.is_flushed()) {
            self.drop_connection(at);
        } else if emission.is_last {
            self.take_requests(at);
        }
        Ok(())
    }

    fn refuse(&mut self, at: usize, status: u16, message: &str) {
        let refusal = Refusal {
            status,
            message: message.to_owned(),
        };
        self.reply(at, &document_response(status, "application/json", &refusal.body()));
    }

    fn reply(&mut self, at: usize, response: &str) {
        if let Some(Some(connection)) = self.connections.get_mut(at) {
            let lost = connection.send(response.as_bytes()).is_err();
            if lost || (connection.close && connection.is_flushed()) {
                self.drop_connection(at);
            }
        }
    }

    fn drop_connection(&mut self, at: usize) {
        let Some(mut connection) = self.connections.get_mut(at).and_then(Option::take) else {
            return;
        };
        let _ = self.poll.registry().deregister(&mut connection.socket);
        if let Some(generating) = connection.generating {
            self.owners.remove(&generating.id);
            self.pace.cancel(generating.id);
        }
        self.free.push(at);
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
             # TYPE imax_sim_requests_waiting gauge\nimax_sim_requests_waiting {waiting}\n",
            self.requests
        )
    }

    fn flush_ground_truth(&mut self) -> Result<(), ServerError> {
        match &mut self.ground_truth {
            None => Ok(()),
            Some(log) => log.flush().map_err(|source| ground_truth_error(&self.options, source)),
        }
    }
}

fn ground_truth_error(options: &ServerOptions, source: io::Error) -> ServerError {
    ServerError::GroundTruth {
        path: options.ground_truth.clone().unwrap_or_default(),
        source,
    }
}

fn unix_nanos() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
