//! `imax notify`: sends the verdict to Slack, Discord or a webhook if it meets a condition.

use chrono::Utc;
use clap::{Args, ValueEnum};

use super::baseline::{ComparedRun, ComparedRunArgs};
use super::{Exit, Failure, output};
use crate::analysis::Comparison;
use crate::github;
use crate::notify::{self, Condition, MessageFormat};
use crate::report::{Notification, View};

/// Send the verdict to Slack, Discord or another webhook.
///
/// The URLs are secrets, so they are read from the environment only: IMAX_SLACK_WEBHOOK_URL, IMAX_DISCORD_WEBHOOK_URL, IMAX_WEBHOOK_URL.
/// With IMAX_WEBHOOK_SECRET messages to IMAX_WEBHOOK_URL are signed: `X-Imax-Signature-256` is `sha256=` and the HMAC-SHA256 of the body.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  IMAX_SLACK_WEBHOOK_URL=... imax notify results/ --baseline base/ --on failure")]
pub struct NotifyArgs {
    #[command(flatten)]
    compared_run: ComparedRunArgs,
    /// When to send a message.
    #[arg(long, value_enum, default_value_t = ConditionArg::Failure)]
    on: ConditionArg,
    /// Print the messages without sending them.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConditionArg {
    /// Points failed or got worse.
    Failure,
    /// Points got worse, or failed and were measured before.
    Regression,
    /// Always.
    Always,
}

impl From<ConditionArg> for Condition {
    fn from(condition: ConditionArg) -> Self {
        match condition {
            ConditionArg::Failure => Self::Failure,
            ConditionArg::Regression => Self::Regression,
            ConditionArg::Always => Self::Always,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid run; usage if no receiver is configured or one rejects the message; infrastructure if one does not
/// respond.
pub async fn run(args: NotifyArgs) -> Result<Exit, Failure> {
    let NotifyArgs { compared_run, on, dry_run } = args;
    let ComparedRun { run: head, comparison } = compared_run.load().await?;
    let view = View::new(&head, comparison.as_ref());
    let has_regression = comparison.as_ref().is_some_and(Comparison::has_regression);
    if !Condition::from(on).is_met(view.mark(), has_regression) {
        output::say("no notification needed");
        return Ok(Exit::Success);
    }
    let url = github::run_url();
    let notification = Notification::new(&view, url.as_deref());
    let sent_at = Utc::now().to_rfc3339();
    if dry_run {
        for format in [MessageFormat::Slack, MessageFormat::Discord, MessageFormat::Event] {
            output::emit(&format!("{}\n", format.body(&notification, &sent_at)))?;
        }
        return Ok(Exit::Success);
    }
    let receivers = notify::receivers_from_environment();
    if receivers.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "no receiver; set IMAX_SLACK_WEBHOOK_URL, IMAX_DISCORD_WEBHOOK_URL or IMAX_WEBHOOK_URL",
        ));
    }
    // Send to the others even if one receiver is unreachable.
    let mut first_error = None;
    for receiver in &receivers {
        match receiver.send(&notification, &sent_at).await {
            Ok(()) => output::say(&format!("sent to {}", receiver.name())),
            Err(error) => {
                output::say(&error.to_string());
                first_error = first_error.or(Some(error));
            }
        }
    }
    first_error.map_or(Ok(Exit::Success), |error| Err(error.into()))
}
