//! When each token of each request leaves: by the performance model, or at fixed times. Holds the tokens that are not due yet,
//! ordered by the time they are due.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

use super::scheduler::{Batching, Job};

/// One token of one request. Ordered by time, then by request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emission {
    /// When it leaves, since the start of the server.
    pub due: Duration,
    pub id: u64,
    /// Its number in the response, from 1; of several at once the last one's.
    pub token: u32,
    /// Whether it is the last one of the response.
    pub is_last: bool,
    /// Tokens of the request's prompt that were in the prefix cache.
    pub cached: u32,
}

#[derive(Debug)]
enum Source {
    Model(Box<Batching>),
    Fixed(FixedTimes),
}

/// The same times for every request, whatever the load: for tests of clients.
#[derive(Debug, Clone, Copy)]
pub struct FixedTimes {
    /// From the request's arrival to its first token.
    pub ttft: Duration,
    /// Between two tokens.
    pub itl: Duration,
}

#[derive(Debug)]
pub struct Pace {
    source: Source,
    outgoing: BinaryHeap<Reverse<(Emission, u32)>>,
    cancelled: HashSet<u64>,
    running: usize,
}

impl Pace {
    /// Times from the performance model.
    #[must_use]
    pub fn by_model(engine: Batching) -> Self {
        Self::new(Source::Model(Box::new(engine)))
    }

    #[must_use]
    pub fn fixed(times: FixedTimes) -> Self {
        Self::new(Source::Fixed(times))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            outgoing: BinaryHeap::new(),
            cancelled: HashSet::new(),
            running: 0,
        }
    }

    /// Whether a request of this size can ever run.
    #[must_use]
    pub fn fits(&self, job: &Job) -> bool {
        match &self.source {
            Source::Model(engine) => engine.fits(job),
            Source::Fixed(_) => true,
        }
    }

    /// Numbers of running and of waiting requests.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        match &self.source {
            Source::Model(engine) => engine.load(),
            Source::Fixed(_) => (self.running, 0),
        }
    }

    /// Prompt tokens that were in the prefix cache.
    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        match &self.source {
            Source::Model(engine) => engine.cached_tokens(),
            Source::Fixed(_) => 0,
        }
    }

    /// Takes a request at `now` that arrived at `arrived`; `blocks` are the hashes of its prompt's blocks. Fixed times count from
    /// the arrival; the performance model starts with a request when it was read, as a real engine does.
    pub fn admit(&mut self, job: Job, blocks: Vec<u64>, arrived: Duration, now: Duration) {
        match &mut self.source {
            Source::Model(engine) => engine.admit(job, blocks, now),
            Source::Fixed(times) => {
                let first = Emission {
                    due: arrived + times.ttft,
                    id: job.id,
                    token: 1,
                    is_last: job.output <= 1,
                    cached: 0,
                };
                self.running += 1;
                self.outgoing.push(Reverse((first, job.output)));
            }
        }
    }

    /// Drops a request. Ids are never reused.
    pub fn cancel(&mut self, id: u64) {
        if let Source::Model(engine) = &mut self.source {
            engine.cancel(id);
        }
        if self.outgoing.iter().any(|Reverse((emission, _))| emission.id == id) {
            self.cancelled.insert(id);
        }
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        let token = self.outgoing.peek().map(|Reverse((emission, _))| emission.due);
        let step = match &self.source {
            Source::Model(engine) => engine.next_event(),
            Source::Fixed(_) => None,
        };
        token.into_iter().chain(step).min()
    }

    /// The next token that is due at `now`.
    pub fn next_due(&mut self, now: Duration) -> Option<Emission> {
        if let Source::Model(engine) = &mut self.source {
            engine.advance(now, |emission| self.outgoing.push(Reverse((emission, 0))));
        }
        loop {
            let mut top = self.outgoing.peek_mut().filter(|top| top.0.0.due <= now)?;
            let Reverse((emission, output)) = *top;
            let is_cancelled = self.cancelled.contains(&emission.id);
            match self.source {
                // In place of a pop and a push: the next token of the request replaces this one.
                Source::Fixed(times) if !emission.is_last && !is_cancelled => {
                    top.0.0 = Emission {
                        due: emission.due + times.itl,
                        token: emission.token + 1,
                        is_last: emission.token + 1 >= output,
                        ..emission
                    };
                }
                Source::Fixed(_) => {
                    PeekMut::pop(top);
                    self.cancelled.remove(&emission.id);
                    self.running = self.running.saturating_sub(1);
                }
                Source::Model(_) => {
                    PeekMut::pop(top);
                }
            }
            if !is_cancelled {
                return Some(emission);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn fixed_times_count_from_each_requests_arrival() {
        let mut pace = Pace::fixed(FixedTimes {
            ttft: 50 * MS,
            itl: 10 * MS,
        });
        let job = |id, output| Job { id, prompt: 5, output };
        pace.admit(job(1, 3), Vec::new(), 100 * MS, 100 * MS);
        pace.admit(job(2, 1), Vec::new(), 105 * MS, 140 * MS);
        pace.admit(job(3, 100), Vec::new(), 106 * MS, 106 * MS);
        pace.cancel(3);
        assert_eq!(pace.next_event(), Some(150 * MS));
        assert_eq!(pace.next_due(149 * MS), None);
        let found: Vec<(u64, u32, Duration, bool)> = std::iter::from_fn(|| pace.next_due(1000 * MS))
            .map(|emission| (emission.id, emission.token, emission.due, emission.is_last))
            .collect();
        let expected = [
            (1, 1, 150 * MS, false),
            (2, 1, 155 * MS, true),
            (1, 2, 160 * MS, false),
            (1, 3, 170 * MS, true),
        ];
        assert_eq!(found, expected);
        assert_eq!((pace.next_event(), pace.load()), (None, (0, 0)));
    }
}
