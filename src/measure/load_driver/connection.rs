//! One connection and its current request. Writes and reads without blocking; the event loop decides when.

use std::io::{self, IoSlice, Write as _};
use std::time::{Duration, Instant};

use super::receive::{self, ControlBuffer, Received};
use super::secure::Secure;
use super::socket::Socket;
use super::tunnel::Tunnel;
use crate::load::exchange::Asked;
use crate::load::{Exchange, Reason, Record, Stamp, Step};

/// State of a connection.
#[derive(Debug)]
enum Activity {
    /// TCP handshake in progress.
    Connecting,
    /// Opening a tunnel through a proxy.
    Tunnelling,
    /// TLS handshake in progress.
    Securing,
    /// Open, without a request.
    Idle,
    /// A request is in flight; its last `unsent` bytes are not written yet.
    Busy { exchange: Box<Exchange>, unsent: usize },
}

/// A connection of the event loop.
#[derive(Debug)]
pub struct Connection {
    /// Number of its server.
    pub server: usize,
    /// The socket.
    pub socket: Socket,
    tunnel: Option<Tunnel>,
    secure: Option<Secure>,
    activity: Activity,
    /// The request that waits for the connection or is in flight on it.
    pub request: Option<Assigned>,
    /// The time of the last bytes, or the start of the wait for them.
    pub last_progress: Instant,
    /// The start of the current request.
    pub begun: Instant,
    opened: Instant,
    connect_time: Option<Duration>,
    /// Whether the kernel stamps received bytes.
    pub kernel_clock: bool,
    /// Whether a request was completed on it.
    has_served: bool,
    reads: u32,
}

/// TCP acknowledgements are half of a client's work. They are delayed from the first token of a response on, so that the
/// acknowledgement of a request is not, and again after this many reads, because the kernel resets the option.
const READS_PER_DELAY: u32 = 64;

/// Reads of one connection before the others, deadlines and signals get their turn: 16 MiB. A server that sends faster than this client
/// reads would otherwise never let go of the thread.
const READS_AT_ONCE: u32 = 256;

/// A request assigned to a connection.
#[derive(Debug, Clone, Copy)]
pub struct Assigned {
    /// Its number.
    pub index: u32,
    /// Number of its server.
    pub server: usize,
    /// When it should be sent.
    pub scheduled: Stamp,
}

/// The bytes of a request: the lines that its server begins each request with, and what follows.
#[derive(Debug, Clone, Copy)]
pub struct RequestBytes<'a> {
    /// From [`crate::load::request::opening`].
    pub opening: &'a [u8],
    /// From [`crate::load::request::bytes`].
    pub rest: &'a [u8],
}

impl<'a> RequestBytes<'a> {
    fn len(self) -> usize {
        self.opening.len() + self.rest.len()
    }

    /// The last `unsent` bytes.
    fn last(self, unsent: usize) -> [IoSlice<'a>; 2] {
        let sent = self.len().saturating_sub(unsent);
        let opening = self.opening.get(sent..).unwrap_or_default();
        let rest = self.rest.get(sent.saturating_sub(self.opening.len())..).unwrap_or_default();
        [IoSlice::new(opening), IoSlice::new(rest)]
    }
}

/// Result of a read, a write or a handshake step.
#[derive(Debug)]
pub enum Outcome {
    /// No event.
    Nothing,
    /// There may be more to read; the socket gives no further event for it.
    Unfinished,
    /// The handshake is done.
    Connected,
    /// The request has ended.
    Ended {
        /// Its record.
        record: Box<Record>,
        /// Whether the connection can be reused.
        reusable: bool,
    },
    /// The server closed an idle connection.
    Closed,
    /// The server closed the kept connection before the request arrived. The request has to be resent on another connection.
    Stale,
}

/// Read state shared by all connections of a thread.
#[derive(Debug)]
pub struct ReadState {
    /// Buffer for received bytes.
    pub buffer: Vec<u8>,
    /// Buffer for decrypted bytes; empty without TLS.
    pub plain: Vec<u8>,
    /// Buffer for the kernel's time stamps.
    pub control: ControlBuffer,
    /// Time from arrival to read of the first bytes since this was last taken.
    pub first_lag: Option<Duration>,
    /// Whether acknowledgements are delayed: only with many streams. A server that waits for acknowledgements (Nagle's algorithm)
    /// would otherwise be slower with this client than with others.
    pub delay_acknowledgements: bool,
    /// The time of the last wake-up. Precise enough for deadlines, and cheaper than reading the clock for each read.
    pub now: Instant,
    /// Reads with response bytes since this was last taken.
    pub reads: u32,
    /// Whether a response was complete before the end of its body, since this was last taken.
    pub has_answered: bool,
}

