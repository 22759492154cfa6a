//! `imax watch`: the file of saved queries, what they told, and their messages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::terminal::stdout_style;
use super::{Exit, Failure, output};
use crate::report::{Rank, TextTable};
use crate::store::database::{Access, Database, DeliveryEntry, WatchStateEntry};
use crate::store::history::HistoryDatabase;
use crate::watch::{TestMessage, Watches, send_tests};

/// Check saved queries, try their receivers, and list what they told. imax serve --watches runs them.
#[derive(Debug, Args)]
pub struct WatchCommandArgs {
    #[command(subcommand)]
    command: WatchCommand,
}

#[derive(Debug, Subcommand)]
enum WatchCommand {
    Check(CheckArgs),
    Test(TestArgs),
    List(ListArgs),
    Deliveries(DeliveriesArgs),
}

/// Check a file of saved queries, with the URLs and keys that it names. Nothing is sent.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax watch check watches.yaml")]
struct CheckArgs {
    /// The file, as for imax serve --watches; imax schema watches describes it.
    file: PathBuf,
}

/// Send a test message to receivers, once.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax watch test watches.yaml --receiver pager")]
struct TestArgs {
    /// The file, as for imax serve --watches; imax schema watches describes it.
    file: PathBuf,
    /// The receiver [default: all].
    #[arg(long = "receiver", value_name = "NAME")]
    receivers: Vec<String>,
}

/// The history that saved queries are about.
#[derive(Debug, Args)]
struct HistoryArgs {
    /// The history that imax serve --watches serves, FILE.db or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "HISTORY")]
    history: HistoryDatabase,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// List the states that are open: what was told and has not recovered.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax watch list --history history.db --json")]
struct ListArgs {
    #[command(flatten)]
    source: HistoryArgs,
}

/// List messages with their attempts, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax watch deliveries --history history.db --limit 10")]
struct DeliveriesArgs {
    #[command(flatten)]
    source: HistoryArgs,
    /// Messages at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid file or history.
pub async fn run(args: WatchCommandArgs) -> Result<Exit, Failure> {
    match args.command {
        WatchCommand::Check(args) => check(&args),
        WatchCommand::Test(args) => test(args).await,
        WatchCommand::List(args) => list(args).await,
        WatchCommand::Deliveries(args) => deliveries(args).await,
    }
}

fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let CheckArgs { file } = args;
    let Watches {
        receivers,
        watches,
        digests,
    } = Watches::read(file)?;
    output::say(&format!(
        "{}: receivers {}, watches {}, digests {}",
        file.display(),
        receivers.len(),
        watches.len(),
        digests.len()
    ));
    Ok(Exit::Success)
}

async fn test(args: TestArgs) -> Result<Exit, Failure> {
    let TestArgs { file, receivers } = args;
    let watches = Watches::read(&file)?;
    if let Some(name) = receivers.iter().find(|name| !watches.receivers.contains_key(*name)) {
        let known: Vec<&str> = watches.receivers.keys().map(String::as_str).collect();
        output::say(&format!(
            "{} has no receiver {name:?}, expected one of {}",
            file.display(),
            known.join(", ")
        ));
        return Ok(Exit::Usage);
    }
    let sent = send_tests(&watches, &receivers).await;
    for TestMessage { receiver, status, failure } in &sent {
        let status = status.map_or_else(|| "no response".to_owned(), |status| format!("status {status}"));
        let line = match failure {
            None => format!("{receiver}: delivered, {status}\n"),
            Some(reason) => format!("{receiver}: not delivered, {}\n", one_line(reason)),
        };
        output::emit(&line)?;
    }
    if sent.iter().all(|message| message.failure.is_none()) {
        Ok(Exit::Success)
    } else {
        Ok(Exit::Infrastructure)
    }
}

async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let ListArgs {
        source: HistoryArgs { history, json },
    } = args;
    let mut database = Database::open(&history.0, Access::Read).await?;
    let states = database.open_watch_states().await?;
    database.close().await?;
    if json {
        output::emit_json(&states)?;
    } else if states.is_empty() {
        output::emit("no open states\n")?;
    } else {
        output::emit(&format!("{}\n", state_table(&states)))?;
    }
    Ok(Exit::Success)
}

fn state_table(states: &[WatchStateEntry]) -> String {
    let mut table = TextTable::default();
    for (title, rank) in [
        ("watch", Rank::Identity),
        ("condition", Rank::Always),
        ("subject", Rank::Always),
        ("opened", Rank::Always),
        ("told", Rank::Optional(0)),
    ] {
        table.add_column(title, rank);
    }
    for state in states {
        table.add_row([
            one_line(&state.watch),
            state.condition.clone(),
            one_line(&state.subject),
            state.opened.clone(),
            state.told.clone(),
        ]);
    }
    table.render(stdout_style()).trim_end().to_owned()
}

async fn deliveries(args: DeliveriesArgs) -> Result<Exit, Failure> {
    let DeliveriesArgs {
        source: HistoryArgs { history, json },
        limit,
    } = args;
    let mut database = Database::open(&history.0, Access::Read).await?;
    let deliveries = database.deliveries(usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    database.close().await?;
    if json {
        output::emit_json(&deliveries)?;
    } else if deliveries.is_empty() {
        output::emit("no messages\n")?;
    } else {
        output::emit(&format!("{}\n", delivery_table(&deliveries)))?;
    }
    Ok(Exit::Success)
}

fn delivery_table(deliveries: &[DeliveryEntry]) -> String {
    let mut table = TextTable::default();
    for (title, rank) in [
        ("created", Rank::Always),
        ("watch", Rank::Identity),
        ("receiver", Rank::Always),
        ("state", Rank::Always),
    ] {
        table.add_column(title, rank);
    }
    table.add_number("attempts", Rank::Always);
    table.add_number("status", Rank::Always);
    table.add_column("due", Rank::Optional(1));
    table.add_column("reason", Rank::Optional(2));
    table.add_column("delivery", Rank::Optional(0));
    for delivery in deliveries {
        table.add_row([
            delivery.created.clone(),
            one_line(&delivery.watch),
            one_line(&delivery.receiver),
            delivery.state.clone(),
            delivery.attempts.to_string(),
            delivery.status.map_or_else(String::new, |status| status.to_string()),
            delivery.due.clone().unwrap_or_default(),
            one_line(delivery.reason.as_deref().unwrap_or_default()),
            delivery.delivery.clone(),
        ]);
    }
    table.render(stdout_style()).trim_end().to_owned()
}

/// Control characters could move the cursor of a terminal or change its colours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}
