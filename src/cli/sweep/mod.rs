//! `imax sweep`: measures rows of the configs on this machine, one after another, and writes a report.

mod live_table;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::with_pages;
use super::row_choice::{ChosenRows, RowFilterArgs};
use super::{Exit, Failure, output, terminal};
use crate::config::Catalog;
use crate::execution::{EvalOptions, LoadOverrides};
use crate::matrix::Row;
use crate::matrix::evals::Evals;
use crate::matrix::plan::{ChangelogMetadata, Plan, SearchSpace, jobs};
use crate::model::{RunnerLabel, RunnerName};
use crate::report::{Format, View};
use crate::store;
use crate::sweep::{FailedJobs, SweepEnd, SweepRequest, UnfitRows, Variant, run_sweep};
use crate::system::cancellation::Cancellation;
use crate::system::files;
use live_table::LiveTable;

/// Measure rows of the configs on this machine, one after another, and write a report.
///
/// Rows that this machine cannot run (wrong GPUs, missing launcher) are listed and left out. A failed row does not end the sweep. The
/// output folder contains plan.json, one folder per job, the collected results, summary.md, report.html and report.csv.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  imax sweep\n  imax sweep 'dsr1-fp8-*' --conc 4,16 --out results\n  imax sweep --resume --out results")]
pub(super) struct SweepArgs {
    /// Config keys, may have wildcards.
    #[arg(value_name = "KEY", default_value = "*")]
    config_keys: Vec<String>,
    #[command(flatten)]
    filters: RowFilterArgs,
    /// Folder of the results.
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    out: PathBuf,
    /// Keep the results of an earlier sweep in the same folder, and measure the rest.
    #[arg(long)]
    resume: bool,
    /// Leave out accuracy evaluations.
    #[arg(long)]
    no_evals: bool,
    /// Runner profile for all rows [default: that of each row's first runner].
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Folder of the recipes.
    #[arg(long, value_name = "DIR", default_value = "benchmarks")]
    recipe_dir: PathBuf,
    /// Folder of the runner profiles and launch scripts.
    #[arg(long, value_name = "DIR", default_value = "runners")]
    runner_dir: PathBuf,
    /// Measured requests per concurrent request, instead of the profile's number.
    #[arg(long, value_name = "N")]
    num_prompts_per_conc: Option<NonZeroU32>,
    /// Seed of the random prompts.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the rows without measuring them.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: SweepArgs) -> Result<Exit, Failure> {
    let SweepArgs {
        config_keys,
        filters,
        out,
        resume,
        no_evals,
        profile,
        recipe_dir,
        runner_dir,
        num_prompts_per_conc,
        seed,
        dry_run,
    } = args;
    let ChosenRows { catalog, rows } = filters.rows_of(&config_keys, no_evals.then_some(Evals::Off))?;
    let request = SweepRequest {
        variants: vec![Variant {
            name: "",
            commit: None,
            search_space: search_space(rows),
            rounds: vec![out.clone()],
        }],
        repository: None,
        recipe_dir,
        runner_dir,
        profile,
        runners: first_runners(&catalog),
        load: LoadOverrides {
            prompts_per_concurrency: num_prompts_per_conc,
            ..LoadOverrides::default()
        },
        seed,
        evals: EvalOptions::default(),
        resume,
        unfit_rows: UnfitRows::LeaveOut,
        failed_jobs: FailedJobs::GoOn,
    };
    let planned: Vec<_> = request
        .variants
        .iter()
        .flat_map(|variant| jobs(variant.search_space.rows()))
        .collect();
    if dry_run {
        for job in &planned {
            output::emit(&format!("{}\n", job.name))?;
        }
        return Ok(Exit::Success);
    }
    let cancellation = Cancellation::on_signals()?;
    let mut table = LiveTable::new(planned.iter().map(|job| job.name.as_str()));
    let end = run_sweep(&request, &mut |job, step| table.show(job, &step), &cancellation).await?;
    table.end();
    report(&out).await?;
    Ok(exit_of(end))
}

fn first_runners(catalog: &Catalog) -> BTreeMap<RunnerLabel, RunnerName> {
    let labels = catalog.runners.labels.iter();
    labels
        .filter_map(|(label, runners)| Some((label.clone(), runners.first()?.clone())))
        .collect()
}

/// A search space of the rows, without changelog entries.
fn search_space(rows: Vec<Row>) -> SearchSpace {
    let (evals, benchmarks) = rows.into_iter().partition(Row::is_evaluated_alone);
    let metadata = ChangelogMetadata {
        base_ref: String::new(),
        head_ref: String::new(),
        entries: Vec::new(),
    };
    let plan = Plan {
        benchmarks,
        evals,
        changes: Vec::new(),
    };
    SearchSpace::new(plan, metadata)
}

/// Writes the report to the terminal and to files, if anything was measured.
async fn report(folder: &Path) -> Result<(), Failure> {
    let Ok(run) = store::load_run(folder) else {
        output::say("nothing was measured");
        return Ok(());
    };
    let view = with_pages(View::new(&run, None)).await?;
    for (name, format) in [
        ("summary.md", Format::Markdown),
        ("report.html", Format::Html),
        ("report.csv", Format::Csv),
    ] {
        files::write(&folder.join(name), &format.bytes(&view, "imax sweep")?)?;
    }
    output::emit(&Format::Table.text(&view, "imax sweep", terminal::stdout_style())?)?;
    output::say(&format!("open {} in a browser", folder.join("report.html").display()));
    Ok(())
}

fn exit_of(end: SweepEnd) -> Exit {
    let SweepEnd {
        jobs,
        failed,
        first_failure: _,
        left_out,
        cancelled,
    } = end;
    if let Some(cancelled) = cancelled {
        output::say("interrupted; continue with --resume");
        return cancelled.into();
    }
    output::say(&format!(
        "{} of {jobs} jobs measured, {failed} failed, {left_out} left out",
        jobs - failed - left_out
    ));
    match (failed, jobs > left_out) {
        (0, true) => Exit::Success,
        (0, false) => Exit::Infrastructure,
        (_, _) => Exit::MeasurementFailed,
    }
}