/// Result of passing received bytes to the request.
#[derive(Debug, Clone, Copy)]
enum Taken {
    More,
    Complete { reusable: bool },
    Unasked,
    End,
}

impl Connection {
    /// Starts the handshakes on a new socket.
    #[must_use]
    pub fn open(socket: Socket, tunnel: Option<Tunnel>, secure: Option<Secure>, server: usize, request: Option<Assigned>) -> Self {
        let kernel_clock = receive::enable_time_stamps(&socket);
        let now = Instant::now();
        Self {
            server,
            socket,
            tunnel,
            secure,
            activity: Activity::Connecting,
            request,
            last_progress: now,
            begun: now,
            opened: now,
            connect_time: None,
            kernel_clock,
            has_served: false,
            reads: 0,
        }
    }

    /// Whether it is open without a request.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    /// Whether a handshake is in progress.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        matches!(self.activity, Activity::Connecting | Activity::Tunnelling | Activity::Securing)
    }

    /// Continues the handshake; call on each event of the socket.
    ///
    /// # Errors
    /// The connection or TLS error.
    pub fn finish_connect(&mut self, state: &mut ReadState) -> io::Result<Outcome> {
        if !self.socket.is_connected()? {
            return Ok(Outcome::Nothing);
        }
        if let Some(tunnel) = &mut self.tunnel {
            self.activity = Activity::Tunnelling;
            if !tunnel.advance(&mut self.socket, state)? {
                return Ok(Outcome::Nothing);
            }
            self.tunnel = None;
        }
        self.activity = Activity::Securing;
        if let Some(secure) = &mut self.secure
            && !shake_hands(secure, &mut self.socket, state)?
        {
            return Ok(Outcome::Nothing);
        }
        self.activity = Activity::Idle;
        self.last_progress = Instant::now();
        self.connect_time = Some(self.last_progress - self.opened);
        Ok(Outcome::Connected)
    }

    /// Starts the assigned request; call [`Self::write`] next. `sent` is the time before the first write.
    pub fn begin(&mut self, assigned: Assigned, asked: Asked, request: RequestBytes<'_>, sent: Stamp) {
        let exchange = Exchange::new(asked, assigned.scheduled, sent, self.connect_time.take());
        self.request = Some(assigned);
        self.reads = 0;
        self.last_progress = Instant::now();
        self.begun = self.last_progress;
        self.activity = Activity::Busy {
            exchange: Box::new(exchange),
            unsent: request.len(),
        };
    }

    /// Whether part of the request may not be written yet.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        match (&self.activity, &self.secure) {
            (Activity::Busy { unsent, .. }, None) => *unsent > 0,
            (Activity::Busy { .. }, Some(_)) => true,
            (Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle, _) => false,
        }
    }

    /// Writes as much of the request as the kernel accepts.
    pub fn write(&mut self, request: RequestBytes<'_>) -> Outcome {
        let Activity::Busy { unsent, .. } = &mut self.activity else {
            return Outcome::Nothing;
        };
        let result = match &mut self.secure {
            None => write_some(&mut self.socket, request, unsent),
            Some(secure) => write_secure(secure, &mut self.socket, request, unsent),
        };
        match result {
            Ok(has_progress) => {
                if has_progress {
                    self.last_progress = Instant::now();
                }
                Outcome::Nothing
            }
            Err(_) if self.is_stale() => Outcome::Stale,
            Err(error) => self.end_with(Reason::ConnectionLost, &format!("while sending: {error}")),
        }
    }

    /// Reads the available bytes. With `until_empty` it reads until the socket would block or is closed; otherwise a read that does
    /// not fill the buffer is the last one (epoll(7), question 9).
    pub fn read(&mut self, state: &mut ReadState, until_empty: bool) -> Outcome {
        for _ in 0..READS_AT_ONCE {
            let received = match receive::receive(&self.socket, &mut state.buffer, &mut state.control) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if self.is_stale() => return Outcome::Stale,
                Err(error) => return self.end_with(Reason::ConnectionLost, &error.to_string()),
            };
            if received.bytes == 0 && self.is_stale() {
                return Outcome::Stale;
            }
            if received.bytes == 0 {
                return self.closed(received.at);
            }
            if received.by_kernel {
                if state.first_lag.is_none() {
                    state.first_lag = Some(super::clock::now().since(received.at));
                }
            } else {
                self.kernel_clock = false;
            }
            self.last_progress = state.now;
            state.reads += 1;
            if state.delay_acknowledgements && self.reads.is_multiple_of(READS_PER_DELAY) {
                receive::delay_acknowledgements(&self.socket);
            }
            self.reads = self.reads.wrapping_add(1);
            match self.take(state, received) {
                Ok(Taken::More) if received.bytes < state.buffer.len() && !until_empty => return Outcome::Nothing,
                Ok(Taken::More) => {}
                // A connection that is being closed is not reused, whatever the response header says: llama.cpp's server closes such.
                Ok(Taken::Complete { reusable }) => return self.complete(reusable && !until_empty),
                // Bytes without a request: the connection cannot be reused.
                Ok(Taken::Unasked) => return Outcome::Closed,
                Ok(Taken::End) => return self.closed(received.at),
                Err(error) => return self.end_with(Reason::TlsFailed, &error.to_string()),
            }
        }
        Outcome::Unfinished
    }

    /// Passes the received bytes, decrypted if necessary, to the current request.
    fn take(&mut self, state: &mut ReadState, received: Received) -> io::Result<Taken> {
        let bytes = &state.buffer[..received.bytes];
        let activity = &mut self.activity;
        let mut hand_on = |bytes: &[u8]| match activity {
            Activity::Busy { exchange, .. } => match exchange.receive(bytes, received.at) {
                Step::Complete { reusable } => Taken::Complete { reusable },
                Step::Pending => {
                    state.has_answered |= exchange.is_answered();
                    Taken::More
                }
            },
            Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle => Taken::Unasked,
        };
        let Some(secure) = &mut self.secure else {
            return Ok(hand_on(bytes));
        };
        let mut taken = Taken::More;
        let has_ended = secure.decrypt(bytes, &mut state.plain, |plain| {
            taken = hand_on(plain);
            matches!(taken, Taken::More)
        })?;
        // Sends responses to TLS key updates; an error is reported by the next read.
        let _ = secure.flush(&mut self.socket);
        Ok(match taken {
            Taken::More if has_ended => Taken::End,
            Taken::More | Taken::Complete { .. } | Taken::Unasked | Taken::End => taken,
        })
    }

    /// Whether the response is complete (`[DONE]`) and its body has not ended.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        match &self.activity {
            Activity::Busy { exchange, .. } => exchange.is_answered(),
            Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle => false,
        }
    }

    /// Ends a request whose response is complete. The connection is not reused, because the body has not ended.
    pub fn end_answered(&mut self) -> Outcome {
        self.complete(false)
    }

    /// Ends the current request, if any, for a reason outside the response.
    pub fn end_with(&mut self, reason: Reason, detail: &str) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.fail(reason, detail, super::clock::now())),
                reusable: false,
            },
            Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }

    /// Whether a request on a reused connection has received no response byte.
    fn is_stale(&self) -> bool {
        self.has_served && self.reads == 0 && matches!(self.activity, Activity::Busy { .. })
    }

    fn complete(&mut self, reusable: bool) -> Outcome {
        self.has_served = true;
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.complete()),
                reusable,
            },
            Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }

    fn closed(&mut self, at: Stamp) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.closed(at)),
                reusable: false,
            },
            Activity::Connecting | Activity::Tunnelling | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }
}

