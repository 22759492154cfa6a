//! What saved queries told, and the messages to their receivers. A message is stored in the transaction that stores the state it tells of, so
//! that neither a crash nor a second server loses or doubles it.

use chrono::Utc;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::published_table::without_nul;
use super::series::date;
use super::{Database, DatabaseError};
use crate::model::saturating;

/// A subject of a saved query that was told, by condition and name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WatchState {
    pub condition: String,
    pub subject: String,
    /// Milliseconds since 1970.
    pub opened_ms: i64,
    pub told_ms: i64,
    /// What was told, JSON.
    pub document: String,
}

/// A state that is open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WatchStateEntry {
    pub watch: String,
    pub condition: String,
    pub subject: String,
    /// RFC 3339.
    pub opened: String,
    /// When it was told last, RFC 3339.
    pub told: String,
}

/// A message that is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct NewDelivery {
    pub name: String,
    pub receiver: String,
    pub body: String,
}

/// A message whose next attempt has begun.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedDelivery {
    pub id: i64,
    pub name: String,
    pub receiver: String,
    pub body: String,
    /// The number of this attempt, from 1.
    pub attempt: i64,
}

/// What an attempt ended with.
#[derive(Debug, Clone)]
pub(crate) struct AttemptResult {
    pub id: i64,
    /// Its number: the result of an attempt that counted as lost says nothing about a later one.
    pub attempt: i64,
    pub status: Option<u16>,
    /// Why it failed; `None` for a message that was taken.
    pub reason: Option<String>,
    /// When the next attempt is due, milliseconds since 1970; `None` for the last one.
    pub again_ms: Option<i64>,
}

/// A message in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DeliveryEntry {
    /// As in the header `webhook-id`.
    pub delivery: String,
    pub receiver: String,
    /// The name of the saved query or digest.
    pub watch: String,
    /// RFC 3339.
    pub created: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    pub attempts: i64,
    /// The status of the last answer.
    pub status: Option<i64>,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// When the next attempt is due, for one that is pending.
    pub due: Option<String>,
    /// When it was delivered or given up.
    pub ended: Option<String>,
}

/// Messages of a receiver in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryCount {
    pub receiver: String,
    pub state: String,
    pub deliveries: i64,
}

/// The newest measured or failed point of a key on a branch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewestOutcome {
    pub key: crate::model::PointKey,
    pub run: i64,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// `measured`, or the class of the failure.
    pub outcome: String,
    pub reason: Option<String>,
}

