//! `imax notify`: the verdict to Slack, Discord or any other receiver, where it is one that somebody should know.

use std::path::PathBuf;

use anyhow::anyhow;
use chrono::Utc;
use clap::{Args, ValueEnum};

use super::baseline::BaselineArgs;
use super::{Exit, Failure, OrExit as _, github, output};
use crate::analysis::Comparison;
use crate::model::Secret;
use crate::notify::webhook::{self, Webhook, WebhookError};
use crate::report::{Mark, Notification, View};
use crate::store;
use crate::system::retry::RetryPolicy;

/// Send the verdict to Slack, Discord or another receiver.
///
/// The addresses are secrets and so come from the environment only: IMAX_SLACK_WEBHOOK_URL, IMAX_DISCORD_WEBHOOK_URL, IMAX_WEBHOOK_URL.
/// With IMAX_WEBHOOK_SECRET the last one's message is signed: `X-Imax-Signature-256` is `sha256=` and the HMAC-SHA256 of the body.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  IMAX_SLACK_WEBHOOK_URL=... imax notify results/ --baseline base/ --on failure")]
pub struct NotifyArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// When somebody should know.
    #[arg(long, value_enum, default_value_t = On::Failure)]
    on: On,
    /// Write the messages to stdout and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// When a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// Points failed or got worse.
    Failure,
    /// Points got worse, or failed and were measured before.
    Regression,
    /// Always.
    Always,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; usage where no receiver is named or one refuses; infrastructure where one does not
/// answer.
pub fn run(args: &NotifyArgs) -> Result<Exit, Failure> {
    let head = store::load_run(&args.run)?;
    let comparison = args.baseline.compare(&head, &args.run)?;
    let view = View::new(&head, comparison.as_ref());
    let wanted = match args.on {
        On::Always => true,
        On::Failure => view.mark() == Mark::Bad,
        On::Regression => comparison.as_ref().is_some_and(Comparison::has_regression),
    };
    if !wanted {
        output::say("nothing that somebody should know; nothing sent");
        return Ok(Exit::Success);
    }
    let url = github::run_url();
    let notification = Notification::new(&view, url.as_deref());
    let receivers = receivers();
    if receivers.is_empty() && !args.dry_run {
        let error = anyhow!("no receiver; set IMAX_SLACK_WEBHOOK_URL, IMAX_DISCORD_WEBHOOK_URL or IMAX_WEBHOOK_URL");
        return Err(error).or_exit(Exit::Usage);
    }
    let sent_at = Utc::now().to_rfc3339();
    if args.dry_run {
        for body in [notification.slack(), notification.discord(), notification.event(&sent_at)] {
            output::emit(&format!("{body}\n"))?;
        }
        return Ok(Exit::Success);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Infrastructure)?;
    // One receiver that is away does not keep the others from knowing.
    let mut first_error = None;
    for (kind, webhook) in receivers {
        let body = match kind {
            Kind::Slack => notification.slack(),
            Kind::Discord => notification.discord(),
            Kind::Event => notification.event(&sent_at),
        };
        match runtime.block_on(webhook::send(&webhook, &body, &RetryPolicy::default())) {
            Ok(()) => output::say(&format!("sent to {}", webhook.name)),
            Err(error) => {
                output::say(&error.to_string());
                first_error = first_error.or(Some(error));
            }
        }
    }
    first_error.map_or(Ok(Exit::Success), |error| Err(failure(error)))
}

fn failure(error: WebhookError) -> Failure {
    let exit = match &error {
        WebhookError::Setup { .. } | WebhookError::Refused { .. } => Exit::Usage,
        WebhookError::Unreachable { .. } | WebhookError::Busy { .. } => Exit::Infrastructure,
    };
    Failure { exit, error: error.into() }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Slack,
    Discord,
    Event,
}

fn receivers() -> Vec<(Kind, Webhook)> {
    let secret = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::new);
    let known = [
        (Kind::Slack, "slack", "IMAX_SLACK_WEBHOOK_URL"),
        (Kind::Discord, "discord", "IMAX_DISCORD_WEBHOOK_URL"),
        (Kind::Event, "webhook", "IMAX_WEBHOOK_URL"),
    ];
    let receivers = known.into_iter().filter_map(|(kind, name, variable)| {
        let url = secret(variable)?;
        let key = match kind {
            Kind::Slack | Kind::Discord => None,
            Kind::Event => secret("IMAX_WEBHOOK_SECRET"),
        };
        Some((kind, Webhook { name, url, key }))
    });
    receivers.collect()
}
