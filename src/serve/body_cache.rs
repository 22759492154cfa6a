//! Small answers of the present state, so that a page that many look at costs one query. A change of the history empties it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderValue;
use bytes::Bytes;

/// The largest answer that is kept, and all of them, bytes.
const LARGEST: usize = 512 << 10;
const ALL: usize = 32 << 20;

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptBody {
    pub content_type: HeaderValue,
    pub body: Bytes,
}

/// Answers by their validators, which name state, query and format.
#[derive(Debug, Default)]
pub(super) struct BodyCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    state: String,
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
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bodies.get(validator).cloned()
    }

    /// Keeps an answer of a state of the history.
    pub(super) fn put(&self, state: &str, validator: String, body: KeptBody) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.state != state {
            *kept = Kept {
                state: state.to_owned(),
                ..Kept::default()
            };
        }
        let size = body.body.len();
        if kept.bodies.insert(validator.clone(), body).is_some() {
            return;
        }
        kept.order.push_back(validator);
        kept.bytes += size;
        while kept.bytes > ALL {
            let Some(oldest) = kept.order.pop_front() else { return };
            let removed = kept.bodies.remove(&oldest);
            kept.bytes -= removed.map_or(0, |removed| removed.body.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> KeptBody {
        KeptBody {
            content_type: HeaderValue::from_static("application/json"),
            body: Bytes::from(vec![b'x'; bytes]),
        }
    }

    #[test]
    fn another_state_empties_it_and_the_oldest_give_way() {
        let cache = BodyCache::default();
        cache.put("1", "a".to_owned(), body(1));
        assert!(cache.get("a").is_some());
        cache.put("2", "b".to_owned(), body(1));
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
        for at in 0..=(ALL / LARGEST) {
            cache.put("2", at.to_string(), body(LARGEST));
        }
        assert!(cache.get("b").is_none() && cache.get("0").is_none());
        assert!(cache.get("1").is_some());
    }
}
