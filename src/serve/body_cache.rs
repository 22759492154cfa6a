//! Small answers of the present state, so that a page that many look at costs one query. A change of the history empties it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an answer takes besides its bytes: its validator, twice, and its places in two collections.
const ENTRY: usize = 512;
/// The largest answer that is kept, and all of them, bytes.
const LARGEST: usize = 512 << 10;
const ALL: usize = 32 << 20;

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptBody {
    pub content_type: HeaderValue,
    pub body: Bytes,
}

/// How long a request waits for another one that makes the same answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by their validators, which name state, query and format.
#[derive(Debug, Default)]
pub(super) struct BodyCache {
    kept: Mutex<Kept>,
    making: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The turn of a request that makes an answer. Those who wait for the same look for it when the turn ends.
pub(super) struct MakingTurn<'a> {
    cache: &'a BodyCache,
    validator: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for MakingTurn<'_> {
    fn drop(&mut self) {
        let mut making = self.cache.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // This map has one reference, and each request that waits another.
        if making.get(&self.validator).is_some_and(|turns| Arc::strong_count(turns) == 1) {
            making.remove(&self.validator);
        }
    }
}

/// A state of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HistoryState {
    /// A later state has a larger number.
    pub number: i64,
    /// Tells it from the states of other histories and versions of this program.
    pub name: String,
}

#[derive(Debug, Default)]
struct Kept {
    state: HistoryState,
    bodies: HashMap<String, KeptBody>,
    order: VecDeque<String>,
    bytes: usize,
}

impl BodyCache {
    pub(super) fn is_small_enough(bytes: usize) -> bool {
        bytes <= LARGEST
    }

    pub(super) const fn largest() -> usize {
        LARGEST
    }

    pub(super) fn get(&self, validator: &str) -> Option<KeptBody> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bodies.get(validator).cloned()
    }

    /// The turn to make an answer, when no other request makes the same one; `None` if that one takes long, so that a query that fails after its
    /// time does not hold up all that ask for the same.
    pub(super) async fn turn(&self, validator: &str) -> Option<MakingTurn<'_>> {
        let turns = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(making.entry(validator.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let mut turn = MakingTurn {
            cache: self,
            validator: validator.to_owned(),
            permit: None,
        };
        let permit = tokio::time::timeout(PATIENCE, turns.acquire_owned()).await;
        turn.permit = Some(permit.ok()?.ok()?);
        Some(turn)
    }

    /// Keeps an answer of a state of the history; one of an earlier state than those that are kept would empty the cache, and is of no use.
    pub(super) fn put(&self, state: &HistoryState, validator: String, body: KeptBody) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if state.number < kept.state.number {
            return;
        }
        if kept.state != *state {
            *kept = Kept {
                state: state.clone(),
                ..Kept::default()
            };
        }
        let size = body.body.len() + ENTRY;
        if kept.bodies.insert(validator.clone(), body).is_some() {
            return;
        }
        kept.order.push_back(validator);
        kept.bytes += size;
        while kept.bytes > ALL {
            let Some(oldest) = kept.order.pop_front() else { return };
            let removed = kept.bodies.remove(&oldest);
            kept.bytes -= removed.map_or(0, |removed| removed.body.len() + ENTRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(number: i64) -> HistoryState {
        HistoryState {
            number,
            name: number.to_string(),
        }
    }

    fn body(bytes: usize) -> KeptBody {
        KeptBody {
            content_type: HeaderValue::from_static("application/json"),
            body: Bytes::from(vec![b'x'; bytes]),
        }
    }

    #[tokio::test]
    async fn one_makes_an_answer_and_the_others_find_it() {
        let cache = BodyCache::default();
        let first = cache.turn("a").await;
        assert!(
            first.is_some() && cache.turn("b").await.is_some(),
            "other answers have turns of their own"
        );
        let others = async {
            let turns: Vec<bool> = futures_util::future::join_all((0..3).map(|_| async {
                let turn = cache.turn("a").await;
                turn.is_some() && cache.get("a").is_some()
            }))
            .await;
            turns
        };
        let make = async {
            cache.put(&state(1), "a".to_owned(), body(1));
            drop(first);
        };
        let (found, ()) = tokio::join!(others, make);
        assert_eq!(found, [true; 3]);
        assert!(cache.making.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }

    #[test]
    fn later_state_empties_it_and_the_oldest_give_way() {
        let cache = BodyCache::default();
        cache.put(&state(1), "a".to_owned(), body(1));
        assert!(cache.get("a").is_some());
        cache.put(&state(2), "b".to_owned(), body(1));
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
        for at in 0..=(ALL / LARGEST) {
            cache.put(&state(2), at.to_string(), body(LARGEST - ENTRY));
        }
        assert!(cache.get("b").is_none() && cache.get("0").is_none());
        assert!(cache.get("1").is_some());
    }

    #[test]
    fn answer_of_an_earlier_state_is_not_kept() {
        let cache = BodyCache::default();
        cache.put(&state(2), "b".to_owned(), body(1));
        // Its request began before the change and ended after it.
        cache.put(&state(1), "a".to_owned(), body(1));
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
    }
}
