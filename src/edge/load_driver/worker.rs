//! One client thread: an event loop over its connections. It sends each request at its instant or when a slot is free,
//! reads what arrives, watches the deadlines, and gathers the records.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::batching::{self, Batching};
use super::clock;
use super::connection::{Assigned, Connection, Outcome, ReadState};
use super::receive::ControlBuffer;
use super::shared::Shared;
use crate::edge::stop::StopSignal;
use crate::load::exchange::Asked;
use crate::load::{Deadlines, Exchange, Plan, Reason, Record, Schedule, Stamp};

/// Bytes taken from a socket at once: a few hundred chunks.
const READ_BUFFER: usize = 64 << 10;
/// How often deadlines and the stop signal are looked at, at the latest.
const HOUSEKEEPING: Duration = Duration::from_millis(50);
/// Idle connections older than this are not used again: servers close theirs after some seconds (uvicorn after five), and a
/// request sent into a closing connection would be lost.
const IDLE_LIMIT: Duration = Duration::from_secs(2);
const EVENTS: usize = 1024;

/// What a thread brings home.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Records of the requests it started.
    pub records: Vec<Record>,
    /// Samples of how late it read.
    pub read_lag_ms: Vec<f64>,
    /// Connections it opened.
    pub connections: u32,
    /// Whether some bytes came without a kernel time stamp.
    pub without_kernel_clock: bool,
}

/// The state of one client thread.
pub struct Worker<'a> {
    plan: &'a Plan,
    addresses: &'a [SocketAddr],
    deadlines: Deadlines,
    shared: &'a Shared,
    stop: &'a StopSignal,
    /// Most requests under way at once on this thread.
    slots: usize,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    idle: Vec<usize>,
    active: usize,
    /// Open loop: due requests that wait for a slot.
    waiting: VecDeque<Assigned>,
    upcoming: Option<u32>,
    read_state: ReadState,
    batching: Batching,
    harvest: Harvest,
    next_housekeeping: Instant,
}

