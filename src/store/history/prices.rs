//! Prices of a history of any home that can keep them.

use chrono::Utc;

use super::{Branch, BranchError, Bucket, BucketError, HistoryTarget};
use crate::analysis::DatedPrice;
use crate::store::database::{Access, Address, Counts, Database, DatabaseError};

/// Why prices are not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PricesError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("{0} is a results API, which takes runs alone; name the history that it serves")]
    Server(String),
}

/// Adds prices to a history, all of them or none, and counts what is new; with `dry_run` nothing is stored.
///
/// # Errors
/// [`PricesError`].
pub(crate) async fn add_prices(
    to: &HistoryTarget,
    prices: &[DatedPrice],
    author: Option<String>,
    dry_run: bool,
) -> Result<Counts, PricesError> {
    match to {
        HistoryTarget::Database(address) => Ok(add_to_database(address, prices, author, dry_run).await?),
        HistoryTarget::Branch(address) => Ok(Branch::connect(address)?.add_prices(prices, Utc::now(), dry_run).await?),
        HistoryTarget::Bucket(address) => Ok(Bucket::connect(address)?.add_prices(prices, Utc::now(), dry_run).await?),
        HistoryTarget::Server(address) => Err(PricesError::Server(address.to_string())),
    }
}

async fn add_to_database(to: &Address, prices: &[DatedPrice], author: Option<String>, dry_run: bool) -> Result<Counts, DatabaseError> {
    let mut database = Database::open(to, Access::Write).await?;
    let mut ingest = database.ingest("prices", author).await?;
    let counts = ingest.add_prices(prices).await?;
    if dry_run {
        ingest.roll_back().await?;
    } else {
        ingest.commit().await?;
    }
    database.close().await?;
    Ok(counts)
}
