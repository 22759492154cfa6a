//! From a GitHub event to the change it asks to measure.

use std::path::Path;

use super::Warn;
use super::change::{Change, ChangeError, Revisions};
use super::changelog_files::ChangelogFiles;
use super::earlier_run::{EarlierRun, LastRun, last_run};
use super::event_facts::event_facts;
use super::plan::{EventTrigger, JobDetails, PlanRequest, PlanningError, SweepRequest};
use super::reuse::{Reuse, results_at_merge};
use super::settings_file::SettingsFile;
use crate::git::{self, Commit, GitError, Repository};
use crate::matrix::plan::Options;
use crate::matrix::policy::{AgenticLoad, Decision, EarlierResults, Event, RunRequest, Scope, decide};
use crate::settings::{Mode, Settings};
use crate::system::files;

pub(super) enum EventResult {
    Sweep(Box<SweepRequest>),
    NoRun { reason: String },
    Refused { reason: String },
}

/// Decides, by the policy, what the event requests.
pub(super) async fn event_request(request: &PlanRequest, trigger: &EventTrigger, warn: Warn<'_>) -> Result<EventResult, PlanningError> {
    let payload = files::read_text(&trigger.payload).map_err(PlanningError::ReadEvent)?;
    let event = Event::parse(&trigger.name, &payload)?;
    let repository = Repository::discover(Path::new(".")).map_err(ChangeError::Git)?;
    let settings = settings_for(&event, &trigger.settings, &repository, warn)?;
    let facts = event_facts(&event, &settings.policy, &repository).await?;
    match decide(&event, &settings.policy, &facts) {
        Decision::Skip { reason } => Ok(EventResult::NoRun { reason }),
        Decision::Refuse { reason } => Ok(EventResult::Refused { reason }),
        Decision::Run(run) => sweep_request(request, trigger, repository, &settings, *run, warn).await,
    }
}

async fn sweep_request(
    request: &PlanRequest,
    trigger: &EventTrigger,
    repository: Repository,
    settings: &Settings,
    run: RunRequest,
    warn: Warn<'_>,
) -> Result<EventResult, PlanningError> {
    let options = options_of(&run);
    let RunRequest {
        scope,
        sweep,
        agentic,
        earlier,
        filter,
        mut environment,
        labels,
        pull_request,
        mut reason,
        ..
    } = run;
    let generated = match &scope {
        Scope::Generated { command_line, .. } => match (trigger.generator)(command_line) {
            Ok(generator) => Some(generator.with_default_configs(&request.configs).rows(warn)?),
            Err(told) => {
                let reason = format!("Invalid input `generate-cli-command`: {}", told.trim());
                return Ok(EventResult::Refused { reason });
            }
        },
        Scope::Since { .. } | Scope::SinceLeaving { .. } | Scope::Keys { .. } => None,
    };
    let change = match change_in_scope(repository, scope, &mut reason, &request.changelog) {
        Ok(change) => change,
        Err(PlanningError::Change(ChangeError::NoNewEntry(nothing))) => {
            let reason = format!("{reason} But {nothing}.");
            return Ok(EventResult::NoRun { reason });
        }
        Err(error) => return Err(error),
    };
    let reused = match &earlier {
        EarlierResults::MergedAs { commit, branch } if request.without.is_none() => {
            match results_at_merge(commit, branch, &settings.policy, &request.changelog).await? {
                Reuse::NotRequested => None,
                Reuse::Results(reused) => Some(reused),
                Reuse::Refused(reason) => return Ok(EventResult::Refused { reason }),
            }
        }
        EarlierResults::MergedAs { .. } | EarlierResults::None | EarlierResults::LastRunOf(_) => None,
    };
    let earlier = match (&request.without, earlier, change.head) {
        (Some(path), _, _) => Some(EarlierRun::load(path)?),
        (None, EarlierResults::LastRunOf(pull_request), Some(head)) => run_to_complete(pull_request, head, &mut reason).await?,
        (None, EarlierResults::LastRunOf(_), None) | (None, EarlierResults::None | EarlierResults::MergedAs { .. }, _) => None,
    };
    if options.profile {
        reason.push_str(" The engines' profilers run, so the figures are no baseline.");
    }
    match agentic {
        AgenticLoad::Configured => {}
        AgenticLoad::Seconds(seconds) => reason.push_str(&format!(" Agentic rows are loaded for {seconds} s.")),
        AgenticLoad::Fast => {
            reason.push_str(" Agentic rows: one warm-up request a session, 20 minutes.");
            environment.push(FAST_VARIABLE.map(str::to_owned).into());
        }
    }
    Ok(EventResult::Sweep(Box::new(SweepRequest {
        change,
        generated,
        options,
        filters: vec![filter, request.filter.clone()],
        job: JobDetails {
            environment,
            labels,
            pull_request,
            queue: settings.queue.clone(),
        },
        canary: sweep.canary,
        fail_fast: sweep.fail_fast,
        mode: sweep.to_string(),
        earlier,
        reused,
        reason,
    })))
}

/// Selects the profile of one warm-up request and 20 minutes in InferenceX's library.
const FAST_VARIABLE: [&str; 2] = ["AIPERF_EXPERIMENTAL_FAST", "1"];

fn options_of(run: &RunRequest) -> Options {
    Options {
        trim: run.sweep.mode == Mode::Trimmed,
        all_evals: run.all_evals,
        evals_only: run.evals_only,
        agentic_seconds: run.agentic.seconds(),
        profile: run.profile,
    }
}