impl<'a> Worker<'a> {
    /// A thread's worker with that many slots.
    ///
    /// # Errors
    /// Where the system has no event queue left.
    pub fn new(
        plan: &'a Plan,
        addresses: &'a [SocketAddr],
        deadlines: Deadlines,
        shared: &'a Shared,
        stop: &'a StopSignal,
        slots: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            plan,
            addresses,
            deadlines,
            shared,
            stop,
            slots,
            poll: Poll::new()?,
            connections: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            active: 0,
            waiting: VecDeque::new(),
            upcoming: None,
            read_state: ReadState {
                buffer: vec![0; READ_BUFFER],
                control: ControlBuffer::default(),
                first_lag: None,
                delay_acknowledgements: slots >= batching::FEWEST_STREAMS,
                reads: 0,
            },
            batching: Batching::default(),
            harvest: Harvest::default(),
            next_housekeeping: Instant::now(),
        })
    }

    /// Opens connections before the clock starts, so that the first requests do not wait for handshakes. Connections
    /// that fail are left to be opened again, and to fail with a reason, when a request needs them.
    ///
    /// # Errors
    /// Where the event queue fails.
    pub fn connect_ahead(&mut self, count: usize) -> io::Result<()> {
        let until = Instant::now() + self.deadlines.connect;
        for _ in 0..count {
            if self.open(None).is_err() {
                break;
            }
        }
        let mut events = Events::with_capacity(EVENTS);
        while self.connections.iter().flatten().any(Connection::is_connecting) && !self.stop.is_set() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            self.poll(&mut events, left.min(HOUSEKEEPING))?;
        }
        Ok(())
    }

    /// Carries out this thread's share of the plan.
    ///
    /// # Errors
    /// Where the event queue fails.
    pub fn run(mut self) -> io::Result<Harvest> {
        let mut events = Events::with_capacity(EVENTS);
        self.next_housekeeping = Instant::now() + HOUSEKEEPING;
        // A connection that was opened ahead has been idle for as long as the others took to open.
        let now = Instant::now();
        for connection in self.connections.iter_mut().flatten() {
            connection.last_progress = now;
        }
        loop {
            let wait = self.start_due();
            if self.active == 0 && self.waiting.is_empty() && wait.is_none() {
                break;
            }
            if self.stop.is_set() {
                self.cancel_all();
                break;
            }
            let wait = wait.unwrap_or(HOUSEKEEPING).min(HOUSEKEEPING);
            if let Some(pause) = self.batching.pause(wait) {
                std::thread::sleep(pause);
            }
            self.poll(&mut events, wait)?;
            if Instant::now() >= self.next_housekeeping {
                self.check_deadlines();
                let reads = std::mem::take(&mut self.read_state.reads);
                self.batching.adapt(self.active, reads, !self.harvest.without_kernel_clock);
                self.next_housekeeping = Instant::now() + HOUSEKEEPING;
            }
        }
        Ok(self.harvest)
    }

    /// Starts what is due and has a slot. Returns the time to the next scheduled request; `None` where there is none.
    fn start_due(&mut self) -> Option<Duration> {
        match &self.plan.schedule {
            Schedule::Closed => {
                while self.active < self.slots {
                    let Some(index) = self.shared.next_request(self.plan.requests.len()) else {
                        break;
                    };
                    self.start(Assigned {
                        index,
                        scheduled: clock::now(),
                    });
                }
                None
            }
            Schedule::Open(offsets) => {
                let start = self.shared.start();
                loop {
                    if self.upcoming.is_none() {
                        self.upcoming = self.shared.next_request(offsets.len());
                    }
                    let Some(index) = self.upcoming else {
                        self.start_waiting();
                        return None;
                    };
                    let offset = offsets
                        .get(usize::try_from(index).unwrap_or(usize::MAX))
                        .copied()
                        .unwrap_or_default();
                    let until = (start.monotonic + offset).saturating_duration_since(Instant::now());
                    if !until.is_zero() {
                        self.start_waiting();
                        return Some(until);
                    }
                    self.upcoming = None;
                    self.waiting.push_back(Assigned {
                        index,
                        scheduled: start.real.after(offset),
                    });
                }
            }
        }
    }

    fn start_waiting(&mut self) {
        while self.active < self.slots {
            let Some(assigned) = self.waiting.pop_front() else { break };
            self.start(assigned);
        }
    }

    fn start(&mut self, assigned: Assigned) {
        self.active += 1;
        while let Some(at) = self.idle.pop() {
            let fresh = self.connections[at]
                .as_ref()
                .is_some_and(|connection| connection.is_idle() && connection.last_progress.elapsed() < IDLE_LIMIT);
            if fresh {
                self.send(at, assigned);
                return;
            }
            self.drop_connection(at);
        }
        if let Err(error) = self.open(Some(assigned)) {
            self.fail_unsent(assigned, Reason::ConnectFailed, &error.to_string());
        }
    }

    fn open(&mut self, request: Option<Assigned>) -> io::Result<()> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let address = self.addresses[0];
        let opened = Connection::open(address, request).and_then(|mut connection| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut connection.socket, Token(at), interest)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => {
                self.harvest.connections += 1;
                self.connections[at] = Some(connection);
                Ok(())
            }
            Err(error) => {
                self.free.push(at);
                Err(error)
            }
        }
    }

    fn send(&mut self, at: usize, assigned: Assigned) {
        let plan = self.plan;
        let Some(connection) = self.connections[at].as_mut() else { return };
        let Some(request) = plan.requests.get(usize::try_from(assigned.index).unwrap_or(usize::MAX)) else {
            return;
        };
        let asked = Asked {
            index: assigned.index,
            prompt_tokens: request.prompt_tokens,
            output_tokens: request.output_tokens,
            keep_texts: plan.keep_texts,
        };
        connection.begin(assigned, asked, clock::now());
        let outcome = connection.write(request);
        self.settle(at, outcome);
    }

    fn poll(&mut self, events: &mut Events, wait: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.batching.woke();
        for event in &*events {
            self.attend(event);
        }
        if let Some(lag) = self.read_state.first_lag.take() {
            self.harvest.read_lag_ms.push(crate::load::stamp::millis(lag));
        }
        Ok(())
    }

    fn attend(&mut self, event: &mio::event::Event) {
        let at = event.token().0;
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if connection.is_connecting() {
            let outcome = connection.finish_connect();
            self.settle_connect(at, outcome);
            return;
        }
        if event.is_writable()
            && let Some(assigned) = connection.request
            && let Some(request) = self.plan.requests.get(usize::try_from(assigned.index).unwrap_or(usize::MAX))
        {
            let outcome = connection.write(request);
            self.settle(at, outcome);
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let outcome = connection.read(&mut self.read_state, event.is_read_closed() || event.is_error());
            self.settle(at, outcome);
        }
    }

    fn settle_connect(&mut self, at: usize, outcome: io::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Connected) => match self.connections[at].as_mut().and_then(|connection| connection.request.take()) {
                Some(assigned) => self.send(at, assigned),
                None => self.idle.push(at),
            },
            Ok(Outcome::Nothing | Outcome::Ended { .. } | Outcome::Closed) => {}
            Err(error) => {
                let reason = if error.kind() == io::ErrorKind::ConnectionRefused {
                    Reason::ConnectionRefused
                } else {
                    Reason::ConnectFailed
                };
                self.give_up_connecting(at, reason, &error.to_string());
            }
        }
    }

    fn give_up_connecting(&mut self, at: usize, reason: Reason, detail: &str) {
        let assigned = self.connections[at].as_ref().and_then(|connection| connection.request);
        self.drop_connection(at);
        if let Some(assigned) = assigned {
            self.fail_unsent(assigned, reason, detail);
        }
    }

    fn settle(&mut self, at: usize, outcome: Outcome) {
        match outcome {
            Outcome::Nothing | Outcome::Connected => {}
            Outcome::Closed => {
                self.idle.retain(|idle| *idle != at);
                self.drop_connection(at);
            }
            Outcome::Ended { record, reusable } => {
                let ended = record.ended;
                self.take_record(*record);
                if let Some(connection) = self.connections[at].as_mut() {
                    self.harvest.without_kernel_clock |= !connection.kernel_clock;
                    connection.request = None;
                }
                if reusable {
                    self.idle.push(at);
                } else {
                    self.drop_connection(at);
                }
                // The slot's next request goes out at once, not after the other events of this wake-up.
                if matches!(self.plan.schedule, Schedule::Closed) && !self.stop.is_set() {
                    self.start_next(ended);
                }
            }
        }
    }

    /// Gives a slot that became free at `free_since` its next request.
    fn start_next(&mut self, free_since: Stamp) {
        if self.active < self.slots
            && let Some(index) = self.shared.next_request(self.plan.requests.len())
        {
            self.start(Assigned {
                index,
                scheduled: free_since,
            });
        }
    }

    /// A request that never got a connection.
    fn fail_unsent(&mut self, assigned: Assigned, reason: Reason, detail: &str) {
        let request = self.plan.requests.get(usize::try_from(assigned.index).unwrap_or(usize::MAX));
        let asked = Asked {
            index: assigned.index,
            prompt_tokens: request.map_or(0, |request| request.prompt_tokens),
            output_tokens: request.map_or(0, |request| request.output_tokens),
            keep_texts: false,
        };
        let now: Stamp = clock::now();
        let record = Exchange::new(asked, assigned.scheduled, now, None).fail(reason, detail, now);
        self.take_record(record);
    }

    fn take_record(&mut self, record: Record) {
        self.active -= 1;
        self.shared.count(&record);
        self.harvest.records.push(record);
    }

    fn drop_connection(&mut self, at: usize) {
        if let Some(mut connection) = self.connections[at].take() {
            let _ = self.poll.registry().deregister(&mut connection.socket);
            self.free.push(at);
        }
    }

    fn check_deadlines(&mut self) {
        for at in 0..self.connections.len() {
            let Some(connection) = self.connections[at].as_mut() else {
                continue;
            };
            let waited = connection.last_progress.elapsed();
            if connection.is_connecting() && waited > self.deadlines.connect {
                let detail = format!("no connection within {} s", self.deadlines.connect.as_secs_f64());
                self.give_up_connecting(at, Reason::ConnectTimeout, &detail);
            } else if connection.request.is_some() && waited > self.deadlines.no_progress {
                let detail = format!("no byte for {} s", self.deadlines.no_progress.as_secs_f64());
                let outcome = connection.end_with(Reason::NoProgress, &detail);
                self.settle(at, outcome);
            }
        }
    }

    /// Ends every request that is under way, so that nothing measured is lost.
    fn cancel_all(&mut self) {
        for at in 0..self.connections.len() {
            let Some(connection) = self.connections[at].as_mut() else {
                continue;
            };
            if let Outcome::Ended { record, .. } = connection.end_with(Reason::Cancelled, "stopped before its end") {
                self.take_record(*record);
            }
            self.drop_connection(at);
        }
    }
}
