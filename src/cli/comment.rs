//! `imax comment`: the report as the one comment of a workflow on its pull request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::baseline::BaselineArgs;
use super::{Exit, Failure, OrExit as _, github, hardware, in_words, output};
use crate::analysis::Run;
use crate::github::{
    Annotation, AnnotationLevel, CheckRun, CheckState, CommentChange, Conclusion, Marker, head_sha_of_event, jobs_of_run,
    pull_request_of_event, put_check, put_comment, run_line,
};
use crate::model::PointKey;
use crate::planning::{entry_lines, planned_jobs, workflow_jobs_of};
use crate::report::{self, Budget, Links, Mark, View};
use crate::store;
use crate::system::files;

/// Create or update the pull request's comment with the report of a run.
///
/// The token is read from GITHUB_TOKEN or GH_TOKEN, never from the command line. It needs `pull-requests: write`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax comment results/ --baseline base/ --pr 7 --check-run")]
pub struct CommentArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    #[command(flatten)]
    baseline: BaselineArgs,
    #[command(flatten)]
    target: Target,
    /// Put a check run with the same verdict to the commit; the token then needs `checks: write` as well.
    #[arg(long)]
    check_run: bool,
    /// The commit of the check run [default: the head of the event's pull request, else GITHUB_SHA].
    #[arg(long, value_name = "COMMIT", requires = "check_run")]
    sha: Option<String>,
    /// The changelog: the check run's remarks about points stand at the entries that asked for them, else at its first line.
    #[arg(long, value_name = "FILE", default_value = "perf-changelog.yaml")]
    annotate: String,
    /// The plan file of imax plan: reasons of failures then link to their jobs. The token needs `actions: read` for that; without
    /// it there are no such links.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Write the comment to stdout and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Which comment of which pull request.
#[derive(Debug, Args)]
pub struct Target {
    /// The pull request [default: the one of the event in GITHUB_EVENT_PATH].
    #[arg(long, value_name = "NUMBER")]
    pub pr: Option<u64>,
    /// The repository, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    pub repository: Option<String>,
    /// What tells this comment from other ones of imax on the pull request; a workflow's name by default.
    #[arg(long, value_name = "NAME", env = "GITHUB_WORKFLOW", default_value = "imax")]
    pub id: String,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; usage where the pull request or the repository is not known; infrastructure where
/// GitHub refuses or does not answer.
pub fn run(args: &CommentArgs) -> Result<Exit, Failure> {
    let marker = Marker::new(&args.target.id);
    let head = store::load_run(&args.run)?;
    let comparison = args.baseline.compare(&head, &args.run)?;
    let view = View::new(&head, comparison.as_ref());
    let view = match hardware::own_file() {
        Some(file) => view.with_costs(&hardware::cost_model(Some(file), None)?),
        None => view,
    };
    let view = match args.check_run {
        true => view.with_lines(entry_lines(Path::new(&args.annotate), &head, &output::say)),
        false => view,
    };
    let links = Links {
        run: github::run_url(),
        jobs: job_pages(args, &head)?,
        ..Links::default()
    };
    let body = report::comment(&view, &links, &closing(&marker), Budget::COMMENT);
    if args.dry_run {
        output::emit(&body)?;
        return Ok(Exit::Success);
    }
    if args.check_run {
        put_check_run(args, &view)?;
    }
    let Some(pull_request) = pull_request(args.target.pr)? else {
        output::say("no pull request in this event; nothing to comment on");
        return Ok(Exit::Success);
    };
    let change = github::talk(args.target.repository.as_deref(), async |client, repository| {
        put_comment(client, repository, pull_request, &marker, &body).await
    })?;
    output::say(&match change {
        CommentChange::Created { url } => format!("created {url}"),
        CommentChange::Updated { url } => format!("updated {url}"),
        CommentChange::Left => "left the comment as it is".to_owned(),
    });
    Ok(Exit::Success)
}

/// The pages of the jobs behind points that failed. A comment without them is better than none, so that GitHub's refusal is only
/// said.
fn job_pages(args: &CommentArgs, run: &Run) -> Result<BTreeMap<PointKey, String>, Failure> {
    let (Some(plan), Some(id), true) = (&args.plan, run_id(), run.failures().next().is_some()) else {
        return Ok(BTreeMap::new());
    };
    let planned = planned_jobs(plan)?;
    let jobs = github::talk(args.target.repository.as_deref(), async |client, repository| {
        jobs_of_run(client, repository, id).await
    });
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(failure) => {
            output::say(&format!("warning: no links to jobs: {}", in_words(&failure.error)));
            return Ok(BTreeMap::new());
        }
    };
    let pages = planned.iter().zip(workflow_jobs_of(&planned, &jobs)).flat_map(|(planned, job)| {
        let page = job.and_then(|job| job.html_url.clone());
        let keys = planned.row.point_keys().into_iter();
        keys.filter_map(move |key| Some((key, page.clone()?)))
    });
    Ok(pages.collect())
}

