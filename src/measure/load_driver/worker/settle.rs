//! Handles the outcomes of connections: stores records, starts the next requests in free slots, keeps or closes connections.

use std::io;

use super::Worker;
use crate::load::exchange::Asked;
use crate::load::{Exchange, Failure, Reason, Record, Schedule};
use crate::measure::load_driver::connection::{Assigned, Outcome};
use crate::measure::load_driver::{clock, secure};

impl Worker<'_> {
    pub(super) fn settle_connect(&mut self, at: usize, outcome: io::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Connected) => match self.take_request(at) {
                Some(assigned) => self.send(at, assigned),
                None => self.pool.put_idle(at),
            },
            Ok(Outcome::Nothing | Outcome::Unfinished | Outcome::Ended { .. } | Outcome::Closed | Outcome::Stale) => {}
            Err(error) => {
                let reason = if secure::is_tls_error(&error) {
                    Reason::TlsFailed
                } else {
                    Reason::of_connecting(error.kind())
                };
                let server = self.pool.get_mut(at).map_or(0, |connection| connection.server);
                let detail = self.explain(server, &error.to_string());
                self.give_up_connecting(at, reason, &detail);
            }
        }
    }

    pub(super) fn give_up_connecting(&mut self, at: usize, reason: Reason, detail: &str) {
        let assigned = self.take_request(at);
        self.pool.close(at);
        if let Some(assigned) = assigned {
            self.fail_unsent(assigned, reason, detail);
        }
    }

    pub(super) fn settle(&mut self, at: usize, outcome: Outcome) {
        match outcome {
            Outcome::Nothing | Outcome::Unfinished | Outcome::Connected => {}
            Outcome::Stale => {
                self.pool.keep_none(at);
                self.harvest.resent += 1;
                let assigned = self.take_request(at);
                self.pool.close(at);
                if let Some(assigned) = assigned {
                    self.active -= 1;
                    self.start(assigned);
                }
            }
            Outcome::Closed => self.pool.close_idle(at),
            Outcome::Ended { record, reusable } => self.settle_end(at, *record, reusable),
        }
    }

    fn settle_end(&mut self, at: usize, record: Record, reusable: bool) {
        let ended = record.ended;
        self.take_record(record);
        if let Some(connection) = self.pool.get_mut(at) {
            self.has_kernel_clock &= connection.kernel_clock;
            connection.request = None;
        }
        if reusable {
            self.pool.put_idle(at);
        } else {
            self.pool.close(at);
        }
        // The next request in this slot is sent at once, not after the other events of this wake-up.
        if matches!(self.plan.schedule, Schedule::Closed) && !self.stop.is_cancelled() {
            self.start_next(ended);
        }
    }

    fn take_request(&mut self, at: usize) -> Option<Assigned> {
        self.pool.get_mut(at)?.request.take()
    }

    /// Records the failure of a request that was not sent.
    pub(super) fn fail_unsent(&mut self, assigned: Assigned, reason: Reason, detail: &str) {
        let request = self.turns.request(self.plan, assigned.index);
        let asked = Asked {
            index: assigned.index,
            server: assigned.server,
            prompt_tokens: request.map_or(0, |request| request.prompt_tokens),
            output_tokens: request.map_or(0, |request| request.output_tokens),
            keep_texts: false,
            keep_answer: false,
        };
        let now = clock::now();
        let record = Exchange::new(asked, assigned.scheduled, now, None).fail(reason, detail, now);
        self.take_record(record);
    }

    /// Adds the connection's addresses to an error of connecting to a server.
    pub(super) fn explain(&self, server: usize, error: &str) -> String {
        self.pool
            .server(server)
            .map_or_else(|_| error.to_owned(), |server| server.explain(error))
    }

    /// Says in a failure which of several servers it is about.
    fn name_server(&self, record: &mut Record) {
        if self.pool.server_count() > 1
            && let Some(failure) = &mut record.failure
            && let Ok(server) = self.pool.server(record.server)
        {
            *failure = Failure::new(failure.reason, &format!("{}: {}", server.url, failure.detail));
        }
    }

    fn take_record(&mut self, mut record: Record) {
        self.active -= 1;
        self.name_server(&mut record);
        self.shared.count(&record);
        if let Some(dialogues) = &self.plan.dialogues {
            // The conversation keeps its slot during the think time.
            self.active += usize::from(self.turns.answered(dialogues, &record));
            record.answer = String::new();
        }
        // The receiver lives as long as the run.
        let _ = self.ended.send(record);
    }

    /// Ends all requests in flight and keeps what was measured of them.
    pub(super) fn cancel_all(&mut self) {
        for at in 0..self.pool.places() {
            let Some(connection) = self.pool.get_mut(at) else { continue };
            if let Outcome::Ended { record, .. } = connection.end_with(Reason::Cancelled, "stopped before its end") {
                self.take_record(*record);
            }
            self.pool.close(at);
        }
    }
}
