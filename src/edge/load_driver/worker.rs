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
use super::secure::{self, Secure};
use super::shared::Shared;
use super::turns::Turns;
use crate::edge::stop::StopSignal;
use crate::edge::tls::TlsClient;
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
    /// Most connections that were open at once.
    pub open_connections: u32,
    /// Requests whose time came but that were not sent, because the run's time was over first.
    pub unsent: u32,
    /// Whether some bytes came without a kernel time stamp.
    pub without_kernel_clock: bool,
}

/// What all threads of a run have in common.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where the server is.
    pub addresses: &'a [SocketAddr],
    /// Its name, for its certificate.
    pub host: &'a str,
    /// Makes encrypted connections where they are wanted.
    pub tls: Option<&'a TlsClient>,
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// Common counters.
    pub shared: &'a Shared,
    /// The wish to stop.
    pub stop: &'a StopSignal,
}

/// The state of one client thread.
pub struct Worker<'a> {
    plan: &'a Plan,
    task: Task<'a>,
    deadlines: Deadlines,
    shared: &'a Shared,
    stop: &'a StopSignal,
    /// Most requests under way at once on this thread.
    slots: usize,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Whether the server has kept the connections that it said it would keep.
    keeps_connections: bool,
    free: Vec<usize>,
    idle: Vec<usize>,
    active: usize,
    /// Open loop: due requests that wait for a slot.
    waiting: VecDeque<Assigned>,
    upcoming: Option<u32>,
    turns: Turns,
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
    pub fn new(task: Task<'a>, slots: usize) -> io::Result<Self> {
        let Task {
            plan,
            deadlines,
            shared,
            stop,
            tls,
            ..
        } = task;
        Ok(Self {
            plan,
            task,
            deadlines,
            shared,
            stop,
            slots,
            poll: Poll::new()?,
            connections: Vec::new(),
            keeps_connections: true,
            free: Vec::new(),
            idle: Vec::new(),
            active: 0,
            waiting: VecDeque::new(),
            upcoming: None,
            turns: Turns::default(),
            read_state: ReadState {
                buffer: vec![0; READ_BUFFER],
                plain: vec![0; if tls.is_some() { READ_BUFFER } else { 0 }],
                control: ControlBuffer::default(),
                first_lag: None,
                now: Instant::now(),
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
            self.poll(&mut events, left.min(HOUSEKEEPING), Instant::now())?;
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
            let idle_since = Instant::now();
            if let Some(pause) = self.batching.pause(wait) {
                std::thread::sleep(pause);
            }
            self.poll(&mut events, wait, idle_since)?;
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
        if self.is_time_over() {
            self.give_up_unsent();
            return None;
        }
        self.start_turns();
        let next = self.start_scheduled();
        let turn = self.turns.wait();
        let left = self
            .plan
            .duration
            .map(|duration| duration.saturating_sub(self.shared.start().monotonic.elapsed()));
        // The end is waited for only where something could still begin before it.
        let left = left.filter(|_| next.is_some() || !self.waiting.is_empty());
        next.into_iter().chain(turn).chain(left).min()
    }

    fn is_time_over(&self) -> bool {
        self.plan
            .duration
            .is_some_and(|duration| self.shared.start().monotonic.elapsed() >= duration)
    }

    fn give_up_unsent(&mut self) {
        self.active -= self.turns.abandon();
        let mut unsent = self.waiting.len();
        self.waiting.clear();
        unsent += usize::from(self.upcoming.take().is_some());
        self.harvest.unsent += u32::try_from(unsent).unwrap_or(u32::MAX);
    }

    /// Sends the turns whose users have thought enough. Their conversations kept their slots.
    fn start_turns(&mut self) {
        while let Some((index, late)) = self.turns.next_due() {
            self.active -= 1;
            let scheduled = clock::now().before(late);
            self.start(Assigned { index, scheduled });
        }
    }

    fn start_scheduled(&mut self) -> Option<Duration> {
        match &self.plan.schedule {
            Schedule::Closed => {
                while self.active < self.slots {
                    let Some(start) = self.shared.next_request(self.plan.starts()) else {
                        break;
                    };
                    self.start(Assigned {
                        index: self.plan.first_index(start),
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
                        index: self.plan.first_index(index),
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
        let opened = self.connect(request).and_then(|mut connection| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut connection.socket, Token(at), interest)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => {
                self.harvest.connections += 1;
                self.connections[at] = Some(connection);
                let open = self.connections.len() - self.free.len();
                self.harvest.open_connections = self.harvest.open_connections.max(u32::try_from(open).unwrap_or(u32::MAX));
                Ok(())
            }
            Err(error) => {
                self.free.push(at);
                Err(error)
            }
        }
    }

    fn connect(&self, request: Option<Assigned>) -> io::Result<Connection> {
        let Some(address) = self.task.addresses.first() else {
            return Err(io::Error::other("the server has no address"));
        };
        let secure = match self.task.tls {
            None => None,
            Some(tls) => Some(Secure::new(tls.connect(self.task.host).map_err(io::Error::other)?)),
        };
        Connection::open(*address, secure, request)
    }

    fn send(&mut self, at: usize, assigned: Assigned) {
        let plan = self.plan;
        let Some(connection) = self.connections[at].as_mut() else { return };
        let Some(request) = self.turns.request(plan, assigned.index) else {
            return;
        };
        let asked = Asked {
            index: assigned.index,
            prompt_tokens: request.prompt_tokens,
            output_tokens: request.output_tokens,
            keep_texts: plan.keep_texts,
            keep_answer: plan.dialogues.is_some(),
        };
        connection.begin(assigned, asked, clock::now());
        let outcome = connection.write(request);
        self.settle(at, outcome);
    }

    fn poll(&mut self, events: &mut Events, wait: Duration, idle_since: Instant) -> io::Result<()> {
        // A process that was stopped and goes on is interrupted here; it must not take that for a new beginning.
        loop {
            match self.poll.poll(events, Some(wait.saturating_sub(idle_since.elapsed()))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        }
        self.batching.woke();
        self.read_state.now = Instant::now();
        // A process that was not run wakes after its time. Bytes may not show that: several that came meanwhile are read at once
        // and have the instant of the last.
        let overslept = idle_since.elapsed().saturating_sub(wait);
        for event in &*events {
            self.attend(event);
        }
        if let Some(lag) = self.read_state.first_lag.take() {
            self.harvest.read_lag_ms.push(crate::load::stamp::millis(lag.max(overslept)));
        }
        Ok(())
    }

    fn attend(&mut self, event: &mio::event::Event) {
        let at = event.token().0;
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if connection.is_connecting() {
            let outcome = connection.finish_connect(&mut self.read_state);
            self.settle_connect(at, outcome);
            return;
        }
        if event.is_writable()
            && let Some(assigned) = connection.request
            && let Some(request) = self.turns.request(self.plan, assigned.index)
            && connection.wants_write(request)
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
            Ok(Outcome::Nothing | Outcome::Ended { .. } | Outcome::Closed | Outcome::Stale) => {}
            Err(error) => {
                let reason = if error.kind() == io::ErrorKind::ConnectionRefused {
                    Reason::ConnectionRefused
                } else if secure::is_tls_error(&error) {
                    Reason::TlsFailed
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
            Outcome::Stale => {
                // Once is enough to know such a server: from now on each request has a connection of its own, so that one that
                // closes without an answer is a failure and never tried again.
                self.keeps_connections = false;
                let assigned = self.connections[at].as_mut().and_then(|connection| connection.request.take());
                self.drop_connection(at);
                if let Some(assigned) = assigned {
                    self.active -= 1;
                    self.start(assigned);
                }
            }
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
                if reusable && self.keeps_connections {
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
            && !self.is_time_over()
            && let Some(start) = self.shared.next_request(self.plan.starts())
        {
            self.start(Assigned {
                index: self.plan.first_index(start),
                scheduled: free_since,
            });
        }
    }

    /// A request that never got a connection.
    fn fail_unsent(&mut self, assigned: Assigned, reason: Reason, detail: &str) {
        let request = self.turns.request(self.plan, assigned.index);
        let asked = Asked {
            index: assigned.index,
            prompt_tokens: request.map_or(0, |request| request.prompt_tokens),
            output_tokens: request.map_or(0, |request| request.output_tokens),
            keep_texts: false,
            keep_answer: false,
        };
        let now: Stamp = clock::now();
        let record = Exchange::new(asked, assigned.scheduled, now, None).fail(reason, detail, now);
        self.take_record(record);
    }

    fn take_record(&mut self, record: Record) {
        self.active -= 1;
        self.shared.count(&record);
        let mut record = record;
        if let Some(dialogues) = &self.plan.dialogues {
            // The conversation keeps its slot while its user thinks.
            self.active += usize::from(self.turns.answered(dialogues, &record));
            record.answer = String::new();
        }
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
