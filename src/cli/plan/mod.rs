//! `imax plan`: two states of the repository, or a GitHub event, to the jobs that are to run. The change is found by
//! `changes`, the event is judged by `event`, and what GitHub gets is written by `give`.

mod changes;
mod event;
mod give;
mod past;
mod retry;

use std::path::PathBuf;

use clap::Args;

use super::changelog::{ChangelogFiles, files};
use super::configs::ConfigFiles;
use super::settings::SettingsFile;
use super::{Exit, Failure, OrExit as _};
use crate::matrix::plan::{self, ChangelogMetadata, Estimate, Options, Plan, SearchSpace};

pub use changes::{Change, Found};

/// Plans what a change of the changelog asks to be measured.
///
/// Prints the search-space document. In a GitHub workflow it also sets the step outputs run, matrix, batches, count,
/// search-space-config, mode, reason, fail-fast, canary, plan-file, base-sha and head-sha. Configs are read from the
/// checkout, which must be that of the head.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax plan --base-ref origin/main --head-ref HEAD --changelog-file perf-changelog.yaml\n  \
        imax plan --event")]
pub struct PlanArgs {
    /// The earlier state: a commit, branch or tag
    #[arg(long, value_name = "REF", required_unless_present = "event")]
    base_ref: Option<String>,

    /// The later state
    #[arg(long, value_name = "REF", required_unless_present = "event")]
    head_ref: Option<String>,

    /// Compare with the last commit that both have in common instead of with the earlier state itself
    #[arg(long, conflicts_with = "event")]
    merge_base: bool,

    /// Decide by GitHub's event (GITHUB_EVENT_NAME, GITHUB_EVENT_PATH) what to plan, and whether at all
    #[arg(long, conflicts_with_all = ["base_ref", "head_ref", "trim_conc", "all_evals", "evals_only"])]
    event: bool,

    #[command(flatten)]
    settings: SettingsFile,

    /// Of each way to run an engine, only the lowest concurrency
    #[arg(long)]
    trim_conc: bool,

    /// Evaluate accuracy at every point that can be evaluated
    #[arg(long)]
    all_evals: bool,

    /// Evaluate accuracy and do not measure
    #[arg(long)]
    evals_only: bool,

    /// Join rows that differ only in concurrency into jobs that start the engine once
    #[arg(long)]
    group_by_engine: bool,

    /// With --group-by-engine: the longest that a job may take, estimated
    #[arg(long, value_name = "MINUTES", default_value_t = 180)]
    job_minutes: u32,

    /// With --group-by-engine: until an engine answers, estimated
    #[arg(long, value_name = "MINUTES", default_value_t = 15)]
    start_minutes: u32,

    /// With --group-by-engine: for each concurrency, estimated
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    point_minutes: u32,

    /// Writes the whole plan here; imax-plan.json where the plan is over GitHub's limits and nothing else is said
    #[arg(long, value_name = "FILE")]
    plan_file: Option<PathBuf>,

    /// Leave out what an earlier run of the same commit measured: a folder that imax collect wrote, or agg_bmk.json. Its
    /// results are copied beside the plan file, so that a report has the whole
    #[arg(long, value_name = "RUN")]
    without: Option<PathBuf>,

    /// A folder with artifacts of earlier runs: how long their jobs took gives the GPU-hours in the summary
    #[arg(long, value_name = "FOLDER")]
    job_records: Option<PathBuf>,

    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    configs: ConfigFiles,
}

/// What is to be planned, and how.
struct Request {
    change: Change,
    options: Options,
    canary: bool,
    fail_fast: bool,
    mode: String,
    reason: String,
    /// The run that is to be completed.
    earlier: Option<retry::Earlier>,
}

/// The plan, and what is left of it where an earlier run is to be completed.
struct Documents {
    whole: SearchSpace,
    left: Option<SearchSpace>,
}

impl Documents {
    /// What is to be run.
    fn to_run(&self) -> &SearchSpace {
        self.left.as_ref().unwrap_or(&self.whole)
    }
}

