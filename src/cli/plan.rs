//! `imax plan`: plans the jobs for a change between two revisions, or for a GitHub event.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use globset::{Glob, GlobSetBuilder};

use super::changelog::ChangelogArgs;
use super::configs::ConfigArgs;
use super::matrix::{ScenarioName, generator_request};
use super::plan_table::plan_table;
use super::settings::SettingsArgs;
use super::{Exit, Failure, output, terminal};
use crate::github;
use crate::github::workflow::WorkflowFiles;
use crate::matrix::RowFilter;
use crate::matrix::filters::Nodes;
use crate::matrix::plan::{Estimate, Options};
use crate::model::{Concurrency, SeqLens};
use crate::planning::{
    self, ChangedFiles, EventTrigger, KeysTrigger, NoRun, PlanRequest, PlanResult, PublishOptions, Published, RefsTrigger, Trigger,
};
use crate::system::environment;

/// Plan the measurements that a change of the changelog requests.
///
/// Prints the search space: a table on a terminal, JSON elsewhere. In a GitHub workflow it also sets the step outputs run, matrix, batches, count,
/// search-space-config, mode, reason, fail-fast, canary, environment, plan-file, base-sha and head-sha. Configs are read from the
/// checkout, which must be of the later revision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax plan --base-ref origin/main --head-ref HEAD --changelog-file perf-changelog.yaml\n  \
        imax plan --event\n  \
        imax plan --event --conc 4 --seq-lens 1k1k\n  \
        imax plan --all --changed 'src/**' 'Cargo.lock' --base-ref HEAD^ --head-ref HEAD")]
pub(super) struct PlanArgs {
    /// The earlier revision: a commit, branch or tag
    #[arg(long, value_name = "REF", required_unless_present_any = ["event", "all", "config_keys"])]
    base_ref: Option<String>,

    /// The later revision
    #[arg(long, value_name = "REF", required_unless_present_any = ["event", "all", "config_keys"])]
    head_ref: Option<String>,

    /// Plan every config, regardless of the changelog
    #[arg(long, conflicts_with_all = ["event", "config_keys"])]
    all: bool,

    /// Plan these configs, regardless of the changelog; keys may have wildcards
    #[arg(long, value_name = "KEY", num_args = 1.., value_delimiter = ',', conflicts_with = "event")]
    config_keys: Vec<String>,

    /// With --all or --config-keys: plan nothing unless a file matching one of these globs changed between --base-ref and --head-ref
    #[arg(long, value_name = "GLOB", num_args = 1.., requires_all = ["base_ref", "head_ref"], conflicts_with = "event")]
    changed: Vec<Glob>,

    /// Compare with the merge base of the two revisions instead of with the earlier one itself
    #[arg(long, conflicts_with = "event")]
    merge_base: bool,

    /// Plan by GitHub's event (GITHUB_EVENT_NAME, GITHUB_EVENT_PATH) and the policy in the settings
    #[arg(long, conflicts_with_all = ["base_ref", "head_ref", "trim_conc", "all_evals", "evals_only"])]
    event: bool,

    #[command(flatten)]
    settings: SettingsArgs,

    #[command(flatten)]
    filter: FilterArgs,

    /// Keep only the lowest concurrency of each engine configuration
    #[arg(long)]
    trim_conc: bool,

    /// Evaluate accuracy at every point that can be evaluated
    #[arg(long)]
    all_evals: bool,

    /// Evaluate accuracy without measuring performance
    #[arg(long)]
    evals_only: bool,

    /// Join rows that differ only in concurrency into jobs that start the engine once
    #[arg(long)]
    group_by_engine: bool,

    /// With --group-by-engine: maximum estimated duration of a job
    #[arg(long, value_name = "MINUTES", default_value_t = 180)]
    job_minutes: u32,

    /// With --group-by-engine: estimated time until an engine is ready
    #[arg(long, value_name = "MINUTES", default_value_t = 15)]
    start_minutes: u32,

    /// With --group-by-engine: estimated time for each concurrency
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    point_minutes: u32,

