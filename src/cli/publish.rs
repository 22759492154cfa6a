//! `imax publish`: stores runs of this repository in a history.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::settings::SettingsArgs;
use super::work_display::WorkDisplay;
use super::{Exit, Failure, output};
use crate::analysis::{RunContext, RunKind, verdicts_of_report};
use crate::github;
use crate::model::with_causes;
use crate::planning::SettingsFile;
use crate::serve::{SiteRequest, publish_site};
use crate::store::Work;
use crate::store::artifacts;
use crate::store::history::{HistoryHome, HistoryTarget};
use crate::store::publish::{PublishError, PublishRequest, Published, RunDescription, Sources, publish};

/// Store runs in a history: a database, branch or bucket that imax compare, report and comment take as --history and --baseline.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax publish results/ --to history.db\n  \
        imax publish results/ --to postgres://imax@db.example.org/history --kind release\n  \
        imax publish results/ --to branch\n  \
        imax publish results/ --to s3://team-bench/history\n  \
        imax publish results/ --to https://results.example.org\n  \
        imax publish results/ --to history.db --site public\n  \
        imax publish --site public --history branch\n  \
        imax publish results/ --to history.db --commit 0123abc --branch main --date 2026-11-22T05:00:00Z --dry-run --json")]
pub struct PublishArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json, one result, or raw results. Several are
    /// parts of the same run with --run-id, otherwise separate runs.
    #[arg(required_unless_present = "site", requires = "to", value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[arg(long, value_name = "HISTORY", help = TO_HELP, required_unless_present = "history")]
    to: Option<HistoryTarget>,
    /// Write the dashboards of the history to this folder, as a site of files that GitHub Pages or any server of files shows below any path:
    /// index.html, assets/ and data/. A site that is there is replaced. Without RUN, the history stays as it is.
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
    /// The history that the site shows, also a folder [default: that of --to].
    #[arg(long, value_name = "HISTORY", requires = "site")]
    history: Option<HistoryHome>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    target: TargetArgs,
    /// The commit that was measured.
    #[arg(long, value_name = "SHA", env = "GITHUB_SHA", default_value = "")]
    commit: String,
    /// The branch. That of a merge queue counts for the branch that is merged into.
    #[arg(long, value_name = "NAME", env = "GITHUB_REF_NAME")]
    branch: Option<String>,
    /// The date of the measurement, RFC 3339 [default: now].
    #[arg(long, value_name = "DATE")]
    date: Option<DateTime<Utc>>,
    /// Kind of the run [default: by GITHUB_EVENT_NAME: main for push, schedule and merge_group, pull-request, release, else manual].
    #[arg(long, value_enum)]
    kind: Option<RunKind>,
    /// Number of the workflow run, which identifies the run together with repository and attempt [default: identified by its content].
    #[arg(long, value_name = "NUMBER", env = "GITHUB_RUN_ID")]
    run_id: Option<String>,
    /// Attempt of the workflow run. Another attempt is another run, not a correction.
    #[arg(long, value_name = "NUMBER", env = "GITHUB_RUN_ATTEMPT")]
    attempt: Option<u32>,
    /// The repository of the run, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    repository: Option<String>,
    /// Keep the verdicts of a comparison with the run: what imax report or imax compare --format json printed. They stay as they were given
    /// [default: report.json in the run's folder, if it is about the same numbers].
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// The pull request that was measured.
    #[arg(long, value_name = "NUMBER")]
    pull_request: Option<u64>,
}

/// A file has no verdicts.
#[derive(Debug, thiserror::Error)]
#[error("{}: no report with a comparison, expected what imax report --baseline … --format json prints: {source}", path.display())]
pub(super) struct VerdictsError {
    path: PathBuf,
    source: serde_json::Error,
}