/// Runs the command.
///
/// # Errors
/// Invalid input for a wrong changelog or config, infrastructure for a checkout that lacks something.
pub fn run(args: &PlanArgs) -> Result<Exit, Failure> {
    let request = match event::request(args)? {
        event::Asked::Plan(request) => *request,
        event::Asked::Nothing { reason } => {
            give::nothing(&reason)?;
            return Ok(Exit::Success);
        }
    };
    let documents = documents(args, &request)?;
    let outlook = give::Outlook {
        estimate: args.estimate(),
        durations: args.job_records.as_deref().map(past::durations).transpose()?,
    };
    give::plan(&request, &documents, &outlook, args.plan_file.as_deref())?;
    if let (Some(earlier), Some(plan_file)) = (&request.earlier, &args.plan_file) {
        earlier.copy_beside(plan_file)?;
    }
    Ok(Exit::Success)
}

/// The search space of what two commits have between them; configs and changelog are in the current folder.
///
/// # Errors
/// As [`run`], and invalid input where there is nothing new.
pub fn between(base: &str, head: &str) -> Result<SearchSpace, Failure> {
    let args = PlanArgs::between(base, head);
    match event::request(&args)? {
        event::Asked::Plan(request) => Ok(documents(&args, &request)?.whole),
        event::Asked::Nothing { reason } => Err(anyhow::anyhow!(reason)).or_exit(Exit::InvalidInput),
    }
}

fn documents(args: &PlanArgs, request: &Request) -> Result<Documents, Failure> {
    let Change {
        base_ref, head_ref, added, ..
    } = &request.change;
    let planned = planned(&request.change, &args.configs, request.options)?;
    let metadata = ChangelogMetadata {
        base_ref: base_ref.clone(),
        head_ref: head_ref.clone(),
        entries: added.iter().map(|added| added.entry.clone()).collect(),
    };
    let document = |mut plan: Plan| {
        if let Some(estimate) = args.estimate() {
            plan.benchmarks = plan::by_engine(plan.benchmarks, estimate);
        }
        SearchSpace::new(plan, metadata.clone())
    };
    Ok(Documents {
        left: request
            .earlier
            .as_ref()
            .map(|earlier| document(planned.clone().without(earlier.measured()))),
        whole: document(planned),
    })
}

/// The plan of a change, by the configs of the checkout.
///
/// # Errors
/// Wrong configs, and entries that select what is not there or change more than they may, as invalid input.
pub fn planned(change: &Change, configs: &ConfigFiles, options: Options) -> Result<Plan, Failure> {
    let catalog = configs.load()?;
    let base_catalog = match plan::needs_base(&change.added) {
        true => Some(change.base_catalog(configs)?),
        false => None,
    };
    plan::plan(&change.added, &catalog, base_catalog.as_ref(), options).or_exit(Exit::InvalidInput)
}

impl PlanArgs {
    /// What the command line `--base-ref BASE --head-ref HEAD` gives.
    fn between(base: &str, head: &str) -> Self {
        Self {
            base_ref: Some(base.to_owned()),
            head_ref: Some(head.to_owned()),
            merge_base: false,
            event: false,
            settings: SettingsFile::default(),
            trim_conc: false,
            all_evals: false,
            evals_only: false,
            group_by_engine: false,
            job_minutes: 180,
            start_minutes: 15,
            point_minutes: 10,
            plan_file: None,
            without: None,
            job_records: None,
            files: ChangelogFiles {
                changelog_file: "perf-changelog.yaml".to_owned(),
            },
            configs: ConfigFiles {
                config_dir: None,
                config_files: Vec::new(),
                runner_config: None,
            },
        }
    }

    fn estimate(&self) -> Option<Estimate> {
        self.group_by_engine.then_some(Estimate {
            start: self.start_minutes,
            point: self.point_minutes,
            longest: self.job_minutes,
        })
    }
}
