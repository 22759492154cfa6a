//! What is asked for: by two refs, or by GitHub's event and the policy.

use std::path::Path;

use anyhow::Context as _;

use super::changes::{Change, Found};
use super::retry::{Earlier, LastRun};
use super::{PlanArgs, Request, files, give, retry};
use crate::cli::{Exit, Failure, OrExit as _};
use crate::git::{self, Commit, GitError, Repository};
use crate::github::{self, GithubError};
use crate::matrix::plan::Options;
use crate::matrix::policy::{Command, Decision, Event, Facts, Scope, decide};
use crate::settings::{Mode, Policy};
use crate::system;

/// What is asked for.
pub enum Asked {
    /// A plan.
    Plan(Box<Request>),
    /// No run, and why.
    Nothing {
        /// Why.
        reason: String,
    },
}

/// Finds out what is asked for.
///
/// # Errors
/// Where refs or the event cannot be read, and where somebody has to correct something first.
pub fn request(args: &PlanArgs) -> Result<Asked, Failure> {
    match (&args.base_ref, &args.head_ref) {
        (Some(base), Some(head)) => by_refs(args, base, head),
        (Some(_), None) | (None, Some(_)) | (None, None) => by_event(args),
    }
}

fn by_refs(args: &PlanArgs, base_ref: &str, head_ref: &str) -> Result<Asked, Failure> {
    let change = match Change::by_refs(base_ref, head_ref, args.merge_base, &args.files)? {
        Found::Change(change) => *change,
        Found::Nothing(error) => return Err(error).or_exit(Exit::InvalidInput),
    };
    let mode = if args.trim_conc { "trimmed" } else { "full" };
    Ok(Asked::Plan(Box::new(Request {
        change,
        options: Options {
            trim: args.trim_conc,
            all_evals: args.all_evals,
            evals_only: args.evals_only,
        },
        canary: false,
        fail_fast: false,
        mode: mode.to_owned(),
        earlier: Earlier::given(args.without.as_deref())?,
        reason: format!("Asked for by refs: {base_ref} to {head_ref}."),
    })))
}

/// An unknown ref is the caller's mistake, not a failure of the machine.
fn commit(repository: &Repository, reference: &str) -> Result<Commit, Failure> {
    repository.commit(reference).or_exit(Exit::InvalidInput)
}

fn by_event(args: &PlanArgs) -> Result<Asked, Failure> {
    let event = event_of_environment()?;
    let repository = files::repository()?;
    let policy = policy(args, &event, &repository)?;
    let facts = facts(&event, &policy, &repository)?;
    match decide(&event, &policy, &facts) {
        Decision::Skip { reason } => Ok(Asked::Nothing { reason }),
        Decision::Refuse { reason } => {
            give::refused(&reason)?;
            Err(anyhow::anyhow!(reason)).or_exit(Exit::InvalidInput)
        }
        Decision::Run {
            scope,
            sweep,
            evals_only,
            all_evals,
            retry,
            reason,
        } => {
            let (found, reason) = change(args, repository, scope, reason)?;
            let change = match found {
                Found::Change(change) => *change,
                Found::Nothing(nothing) => {
                    let reason = format!("{reason} But {nothing}.");
                    return Ok(Asked::Nothing { reason });
                }
            };
            let (earlier, reason) = match (retry, change.head) {
                (Some(pull_request), Some(head)) => last_run(args, pull_request, &head.to_string(), reason)?,
                (Some(_) | None, _) => (Earlier::given(args.without.as_deref())?, reason),
            };
            Ok(Asked::Plan(Box::new(Request {
                change,
                options: Options {
                    trim: sweep.mode == Mode::Trimmed,
                    all_evals,
                    evals_only,
                },
                canary: sweep.canary,
                fail_fast: sweep.fail_fast,
                mode: sweep.to_string(),
                earlier,
                reason,
            })))
        }
    }
}

/// The policy of the checkout; for code from a fork, that of the branch it is to be merged into: a stranger's branch does not
/// say which labels let it onto a runner.
fn policy(args: &PlanArgs, event: &Event, repository: &Repository) -> Result<Policy, Failure> {
    let settings = match event {
        Event::PullRequest { pull_request, .. } if pull_request.from_fork => {
            args.settings.load_at(repository, commit(repository, &pull_request.base)?)?
        }
        Event::PullRequest { .. }
        | Event::Push { .. }
        | Event::Dispatch { .. }
        | Event::Comment { .. }
        | Event::Schedule
        | Event::Other(_) => args.settings.load()?,
    };
    Ok(settings.policy)
}

/// What the last run on a pull request measured, and the reason with a word about it.
fn last_run(args: &PlanArgs, pull_request: u64, head: &str, reason: String) -> Result<(Option<Earlier>, String), Failure> {
    if args.without.is_some() {
        return Ok((Earlier::given(args.without.as_deref())?, reason));
    }
    match retry::last_run(pull_request, head)? {
        LastRun::Results(earlier) => {
            let word = match earlier.measured().len() {
                1 => " One point of it is measured and left out.".to_owned(),
                points => format!(" {points} points of it are measured and left out."),
            };
            Ok((Some(earlier), reason + &word))
        }
        LastRun::None(why) => Ok((None, format!("{reason} {why} Everything is planned."))),
    }
}