/// Help of `--to`.
pub(super) const TO_HELP: &str = "The history: FILE.db, which is created if it is missing; postgres://USER@HOST/DATABASE with the password in \
     PGPASSWORD or ~/.pgpass; branch, the branch imax-history of GITHUB_REPOSITORY with a token in GITHUB_TOKEN that has `contents: write` \
     (branch:NAME, branch:OWNER/REPOSITORY:NAME for others); s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX with the \
     credentials of the service's own tools; or https://SERVER of imax serve --writes, with a token in IMAX_TOKEN or, in a job of GitHub with \
     the permission `id-token: write`, without any secret";

/// Whether the input was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    /// The token can only read, or nothing was to be changed.
    No,
    /// Invalid input.
    Refused,
}

impl Stored {
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Yes | Self::No => Exit::Success,
            Self::Refused => Exit::InvalidInput,
        }
    }
}

/// How to write a history.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Project of the runs, for histories of several repositories [default: default].
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Store the valid part of the input if another part is invalid; without this flag nothing is stored then.
    #[arg(long)]
    partial: bool,
    /// Print the changes without making them.
    #[arg(long)]
    dry_run: bool,
    /// Author of the change, stored with it.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR")]
    author: Option<String>,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

impl ValueEnum for RunKind {
    /// Without that of the community: a reviewer of imax serve gives it, with all that belongs to it.
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Main, Self::PullRequest, Self::Manual, Self::Import, Self::Release]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Community => return None,
            Self::Main => "A branch that others build on",
            Self::PullRequest => "A change that is not merged; part of no baseline",
            Self::Manual => "Started by hand",
            Self::Import => "Measured elsewhere",
            Self::Release => "A release",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

impl TargetArgs {
    pub(super) fn project(&self) -> Option<String> {
        self.project.clone()
    }

    /// Stores the sources and prints the counts.
    ///
    /// # Errors
    /// Invalid input without `--partial`; infrastructure if the database cannot be reached.
    pub(super) async fn publish(self, to: HistoryTarget, sources: Sources) -> Result<Stored, Failure> {
        let Self {
            project: _,
            partial,
            dry_run,
            author,
            json,
        } = self;
        let request = PublishRequest {
            to,
            sources,
            partial,
            dry_run,
            author,
            work: Arc::new(Work::default()),
        };
        let display = WorkDisplay::start("storing", "runs", request.work.clone());
        let ended = publish(&request).await;
        drop(display);
        let published = match ended {
            // The rest of the report is complete.
            Err(error) if github::is_github_actions() && has_no_right(&error) => {
                let text = format!("the run was not added to {}: {}", request.to, with_causes(&error));
                output::say_commands(&github::workflow_command("notice", &[("title", "imax")], &text));
                return Ok(Stored::No);
            }
            published => published?,
        };
        for refused in &published.refused {
            output::say(&refused.to_string());
        }
        let is_refused = !partial && !published.refused.is_empty();
        if is_refused {
            output::say("nothing was stored; --partial stores the valid part");
            return Ok(Stored::Refused);
        }
        if json {
            output::emit_json_line(&published.to_json())?;
        } else {
            output::emit(&format!("{}\n", counts_text(&published, &request)))?;
        }
        Ok(if dry_run { Stored::No } else { Stored::Yes })
    }
}

/// Whether a run is not published because a fork's pull request may not: its token can only read, and it has no OpenID Connect token.
fn has_no_right(error: &PublishError) -> bool {
    match error {
        PublishError::Branch(error) => error.is_read_only(),
        PublishError::Server(error) => {
            error.is_without_token() && std::env::var("GITHUB_EVENT_NAME").is_ok_and(|event| event == "pull_request")
        }
        PublishError::Intake(_) | PublishError::Database(_) | PublishError::Bucket(_) | PublishError::Scratch(_) => false,
    }
}

fn counts_text(published: &Published, request: &PublishRequest) -> String {
    let counts = published.counts;
    let mut text = format!("{}: ", request.to);
    if !published.is_kept {
        text.push_str("would store ");
    }
    for (name, counted) in [
        ("runs", counts.runs),
        ("points", counts.points),
        ("scores", counts.evals),
        ("results of other benchmarks", counts.published),
    ] {
        let of_all = counted.new + counted.unchanged + counted.revised;
        if of_all > 0 {
            text.push_str(&format!(
                "{name} {} new, {} unchanged, {} revised; ",
                counted.new, counted.unchanged, counted.revised
            ));
        }
    }
    text.push_str(&format!("{} quarantined", counts.quarantined));
    text
}

