//! One connection and the request that it carries, if any. Knows how to write what is left and to read what is there;
//! when to do either is the event loop's matter.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::receive::{self, ControlBuffer, Received};
use super::secure::Secure;
use crate::load::exchange::Asked;
use crate::load::{Exchange, PreparedRequest, Reason, Record, Stamp, Step};

/// What a connection is doing.
#[derive(Debug)]
enum Activity {
    /// Waiting for the handshake of TCP.
    Connecting,
    /// Waiting for the handshake of TLS.
    Securing,
    /// Open and without a request.
    Idle,
    /// A request is under way; the last `unsent` of its bytes are not with the kernel yet.
    Busy { exchange: Box<Exchange>, unsent: usize },
}

/// A connection of the event loop.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub socket: TcpStream,
    secure: Option<Secure>,
    activity: Activity,
    /// The request that waits for the connection, or is under way on it.
    pub request: Option<Assigned>,
    /// The last sign of life: the last bytes, or the beginning of waiting for some.
    pub last_progress: Instant,
    opened: Instant,
    connect_time: Option<Duration>,
    /// Whether the kernel stamps what it receives on it.
    pub kernel_clock: bool,
    /// Whether it has carried a request to its end.
    has_served: bool,
    reads: u32,
}

/// Acknowledgements are half of a client's work. They are delayed from the first token of an answer on, so that requests
/// are acknowledged as usual, and again after this many reads, because the kernel falls back.
const READS_PER_DELAY: u32 = 64;

/// A request given to a connection.
#[derive(Debug, Clone, Copy)]
pub struct Assigned {
    /// Its number.
    pub index: u32,
    /// When it was to be sent.
    pub scheduled: Stamp,
}

/// What became of a connection after it was attended to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing that the event loop must know.
    Nothing,
    /// The handshake is done.
    Connected,
    /// The request ended.
    Ended {
        /// What happened to it.
        record: Box<Record>,
        /// Whether the connection can carry another.
        reusable: bool,
    },
    /// The server closed an idle connection.
    Closed,
    /// The server had closed the connection after its last answer, before the request that was sent on it came: it is to be sent
    /// again on another connection.
    Stale,
}

/// Reading state that all connections of a thread share.
#[derive(Debug)]
pub struct ReadState {
    /// Where bytes are read to.
    pub buffer: Vec<u8>,
    /// Where they are decrypted to; empty without TLS.
    pub plain: Vec<u8>,
    /// Where the kernel puts time stamps.
    pub control: ControlBuffer,
    /// Arrival and reading of the first bytes since this was last taken.
    pub first_lag: Option<Duration>,
    /// Whether there are so many streams that acknowledgements are worth saving. With few they are left as they are, because
    /// a server that waits for them (Nagle's algorithm) would be slower with this client than with others.
    pub delay_acknowledgements: bool,
    /// The present instant, as of the last wake-up: deadlines need it no finer, and asking for each read would cost.
    pub now: Instant,
    /// Reads that brought bytes of answers since this was last taken.
    pub reads: u32,
    /// Whether an answer was over before its body was, since this was last taken.
    pub has_answered: bool,
}

/// What became of bytes that were read.
#[derive(Debug, Clone, Copy)]
enum Taken {
    More,
    Complete { reusable: bool },
    Unasked,
    End,
}

impl Connection {
    /// Begins a handshake.
    ///
    /// # Errors
    /// What the system says, such as too many open files.
    pub fn open(address: SocketAddr, secure: Option<Secure>, request: Option<Assigned>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        // A request is one write; waiting to fill a segment would only delay its last part.
        let _ = socket.set_nodelay(true);
        let kernel_clock = receive::enable_time_stamps(&socket);
        let now = Instant::now();
        Ok(Self {
            socket,
            secure,
            activity: Activity::Connecting,
            request,
            last_progress: now,
            opened: now,
            connect_time: None,
            kernel_clock,
            has_served: false,
            reads: 0,
        })
    }

