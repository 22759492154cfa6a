//! One client thread: an event loop over its connections. It sends requests when they are due (`worker/due.rs`), reads responses,
//! handles their outcomes (`worker/settle.rs`) and collects the records.

mod due;
mod settle;

use std::io;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::batching::{self, Batching};
use super::connection::{Outcome, ReadState, RequestBytes};
use super::harvest::Harvest;
use super::pool::Pool;
use super::receive::ControlBuffer;
use super::server::Server;
use super::shared::Shared;
use super::turns::Turns;
use crate::load::balance::Balance;
use crate::load::{Deadlines, Plan, Reason, Record, Stamp};
use crate::system::cancellation::Cancellation;

/// Size of the read buffer, bytes: a few hundred chunks.
const READ_BUFFER: usize = 64 << 10;
/// Maximum interval between two checks of deadlines and cancellation.
const HOUSEKEEPING: Duration = Duration::from_millis(50);
/// Maximum wait for the end of the body after `[DONE]`. Most servers send it at once in a separate segment; a server that keeps the
/// body open must not occupy the slot.
const LINGER: Duration = Duration::from_millis(5);
const EVENTS: usize = 1024;

/// Settings common to all threads of a run.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The load plan.
    pub plan: &'a Plan,
    /// The servers.
    pub servers: &'a [Server<'a>],
    /// How requests are spread over them.
    pub balance: Balance,
    /// Whether the kernel stamps received bytes.
    pub has_kernel_clock: bool,
    /// Deadlines of connecting and of responses.
    pub deadlines: Deadlines,
    /// When to start; `None`: as soon as all threads are ready.
    pub start_at: Option<Stamp>,
    /// State shared by the threads.
    pub shared: &'a Shared,
    /// Channel for the records of requests that have ended. No thread blocks on its receiver, so sending does not wake one.
    pub ended: &'a mpsc::Sender<Record>,
    /// Ends the run.
    pub stop: &'a Cancellation,
}

/// The state of one client thread.
pub struct Worker<'a> {
    plan: &'a Plan,
    balance: Balance,
    has_kernel_clock: bool,
    deadlines: Deadlines,
    shared: &'a Shared,
    ended: &'a mpsc::Sender<Record>,
    stop: &'a Cancellation,
    /// Maximum number of requests in flight on this thread.
    slots: usize,
    poll: Poll,
    pool: Pool<'a>,
    /// Connections that were not read to the end in their turn, and whether the server has closed them.
    unfinished: Vec<(usize, bool)>,
    /// Requests in flight, and conversations in their think time.
    active: usize,
    /// Open loop: the next request, not due yet.
    upcoming: Option<u32>,
    turns: Turns,
    read_state: ReadState,
    batching: Batching,
    harvest: Harvest,
    next_housekeeping: Instant,
}

impl<'a> Worker<'a> {
    /// A worker with a number of slots.
    ///
    /// # Errors
    /// The event queue cannot be created.
    pub fn new(task: Task<'a>, slots: usize) -> io::Result<Self> {
        let Task {
            plan,
            servers,
            balance,
            has_kernel_clock,
            deadlines,
            start_at: _,
            shared,
            ended,
            stop,
        } = task;
        let poll = Poll::new()?;
        let pool = Pool::new(servers, poll.registry().try_clone()?);
        Ok(Self {
            plan,
            balance,
            has_kernel_clock,
            deadlines,
            shared,
            ended,
            stop,
            slots,
            poll,
            pool,
            unfinished: Vec::new(),
            active: 0,
            upcoming: None,
            turns: Turns::default(),
            read_state: ReadState {
                buffer: vec![0; READ_BUFFER],
                plain: vec![0; if servers.iter().any(Server::has_tls) { READ_BUFFER } else { 0 }],
                control: ControlBuffer::default(),
                first_lag: None,
                now: Instant::now(),
                delay_acknowledgements: slots >= batching::FEWEST_STREAMS,
                reads: 0,
                has_answered: false,
            },
            batching: Batching::default(),
            harvest: Harvest::default(),
            next_housekeeping: Instant::now(),
        })
    }