/// The branch that a run counts for: a merge queue measures on branches such as `gh-readonly-queue/main/pr-104-0123abc`, for `main`.
fn measured_branch(branch: &str) -> &str {
    let queued = branch.strip_prefix("gh-readonly-queue/");
    queued
        .and_then(|queued| queued.rsplit_once("/pr-"))
        .map_or(branch, |(base, _)| base)
}

/// The kind of a run that a GitHub event triggered.
pub(super) fn kind_of_event(event: Option<&str>) -> RunKind {
    match event {
        // A merge queue measures what the branch is about to be.
        Some("push" | "schedule" | "merge_group") => RunKind::Main,
        Some("pull_request" | "pull_request_target") => RunKind::PullRequest,
        Some("release") => RunKind::Release,
        Some(_) | None => RunKind::Manual,
    }
}

/// Runs the command.
///
/// # Errors
/// As [`TargetArgs::publish`]; usage without a commit.
pub async fn run(args: PublishArgs) -> Result<Exit, Failure> {
    let PublishArgs {
        runs,
        to,
        site,
        history,
        settings,
        target,
        commit,
        branch,
        date,
        kind,
        run_id,
        attempt,
        repository,
        verdicts,
        pull_request,
    } = args;
    let has_runs = !runs.is_empty();
    let verdicts = match verdicts {
        None => None,
        Some(path) => {
            let text = artifacts::read_text(&path)?;
            let reported = verdicts_of_report(&text).map_err(|source| VerdictsError { path, source })?;
            Some(reported.verdicts)
        }
    };
    let event = std::env::var("GITHUB_EVENT_NAME").ok();
    let context = RunContext {
        project: target.project(),
        kind: Some(kind.unwrap_or_else(|| kind_of_event(event.as_deref()))),
        provider: repository.as_ref().map(|_| "github".to_owned()),
        repository,
        attempt,
        pull_request,
        actor: target.author.clone(),
    };
    let description = RunDescription {
        commit,
        branch: branch
            .filter(|branch| !branch.is_empty())
            .map(|branch| measured_branch(&branch).to_owned()),
        run_id,
        date: date.unwrap_or_else(Utc::now),
        context,
        verdicts,
    };
    let sources = Sources::Runs {
        paths: runs,
        description: Box::new(description),
    };
    let home = history.or_else(|| to.clone().and_then(HistoryTarget::home));
    if site.is_some() && home.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "--site shows a history that is read, and --to is a results API; name one with --history",
        ));
    }
    if let Some(to) = to.filter(|_| has_runs) {
        match target.publish(to, sources).await? {
            Stored::Yes => {}
            stored @ (Stored::No | Stored::Refused) => return Ok(stored.exit()),
        }
    }
    if let (Some(folder), Some(home)) = (site, home) {
        let settings = SettingsFile::from(settings).load(&output::say)?;
        let regressions = settings.regressions;
        write_site(SiteRequest { home, folder, regressions }).await?;
    }
    Ok(Exit::Success)
}

/// Writes the site of a history.
async fn write_site(request: SiteRequest) -> Result<(), Failure> {
    let name = format!("{}: the dashboards of {}", request.folder.display(), request.home);
    let site = publish_site(request).await?;
    output::say(&format!("{name}, {} files of data, {:.1} MB", site.shards, site.bytes as f64 / 1e6));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_queue_counts_for_the_branch_that_is_merged_into() {
        assert_eq!(kind_of_event(Some("merge_group")), RunKind::Main);
        for (branch, measured) in [
            ("gh-readonly-queue/main/pr-104-0123abc", "main"),
            ("gh-readonly-queue/release/1.2/pr-7-0123abc", "release/1.2"),
            ("main", "main"),
            ("feature/pr-1", "feature/pr-1"),
        ] {
            assert_eq!(measured_branch(branch), measured);
        }
    }
}