impl Database {
    /// What a saved query told, by condition and subject.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn watch_states(&mut self, watch: &str) -> Result<Vec<WatchState>, DatabaseError> {
        let rows = sqlx::query(STATES).bind(watch.to_owned()).fetch_all(&mut self.connection).await;
        let states = rows.and_then(|rows| rows.iter().map(state).collect());
        states.map_err(self.address.sql())
    }

    /// Replaces what a saved query told, and stores the messages about it. Gives false, and stores nothing, if another server has replaced
    /// `before` meanwhile.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn replace_watch_states(
        &mut self,
        watch: &str,
        before: &[WatchState],
        after: &[WatchState],
        messages: &[NewDelivery],
    ) -> Result<bool, DatabaseError> {
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        let replaced = replace(&mut transaction, watch, before, after, messages)
            .await
            .map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())?;
        Ok(replaced)
    }

    /// The oldest message of each receiver that is due, as attempts that count as lost at `lost_ms`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn claim_deliveries(&mut self, now_ms: i64, lost_ms: i64) -> Result<Vec<ClaimedDelivery>, DatabaseError> {
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        let claimed = claim(&mut transaction, now_ms, lost_ms).await.map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())?;
        Ok(claimed)
    }

    /// Logs an attempt.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn end_attempt(&mut self, result: &AttemptResult) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        end(&mut transaction, result).await.map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())
    }

    /// What all saved queries told that has not recovered.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn open_watch_states(&mut self) -> Result<Vec<WatchStateEntry>, DatabaseError> {
        let statement = "SELECT watch, condition, subject, opened_ms, told_ms FROM watch_state WHERE condition <> 'digest' \
             ORDER BY watch, condition, subject";
        let rows = sqlx::query(statement).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(WatchStateEntry {
                watch: row.try_get(0)?,
                condition: row.try_get(1)?,
                subject: row.try_get(2)?,
                opened: date(row.try_get(3)?),
                told: date(row.try_get(4)?),
            })
        };
        let states = rows.and_then(|rows| rows.iter().map(read).collect());
        states.map_err(self.address.sql())
    }

    /// When the next message is due, milliseconds since 1970.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn next_due_ms(&mut self) -> Result<Option<i64>, DatabaseError> {
        let statement = "SELECT min(due_ms) FROM delivery d WHERE state = 'pending' AND id = \
             (SELECT min(id) FROM delivery o WHERE o.state = 'pending' AND o.receiver = d.receiver)";
        let due = sqlx::query_scalar(statement).fetch_one(&mut self.connection).await;
        due.map_err(self.address.sql())
    }

    /// The newest messages.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn deliveries(&mut self, most: usize) -> Result<Vec<DeliveryEntry>, DatabaseError> {
        let statement = "SELECT name, receiver, watch, created_ms, state, attempts, status, reason, due_ms, ended_ms FROM delivery \
             ORDER BY id DESC LIMIT $1";
        let rows = sqlx::query(statement)
            .bind(saturating::to_i64(most))
            .fetch_all(&mut self.connection)
            .await;
        let entries = rows.and_then(|rows| rows.iter().map(entry).collect());
        entries.map_err(self.address.sql())
    }

    /// Messages by receiver and state.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn delivery_counts(&mut self) -> Result<Vec<DeliveryCount>, DatabaseError> {
        let statement = "SELECT receiver, state, count(*) FROM delivery GROUP BY receiver, state ORDER BY receiver, state";
        let rows = sqlx::query(statement).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(DeliveryCount {
                receiver: row.try_get(0)?,
                state: row.try_get(1)?,
                deliveries: row.try_get(2)?,
            })
        };
        let counts = rows.and_then(|rows| rows.iter().map(read).collect());
        counts.map_err(self.address.sql())
    }
}

/// How long messages that have ended stay in the log: a year.
const LOG_MS: i64 = 365 * DAY_MS;
/// How long a message waits behind those before it: a receiver that is back after weeks is not told of the first of them.
const PENDING_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

const STATES: &str =
    "SELECT condition, subject, opened_ms, told_ms, document FROM watch_state WHERE watch = $1 ORDER BY condition, subject";

fn state(row: &AnyRow) -> Result<WatchState, sqlx::Error> {
    Ok(WatchState {
        condition: row.try_get(0)?,
        subject: row.try_get(1)?,
        opened_ms: row.try_get(2)?,
        told_ms: row.try_get(3)?,
        document: row.try_get(4)?,
    })
}