/// Writes what the kernel accepts. Returns whether any byte was written.
fn write_some(socket: &mut Socket, request: RequestBytes<'_>, unsent: &mut usize) -> io::Result<bool> {
    let before = *unsent;
    while *unsent > 0 {
        match socket.write_vectored(&request.last(*unsent)) {
            Ok(count) => *unsent -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(*unsent < before)
}

fn write_secure(secure: &mut Secure, socket: &mut Socket, request: RequestBytes<'_>, unsent: &mut usize) -> io::Result<bool> {
    let is_first = *unsent > 0;
    if is_first {
        secure.encrypt(request.opening)?;
        secure.encrypt(request.rest)?;
        *unsent = 0;
    }
    secure.flush(socket)?;
    Ok(is_first)
}

/// Continues the TLS handshake. Returns whether it is complete.
fn shake_hands(secure: &mut Secure, socket: &mut Socket, state: &mut ReadState) -> io::Result<bool> {
    secure.flush(socket)?;
    while secure.is_handshaking() {
        match receive::receive(socket, &mut state.buffer, &mut state.control) {
            Ok(received) if received.bytes == 0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection during the handshake",
                ));
            }
            Ok(received) => {
                let result = secure.decrypt(&state.buffer[..received.bytes], &mut state.plain, |_| true);
                // Try to send the TLS alert with the reason.
                let sent = secure.flush(socket);
                result?;
                sent?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    secure.flush(socket)?;
    Ok(true)
}
