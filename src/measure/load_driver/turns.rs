//! The conversations of one client thread: what was said in each, and which turn is to be sent when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use crate::load::dialogue::{Dialogues, History};
use crate::load::{Plan, PreparedRequest, Record};

/// State between the turns.
#[derive(Debug, Default)]
pub struct Turns {
    histories: HashMap<u32, History>,
    /// Requests that were made during the run, by number.
    made: HashMap<u32, PreparedRequest>,
    /// Turns whose user is still thinking.
    thinking: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Turns {
    /// The request of a number: made before the run, or during it.
    #[must_use]
    pub fn request<'a>(&'a self, plan: &'a Plan, index: u32) -> Option<&'a PreparedRequest> {
        plan.prepared(index).or_else(|| self.made.get(&index))
    }

    /// Makes the request of a number that begins a conversation which was played before.
    pub fn begin(&mut self, plan: &Plan, index: u32) {
        if let Some(request) = plan.opening_again(index) {
            self.made.insert(index, request);
        }
    }

    /// Takes a turn's record, and prepares the next turn of its conversation. Says whether there is one.
    pub fn answered(&mut self, dialogues: &Dialogues, record: &Record) -> bool {
        self.made.remove(&record.index);
        let session = record.index / dialogues.stride();
        let history = self.histories.entry(session).or_default();
        match dialogues.next(history, record) {
            Some(next) => {
                self.made.insert(next.index, next.request);
                self.thinking.push(Reverse((Instant::now() + next.pause, next.index)));
                true
            }
            None => {
                self.histories.remove(&session);
                false
            }
        }
    }

    /// The next turn whose time has come, with how late it is.
    pub fn next_due(&mut self) -> Option<(u32, Duration)> {
        let Reverse((at, _)) = self.thinking.peek()?;
        let late = Instant::now().checked_duration_since(*at)?;
        let Reverse((_, index)) = self.thinking.pop()?;
        Some((index, late))
    }

    /// The time to the next turn.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let Reverse((at, _)) = self.thinking.peek()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Gives up the turns whose users are still thinking; returns how many conversations that ends. A request that was begun stays:
    /// its connection may not be made yet, or not all of it written.
    pub fn abandon(&mut self) -> usize {
        let given_up = self.thinking.len();
        for Reverse((_, index)) in self.thinking.drain() {
            self.made.remove(&index);
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Schedule;

    #[test]
    fn the_end_of_the_time_gives_up_users_who_think_and_no_request_that_was_begun() {
        let plan = Plan {
            requests: Vec::new(),
            schedule: Schedule::Closed,
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
        turns.thinking.push(Reverse((Instant::now(), 2)));
        assert_eq!(turns.abandon(), 1);
        // The first has a connection that is not made yet, or is half written.
        assert!(turns.request(&plan, 1).is_some() && turns.request(&plan, 2).is_none());
        assert_eq!((turns.abandon(), turns.wait()), (0, None));
    }
}