    /// Write the whole plan to this file [default: imax-plan.json for a plan over GitHub's limits, else none]
    #[arg(long, value_name = "FILE")]
    plan_file: Option<PathBuf>,

    /// Leave out points that an earlier run of the same commit measured: a folder that imax collect wrote, or agg_bmk.json. Its
    /// results are copied beside the plan file, so that the report covers the whole plan
    #[arg(long, value_name = "RUN")]
    without: Option<PathBuf>,

    /// A folder with artifacts of earlier runs, from whose durations the GPU-hours in the summary are estimated
    #[arg(long, value_name = "FOLDER")]
    job_records: Option<PathBuf>,

    /// Format of the search space [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum)]
    format: Option<Format>,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    configs: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A line for each engine configuration, with its concurrencies
    Table,
    /// JSON, as read by workflows
    Json,
}

/// Why the arguments describe no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanArgsError {
    #[error("{0} is not set; run `imax plan --event` in a GitHub workflow, or give --base-ref and --head-ref")]
    NoEvent(&'static str),
    #[error("--changed: {0}")]
    Globs(#[from] globset::Error),
    #[error("{found} is not a name of sequence lengths, expected such as 1k1k, 1k8k or 8k1k")]
    SeqLens { found: String },
}

/// Which of the requested rows are planned. Of an event's rows, those that pass the filters of its inputs as well.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
struct FilterArgs {
    /// Only these concurrencies
    #[arg(long, value_name = "CONC", num_args = 1.., value_delimiter = ',')]
    conc: Vec<Concurrency>,
    /// Only these sequence lengths, such as 1k1k or 8k1k
    #[arg(long, value_name = "LENGTHS", num_args = 1.., value_delimiter = ',')]
    seq_lens: Vec<String>,
    /// Only these kinds of scenario
    #[arg(long, value_name = "KIND", num_args = 1.., value_delimiter = ',')]
    scenario_type: Vec<ScenarioName>,
    /// Only models whose short name begins so
    #[arg(long, value_name = "PREFIX", num_args = 1.., value_delimiter = ',')]
    model_prefix: Vec<String>,
    /// Only these precisions
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    precision: Vec<String>,
    /// Only these engines
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    framework: Vec<String>,
    /// Only these runner labels
    #[arg(long, value_name = "LABEL", num_args = 1.., value_delimiter = ',')]
    runner_type: Vec<String>,
    /// Only single-node rows
    #[arg(long)]
    single_node: bool,
    /// Only multi-node rows
    #[arg(long)]
    multi_node: bool,
}

impl TryFrom<FilterArgs> for RowFilter {
    type Error = PlanArgsError;

    fn try_from(args: FilterArgs) -> Result<Self, PlanArgsError> {
        let FilterArgs {
            conc,
            seq_lens,
            scenario_type,
            model_prefix,
            precision,
            framework,
            runner_type,
            single_node,
            multi_node,
        } = args;
        let lengths = |name: String| SeqLens::from_short_name(&name).ok_or(PlanArgsError::SeqLens { found: name });
        Ok(Self {
            conc: conc.into_iter().map(|conc| i64::from(conc.get())).collect(),
            seq_lens: seq_lens.into_iter().map(lengths).collect::<Result<_, _>>()?,
            scenarios: scenario_type.into_iter().map(Into::into).collect(),
            model_prefixes: model_prefix,
            precisions: precision,
            frameworks: framework,
            runner_types: runner_type,
            nodes: (single_node || multi_node).then(|| Nodes::from_flags(single_node, multi_node)),
        })
    }
}

impl TryFrom<PlanArgs> for (PlanRequest, PublishOptions) {
    type Error = PlanArgsError;

    fn try_from(args: PlanArgs) -> Result<Self, PlanArgsError> {
        let PlanArgs {
            base_ref,
            head_ref,
            merge_base,
            event: _,
            format: _,
            all,
            config_keys,
            changed,
            settings,
            filter,
            trim_conc,
            all_evals,
            evals_only,
            group_by_engine,
            job_minutes,
            start_minutes,
            point_minutes,
            plan_file,
            without,
            job_records,
            changelog,
            configs,
        } = args;
        let options = Options {
            trim: trim_conc,
            all_evals,
            evals_only,
            agentic_seconds: None,
            profile: false,
        };
        let keys = if all { vec!["*".to_owned()] } else { config_keys };
        let trigger = match (base_ref, head_ref) {
            (base, head) if !keys.is_empty() => Trigger::Keys(KeysTrigger {
                keys,
                changed: changed_files(base, head, merge_base, changed)?,
                options,
            }),
            (Some(base), Some(head)) => Trigger::Refs(RefsTrigger {
                base,
                head,
                merge_base,
                options,
            }),
            (Some(_), None) | (None, Some(_)) | (None, None) => Trigger::Event(EventTrigger {
                name: workflow_variable("GITHUB_EVENT_NAME")?,
                payload: PathBuf::from(workflow_variable("GITHUB_EVENT_PATH")?),
                settings: settings.into(),
                generator: generator_request,
            }),
        };
        let request = PlanRequest {
            trigger,
            changelog: changelog.into(),
            configs: configs.into(),
            filter: filter.try_into()?,
            group_by_engine: group_by_engine.then_some(Estimate {
                start: start_minutes,
                point: point_minutes,
                longest: job_minutes,
            }),
            without,
        };
        Ok((request, PublishOptions { plan_file, job_records }))
    }
}

fn changed_files(
    base: Option<String>,
    head: Option<String>,
    merge_base: bool,
    globs: Vec<Glob>,
) -> Result<Option<ChangedFiles>, globset::Error> {
    let (Some(base), Some(head), false) = (base, head, globs.is_empty()) else {
        return Ok(None);
    };
    let mut paths = GlobSetBuilder::new();
    for glob in globs {
        paths.add(glob);
    }
    Ok(Some(ChangedFiles {
        base,
        head,
        merge_base,
        paths: paths.build()?,
    }))
}

fn workflow_variable(name: &'static str) -> Result<String, PlanArgsError> {
    environment::text(name).ok_or(PlanArgsError::NoEvent(name))
}

pub(super) async fn run(args: PlanArgs) -> Result<Exit, Failure> {
    let format = args.format.unwrap_or_else(usual_format);
    let (request, options) = <(PlanRequest, PublishOptions)>::try_from(args)?;
    let result = planning::plan(&request, &output::say).await?;
    let workflow = WorkflowFiles::from_environment();
    match result {
        PlanResult::Sweep(plan) => {
            let Published {
                totals,
                search_space,
                jobs,
                refused,
            } = planning::publish(&plan, &options, &workflow, &output::say)?;
            refused.iter().for_each(|sentence| warn_of_row(sentence));
            output::say(&format!("plan: {totals}"));
            match format {
                Format::Table => output::emit(&plan_table(&jobs, terminal::stdout_style()))?,
                Format::Json => output::emit(&format!("{search_space}\n"))?,
            }
        }
        PlanResult::NoRun { reason } => {
            let search_space = planning::publish_no_run(NoRun::NotTriggered, &reason, &workflow)?;
            output::say(&format!("no run: {reason}"));
            match format {
                Format::Table => {}
                Format::Json => output::emit(&format!("{search_space}\n"))?,
            }
        }
        PlanResult::Refused { reason } => {
            planning::publish_no_run(NoRun::Refused, &reason, &workflow)?;
            return Err(Failure::new(Exit::InvalidInput, reason));
        }
    }
    Ok(Exit::Success)
}

/// On GitHub an annotation: a job's log is not read before the job fails.
fn warn_of_row(sentence: &str) {
    if github::is_github_actions() {
        output::say_commands(&github::workflow_command("warning", &[("title", "row cannot run")], sentence));
    } else {
        output::say(&format!("warning: {sentence}"));
    }
}

/// People at a terminal want to see what will run; programs read a pipe.
fn usual_format() -> Format {
    match std::io::stdout().is_terminal() {
        true => Format::Table,
        false => Format::Json,
    }
}
