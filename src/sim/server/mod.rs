//! The simulated engine's event loop: one thread, epoll, and a kernel timer for the next token, so that tokens leave within
//! microseconds of the time they are due on an idle machine.

mod deliver;
mod options;
mod serve;
mod tokenize;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::connection::{Connection, ReadBuffer, enable_time_stamps};
use super::ground_truth::GroundTruth;
use super::pace::Pace;
use super::trace::Trace;
use crate::load::Stamp;
use crate::load::stamp::by_both_clocks;
use crate::model::saturating;
pub use options::{ServerError, ServerOptions};

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Longest time between two checks of `stop`.
const STOP_CHECK: Duration = Duration::from_millis(50);
const EVENTS: usize = 1024;

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
    /// What the profiler has recorded, while it runs.
    trace: Option<Trace>,
    connections: Vec<Option<Connection>>,
    read_buffer: ReadBuffer,
    free: Vec<usize>,
    /// The connection of each request in [`Pace`].
    owners: HashMap<u64, usize>,
    requests: u64,
    text: String,
}

impl Server {
    /// Listens on an address.
    ///
    /// # Errors
    /// [`ServerError`] naming what failed.
    pub fn bind(host: &str, port: u16, pace: Pace, options: ServerOptions) -> Result<Self, ServerError> {
        let listening = (host, port).to_socket_addrs().and_then(|mut addresses| match addresses.next() {
            Some(address) => TcpListener::bind(address),
            None => Err(io::Error::other("the name resolves to no address")),
        });
        let mut listener = listening.map_err(|source| ServerError::Listen {
            address: format!("{host}:{port}"),
            source,
        })?;
        enable_time_stamps(&listener);
        raise_open_files();
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
        // The log converts between the two clocks by this pair.
        let (started_unix, started) = by_both_clocks(|| Stamp::from_unix_nanos(unix_nanos()), Instant::now);
        Ok(Self {
            poll,
            listener,
            timer,
            timer_set_to: None,
            started_unix: started_unix.unix_nanos(),
            started,
            pace,
            options,
            ground_truth,
            trace: None,
            connections: Vec::new(),
            read_buffer: ReadBuffer::default(),
            free: Vec::new(),
            owners: HashMap::new(),
            requests: 0,
            text: String::new(),
        })
    }

    /// The address it listens on, with the port chosen by the system if 0 was requested.
    ///
    /// # Errors
    /// The system error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` returns true; it is called at least every 50 ms.
    ///
    /// # Errors
    /// [`ServerError`] if the system or the log fails. A failing client is not an error.
    pub fn run(mut self, stop: impl Fn() -> bool) -> Result<(), ServerError> {
        let mut events = Events::with_capacity(EVENTS);
        while !stop() {
            if let Some(limit) = self.options.die_after.filter(|limit| self.requests >= *limit) {
                self.flush_ground_truth()?;
                return Err(ServerError::DeathRequested(limit));
            }
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
                    Token(at) => self.handle_event(at, event),
                }
                // A long list of events must not delay tokens that became due in the meantime.
                self.send_due()?;
            }
        }
        self.flush_ground_truth()
    }

    /// Sets the kernel's timer to the next token. Returns the maximum time to wait for events.
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
                // The client disconnected before it was accepted, or there are too many open files: the next one may work.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn handle_event(&mut self, at: usize, event: &mio::event::Event) {
        if event.is_writable()
            && let Some(Some(connection)) = self.connections.get_mut(at)
        {
            let lost = connection.flush().is_err();
            if lost || connection.is_finished() {
                self.drop_connection(at);
            }
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() {
            match connection.read(&mut self.read_buffer) {
                Ok(true) => self.take_requests(at),
                Ok(false) | Err(_) => self.drop_connection(at),
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
}

/// Every client is an open file. If the limit stays low, further clients wait to be accepted.
fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn unix_nanos() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(time: Duration) -> u64 {
    saturating::to_u64(time.as_nanos())
}
