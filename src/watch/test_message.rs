//! Messages that try receivers.

use chrono::Utc;
use futures_util::future::join_all;

use super::document::{Receiver, Watches};
use super::event::{Content, Event, SCHEMA};
use super::{condition::date, evaluate::message_name};
use crate::notify::{Sent, post};

/// What one try ended with.
#[derive(Debug)]
pub(crate) struct TestMessage {
    pub receiver: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it was not delivered.
    pub failure: Option<String>,
}

/// Sends a message to each of the named receivers, to all if none is named: one attempt each, at the same time.
pub(crate) async fn send_tests(watches: &Watches, names: &[String]) -> Vec<TestMessage> {
    let chosen = watches
        .receivers
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    join_all(chosen.map(|(name, receiver)| send_test(name, receiver))).await
}

async fn send_test(name: &str, receiver: &Receiver) -> TestMessage {
    let now = Utc::now();
    let mut event = Event {
        schema: SCHEMA,
        delivery: String::new(),
        created: date(now.timestamp_millis()),
        watch: "imax watch test".to_owned(),
        branch: String::new(),
        content: Content::Test,
    };
    event.delivery = message_name(&format!("{name}\ntest\n{}", now.timestamp_micros()));
    let body = event.body(receiver.format).to_string();
    let sent = post(&receiver.webhook, &event.delivery, now.timestamp(), &body).await;
    let (status, failure) = match sent {
        Sent::Taken { status } => (Some(status), None),
        Sent::Refused { status, reason } | Sent::Again { status, reason, .. } => (status, Some(reason)),
    };
    TestMessage {
        receiver: name.to_owned(),
        status,
        failure,
    }
}
