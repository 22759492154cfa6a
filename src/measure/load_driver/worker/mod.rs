//! One client thread: an event loop over its connections. It sends each request at its instant or when a slot is free
//! (`worker/due.rs`), reads what arrives, settles what became of it (`worker/settle.rs`), and gathers the records.

mod due;
mod settle;

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::batching::{self, Batching};
use super::connection::ReadState;
use super::harvest::Harvest;
use super::pool::{Pool, Server};
use super::receive::ControlBuffer;
use super::shared::Shared;
use super::turns::Turns;
use crate::load::{Deadlines, Plan, Reason};
use crate::system::cancellation::Cancellation;

/// Bytes taken from a socket at once: a few hundred chunks.
const READ_BUFFER: usize = 64 << 10;
/// How often deadlines and the stop signal are looked at, at the latest.
const HOUSEKEEPING: Duration = Duration::from_millis(50);
/// How long the end of a body may come after `[DONE]`. Most servers write it at once in a segment of its own; one that keeps the
/// connection open must not keep the slot.
const LINGER: Duration = Duration::from_millis(5);
const EVENTS: usize = 1024;

/// What all threads of a run have in common.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// The server to do it with.
    pub server: Server<'a>,
    /// Whether the kernel stamps what it receives.
    pub has_kernel_clock: bool,
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// Common counters.
    pub shared: &'a Shared,
    /// The wish to stop.
    pub stop: &'a Cancellation,
}

/// The state of one client thread.
pub struct Worker<'a> {
    plan: &'a Plan,
    has_kernel_clock: bool,
    deadlines: Deadlines,
    shared: &'a Shared,
    stop: &'a Cancellation,
    /// Most requests under way at once on this thread.
    slots: usize,
    poll: Poll,
    pool: Pool<'a>,
    /// Requests under way, and conversations whose user thinks.
    active: usize,
    /// Open loop: the next request to be sent, whose time has not come.
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
            server,
            has_kernel_clock,
            deadlines,
            shared,
            stop,
        } = task;
        let poll = Poll::new()?;
        let pool = Pool::new(server, poll.registry().try_clone()?);
        Ok(Self {
            plan,
            has_kernel_clock,
            deadlines,
            shared,
            stop,
            slots,
            poll,
            pool,
            active: 0,
            upcoming: None,
            turns: Turns::default(),
            read_state: ReadState {
                buffer: vec![0; READ_BUFFER],
                plain: vec![0; if server.tls.is_some() { READ_BUFFER } else { 0 }],
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

    /// Opens connections before the clock starts, so that the first requests do not wait for handshakes. Connections
    /// that fail are left to be opened again, and to fail with a reason, when a request needs them.
    ///
    /// # Errors
    /// Where the event queue fails.
    pub fn connect_ahead(&mut self, count: usize) -> io::Result<()> {
        let until = Instant::now() + self.deadlines.connect;
        for _ in 0..count {
            if self.pool.open(None).is_err() {
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

    /// Carries out this thread's share of the plan.
    ///
    /// # Errors
    /// Where the event queue fails.
    pub fn run(mut self) -> io::Result<Harvest> {
        let mut events = Events::with_capacity(EVENTS);
        self.next_housekeeping = Instant::now() + HOUSEKEEPING;
        // A connection that was opened ahead has been idle for as long as the others took to open.
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
        // A process that was stopped and goes on is interrupted here; it must not take that for a new beginning.
        loop {
            match self.poll.poll(events, Some(wait.saturating_sub(idle_since.elapsed()))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        }
        let now = Instant::now();
        self.batching.woke(now);
        self.read_state.now = now;
        // A process that was not run wakes after its time. Bytes may not show that: several that came meanwhile are read at once
        // and have the instant of the last.
        let overslept = (now - idle_since).saturating_sub(wait);
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
        let Some(connection) = self.pool.get_mut(at) else { return };
        if connection.is_connecting() {
            let outcome = connection.finish_connect(&mut self.read_state);
            self.settle_connect(at, outcome);
            return;
        }
        // A socket reports that it can be written to with every chunk that it received; seldom is there something to write.
        if event.is_writable()
            && connection.has_unsent()
            && let Some(assigned) = connection.request
            && let Some(request) = self.turns.request(self.plan, assigned.index)
        {
            let outcome = connection.write(request);
            self.settle(at, outcome);
        }
        let has_ended = event.is_read_closed() || event.is_error();
        if event.is_readable() || has_ended {
            let Some(connection) = self.pool.get_mut(at) else { return };
            let outcome = connection.read(&mut self.read_state, has_ended);
            self.settle(at, outcome);
        }
    }

    fn check_deadlines(&mut self) {
        let now = self.read_state.now;
        for at in 0..self.pool.places() {
            let Some(connection) = self.pool.get_mut(at) else { continue };
            let waited = now.saturating_duration_since(connection.last_progress);
            if connection.is_connecting() && waited > self.deadlines.connect {
                let detail = format!("no connection within {} s", self.deadlines.connect.as_secs_f64());
                self.give_up_connecting(at, Reason::ConnectTimeout, &detail);
            } else if connection.is_answered() && waited >= LINGER {
                let outcome = connection.end_answered();
                self.settle(at, outcome);
            } else if connection.request.is_some() && waited > self.deadlines.no_progress {
                let detail = format!("no byte for {} s", self.deadlines.no_progress.as_secs_f64());
                let outcome = connection.end_with(Reason::NoProgress, &detail);
                self.settle(at, outcome);
            }
        }
    }
}