    /// Opens connections before the start of the run, so that the first requests do not wait for handshakes. A failed connection is
    /// opened again when a request needs it; that request then reports the reason.
    ///
    /// # Errors
    /// The event queue failed.
    pub fn connect_ahead(&mut self, count: usize) -> io::Result<()> {
        let until = Instant::now() + self.deadlines.connect;
        for number in 0..count {
            if self.pool.open(number % self.pool.server_count().max(1), None).is_err() {
                break;
            }
        }
        let mut events = Events::with_capacity(EVENTS);
        while self.pool.iter_mut().any(|connection| connection.is_connecting()) && !self.stop.is_cancelled() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            self.poll(&mut events, left.min(HOUSEKEEPING), Instant::now())?;
        }
        Ok(())
    }

    /// Runs this thread's part of the plan.
    ///
    /// # Errors
    /// The event queue failed.
    pub fn run(mut self) -> io::Result<Harvest> {
        let mut events = Events::with_capacity(EVENTS);
        self.next_housekeeping = Instant::now() + HOUSEKEEPING;
        // Connections opened ahead have waited for the others to open; that is not a lack of progress.
        let now = Instant::now();
        for connection in self.pool.iter_mut() {
            connection.last_progress = now;
        }
        loop {
            let wait = self.start_due();
            if self.active == 0 && wait.is_none() {
                break;
            }
            if self.stop.is_cancelled() {
                self.cancel_all();
                break;
            }
            let idle_since = Instant::now();
            let housekeeping = self.next_housekeeping.saturating_duration_since(idle_since);
            let wait = wait.unwrap_or(HOUSEKEEPING).min(housekeeping);
            if let Some(pause) = self.batching.pause(wait) {
                std::thread::sleep(pause);
            }
            self.poll(&mut events, wait, idle_since)?;
            if std::mem::take(&mut self.read_state.has_answered) {
                self.next_housekeeping = self.next_housekeeping.min(self.read_state.now + LINGER);
            }
            if self.read_state.now >= self.next_housekeeping {
                self.check_deadlines();
                let reads = std::mem::take(&mut self.read_state.reads);
                self.batching.adapt(self.active, reads, self.has_kernel_clock);
                self.next_housekeeping = Instant::now() + HOUSEKEEPING;
            }
        }
        self.harvest.connections = self.pool.opened;
        self.harvest.open_connections = self.pool.most_open;
        self.harvest.without_kernel_clock = !self.has_kernel_clock;
        Ok(self.harvest)
    }

    fn poll(&mut self, events: &mut Events, wait: Duration, idle_since: Instant) -> io::Result<()> {
        let wait = if self.unfinished.is_empty() { wait } else { Duration::ZERO };
        // SIGCONT after SIGSTOP interrupts the call; the wait then goes on with the time that is left.
        loop {
            match self.poll.poll(events, Some(wait.saturating_sub(idle_since.elapsed()))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        }
        let now = Instant::now();
        self.batching.woke(now);
        self.read_state.now = now;
        // A process that was not scheduled wakes late. The time stamps may hide that: chunks that arrived meanwhile are read at once
        // and have the time stamp of the last.
        let overslept = (now - idle_since).saturating_sub(wait);
        let unfinished = std::mem::take(&mut self.unfinished);
        for event in &*events {
            self.attend(event);
        }
        for (at, has_ended) in unfinished {
            self.read(at, has_ended);
        }
        if let Some(lag) = self.read_state.first_lag.take() {
            self.harvest.read_lag_ms.push(crate::load::stamp::millis(lag.max(overslept)));
        }
        Ok(())
    }

    fn attend(&mut self, event: &mio::event::Event) {
        let at = event.token().0;
        let Some(connection) = self.pool.get_mut(at) else { return };
        if connection.is_connecting() {
            let outcome = connection.finish_connect(&mut self.read_state);
            self.settle_connect(at, outcome);
            return;
        }
        // The socket is reported as writable with every received chunk; there is seldom anything to write.
        if event.is_writable()
            && connection.has_unsent()
            && let Some(assigned) = connection.request
            && let Some(request) = self.turns.request(self.plan, assigned.index)
            && let Ok(server) = self.pool.server(assigned.server)
            && let Some(connection) = self.pool.get_mut(at)
        {
            let outcome = connection.write(RequestBytes {
                opening: server.opening(),
                rest: &request.bytes,
            });
            self.settle(at, outcome);
        }
        let has_ended = event.is_read_closed() || event.is_error();
        if event.is_readable() || has_ended {
            self.read(at, has_ended);
        }
    }

    fn read(&mut self, at: usize, has_ended: bool) {
        let Some(connection) = self.pool.get_mut(at) else { return };
        let outcome = connection.read(&mut self.read_state, has_ended);
        if matches!(outcome, Outcome::Unfinished) {
            self.unfinished.push((at, has_ended));
        }
        self.settle(at, outcome);
    }

    fn check_deadlines(&mut self) {
        let now = self.read_state.now;
        for at in 0..self.pool.places() {
            let Some(connection) = self.pool.get_mut(at) else { continue };
            let waited = now.saturating_duration_since(connection.last_progress);
            if connection.is_connecting() && waited > self.deadlines.connect {
                let detail = format!("no connection within {} s", self.deadlines.connect.as_secs_f64());
                let server = connection.server;
                let detail = self.explain(server, &detail);
                self.give_up_connecting(at, Reason::ConnectTimeout, &detail);
            } else if connection.is_answered() && waited >= LINGER {
                let outcome = connection.end_answered();
                self.settle(at, outcome);
            } else if connection.request.is_some() && waited > self.deadlines.no_progress {
                let detail = format!("no byte for {} s", self.deadlines.no_progress.as_secs_f64());
                let outcome = connection.end_with(Reason::NoProgress, &detail);
                self.settle(at, outcome);
            } else if connection.request.is_some() && now.saturating_duration_since(connection.begun) > self.deadlines.whole {
                let detail = format!("no complete response within {} s", self.deadlines.whole.as_secs_f64());
                let outcome = connection.end_with(Reason::RequestTimeout, &detail);
                self.settle(at, outcome);
            }
        }
    }
}