fn event_of_environment() -> Result<Event, Failure> {
    let variable = |name: &str| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        let missing =
            || anyhow::anyhow!("{name} is not set; run `imax plan --event` in a GitHub workflow, or give --base-ref and --head-ref");
        value.ok_or_else(missing).or_exit(Exit::Usage)
    };
    let name = variable("GITHUB_EVENT_NAME")?;
    let path = variable("GITHUB_EVENT_PATH")?;
    let payload = system::files::read_text(Path::new(&path)).or_exit(Exit::Infrastructure)?;
    Event::parse(&name, &payload).or_exit(Exit::InvalidInput)
}

/// What the event does not say, and the clone or GitHub does. A pull request's own last commit is asked for; the
/// checkout may be of the merge that GitHub makes of it.
fn facts(event: &Event, policy: &Policy, repository: &Repository) -> Result<Facts, Failure> {
    match event {
        Event::PullRequest { pull_request, .. } => {
            let message = |head: &str| repository.message(repository.commit(head).ok()?).ok();
            Ok(Facts {
                head_message: message(&pull_request.head),
                ..Facts::default()
            })
        }
        Event::Comment {
            pull_request: Some(number),
            author,
            body,
            ..
        } if Command::parse(&policy.command, body).is_some() => asked(*number, author),
        Event::Push { .. } | Event::Dispatch { .. } | Event::Comment { .. } | Event::Schedule | Event::Other(_) => Ok(Facts::default()),
    }
}

/// What GitHub says about a comment's author and its pull request; nothing without a token.
fn asked(number: u64, author: &str) -> Result<Facts, Failure> {
    let Ok(settings) = github::Settings::from_environment(|name| std::env::var(name).ok()) else {
        return Ok(Facts::default());
    };
    let repository = std::env::var("GITHUB_REPOSITORY").unwrap_or_default();
    let repository = github::Repository::parse(&repository).or_exit(Exit::Usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let facts = runtime.or_exit(Exit::Infrastructure)?.block_on(async {
        let client = github::Client::new(&settings)?;
        Ok::<Facts, GithubError>(Facts {
            head_message: None,
            commenter: Some(github::permission_of(&client, &repository, author).await?),
            commented: Some(github::pull_request(&client, &repository, number).await?),
        })
    });
    facts.or_exit(Exit::Infrastructure)
}

/// Configs are read from the files, so the files must be those of the commit that is planned, or of GitHub's merge of it.
fn check_checkout(repository: &Repository, wanted: Commit) -> Result<(), Failure> {
    let there = repository.commit("HEAD").or_exit(Exit::Infrastructure)?;
    let parents = repository.parents(there).or_exit(Exit::Infrastructure)?;
    if there == wanted || parents.contains(&wanted) {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "the checkout is of {there}, not of {wanted}, whose configs are to be planned; give actions/checkout `ref: refs/pull/<number>/head`"
    );
    Err(error).or_exit(Exit::Infrastructure)
}

fn change(args: &PlanArgs, repository: Repository, scope: Scope, reason: String) -> Result<(Found, String), Failure> {
    match scope {
        Scope::Keys { keys, head } => {
            if let Some(head) = head {
                check_checkout(&repository, commit(&repository, &head)?)?;
            }
            let change = Change::of_keys(repository, keys, &reason);
            Ok((Found::Change(Box::new(change)), reason))
        }
        Scope::SinceLeaving { base, head } => {
            let (from, to) = (commit(&repository, &base)?, commit(&repository, &head)?);
            let left = repository.merge_base(from, to).or_exit(Exit::Infrastructure)?;
            check_checkout(&repository, to)?;
            let found = Change::between(repository, (left.to_string(), head), Some(left), to, &args.files)?;
            Ok((found, reason))
        }
        Scope::Since {
            before,
            head,
            default_branch,
            on_default_branch,
        } => {
            let to = commit(&repository, &head)?;
            let (base, note) = earlier(&repository, &before, to, &default_branch, on_default_branch)?;
            let base_ref = base.map_or_else(String::new, |base| base.to_string());
            let found = Change::between(repository, (base_ref, head), base, to, &args.files)?;
            Ok((found, format!("{reason}{note}")))
        }
    }
}

/// The state before a push, and a sentence where it is not simply the one that GitHub names.
fn earlier(
    repository: &Repository,
    before: &str,
    head: Commit,
    default_branch: &str,
    on_default_branch: bool,
) -> Result<(Option<Commit>, &'static str), Failure> {
    let is_new = git::is_zero(before);
    match repository.commit(before) {
        Ok(commit) => return Ok((Some(commit), "")),
        Err(GitError::ZeroRef { .. }) => {}
        Err(GitError::UnknownRef { shallow: false, .. }) => {}
        Err(error) => {
            return Err(error)
                .with_context(|| "the state before the push")
                .or_exit(Exit::Infrastructure);
        }
    }
    if on_default_branch {
        let parent = repository.parent(head).or_exit(Exit::Infrastructure)?;
        return Ok((
            parent,
            match (is_new, parent) {
                (true, _) => " The branch is new, so its last commit is compared with the one before.",
                (false, _) => " The state before the push is gone (a force push), so the last commit is compared with the one before.",
            },
        ));
    }
    let main = commit(repository, default_branch)?;
    let left = repository.merge_base(main, head).or_exit(Exit::Infrastructure)?;
    Ok((
        Some(left),
        match is_new {
            true => " The branch is new, so it is compared with where it left the default branch.",
            false => " The state before the push is gone (a force push), so the branch is compared with where it left the default branch.",
        },
    ))
}
