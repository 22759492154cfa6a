//! The plan of a sweep: its trigger, the new changelog entries, and the search space that they request.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::Warn;
use super::change::{Change, ChangeError};
use super::changelog_files::ChangelogFiles;
use super::check::{Folders, RefusedRows, refused_rows};
use super::config_files::{ConfigFiles, ConfigFilesError};
use super::earlier_run::{EarlierRun, EarlierRunError};
use super::event::{EventResult, event_request};
use super::event_facts::EventFactsError;
use super::generator::{GeneratorError, GeneratorRequest};
use super::reuse::ReuseError;
use super::reused_run::ReusedRun;
use super::settings_file::{SettingsFile, SettingsFileError};
use crate::git::{Commit, GitError, Repository};
use crate::matrix::plan::{self, ChangelogMetadata, Estimate, Options, Plan, PlanError, SearchSpace};
use crate::matrix::policy::EventError;
use crate::matrix::{Row, RowFilter};
use crate::settings::Queue;
use crate::system::files::FileError;

#[derive(Debug)]
pub(crate) struct PlanRequest {
    pub trigger: Trigger,
    pub changelog: ChangelogFiles,
    pub configs: ConfigFiles,
    /// Joins rows that differ only in concurrency into jobs of at most this length.
    pub group_by_engine: Option<Estimate>,
    /// The rows that are run, of those that the trigger requests.
    pub filter: RowFilter,
    /// Leaves out what this run measured: a folder that `imax collect` wrote, or its `agg_bmk.json`.
    pub without: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) enum Trigger {
    Refs(RefsTrigger),
    Event(EventTrigger),
    Keys(KeysTrigger),
}

/// Config keys, whatever the changelog says.
#[derive(Debug)]
pub(crate) struct KeysTrigger {
    /// The keys, with wildcards.
    pub keys: Vec<String>,
    /// Measure only if one of these files changed.
    pub changed: Option<ChangedFiles>,
    pub options: Options,
}

/// Files of the repository that must have changed between two revisions.
#[derive(Debug)]
pub(crate) struct ChangedFiles {
    pub base: String,
    pub head: String,
    /// Compare with the common ancestor instead of with `base` itself.
    pub merge_base: bool,
    /// Globs over paths from the top of the repository.
    pub paths: GlobSet,
}

#[derive(Debug)]
pub(crate) struct RefsTrigger {
    pub base: String,
    pub head: String,
    /// Compare with the common ancestor instead of with `base` itself.
    pub merge_base: bool,
    pub options: Options,
}

