//! `imax comment`: the report as the one comment of a workflow on its pull request.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::baseline::BaselineArgs;
use super::{Exit, Failure, OrExit as _, gather, github, output};
use crate::edge::files;
use crate::edge::github::{CommentChange, Marker, pull_request_of_event, put_comment, run_line};
use crate::report::{self, Budget, View};

/// Create or update the pull request's comment with the report of a run.
///
/// The token is read from GITHUB_TOKEN or GH_TOKEN, never from the command line. It needs `pull-requests: write`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax comment results/ --baseline base/ --pr 7")]
pub struct CommentArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// The pull request [default: the one of the event in GITHUB_EVENT_PATH].
    #[arg(long, value_name = "NUMBER")]
    pr: Option<u64>,
    /// The repository, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    repository: Option<String>,
    /// What tells this comment from other ones of imax on the pull request; a workflow's name by default.
    #[arg(long, value_name = "NAME", env = "GITHUB_WORKFLOW", default_value = "imax")]
    id: String,
    /// Write the comment to stdout and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; usage where the pull request or the repository is not known; infrastructure where
/// GitHub refuses or does not answer.
pub fn run(args: &CommentArgs) -> Result<Exit, Failure> {
    let marker = Marker::new(&args.id);
    let body = body(args, &marker)?;
    if args.dry_run {
        output::emit(&body)?;
        return Ok(Exit::Success);
    }
    let Some(pull_request) = pull_request(args.pr)? else {
        output::say("no pull request in this event; nothing to comment on");
        return Ok(Exit::Success);
    };
    let change = github::talk(args.repository.as_deref(), async |client, repository| {
        put_comment(client, repository, pull_request, &marker, &body).await
    })?;
    output::say(&match change {
        CommentChange::Created { url } => format!("created {url}"),
        CommentChange::Updated { url } => format!("updated {url}"),
    });
    Ok(Exit::Success)
}

fn body(args: &CommentArgs, marker: &Marker) -> Result<String, Failure> {
    let head = gather::load_run(&args.run)?;
    let comparison = args.baseline.compare(&head, &args.run)?;
    let view = View::new(&head, comparison.as_ref());
    let run = std::env::var("GITHUB_RUN_ID").ok().and_then(|run| run.parse().ok());
    let closing = match run {
        Some(run) => format!("{}\n{}", run_line(run), marker.as_str()),
        None => marker.as_str().to_owned(),
    };
    Ok(report::comment(&view, &closing, Budget::COMMENT))
}

/// The number that was given, else that of the event.
fn pull_request(given: Option<u64>) -> Result<Option<u64>, Failure> {
    if given.is_some() {
        return Ok(given);
    }
    let Some(path) = std::env::var_os("GITHUB_EVENT_PATH")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
    else {
        return Ok(None);
    };
    let text = files::read_text(&path).or_exit(Exit::InvalidInput)?;
    pull_request_of_event(&text)
        .with_context(|| path.display().to_string())
        .or_exit(Exit::InvalidInput)
}