/// The workflow run that this is a step of.
fn run_id() -> Option<u64> {
    std::env::var("GITHUB_RUN_ID").ok()?.parse().ok()
}

/// The hidden lines by which the comment, and the workflow run that it is about, are found again.
fn closing(marker: &Marker) -> String {
    match run_id() {
        Some(run) => format!("{}\n{}", run_line(run), marker.as_str()),
        None => marker.as_str().to_owned(),
    }
}

fn line_number(line: usize) -> u64 {
    u64::try_from(line).unwrap_or(u64::MAX)
}

fn put_check_run(args: &CommentArgs, view: &View) -> Result<(), Failure> {
    let check = report::check(view);
    let conclusion = match check.mark {
        Mark::Bad => Conclusion::Failure,
        Mark::Unsure => Conclusion::Neutral,
        Mark::Good | Mark::Neutral => Conclusion::Success,
    };
    let annotations = check.remarks.into_iter().map(|remark| Annotation {
        path: args.annotate.clone(),
        // GitHub takes no remark without a line.
        start_line: remark.line.map_or(1, line_number),
        end_line: remark.line.map_or(1, line_number),
        annotation_level: if remark.failed {
            AnnotationLevel::Failure
        } else {
            AnnotationLevel::Warning
        },
        title: remark.title,
        message: remark.message,
    });
    let check = CheckRun {
        name: args.target.id.clone(),
        head_sha: head_sha(args)?,
        state: CheckState::Completed(conclusion),
        title: check.title,
        summary: check.summary,
        details_url: github::run_url(),
        annotations: annotations.collect(),
    };
    let url = github::talk(args.target.repository.as_deref(), async |client, repository| {
        put_check(client, repository, &check).await
    })?;
    output::say(&format!("check run {url}"));
    Ok(())
}

/// The commit that was given, else that of the event, else that of the workflow run.
fn head_sha(args: &CommentArgs) -> Result<String, Failure> {
    if let Some(sha) = &args.sha {
        return Ok(sha.clone());
    }
    let of_event = event()?.map(|text| head_sha_of_event(&text)).transpose();
    let of_event = of_event.or_exit(Exit::InvalidInput)?.flatten();
    let of_run = || std::env::var("GITHUB_SHA").ok().filter(|sha| !sha.is_empty());
    let sha = of_event.or_else(of_run);
    sha.context("the commit of the check run is not known; give it with --sha")
        .or_exit(Exit::Usage)
}

/// The number that was given, else that of the event.
///
/// # Errors
/// Invalid input for an event file that is none.
pub fn pull_request(given: Option<u64>) -> Result<Option<u64>, Failure> {
    if given.is_some() {
        return Ok(given);
    }
    let number = event()?.map(|text| pull_request_of_event(&text)).transpose();
    Ok(number.context("GITHUB_EVENT_PATH").or_exit(Exit::InvalidInput)?.flatten())
}

/// The text of the event file, where this is a step of a workflow.
fn event() -> Result<Option<String>, Failure> {
    let path = std::env::var_os("GITHUB_EVENT_PATH").filter(|path| !path.is_empty());
    let Some(path) = path.map(PathBuf::from) else {
        return Ok(None);
    };
    files::read_text(&path).map(Some).or_exit(Exit::InvalidInput)
}
