//! One connection and the request that it carries, if any. Knows how to write what is left and to read what is there;
//! when to do either is the event loop's matter.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::receive::{self, ControlBuffer};
use crate::load::exchange::Asked;
use crate::load::{Exchange, PreparedRequest, Reason, Record, Stamp, Step};

/// What a connection is doing.
#[derive(Debug)]
enum Activity {
    /// Waiting for the handshake, with the request that it is for, if any.
    Connecting,
    /// Open and without a request.
    Idle,
    /// A request is under way; `written` of its bytes are with the kernel.
    Busy { exchange: Box<Exchange>, written: usize },
}

/// A connection of the event loop.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub socket: TcpStream,
    activity: Activity,
    /// The request that waits for the connection, or is under way on it.
    pub request: Option<Assigned>,
    /// The last sign of life: the last bytes, or the beginning of waiting for some.
    pub last_progress: Instant,
    opened: Instant,
    connect_time: Option<Duration>,
    /// Whether the kernel stamps what it receives on it.
    pub kernel_clock: bool,
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
}

/// Reading state that all connections of a thread share.
#[derive(Debug)]
pub struct ReadState {
    /// Where bytes are read to.
    pub buffer: Vec<u8>,
    /// Where the kernel puts time stamps.
    pub control: ControlBuffer,
    /// Arrival and reading of the first bytes since this was last taken.
    pub first_lag: Option<Duration>,
    /// Whether there are so many streams that acknowledgements are worth saving. With few they are left as they are, because
    /// a server that waits for them (Nagle's algorithm) would be slower with this client than with others.
    pub delay_acknowledgements: bool,
    /// Reads that brought bytes of answers since this was last taken.
    pub reads: u32,
}

impl Connection {
    /// Begins a handshake.
    ///
    /// # Errors
    /// What the system says, such as too many open files.
    pub fn open(address: SocketAddr, request: Option<Assigned>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        // A request is one write; waiting to fill a segment would only delay its last part.
        let _ = socket.set_nodelay(true);
        let kernel_clock = receive::enable_time_stamps(&socket);
        let now = Instant::now();
        Ok(Self {
            socket,
            activity: Activity::Connecting,
            request,
            last_progress: now,
            opened: now,
            connect_time: None,
            kernel_clock,
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
        matches!(self.activity, Activity::Connecting)
    }

    /// Looks whether the handshake is done. Call when the socket became writable.
    ///
    /// # Errors
    /// Why it failed.
    pub fn finish_connect(&mut self) -> io::Result<Outcome> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.activity = Activity::Idle;
                self.last_progress = Instant::now();
                self.connect_time = Some(self.last_progress - self.opened);
                Ok(Outcome::Connected)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(Outcome::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Begins to send the assigned request. `sent` is the instant before the first write.
    pub fn begin(&mut self, assigned: Assigned, asked: Asked, sent: Stamp) {
        let exchange = Exchange::new(asked, assigned.scheduled, sent, self.connect_time.take());
        self.request = Some(assigned);
        self.reads = 0;
        self.last_progress = Instant::now();
        self.activity = Activity::Busy {
            exchange: Box::new(exchange),
            written: 0,
        };
    }

    /// Writes as much of the request as the kernel takes.
    pub fn write(&mut self, request: &PreparedRequest) -> Outcome {
        let Activity::Busy { written, .. } = &mut self.activity else {
            return Outcome::Nothing;
        };
        while *written < request.bytes.len() {
            match self.socket.write(&request.bytes[*written..]) {
                Ok(count) => {
                    *written += count;
                    self.last_progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.end_with(Reason::ConnectionLost, &format!("while sending: {error}")),
            }
        }
        Outcome::Nothing
    }

    /// Reads what is there. `until_empty` asks for reading to go on until the socket says that it is empty or closed;
    /// else a read that does not fill the buffer is taken for the last one, as epoll(7) allows.
    pub fn read(&mut self, state: &mut ReadState, until_empty: bool) -> Outcome {
        loop {
            let received = match receive::receive(&self.socket, &mut state.buffer, &mut state.control) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.end_with(Reason::ConnectionLost, &error.to_string()),
            };
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
            self.last_progress = Instant::now();
            let Activity::Busy { exchange, .. } = &mut self.activity else {
                // Bytes that nobody asked for: the connection is of no use.
                return Outcome::Closed;
            };
            state.reads += 1;
            if state.delay_acknowledgements && self.reads.is_multiple_of(READS_PER_DELAY) {
                receive::delay_acknowledgements(&self.socket);
            }
            self.reads = self.reads.wrapping_add(1);
            match exchange.receive(&state.buffer[..received.bytes], received.at) {
                Step::Complete { reusable } => return self.complete(reusable),
                Step::Pending if received.bytes < state.buffer.len() && !until_empty => return Outcome::Nothing,
                Step::Pending => {}
            }
        }
    }

    /// Ends the request, if there is one, because of something outside the answer.
    pub fn end_with(&mut self, reason: Reason, detail: &str) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.fail(reason, detail, super::clock::now())),
                reusable: false,
            },
            Activity::Connecting | Activity::Idle => Outcome::Closed,
        }
    }

    fn complete(&mut self, reusable: bool) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.complete()),
                reusable,
            },
            Activity::Connecting | Activity::Idle => Outcome::Closed,
        }
    }

    fn closed(&mut self, at: Stamp) -> Outcome {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Busy { exchange, .. } => Outcome::Ended {
                record: Box::new(exchange.closed(at)),
                reusable: false,
            },
            Activity::Connecting | Activity::Idle => Outcome::Closed,
        }
    }
}
