//! The number of a database's newest change, which every request asks for first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::blocking::on_blocking_thread;
use super::error::ApiError;
use super::readers::Readers;
use crate::store::database::{Address, AsOf};

/// One query answers all requests that came before it began; a request never gets the answer of a query that began before it, because the history
/// may have changed since. It has a connection of its own, so that answers that are kept do not wait for those that are made.
#[derive(Debug)]
pub(super) struct Generation {
    readers: Arc<Readers>,
    time: Duration,
    asked: AtomicU64,
    last: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Requests up to this one came before the query began.
    asked: u64,
    generation: i64,
}

impl Generation {
    pub(super) fn new(address: Address, time: Duration) -> Self {
        Self {
            readers: Arc::new(Readers::new(address, 1, time)),
            time,
            asked: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// # Errors
    /// Those of the history.
    pub(super) async fn now(&self) -> Result<i64, ApiError> {
        let own = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.asked >= own {
            return Ok(last.generation);
        }
        let asked = self.asked.load(Ordering::SeqCst);
        let readers = Arc::clone(&self.readers);
        let read = move || async move {
            let mut reader = readers.take().await?;
            let generation = reader.generation(AsOf::Now).await?;
            reader.give_back();
            Ok(generation)
        };
        let generation = on_blocking_thread(self.time, read).await?;
        *last = Known { asked, generation };
        Ok(generation)
    }
}
