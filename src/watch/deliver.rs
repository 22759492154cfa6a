//! Messages to receivers: at least once, in order, with a bound on attempts.

use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::document::{Receiver, Watches};
use crate::model::saturating;
use crate::notify::{Sent, post};
use crate::store::database::{AttemptResult, ClaimedDelivery, Database, DatabaseError};
use crate::system::cancellation::Cancellation;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Time after the longest attempt until one without a result counts as lost.
const MARGIN_MS: i64 = 5_000;

/// Sends what is due until nothing is, or it is cancelled: then the attempts in progress are awaited. A process that ends in the middle leaves
/// a message pending: it is sent again, by the same name.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn deliver_due(database: &mut Database, watches: &Watches, cancellation: &Cancellation) -> Result<(), DatabaseError> {
    let longest = watches.receivers.values().map(|receiver| receiver.webhook.timeout).max();
    let lease_ms = saturating::to_i64(longest.unwrap_or_default().as_millis()) + MARGIN_MS;
    // One for each receiver at a time; what has ended makes room for the next one of its receiver, so that one that hangs delays no other.
    let mut attempts = FuturesUnordered::new();
    loop {
        if !cancellation.is_cancelled() {
            let now_ms = Utc::now().timestamp_millis();
            let claimed = database.claim_deliveries(now_ms, now_ms + lease_ms).await?;
            attempts.extend(claimed.into_iter().map(|delivery| attempt(watches, delivery)));
        }
        let Some(ended) = attempts.next().await else { return Ok(()) };
        database.end_attempt(&ended).await?;
    }
}

async fn attempt(watches: &Watches, delivery: ClaimedDelivery) -> AttemptResult {
    let result = |status, reason, again_ms| AttemptResult {
        id: delivery.id,
        attempt: delivery.attempt,
        status,
        reason,
        again_ms,
    };
    let Some(receiver) = watches.receivers.get(&delivery.receiver) else {
        return result(None, Some("the receiver is not configured any more".to_owned()), None);
    };
    let sent = post(&receiver.webhook, &delivery.name, Utc::now().timestamp(), &delivery.body).await;
    match sent {
        Sent::Taken { status } => result(Some(status), None, None),
        Sent::Refused { status, reason } => {
            tracing::warn!(receiver = delivery.receiver, delivery = delivery.name, reason, "message refused");
            result(status, Some(reason), None)
        }
        Sent::Again { status, wait, reason } => {
            let again = again(receiver, delivery.attempt, wait);
            let again_ms = again.map(|wait| Utc::now().timestamp_millis() + saturating::to_i64(wait.as_millis()));
            tracing::warn!(
                receiver = delivery.receiver,
                delivery = delivery.name,
                reason,
                ?again,
                "message not delivered"
            );
            result(status, Some(reason), again_ms)
        }
    }
}

/// The wait before the next attempt; `None` after the last one.
fn again(receiver: &Receiver, attempt: i64, asked: Option<Duration>) -> Option<Duration> {
    if attempt >= i64::from(receiver.attempts) {
        return None;
    }
    let before = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = receiver.first_wait.saturating_mul(4_u32.saturating_pow(before));
    Some(asked.unwrap_or_default().max(wait).min(LONGEST_WAIT))
}
