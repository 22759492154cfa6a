//! State shared by the client threads: the number of the next request, the common start, and the progress counters.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock;
use crate::load::balance::least_loaded;
use crate::load::stamp::by_both_clocks;
use crate::load::{Progress, Reason, Record, Stamp};

/// The common start on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// On the real-time clock.
    pub real: Stamp,
    /// On the monotonic clock.
    pub monotonic: Instant,
}

/// Shared state. The fields are independent of each other, so relaxed ordering suffices.
#[derive(Debug, Default)]
pub struct Shared {
    next: AtomicU32,
    start: OnceLock<Start>,
    completed: AtomicU32,
    failed: AtomicU32,
    tokens: AtomicU64,
    ttft_us: AtomicU64,
    servers: Vec<ServerLoad>,
}

/// What balancing by load looks at.
#[derive(Debug, Default)]
struct ServerLoad {
    in_flight: AtomicU32,
    /// Failures since the last success. They count like requests in flight: a server that refuses at once would otherwise seem idle and
    /// attract every request.
    failures: AtomicU32,
}

impl Shared {
    /// The state at the start of a run on that many servers.
    pub fn new(servers: usize) -> Self {
        Self {
            servers: (0..servers).map(|_| ServerLoad::default()).collect(),
            ..Self::default()
        }
    }

    /// The server with the fewest requests in flight; of equal ones, each in turn. Two threads that ask at the same instant may choose the
    /// same.
    pub fn least_loaded_server(&self, start: u32) -> usize {
        let loads = self.servers.iter().map(|server| {
            let failures = server.failures.load(Ordering::Relaxed);
            server.in_flight.load(Ordering::Relaxed).saturating_add(failures)
        });
        least_loaded(&loads.collect::<Vec<u32>>(), usize::try_from(start).unwrap_or(0))
    }

    /// Counts a request to a server that begins.
    pub fn begin_on(&self, server: usize) {
        if let Some(server) = self.servers.get(server) {
            server.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end_on(&self, record: &Record) {
        let Some(server) = self.servers.get(record.server) else { return };
        server.in_flight.fetch_sub(1, Ordering::Relaxed);
        match &record.failure {
            None => server.failures.store(0, Ordering::Relaxed),
            Some(failure) if failure.reason == Reason::Cancelled => {}
            Some(_) => {
                server.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes the number of the next request, below `count`.
    pub fn next_request(&self, count: usize) -> Option<u32> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let is_there = usize::try_from(next).is_ok_and(|next| next < count);
        if !is_there {
            // Stays at the end, so that repeated calls cannot overflow.
            self.next.fetch_sub(1, Ordering::Relaxed);
        }
        is_there.then_some(next)
    }

    /// The common start: the time of the first call.
    pub fn start(&self) -> Start {
        self.start_at(None)
    }

    /// The common start, set by the first call: `at` if it is in the future, else the current time.
    pub fn start_at(&self, at: Option<Stamp>) -> Start {
        *self.start.get_or_init(|| {
            let (now, monotonic) = by_both_clocks(clock::now, Instant::now);
            let wait = at.map_or(Duration::ZERO, |at| at.since(now));
            Start {
                real: now.after(wait),
                monotonic: monotonic + wait,
            }
        })
    }

    /// Counts a request that has ended.
    pub fn count(&self, record: &Record) {
        self.end_on(record);
        if record.is_success() {
            self.completed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        let chunks = u64::try_from(record.chunks()).unwrap_or(0);
        let tokens = record.reported_output_tokens.map_or(chunks, u64::from);
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        if let Some(first) = record.first_token {
            let us = u64::try_from(first.since(record.sent).as_micros()).unwrap_or(0);
            self.ttft_us.fetch_add(us, Ordering::Relaxed);
        }
    }

    /// The progress of the run.
    pub fn progress(&self, total: u32, warming_up: bool) -> Progress {
        let completed = self.completed.load(Ordering::Relaxed);
        let ttft_us = self.ttft_us.load(Ordering::Relaxed);
        Progress {
            total,
            completed,
            failed: self.failed.load(Ordering::Relaxed),
            output_tokens: self.tokens.load(Ordering::Relaxed),
            elapsed: self.start.get().map_or(Duration::ZERO, |start| start.monotonic.elapsed()),
            mean_ttft: Duration::from_micros(ttft_us / u64::from(completed.max(1))),
            warming_up,
        }
    }
}