async fn replace(
    transaction: &mut Transaction<'_, Any>,
    watch: &str,
    before: &[WatchState],
    after: &[WatchState],
    messages: &[NewDelivery],
) -> Result<bool, sqlx::Error> {
    let rows = sqlx::query(STATES).bind(watch.to_owned()).fetch_all(&mut **transaction).await?;
    let found: Vec<WatchState> = rows.iter().map(state).collect::<Result<_, _>>()?;
    if found != before {
        return Ok(false);
    }
    sqlx::query("DELETE FROM watch_state WHERE watch = $1")
        .bind(watch.to_owned())
        .execute(&mut **transaction)
        .await?;
    for state in after {
        sqlx::query("INSERT INTO watch_state (watch, condition, subject, opened_ms, told_ms, document) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(watch.to_owned())
            .bind(state.condition.clone())
            .bind(without_nul(&state.subject))
            .bind(state.opened_ms)
            .bind(state.told_ms)
            .bind(without_nul(&state.document))
            .execute(&mut **transaction)
            .await?;
    }
    let now_ms = Utc::now().timestamp_millis();
    sqlx::query("DELETE FROM delivery WHERE state <> 'pending' AND created_ms < $1")
        .bind(now_ms - LOG_MS)
        .execute(&mut **transaction)
        .await?;
    for message in messages {
        sqlx::query(
            "INSERT INTO delivery (name, receiver, watch, created_ms, body, state, attempts, due_ms) \
             VALUES ($1, $2, $3, $4, $5, 'pending', 0, $4) ON CONFLICT DO NOTHING",
        )
        .bind(message.name.clone())
        .bind(message.receiver.clone())
        .bind(watch.to_owned())
        .bind(now_ms)
        .bind(without_nul(&message.body))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(true)
}

async fn claim(transaction: &mut Transaction<'_, Any>, now_ms: i64, lost_ms: i64) -> Result<Vec<ClaimedDelivery>, sqlx::Error> {
    let too_old = "UPDATE delivery SET state = 'failed', reason = 'not delivered within 7 days', ended_ms = $1 \
         WHERE state = 'pending' AND due_ms <= $1 AND created_ms < $2";
    sqlx::query(too_old)
        .bind(now_ms)
        .bind(now_ms - PENDING_MS)
        .execute(&mut **transaction)
        .await?;
    // A receiver gets its messages in their order: a later one waits for the attempts of an earlier one.
    let statement = "UPDATE delivery SET attempts = attempts + 1, due_ms = $1 WHERE state = 'pending' AND due_ms <= $2 AND id IN \
         (SELECT min(id) FROM delivery WHERE state = 'pending' GROUP BY receiver) RETURNING id, name, receiver, body, attempts";
    let rows = sqlx::query(statement)
        .bind(lost_ms)
        .bind(now_ms)
        .fetch_all(&mut **transaction)
        .await?;
    let read = |row: &AnyRow| {
        Ok(ClaimedDelivery {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            receiver: row.try_get(2)?,
            body: row.try_get(3)?,
            attempt: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}

async fn end(transaction: &mut Transaction<'_, Any>, result: &AttemptResult) -> Result<(), sqlx::Error> {
    let AttemptResult {
        id,
        attempt,
        status,
        reason,
        again_ms,
    } = result;
    let state = match (reason, again_ms) {
        (None, _) => "delivered",
        (Some(_), Some(_)) => "pending",
        (Some(_), None) => "failed",
    };
    let ended_ms = (state != "pending").then(|| Utc::now().timestamp_millis());
    // One that another server took up or ended meanwhile is left to it, unless it has arrived.
    let statement = "UPDATE delivery SET state = $1, due_ms = coalesce($2, due_ms), status = $3, reason = $4, ended_ms = $5 \
         WHERE id = $6 AND state = 'pending' AND (attempts = $7 OR $1 = 'delivered')";
    sqlx::query(statement)
        .bind(state)
        .bind(*again_ms)
        .bind(status.map(i64::from))
        .bind(reason.as_deref().map(without_nul))
        .bind(ended_ms)
        .bind(*id)
        .bind(*attempt)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn entry(row: &AnyRow) -> Result<DeliveryEntry, sqlx::Error> {
    let state: String = row.try_get(4)?;
    let due_ms: i64 = row.try_get(8)?;
    Ok(DeliveryEntry {
        delivery: row.try_get(0)?,
        receiver: row.try_get(1)?,
        watch: row.try_get(2)?,
        created: date(row.try_get(3)?),
        due: (state == "pending").then(|| date(due_ms)),
        state,
        attempts: row.try_get(5)?,
        status: row.try_get(6)?,
        reason: row.try_get(7)?,
        ended: row.try_get::<Option<i64>, _>(9)?.map(date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::{Access, Address};

    const HOUR_MS: i64 = 3_600_000;

    async fn database(folder: &tempfile::TempDir) -> Database {
        let address = Address::Sqlite(folder.path().join("history.db"));
        Database::open(&address, Access::Write).await.unwrap()
    }

    fn message(name: &str, receiver: &str) -> NewDelivery {
        NewDelivery {
            name: name.to_owned(),
            receiver: receiver.to_owned(),
            body: "{}".to_owned(),
        }
    }

    fn open_state() -> WatchState {
        WatchState {
            condition: "failed".to_owned(),
            subject: "point".to_owned(),
            opened_ms: 1,
            told_ms: 1,
            document: "{}".to_owned(),
        }
    }

    async fn store(database: &mut Database, messages: &[NewDelivery]) {
        assert!(database.replace_watch_states("watch", &[], &[], messages).await.unwrap());
    }

    async fn claimed(database: &mut Database, now_ms: i64) -> Vec<(String, i64)> {
        let claimed = database.claim_deliveries(now_ms, now_ms + HOUR_MS).await.unwrap();
        claimed.into_iter().map(|delivery| (delivery.name, delivery.attempt)).collect()
    }

    async fn state_of(database: &mut Database, name: &str) -> (String, i64) {
        let all = database.deliveries(10).await.unwrap();
        let found = all.into_iter().find(|delivery| delivery.delivery == name).unwrap();
        (found.state, found.attempts)
    }

    fn failed(attempt: i64) -> AttemptResult {
        AttemptResult {
            id: 1,
            attempt,
            status: Some(500),
            reason: Some("status 500".to_owned()),
            again_ms: None,
        }
    }

    #[tokio::test]
    async fn second_of_two_servers_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder).await;
        let (state, message) = ([open_state()], [message("m", "team")]);
        assert!(database.replace_watch_states("watch", &[], &state, &message).await.unwrap());
        assert!(!database.replace_watch_states("watch", &[], &state, &message).await.unwrap());
        assert_eq!(database.watch_states("watch").await.unwrap(), state);
        assert_eq!(database.deliveries(10).await.unwrap().len(), 1);
        assert_eq!(database.open_watch_states().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn receiver_gets_one_message_at_a_time_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder).await;
        store(&mut database, &[message("a", "team"), message("b", "team"), message("c", "chat")]).await;
        let now_ms = Utc::now().timestamp_millis();
        assert_eq!(claimed(&mut database, now_ms).await, [("a".to_owned(), 1), ("c".to_owned(), 1)]);
        assert_eq!(claimed(&mut database, now_ms).await, []);
        assert_eq!(database.next_due_ms().await.unwrap(), Some(now_ms + HOUR_MS));
        let result = AttemptResult { reason: None, ..failed(1) };
        database.end_attempt(&result).await.unwrap();
        assert_eq!(claimed(&mut database, now_ms).await, [("b".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn lost_attempt_is_made_again_and_its_late_failure_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder).await;
        store(&mut database, &[message("a", "team")]).await;
        let now_ms = Utc::now().timestamp_millis();
        assert_eq!(claimed(&mut database, now_ms).await, [("a".to_owned(), 1)]);
        assert_eq!(claimed(&mut database, now_ms + HOUR_MS).await, [("a".to_owned(), 2)]);
        database.end_attempt(&failed(1)).await.unwrap();
        assert_eq!(state_of(&mut database, "a").await, ("pending".to_owned(), 2));
        let late = AttemptResult { reason: None, ..failed(1) };
        database.end_attempt(&late).await.unwrap();
        assert_eq!(state_of(&mut database, "a").await, ("delivered".to_owned(), 2));
        database.end_attempt(&failed(2)).await.unwrap();
        assert_eq!(state_of(&mut database, "a").await, ("delivered".to_owned(), 2));
    }

    #[tokio::test]
    async fn message_that_waited_a_week_is_given_up_and_a_log_of_a_year_shortened() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder).await;
        store(&mut database, &[message("a", "team")]).await;
        let later_ms = Utc::now().timestamp_millis() + PENDING_MS + HOUR_MS;
        assert_eq!(claimed(&mut database, later_ms).await, []);
        assert_eq!(state_of(&mut database, "a").await, ("failed".to_owned(), 0));
        sqlx::query("UPDATE delivery SET created_ms = created_ms - $1")
            .bind(LOG_MS + HOUR_MS)
            .execute(&mut database.connection)
            .await
            .unwrap();
        store(&mut database, &[message("b", "team")]).await;
        let names: Vec<String> = database
            .deliveries(10)
            .await
            .unwrap()
            .into_iter()
            .map(|delivery| delivery.delivery)
            .collect();
        assert_eq!(names, ["b"]);
    }
}
