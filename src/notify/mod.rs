//! Messages about verdicts to chats and other programs, through webhooks.

pub(crate) mod exporter;
mod signed;
mod webhook;

use serde_json::{Value, json};

use crate::model::Secret;
use crate::report::{Mark, Notification, discord_text, slack_text};
use crate::system::environment;
use crate::system::retry::RetryPolicy;
pub(crate) use signed::{Sent, SignedWebhook, SigningKey, post};
use webhook::Webhook;
pub(crate) use webhook::WebhookError;

/// When a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Points failed or got worse.
    Failure,
    /// Points got worse, or failed and were measured before.
    Regression,
    Always,
}

impl Condition {
    /// Whether a verdict meets the condition.
    pub(crate) fn is_met(self, mark: Mark, has_regression: bool) -> bool {
        match self {
            Self::Failure => mark == Mark::Bad,
            Self::Regression => has_regression,
            Self::Always => true,
        }
    }
}

/// The format of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessageFormat {
    Slack,
    Discord,
    Event,
}

impl MessageFormat {
    /// The message; `sent_at` is RFC 3339.
    pub(crate) fn body(self, notification: &Notification, sent_at: &str) -> Value {
        match self {
            Self::Slack => notification.slack(),
            Self::Discord => notification.discord(),
            Self::Event => notification.event(sent_at),
        }
    }
}

/// Characters of a message, Discord's limit.
const DISCORD_LIMIT: usize = 2000;

/// A text that may have untrusted names, in the form of a receiver: it causes no mention and no markup.
pub(crate) fn plain_text_body(format: MessageFormat, text: &str) -> Value {
    match format {
        MessageFormat::Slack => text_body(format, &slack_text(text)),
        MessageFormat::Discord => text_body(format, &discord_text(text)),
        MessageFormat::Event => text_body(format, text),
    }
}

/// A text in the form of a receiver.
fn text_body(format: MessageFormat, text: &str) -> Value {
    match format {
        MessageFormat::Slack => json!({ "text": text }),
        MessageFormat::Discord => {
            json!({ "content": text.chars().take(DISCORD_LIMIT).collect::<String>(), "allowed_mentions": { "parse": [] } })
        }
        MessageFormat::Event => json!({ "text": text }),
    }
}

#[derive(Debug)]
pub(crate) struct Receiver {
    format: MessageFormat,
    webhook: Webhook,
}

impl Receiver {
    /// The receiver's name in messages, such as `slack`.
    pub(crate) fn name(&self) -> &'static str {
        self.webhook.name
    }

    /// Sends a text, without a verdict.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub(crate) async fn send_text(&self, text: &str, sent_at: &str) -> Result<(), WebhookError> {
        let body = match self.format {
            format @ (MessageFormat::Slack | MessageFormat::Discord) => text_body(format, text),
            MessageFormat::Event => json!({ "event": "imax.fleet", "text": text, "sent_at": sent_at }),
        };
        webhook::send(&self.webhook, &body, &RetryPolicy::default()).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub(crate) async fn send(&self, notification: &Notification<'_>, sent_at: &str) -> Result<(), WebhookError> {
        let body = self.format.body(notification, sent_at);
        webhook::send(&self.webhook, &body, &RetryPolicy::default()).await
    }
}

/// The receivers whose webhooks the environment names. Their URLs and keys are secrets, so they are never arguments.
pub(crate) fn receivers_from_environment() -> Vec<Receiver> {
    let slack = secret("IMAX_SLACK_WEBHOOK_URL").map(|url| Receiver {
        format: MessageFormat::Slack,
        webhook: Webhook {
            name: "slack",
            url,
            key: None,
        },
    });
    let discord = secret("IMAX_DISCORD_WEBHOOK_URL").map(|url| Receiver {
        format: MessageFormat::Discord,
        webhook: Webhook {
            name: "discord",
            url,
            key: None,
        },
    });
    let event = secret("IMAX_WEBHOOK_URL").map(|url| Receiver {
        format: MessageFormat::Event,
        webhook: Webhook {
            name: "webhook",
            url,
            key: secret("IMAX_WEBHOOK_SECRET"),
        },
    });
    [slack, discord, event].into_iter().flatten().collect()
}

fn secret(variable: &str) -> Option<Secret> {
    environment::text(variable).map(Secret::new)
}
