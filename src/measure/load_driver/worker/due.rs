//! Sends requests that are due, by the schedule or after a response, when a slot is free.

use std::time::{Duration, Instant};

use super::Worker;
use crate::load::balance::Balance;
use crate::load::exchange::Asked;
use crate::load::{Reason, Schedule, Stamp};
use crate::measure::load_driver::clock;
use crate::measure::load_driver::connection::{Assigned, RequestBytes};
use crate::measure::load_driver::turns::DueTurn;

impl Worker<'_> {
    /// Starts due requests while slots are free. Returns the time until the next scheduled request, if any.
    pub(super) fn start_due(&mut self) -> Option<Duration> {
        if self.is_time_over() {
            self.active -= self.turns.abandon();
            self.upcoming = None;
            return None;
        }
        self.start_turns();
        let next = self.start_scheduled();
        next.into_iter().chain(self.turns.wait()).min()
    }

    fn is_time_over(&self) -> bool {
        self.plan
            .duration
            .is_some_and(|duration| self.shared.start().monotonic.elapsed() >= duration)
    }

    /// Sends the turns whose think time is over. Their conversations kept their slots.
    fn start_turns(&mut self) {
        while let Some(DueTurn { index, server, late }) = self.turns.next_due() {
            self.active -= 1;
            let scheduled = clock::now().before(late);
            self.shared.begin_on(server);
            self.start(Assigned { index, server, scheduled });
        }
    }

    /// Sends the requests that are due by the schedule. A thread takes requests from the common schedule in order, and only while it
    /// has a free slot, so that the other threads send them otherwise.
    fn start_scheduled(&mut self) -> Option<Duration> {
        match &self.plan.schedule {
            Schedule::Closed => {
                while self.active < self.slots {
                    let start = self.shared.next_request(self.plan.starts())?;
                    self.begin(start, clock::now());
                }
                None
            }
            Schedule::Open(offsets) => {
                let begin = self.shared.start();
                while self.active < self.slots {
                    if self.upcoming.is_none() {
                        self.upcoming = self.shared.next_request(offsets.len());
                    }
                    let start = self.upcoming?;
                    let offset = usize::try_from(start).ok().and_then(|at| offsets.get(at)).copied()?;
                    let until = (begin.monotonic + offset).saturating_duration_since(Instant::now());
                    if !until.is_zero() {
                        return Some(until);
                    }
                    self.upcoming = None;
                    self.begin(start, begin.real.after(offset));
                }
                None
            }
        }
    }

    /// Starts the next request of the closed loop in the slot that became free at `free_since`.
    pub(super) fn start_next(&mut self, free_since: Stamp) {
        if self.active < self.slots
            && !self.is_time_over()
            && let Some(start) = self.shared.next_request(self.plan.starts())
        {
            self.begin(start, free_since);
        }
    }

    /// Starts a request or a conversation.
    fn begin(&mut self, start: u32, scheduled: Stamp) {
        let index = self.plan.first_index(start);
        self.turns.begin(self.plan, index);
        let server = self.choose_server(start);
        self.shared.begin_on(server);
        self.start(Assigned { index, server, scheduled });
    }

    /// The server of a request or of all turns of a conversation.
    fn choose_server(&self, start: u32) -> usize {
        match self.balance {
            // By the number in the whole load, so that a request has the same server in every run.
            Balance::RoundRobin => usize::try_from(self.plan.shard.item(start)).unwrap_or(0) % self.pool.server_count().max(1),
            Balance::LeastRequests => self.shared.least_loaded_server(start),
        }
    }

    /// Occupies a slot with a request, and sends it now or after connecting.
    pub(super) fn start(&mut self, assigned: Assigned) {
        self.active += 1;
        if let Some(at) = self.pool.take_idle(assigned.server) {
            self.send(at, assigned);
        } else if let Err(error) = self.pool.open(assigned.server, Some(assigned)) {
            let reason = Reason::of_connecting(error.kind());
            let detail = self.explain(assigned.server, &error.to_string());
            self.fail_unsent(assigned, reason, &detail);
        }
    }

    pub(super) fn send(&mut self, at: usize, assigned: Assigned) {
        let Some(request) = self.turns.request(self.plan, assigned.index) else {
            return self.fail_unsent(assigned, Reason::Cancelled, "the conversation was given up");
        };
        let Ok(server) = self.pool.server(assigned.server) else { return };
        let Some(connection) = self.pool.get_mut(at) else { return };
        let asked = Asked {
            index: assigned.index,
            server: assigned.server,
            prompt_tokens: request.prompt_tokens,
            output_tokens: request.output_tokens,
            keep_texts: self.plan.keep_texts,
            keep_answer: self.plan.dialogues.is_some(),
        };
        let bytes = RequestBytes {
            opening: server.opening(),
            rest: &request.bytes,
        };
        connection.begin(assigned, asked, bytes, clock::now());
        let outcome = connection.write(bytes);
        self.settle(at, outcome);
    }
}