/// The settings of the checkout. For code from a fork it is that of the target branch: a fork must not choose the labels that
/// let its code onto a runner.
fn settings_for(event: &Event, settings: &SettingsFile, repository: &Repository, warn: Warn<'_>) -> Result<Settings, PlanningError> {
    let settings = match event {
        Event::PullRequest { pull_request, .. } if pull_request.from_fork => {
            settings.load_at(repository, commit_of(repository, &pull_request.base)?, warn)?
        }
        Event::Dispatch { inputs } if has_input(inputs, "pull-request") => {
            let base = inputs.iter().find(|(name, _)| name == "base-ref").map(|(_, base)| base.as_str());
            match base {
                Some(base) => settings.load_at(repository, commit_of(repository, base)?, warn)?,
                None => settings.load(warn)?,
            }
        }
        Event::PullRequest { .. }
        | Event::Push { .. }
        | Event::Dispatch { .. }
        | Event::Comment { .. }
        | Event::Schedule
        | Event::Release { .. }
        | Event::Other(_) => settings.load(warn)?,
    };
    Ok(settings)
}

fn has_input(inputs: &[(String, String)], name: &str) -> bool {
    inputs.iter().any(|(input, _)| input == name)
}

/// The last run on the pull request, if its results can be used. The outcome is added to the reason.
async fn run_to_complete(pull_request: u64, head: Commit, reason: &mut String) -> Result<Option<EarlierRun>, PlanningError> {
    match last_run(pull_request, &head.to_string()).await? {
        LastRun::Usable(earlier) => {
            match earlier.measured.len() {
                1 => reason.push_str(" It measured 1 point, which is left out."),
                points => reason.push_str(&format!(" It measured {points} points, which are left out.")),
            }
            Ok(Some(earlier))
        }
        LastRun::Unusable(why) => {
            reason.push_str(&format!(" {why} Everything is planned."));
            Ok(None)
        }
    }
}

/// Configs are read from the checkout, so it must be of the planned commit, or of GitHub's merge commit for it.
fn check_checkout(repository: &Repository, wanted: Commit) -> Result<(), PlanningError> {
    let found = repository.commit("HEAD").map_err(ChangeError::Git)?;
    let parents = repository.parents(found).map_err(ChangeError::Git)?;
    if found == wanted || parents.contains(&wanted) {
        Ok(())
    } else {
        Err(PlanningError::WrongCheckout { found, wanted })
    }
}

fn change_in_scope(repository: Repository, scope: Scope, reason: &mut String, changelog: &ChangelogFiles) -> Result<Change, PlanningError> {
    match scope {
        Scope::Keys { keys, head } => {
            if let Some(head) = head {
                check_checkout(&repository, commit_of(&repository, &head)?)?;
            }
            Ok(Change::of_keys(repository, keys, reason))
        }
        Scope::Generated { command_line, head } => {
            if let Some(head) = head {
                check_checkout(&repository, commit_of(&repository, &head)?)?;
            }
            reason.push_str(&format!(" Rows of `{command_line}`."));
            Ok(Change::of_command_line(repository, &command_line))
        }
        Scope::SinceLeaving { base, head } => {
            let target = commit_of(&repository, &base)?;
            let head_commit = commit_of(&repository, &head)?;
            let base = repository.merge_base(target, head_commit).map_err(ChangeError::Git)?;
            check_checkout(&repository, head_commit)?;
            let revisions = Revisions {
                base_ref: base.to_string(),
                head_ref: head,
                base: Some(base),
                head: head_commit,
            };
            Ok(Change::between(repository, revisions, changelog)?)
        }
        Scope::Since {
            before,
            head,
            default_branch,
            on_default_branch,
        } => {
            let head_commit = commit_of(&repository, &head)?;
            let (base, note) = state_before_push(&repository, &before, head_commit, &default_branch, on_default_branch)?;
            reason.push_str(note);
            let revisions = Revisions {
                base_ref: base.map(|base| base.to_string()).unwrap_or_default(),
                head_ref: head,
                base,
                head: head_commit,
            };
            Ok(Change::between(repository, revisions, changelog)?)
        }
    }
}

fn commit_of(repository: &Repository, revision: &str) -> Result<Commit, ChangeError> {
    repository.commit(revision).map_err(ChangeError::Revision)
}

/// The commit before a push, and an explanation if it is not the one in GitHub's event.
fn state_before_push(
    repository: &Repository,
    before: &str,
    head: Commit,
    default_branch: &str,
    on_default_branch: bool,
) -> Result<(Option<Commit>, &'static str), PlanningError> {
    match repository.commit(before) {
        Ok(commit) => return Ok((Some(commit), "")),
        Err(GitError::NullRevision { .. } | GitError::UnknownRevision { shallow: false, .. }) => {}
        Err(error) => return Err(PlanningError::StateBeforePush(error)),
    }
    let is_new = git::is_null_revision(before);
    if on_default_branch {
        let parent = repository.parent(head).map_err(ChangeError::Git)?;
        let note = if is_new {
            " The branch is new, so its last commit is compared with its parent."
        } else {
            " The commit before the push no longer exists (force push), so the last commit is compared with its parent."
        };
        return Ok((parent, note));
    }
    let target = commit_of(repository, default_branch)?;
    let base = repository.merge_base(target, head).map_err(ChangeError::Git)?;
    let note = if is_new {
        " The branch is new, so it is compared with its merge base with the default branch."
    } else {
        " The commit before the push no longer exists (force push), so the branch is compared with its merge base with the default branch."
    };
    Ok((Some(base), note))
}
