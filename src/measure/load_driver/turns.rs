//! The conversations of one client thread: their histories, and when the next turns are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use crate::load::dialogue::{Dialogues, History};
use crate::load::{Plan, PreparedRequest, Record};

/// State between turns.
#[derive(Debug, Default)]
pub struct Turns {
    histories: HashMap<u32, History>,
    /// Requests prepared during the run, by number.
    made: HashMap<u32, PreparedRequest>,
    /// Turns that wait for the user's think time.
    thinking: BinaryHeap<Reverse<(Instant, u32, usize)>>,
}

/// A turn whose think time is over.
#[derive(Debug, Clone, Copy)]
pub struct DueTurn {
    /// Number of its request.
    pub index: u32,
    /// Number of the server that has answered the turns before it and may have them in its prefix cache.
    pub server: usize,
    /// How long it has been due.
    pub late: Duration,
}

impl Turns {
    /// The request with a number, prepared before or during the run.
    #[must_use]
    pub fn request<'a>(&'a self, plan: &'a Plan, index: u32) -> Option<&'a PreparedRequest> {
        plan.prepared(index).or_else(|| self.made.get(&index))
    }

    /// Prepares the first request of a conversation that is repeated.
    pub fn begin(&mut self, plan: &Plan, index: u32) {
        if let Some(request) = plan.opening_again(index) {
            self.made.insert(index, request);
        }
    }

    /// Records a completed turn and prepares the next one of its conversation. Returns whether there is one.
    pub fn answered(&mut self, dialogues: &Dialogues, record: &Record) -> bool {
        self.made.remove(&record.index);
        let session = record.index / dialogues.stride();
        let history = self.histories.entry(session).or_default();
        match dialogues.next(history, record) {
            Some(next) => {
                self.made.insert(next.index, next.request);
                self.thinking
                    .push(Reverse((Instant::now() + next.pause, next.index, record.server)));
                true
            }
            None => {
                self.histories.remove(&session);
                false
            }
        }
    }

    /// The next due turn.
    pub fn next_due(&mut self) -> Option<DueTurn> {
        let Reverse((at, _, _)) = self.thinking.peek()?;
        let late = Instant::now().checked_duration_since(*at)?;
        let Reverse((_, index, server)) = self.thinking.pop()?;
        Some(DueTurn { index, server, late })
    }

    /// Time until the next turn is due.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let Reverse((at, _, _)) = self.thinking.peek()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Drops the turns that wait for their think time, and returns the number of conversations this ends. Requests that were started
    /// stay: their connection may still be opening, or they may be partly written.
    pub fn abandon(&mut self) -> usize {
        let given_up = self.thinking.len();
        for Reverse((_, index, _)) in self.thinking.drain() {
            self.made.remove(&index);
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::{Schedule, Shard};

    #[test]
    fn abandon_drops_waiting_turns_and_keeps_started_requests() {
        let plan = Plan {
            requests: Vec::new(),
            schedule: Schedule::Closed,
            shard: Shard::WHOLE,
            max_concurrency: 1.try_into().unwrap(),
            keep_texts: false,
            dialogues: None,
            duration: None,
        };
        let request = || PreparedRequest {
            bytes: Box::default(),
            prompt_tokens: 1,
            output_tokens: 1,
        };
        let mut turns = Turns::default();
        turns.made.extend([(1, request()), (2, request())]);
        turns.thinking.push(Reverse((Instant::now(), 2, 0)));
        assert_eq!(turns.abandon(), 1);
        // The first is still connecting, or partly written.
        assert!(turns.request(&plan, 1).is_some() && turns.request(&plan, 2).is_none());
        assert_eq!((turns.abandon(), turns.wait()), (0, None));
    }
}