#[derive(Debug)]
pub(crate) struct EventTrigger {
    /// The event's name, `GITHUB_EVENT_NAME`.
    pub name: String,
    /// The file of its payload, `GITHUB_EVENT_PATH`.
    pub payload: PathBuf,
    /// The settings, whose policy decides.
    pub settings: SettingsFile,
    /// Reads a command line of the generator; the error is what its parser says.
    pub generator: fn(&str) -> Result<GeneratorRequest, String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanningError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Configs(#[from] ConfigFilesError),
    #[error(transparent)]
    Settings(#[from] SettingsFileError),
    #[error(transparent)]
    ReadEvent(FileError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    EventFacts(#[from] EventFactsError),
    #[error("the state before the push")]
    StateBeforePush(#[source] GitError),
    #[error(
        "wrong checkout: found {found}, expected {wanted}, the planned commit, because configs are read from the checkout; give actions/checkout `ref: refs/pull/<number>/head`"
    )]
    WrongCheckout { found: Commit, wanted: Commit },
    #[error(transparent)]
    EarlierRun(#[from] EarlierRunError),
    #[error(transparent)]
    Reuse(#[from] ReuseError),
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A change with the options of its sweep.
pub(super) struct SweepRequest {
    pub(super) change: Change,
    /// Rows that were selected otherwise than by the change's entries.
    pub(super) generated: Option<Vec<Row>>,
    pub(super) options: Options,
    pub(super) filters: Vec<RowFilter>,
    pub(super) job: JobDetails,
    pub(super) canary: bool,
    pub(super) fail_fast: bool,
    pub(super) mode: String,
    pub(super) reason: String,
    pub(super) earlier: Option<EarlierRun>,
    /// The run whose results are published instead of measured again.
    pub(super) reused: Option<Box<ReusedRun>>,
}

impl SweepRequest {
    /// Takes those results of the reused run that count for the plan, and says how many in the reason.
    fn reuse(&mut self, planned: &Plan) -> Result<(), PlanningError> {
        let Some(reused) = &self.reused else { return Ok(()) };
        let earlier = reused.valid_for(planned).map_err(PlanError::Json)?;
        let wanted: usize = planned.benchmarks.iter().map(|row| row.conc.as_slice().len()).sum();
        self.reason.push_str(&format!(
            " Results of run {} of pull request {} are published for {} of {wanted} points and {} of {} evaluations.",
            reused.id,
            reused.pull_request,
            earlier.measured.len(),
            earlier.evaluated.len(),
            planned.evals.len(),
        ));
        self.earlier = Some(earlier);
        Ok(())
    }
}

/// What the jobs of a sweep get besides their rows.
#[derive(Debug, Clone, Default)]
pub(super) struct JobDetails {
    /// Variables of the rows' jobs.
    pub(super) environment: Vec<(String, String)>,
    /// Labels of the pull request.
    pub(super) labels: Vec<String>,
    pub(super) pull_request: Option<u64>,
    pub(super) queue: Queue,
}

/// The result of planning.
pub(crate) enum PlanResult {
    Sweep(Box<SweepPlan>),
    /// The event does not trigger a sweep. The reason is a sentence.
    NoRun {
        reason: String,
    },
    /// The sweep is refused until the input is corrected. The reason is a sentence.
    Refused {
        reason: String,
    },
}

/// The plan of a sweep.
pub(crate) struct SweepPlan {
    pub(super) sweep: SweepRequest,
    pub(super) estimate: Option<Estimate>,
    /// Everything that the entries request.
    pub(super) whole: SearchSpace,
    /// What the earlier run did not measure.
    pub(super) remaining: Option<SearchSpace>,
    /// Rows that no node of their label would run. They stay in the plan, as in InferenceX's: their jobs say why, and results list them.
    pub(super) refused: Vec<RefusedRows>,
}

impl SweepPlan {
    pub(super) fn to_run(&self) -> &SearchSpace {
        self.remaining.as_ref().unwrap_or(&self.whole)
    }
}

/// Plans what the trigger requests. Configs, changelog and repository are those of the working directory.
///
/// # Errors
/// [`PlanningError`].
pub(crate) async fn plan(request: &PlanRequest, warn: Warn<'_>) -> Result<PlanResult, PlanningError> {
    let mut sweep = match &request.trigger {
        Trigger::Refs(trigger) => refs_request(request, trigger)?,
        Trigger::Event(trigger) => match event_request(request, trigger, warn).await? {
            EventResult::Sweep(sweep) => *sweep,
            EventResult::NoRun { reason } => return Ok(PlanResult::NoRun { reason }),
            EventResult::Refused { reason } => return Ok(PlanResult::Refused { reason }),
        },
        Trigger::Keys(trigger) => match keys_request(request, trigger)? {
            Ok(sweep) => sweep,
            Err(reason) => return Ok(PlanResult::NoRun { reason }),
        },
    };
    let planned = match &sweep.generated {
        Some(rows) => plan::plan_rows(rows.clone(), sweep.options, &sweep.filters)?,
        None => planned_rows(&sweep.change, &request.configs, sweep.options, &sweep.filters, warn)?,
    };
    sweep.reuse(&planned)?;
    let remaining = match &sweep.earlier {
        Some(earlier) => {
            let remaining = planned.clone().without(&earlier.measured).without_evals(&earlier.evaluated);
            Some(search_space(
                &sweep.change,
                remaining.map_err(PlanError::Json)?,
                request.group_by_engine,
            ))
        }
        None => None,
    };
    let whole = search_space(&sweep.change, planned, request.group_by_engine);
    let mut plan = SweepPlan {
        whole,
        remaining,
        refused: Vec::new(),
        estimate: request.group_by_engine,
        sweep,
    };
    let rows: Vec<Row> = plan.to_run().rows().cloned().collect();
    plan.refused = refused_in_checkout(&rows, &request.configs);
    Ok(PlanResult::Sweep(Box::new(plan)))
}

/// The rows that would be refused by recipes and profiles in their usual folders. A repository that keeps them elsewhere is not judged.
fn refused_in_checkout(rows: &[Row], configs: &ConfigFiles) -> Vec<RefusedRows> {
    let folders = Folders {
        recipes: Path::new("benchmarks"),
        profiles: Path::new("runners"),
    };
    // The configs have been read before; what they warn of is said.
    let catalog = configs.load(&|_| {});
    catalog.map_or_else(|_| Vec::new(), |catalog| refused_rows(rows, &catalog.runners, folders))
}

/// The search space of the changelog entries between two revisions, by the configs of the working directory.
///
/// # Errors
/// [`PlanningError`], also if no entry is new.
pub(crate) fn between(
    base: &str,
    head: &str,
    changelog: &ChangelogFiles,
    configs: &ConfigFiles,
    warn: Warn<'_>,
) -> Result<SearchSpace, PlanningError> {
    let change = Change::between_refs(base, head, false, changelog)?;
    let planned = planned_rows(&change, configs, Options::default(), &[], warn)?;
    Ok(search_space(&change, planned, None))
}

fn refs_request(request: &PlanRequest, trigger: &RefsTrigger) -> Result<SweepRequest, PlanningError> {
    let RefsTrigger {
        base,
        head,
        merge_base,
        options,
    } = trigger;
    Ok(SweepRequest {
        change: Change::between_refs(base, head, *merge_base, &request.changelog)?,
        generated: None,
        options: *options,
        filters: vec![request.filter.clone()],
        job: JobDetails::default(),
        canary: false,
        fail_fast: false,
        mode: mode_of(*options).to_owned(),
        earlier: request.without.as_deref().map(EarlierRun::load).transpose()?,
        reused: None,
        reason: format!("Comparison of {base} with {head}."),
    })
}

/// The request for config keys, or a sentence why nothing is measured.
fn keys_request(request: &PlanRequest, trigger: &KeysTrigger) -> Result<Result<SweepRequest, String>, PlanningError> {
    let KeysTrigger { keys, changed, options } = trigger;
    let repository = Repository::discover(Path::new(".")).map_err(ChangeError::Git)?;
    let mut reason = format!("Config keys {}.", keys.join(", "));
    if let Some(changed) = changed {
        match first_change(&repository, changed)? {
            Some(path) => reason.push_str(&format!(" {path} changed.")),
            None => return Ok(Err(format!("{reason} But none of the files given by --changed changed."))),
        }
    }
    Ok(Ok(SweepRequest {
        change: Change::of_keys(repository, keys.clone(), &reason),
        generated: None,
        options: *options,
        filters: vec![request.filter.clone()],
        job: JobDetails::default(),
        canary: false,
        fail_fast: false,
        mode: mode_of(*options).to_owned(),
        earlier: request.without.as_deref().map(EarlierRun::load).transpose()?,
        reused: None,
        reason,
    }))
}

fn first_change(repository: &Repository, changed: &ChangedFiles) -> Result<Option<String>, PlanningError> {
    let ChangedFiles {
        base,
        head,
        merge_base,
        paths,
    } = changed;
    let mut base = repository.commit(base).map_err(ChangeError::Revision)?;
    let head = repository.commit(head).map_err(ChangeError::Revision)?;
    if *merge_base {
        base = repository.merge_base(base, head).map_err(ChangeError::Git)?;
    }
    let files = repository.changed_files(base, head).map_err(ChangeError::Git)?;
    Ok(files.into_iter().find(|path| paths.is_match(path)))
}

fn mode_of(options: Options) -> &'static str {
    if options.trim { "trimmed" } else { "full" }
}

/// The rows that a change requests, by the configs of the checkout.
pub(super) fn planned_rows(
    change: &Change,
    configs: &ConfigFiles,
    options: Options,
    filters: &[RowFilter],
    warn: Warn<'_>,
) -> Result<Plan, PlanningError> {
    let catalog = configs.load(warn)?;
    let base_catalog = if plan::needs_base(&change.added) {
        Some(change.base_catalog(configs)?)
    } else {
        None
    };
    Ok(plan::plan(&change.added, &catalog, base_catalog.as_ref(), options, filters)?)
}

fn search_space(change: &Change, mut planned: Plan, group_by_engine: Option<Estimate>) -> SearchSpace {
    if let Some(estimate) = group_by_engine {
        planned.benchmarks = plan::by_engine(planned.benchmarks, estimate);
    }
    let metadata = ChangelogMetadata {
        base_ref: change.base_ref.clone(),
        head_ref: change.head_ref.clone(),
        entries: change.added.iter().map(|added| added.entry.clone()).collect(),
    };
    SearchSpace::new(planned, metadata)
}
