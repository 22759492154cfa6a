//! `imax dispatch`: tells another repository that results are there (`repository_dispatch`), so that its workflow fetches them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::publish::kind_of_event;
use super::{Exit, Failure, output};
use crate::analysis::{Run, RunKind};
use crate::github;
use crate::model::Workload;
use crate::store;
use crate::system::environment;

/// The variable of the token. The workflow's own token can write to no other repository.
const TOKEN: &str = "IMAX_INGEST_TOKEN";

/// Tell another repository that results are there, such as that of a dashboard that fetches them.
///
/// Sends the event `repository_dispatch` with the payload `run-id`, `source-run-id`, `merge-run-id` (all the number of the workflow run),
/// `commit`, `branch` and `repository`. Only runs of kind main are announced: push, schedule, merge_group. The token is a secret, so it is
/// read from IMAX_INGEST_TOKEN; it needs `contents: write` of the other repository.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
        IMAX_INGEST_TOKEN=... imax dispatch results/ --to octo-org/dashboard --event-type ingest-results")]
pub(super) struct DispatchArgs {
    /// The run that was published, in the forms that imax publish takes.
    run: PathBuf,
    /// The repository to notify, OWNER/NAME.
    #[arg(long, value_name = "REPOSITORY")]
    to: String,
    /// Type of the event.
    #[arg(long, value_name = "TYPE")]
    event_type: String,
    /// Type of the event for a run with replays of sessions, in place of --event-type.
    #[arg(long, value_name = "TYPE")]
    agentic_event_type: Option<String>,
    /// Another member of the payload; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = member)]
    payload: Vec<(String, String)>,
    /// The commit that was measured.
    #[arg(long, value_name = "SHA", env = "GITHUB_SHA", default_value = "")]
    commit: String,
    /// Its branch.
    #[arg(long, value_name = "NAME", env = "GITHUB_REF_NAME", default_value = "")]
    branch: String,
    /// Number of the workflow run, whose artifacts are fetched.
    #[arg(long, value_name = "NUMBER", env = "GITHUB_RUN_ID")]
    run_id: String,
    /// The repository of the run, OWNER/NAME.
    #[arg(long, value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    repository: String,
    /// Kind of the run [default: by GITHUB_EVENT_NAME, as imax publish].
    #[arg(long, value_enum)]
    kind: Option<RunKind>,
    /// Print the event without sending it.
    #[arg(long)]
    dry_run: bool,
}

fn member(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Sends the event.
///
/// # Errors
/// Invalid input for an invalid run; usage without a token, or where the repository refuses it; infrastructure if GitHub does not answer.
pub(super) async fn run(args: DispatchArgs) -> Result<Exit, Failure> {
    let DispatchArgs {
        run,
        to,
        event_type,
        agentic_event_type,
        payload,
        commit,
        branch,
        run_id,
        repository,
        kind,
        dry_run,
    } = args;
    let kind = kind.unwrap_or_else(|| kind_of_event(environment::text("GITHUB_EVENT_NAME").as_deref()));
    if kind != RunKind::Main {
        output::say(&format!(
            "nothing dispatched: only runs of kind main are announced, this one is {}",
            kind.as_str()
        ));
        return Ok(Exit::Success);
    }
    let found = store::load_run(&run)?;
    let event_type = agentic_event_type.filter(|_| has_replays(&found)).unwrap_or(event_type);
    let own = [
        ("run-id", run_id.clone()),
        // The names that InferenceX's dashboard reads. Results that were reused are among those of this run.
        ("source-run-id", run_id.clone()),
        ("merge-run-id", run_id),
        ("commit", commit),
        ("branch", branch),
        ("repository", repository),
    ];
    let mut members: BTreeMap<String, String> = payload.into_iter().collect();
    members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if dry_run {
        output::emit_json(&serde_json::json!({ "event_type": event_type, "client_payload": members }))?;
        return Ok(Exit::Success);
    }
    let (client, receiver) = github::connect_with_token_in(TOKEN, &to)?;
    github::dispatch_event(&client, &receiver, &event_type, &members).await?;
    output::say(&format!("dispatched {event_type} to {receiver}"));
    Ok(Exit::Success)
}

fn has_replays(run: &Run) -> bool {
    run.points.iter().any(|point| match point.key.curve.workload {
        Workload::AgenticCoding => true,
        Workload::FixedSeqLen(_) => false,
    })
}
