//! `imax plan`: two revisions, or a GitHub event, to the jobs that are to run.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::changelog::ChangelogArgs;
use super::configs::ConfigArgs;
use super::settings::SettingsArgs;
use super::{Exit, Failure, OrExit as _, output};
use crate::github::workflow::WorkflowFiles;
use crate::matrix::plan::{Estimate, Options};
use crate::planning::{self, EventTrigger, NoRun, PlanRequest, PlanResult, PublishOptions, Published, RefsTrigger, Trigger};

/// Plan what a change of the changelog asks to measure.
///
/// Prints the search space as JSON. In a GitHub workflow it also sets the step outputs run, matrix, batches, count,
/// search-space-config, mode, reason, fail-fast, canary, plan-file, base-sha and head-sha. Configs are read from the
/// checkout, which must be of the later revision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax plan --base-ref origin/main --head-ref HEAD --changelog-file perf-changelog.yaml\n  \
        imax plan --event")]
pub(super) struct PlanArgs {
    /// The earlier revision: a commit, branch or tag
    #[arg(long, value_name = "REF", required_unless_present = "event")]
    base_ref: Option<String>,

    /// The later revision
    #[arg(long, value_name = "REF", required_unless_present = "event")]
    head_ref: Option<String>,

    /// Compare with the merge base of the two revisions instead of with the earlier one itself
    #[arg(long, conflicts_with = "event")]
    merge_base: bool,

    /// Decide by GitHub's event (GITHUB_EVENT_NAME, GITHUB_EVENT_PATH) and the policy what to plan
    #[arg(long, conflicts_with_all = ["base_ref", "head_ref", "trim_conc", "all_evals", "evals_only"])]
    event: bool,

    #[command(flatten)]
    settings: SettingsArgs,

    /// Keep only the lowest concurrency of each engine configuration
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

    /// With --group-by-engine: the longest estimated duration of a job
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

    /// Leave out what an earlier run of the same commit measured: a folder that imax collect wrote, or agg_bmk.json. Its
    /// results are copied beside the plan file, so that a report covers the whole plan
    #[arg(long, value_name = "RUN")]
    without: Option<PathBuf>,

    /// A folder with artifacts of earlier runs: the durations of their jobs give the GPU-hours in the summary
    #[arg(long, value_name = "FOLDER")]
    job_records: Option<PathBuf>,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    configs: ConfigArgs,
}

impl TryFrom<PlanArgs> for (PlanRequest, PublishOptions) {
    type Error = anyhow::Error;

    fn try_from(args: PlanArgs) -> anyhow::Result<Self> {
        let PlanArgs {
            base_ref,
            head_ref,
            merge_base,
            event: _,
            settings,
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
        let trigger = match (base_ref, head_ref) {
            (Some(base), Some(head)) => Trigger::Refs(RefsTrigger {
                base,
                head,
                merge_base,
                options: Options {
                    trim: trim_conc,
                    all_evals,
                    evals_only,
                },
            }),
            (Some(_), None) | (None, Some(_)) | (None, None) => Trigger::Event(EventTrigger {
                name: workflow_variable("GITHUB_EVENT_NAME")?,
                payload: PathBuf::from(workflow_variable("GITHUB_EVENT_PATH")?),
                settings: settings.into(),
            }),
        };
        let request = PlanRequest {
            trigger,
            changelog: changelog.into(),
            configs: configs.into(),
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

fn workflow_variable(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or_else(|| anyhow!("{name} is not set; run `imax plan --event` in a GitHub workflow, or give --base-ref and --head-ref"))
}

pub(super) async fn run(args: PlanArgs) -> Result<Exit, Failure> {
    let (request, options) = args.try_into().or_exit(Exit::Usage)?;
    let result = planning::plan(&request, &output::say).await?;
    let workflow = WorkflowFiles::from_environment();
    match result {
        PlanResult::Sweep(plan) => {
            let Published { totals, search_space } = planning::publish(&plan, &options, &workflow, &output::say)?;
            output::say(&format!("plan: {totals}"));
            output::emit(&format!("{search_space}\n"))?;
        }
        PlanResult::NoRun { reason } => {
            let search_space = planning::publish_no_run(NoRun::NotTriggered, &reason, &workflow)?;
            output::say(&format!("no run: {reason}"));
            output::emit(&format!("{search_space}\n"))?;
        }
        PlanResult::Refused { reason } => {
            planning::publish_no_run(NoRun::Refused, &reason, &workflow)?;
            return Err(anyhow!(reason)).or_exit(Exit::InvalidInput);
        }
    }
    Ok(Exit::Success)
}
