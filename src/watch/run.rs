//! Watching while a server runs.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::Notify;

use super::deliver::deliver_due;
use super::document::Watches;
use super::evaluate::{evaluate_watches, make_digests};
use crate::model::with_causes;
use crate::store::database::{Access, Address, AsOf, Database, DatabaseError};
use crate::system::cancellation::Cancellation;

/// Evaluations of an unchanged history: reminders and old branches come with time alone.
const IDLE_PERIOD_MS: i64 = 3_600_000;
/// The shortest pause between two looks: a history that cannot be reached is not asked without end.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// Evaluates saved queries when the history has changed, at the latest after `period`, and delivers messages, until it is cancelled. `written`
/// tells of writes of this server. An attempt in progress is awaited; it takes 30 s at most.
pub(crate) async fn run(address: &Address, watches: &Watches, period: Duration, written: &Notify, cancellation: &Cancellation) {
    let mut seen: Option<(i64, i64)> = None;
    loop {
        let pause = match look(address, watches, &mut seen, cancellation).await {
            Ok(next_due_ms) => {
                let left = next_due_ms.map(|due_ms| due_ms.saturating_sub(Utc::now().timestamp_millis()).max(0));
                left.map_or(period, |left| Duration::from_millis(left.unsigned_abs()).min(period))
            }
            Err(error) => {
                tracing::warn!(history = %address, error = with_causes(&error), "cannot evaluate saved queries");
                period
            }
        };
        tokio::select! {
            _ = cancellation.cancelled() => return,
            () = written.notified() => {}
            () = tokio::time::sleep(pause.max(SHORTEST_PAUSE)) => {}
        }
    }
}

/// Evaluates what has changed, sends what is due, and gives the time of the next attempt, milliseconds since 1970. `seen` is the change and the
/// time of the last evaluation.
async fn look(
    address: &Address,
    watches: &Watches,
    seen: &mut Option<(i64, i64)>,
    cancellation: &Cancellation,
) -> Result<Option<i64>, DatabaseError> {
    let mut database = Database::open(address, Access::Write).await?;
    let now = Utc::now();
    let generation = database.generation(AsOf::Now).await?;
    let is_new = seen.is_none_or(|(change, at_ms)| change != generation || now.timestamp_millis() - at_ms >= IDLE_PERIOD_MS);
    if is_new {
        let are_kept = evaluate_watches(&mut database, watches, now).await?;
        *seen = are_kept.then(|| (generation, now.timestamp_millis()));
    }
    make_digests(&mut database, watches, now).await?;
    deliver_due(&mut database, watches, cancellation).await?;
    let next = database.next_due_ms().await?;
    database.close().await?;
    Ok(next)
}
