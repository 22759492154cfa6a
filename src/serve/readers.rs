//! Connections that read. There are as many as may read at the same time; a query waits for one, and a connection whose query failed or was
//! given up is closed, because it may still be at work.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::model::saturating;
use crate::store::database::{Access, Address, Database, DatabaseError};

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to a history.
#[derive(Debug)]
pub(super) struct Readers {
    address: Address,
    idle: Arc<Mutex<Vec<Database>>>,
    permits: Arc<Semaphore>,
    query_time: Duration,
}

/// A connection that is in use. It is closed unless it is given back.
#[derive(Debug)]
pub(super) struct Reader {
    database: Database,
    idle: Arc<Mutex<Vec<Database>>>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(address: Address, connections: usize, query_time: Duration) -> Self {
        Self {
            address,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(connections)),
            query_time,
        }
    }

    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if none becomes free, and if the history cannot be reached.
    pub(super) async fn take(&self) -> Result<Reader, ApiError> {
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(ApiError::Busy);
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let database = match idle {
            Some(database) => database,
            None => self.connect().await?,
        };
        Ok(Reader {
            database,
            idle: Arc::clone(&self.idle),
            _permit: permit,
        })
    }

    async fn connect(&self) -> Result<Database, DatabaseError> {
        let mut database = Database::open(&self.address, Access::Read).await?;
        let limit = saturating::to_u64(self.query_time.as_millis());
        database.limit_statements(limit).await?;
        Ok(database)
    }
}

impl Reader {
    pub(super) fn give_back(self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.database);
    }
}

impl Deref for Reader {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Database {
        &mut self.database
    }
}