    /// Whether it is open and without a request.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    /// Whether the handshake is not done.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        matches!(self.activity, Activity::Connecting | Activity::Securing)
    }

    /// Goes on with the handshake. Call when something happened on the socket.
    ///
    /// # Errors
    /// Why it failed.
    pub fn finish_connect(&mut self, state: &mut ReadState) -> io::Result<Outcome> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        if matches!(self.activity, Activity::Connecting) {
            match self.socket.peer_addr() {
                Ok(_) => self.activity = Activity::Securing,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(Outcome::Nothing),
                Err(error) => return Err(error),
            }
        }
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

    /// Takes up the assigned request, which is to be written now. `sent` is the instant before the first write.
    pub fn begin(&mut self, assigned: Assigned, asked: Asked, request: &PreparedRequest, sent: Stamp) {
        let exchange = Exchange::new(asked, assigned.scheduled, sent, self.connect_time.take());
        self.request = Some(assigned);
        self.reads = 0;
        self.last_progress = Instant::now();
        self.activity = Activity::Busy {
            exchange: Box::new(exchange),
            unsent: request.bytes.len(),
        };
    }

    /// Whether a part of the request may not be with the kernel yet.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        match (&self.activity, &self.secure) {
            (Activity::Busy { unsent, .. }, None) => *unsent > 0,
            (Activity::Busy { .. }, Some(_)) => true,
            (Activity::Connecting | Activity::Securing | Activity::Idle, _) => false,
        }
    }

    /// Writes as much of the request as the kernel takes.
    pub fn write(&mut self, request: &PreparedRequest) -> Outcome {
        let Activity::Busy { unsent, .. } = &mut self.activity else {
            return Outcome::Nothing;
        };
        let result = match &mut self.secure {
            None => write_some(&mut self.socket, &request.bytes, unsent),
            Some(secure) => write_secure(secure, &mut self.socket, &request.bytes, unsent),
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

    /// Reads what is there. `until_empty` asks for reading to go on until the socket says that it is empty or closed;
    /// else a read that does not fill the buffer is taken for the last one, as epoll(7) allows.
    pub fn read(&mut self, state: &mut ReadState, until_empty: bool) -> Outcome {
        loop {
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
                // A connection that is being closed carries no other request, whatever its answer said; llama.cpp's server does that.
                Ok(Taken::Complete { reusable }) => return self.complete(reusable && !until_empty),
                // Bytes that nobody asked for: the connection is of no use.
                Ok(Taken::Unasked) => return Outcome::Closed,
                Ok(Taken::End) => return self.closed(received.at),
                Err(error) => return self.end_with(Reason::TlsFailed, &error.to_string()),
            }
        }
    }

    /// Hands the bytes that were read to the request that they are for, decrypted where they have to be.
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
            Activity::Connecting | Activity::Securing | Activity::Idle => Taken::Unasked,
        };
        let Some(secure) = &mut self.secure else {
            return Ok(hand_on(bytes));
        };
        let mut taken = Taken::More;
        let has_ended = secure.decrypt(bytes, &mut state.plain, |plain| {
            taken = hand_on(plain);
            matches!(taken, Taken::More)
        })?;
        // Key updates are answered; a failure shows with the next read.
        let _ = secure.flush(&mut self.socket);
        Ok(match taken {
            Taken::More if has_ended => Taken::End,
            Taken::More | Taken::Complete { .. } | Taken::Unasked | Taken::End => taken,
        })
    }

    /// Whether the server has said that the answer is over, and its body has not ended.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        match &self.activity {
            Activity::Busy { exchange, .. } => exchange.is_answered(),
            Activity::Connecting | Activity::Securing | Activity::Idle => false,
        }
    }

    /// Ends the request whose answer is over. The connection carries no other: its body has not ended.
    pub fn end_answered(&mut self) -> Outcome {
        self.complete(false)
    }

    /// Ends the request, if there is one, because of something outside the answer.
    pub fn end_with(&mut self, reason: Reason, detail: &str) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.fail(reason, detail, super::clock::now())),
                reusable: false,
            },
            Activity::Connecting | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }

    /// Whether a request was sent on a connection that had carried others, and not a byte of an answer came.
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
            Activity::Connecting | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }

    fn closed(&mut self, at: Stamp) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.closed(at)),
                reusable: false,
            },
            Activity::Connecting | Activity::Securing | Activity::Idle => Outcome::Closed,
        }
    }
}

/// Writes what the kernel takes. Says whether it took any.
fn write_some(socket: &mut TcpStream, bytes: &[u8], unsent: &mut usize) -> io::Result<bool> {
    let before = *unsent;
    while *unsent > 0 {
        match socket.write(&bytes[bytes.len() - *unsent..]) {
            Ok(count) => *unsent -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(*unsent < before)
}

fn write_secure(secure: &mut Secure, socket: &mut TcpStream, bytes: &[u8], unsent: &mut usize) -> io::Result<bool> {
    let is_first = *unsent > 0;
    if is_first {
        secure.encrypt(bytes)?;
        *unsent = 0;
    }
    secure.flush(socket)?;
    Ok(is_first)
}

/// Goes on with the handshake of TLS. Says whether it is done.
fn shake_hands(secure: &mut Secure, socket: &mut TcpStream, state: &mut ReadState) -> io::Result<bool> {
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
                // The alert that tells the server why is worth an attempt.
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
