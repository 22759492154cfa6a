//! Saved queries against a history: transitions and digests become messages, in one transaction with the state that they tell of.

use chrono::{DateTime, Utc};

use super::condition::{Subject, date, open_subjects};
use super::digest::{content, last_due};
use super::document::{Condition, DigestPlan, Watch, Watches};
use super::event::{Content, Event, SCHEMA};
use super::transition::{Rules, Told, transition};
use crate::model::Digest;
use crate::store::database::{Database, DatabaseError, NewDelivery, WatchState};

/// The condition under which the time of a digest is kept.
const DIGEST: &str = "digest";

/// Evaluates all saved queries. Gives false if another server told of one meanwhile, maybe with an older history: then it should be evaluated
/// again.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn evaluate_watches(database: &mut Database, watches: &Watches, now: DateTime<Utc>) -> Result<bool, DatabaseError> {
    let mut are_kept = true;
    for watch in &watches.watches {
        are_kept &= evaluate(database, watches, watch, now).await?;
    }
    Ok(are_kept)
}

async fn evaluate(database: &mut Database, watches: &Watches, watch: &Watch, now: DateTime<Utc>) -> Result<bool, DatabaseError> {
    let stored = database.watch_states(&watch.name).await?;
    let now_ms = now.timestamp_millis();
    let open = open_subjects(database, watch, now_ms).await?;
    let before: Vec<Told> = stored.iter().filter_map(told).collect();
    let rules = Rules {
        newest_days: watch.newest_days,
        remind_days: watch.remind_days,
    };
    let found = transition(&before, open, rules, now_ms);
    if !found.has_news() {
        return Ok(true);
    }
    let event = Event {
        schema: SCHEMA,
        delivery: String::new(),
        created: date(now_ms),
        watch: watch.name.clone(),
        branch: watch.scope.branch.clone(),
        content: Content::of(&found),
    };
    let messages = messages(watches, &watch.to, event);
    let mut after: Vec<WatchState> = found.after.iter().map(state).collect();
    after.sort_by(|left, right| (&left.condition, &left.subject).cmp(&(&right.condition, &right.subject)));
    let is_kept = database.replace_watch_states(&watch.name, &stored, &after, &messages).await?;
    tracing::info!(
        watch = watch.name,
        opened = found.opened.len(),
        still = found.still.len(),
        recovered = found.recovered.len(),
        is_kept,
        "states changed"
    );
    Ok(is_kept)
}

/// A message for each receiver. Its name is made of what it says, so that the same is the same.
fn messages(watches: &Watches, to: &[String], mut event: Event) -> Vec<NewDelivery> {
    let mut found = Vec::new();
    for name in to {
        let Some(receiver) = watches.receivers.get(name) else { continue };
        event.delivery = String::new();
        event.delivery = message_name(&format!("{name}\n{}", serde_json::to_string(&event).unwrap_or_default()));
        found.push(NewDelivery {
            name: event.delivery.clone(),
            receiver: name.clone(),
            body: event.body(receiver.format).to_string(),
        });
    }
    found
}

/// The name of a message, made of a text that no other message has.
pub(super) fn message_name(text: &str) -> String {
    let digest = Digest::of(text.as_bytes()).to_string();
    format!("msg_{}", digest.get(..32).unwrap_or_default())
}

fn state(told: &Told) -> WatchState {
    WatchState {
        condition: told.subject.condition.as_str().to_owned(),
        subject: told.subject.subject.clone(),
        opened_ms: told.opened_ms,
        told_ms: told.told_ms,
        document: serde_json::to_string(&told.subject).unwrap_or_default(),
    }
}

/// What was told. A condition or document of another version is as if it had not been told.
fn told(state: &WatchState) -> Option<Told> {
    let conditions = [Condition::Worse, Condition::Failed, Condition::Stale];
    let condition = conditions.into_iter().find(|condition| condition.as_str() == state.condition)?;
    let subject: Subject = serde_json::from_str(&state.document).ok()?;
    Some(Told {
        subject: Subject { condition, ..subject },
        opened_ms: state.opened_ms,
        told_ms: state.told_ms,
    })
}

/// Makes the digests that are due.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn make_digests(database: &mut Database, watches: &Watches, now: DateTime<Utc>) -> Result<(), DatabaseError> {
    for plan in &watches.digests {
        make_digest(database, watches, plan, now).await?;
    }
    Ok(())
}

async fn make_digest(database: &mut Database, watches: &Watches, plan: &DigestPlan, now: DateTime<Utc>) -> Result<(), DatabaseError> {
    let stored = database.watch_states(&plan.name).await?;
    let due = last_due(now, plan.day, plan.hour);
    let last_ms = stored.iter().find(|state| state.condition == DIGEST).map(|state| state.told_ms);
    if last_ms.is_some_and(|last_ms| last_ms >= due.timestamp_millis()) {
        return Ok(());
    }
    // A new digest begins with the next week: the one before is over.
    let messages = match last_ms.and_then(DateTime::from_timestamp_millis) {
        None => Vec::new(),
        Some(from) => {
            let event = Event {
                schema: SCHEMA,
                delivery: String::new(),
                created: date(now.timestamp_millis()),
                watch: plan.name.clone(),
                branch: plan.scope.branch.clone(),
                content: Content::Digest(content(database, plan, from, due).await?),
            };
            messages(watches, &plan.to, event)
        }
    };
    let after = WatchState {
        condition: DIGEST.to_owned(),
        subject: String::new(),
        opened_ms: due.timestamp_millis(),
        told_ms: due.timestamp_millis(),
        document: String::new(),
    };
    database.replace_watch_states(&plan.name, &stored, &[after], &messages).await?;
    Ok(())
}
