//! Measurements of the demo: a sweep of both commits in several rounds.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::repository::{DemoRepository, Refs, Step};
use crate::analysis::Run;
use crate::cli::{Exit, Failure, output};
use crate::execution::{EvalOptions, LoadOverrides};
use crate::job::Outcome;
use crate::matrix::plan::{SearchSpace, jobs};
use crate::model::saturating;
use crate::model::{RunnerLabel, RunnerName};
use crate::planning::{self, ChangelogFiles, ConfigFiles};
use crate::store;
use crate::sweep::{FailedJobs, SweepJob, SweepRequest, SweepStep, UnfitRows, Variant, run_sweep};
use crate::system::cancellation::Cancellation;

/// Plans the step whose files are checked out. The results of the first round are in the folder of the step.
pub fn plan(step: Step, refs: Refs, folder: &Path, rounds: NonZeroU32) -> Result<Variant, Failure> {
    let search_space = planning::between(
        &refs.base,
        &refs.head,
        &ChangelogFiles::default(),
        &ConfigFiles::default(),
        &output::say,
    )?;
    let planned = jobs(search_space.rows());
    output::say(&format!("{}: {} jobs", step.title(), planned.len()));
    for job in &planned {
        output::say(&format!("  {}", job.name));
    }
    let later = (2..=rounds.get()).map(|round| folder.join("rounds").join(format!("{}-{round}", step.folder())));
    Ok(Variant {
        name: step.title(),
        commit: Some(refs.head),
        search_space,
        rounds: std::iter::once(folder.join(step.folder())).chain(later).collect(),
    })
}

pub enum Measured {
    /// The runs of both steps, one per round.
    Complete([Vec<Run>; 2]),
    /// A job failed, or the demo was cancelled.
    Ended(Exit),
}

pub async fn measure(steps: [Variant; 2], repository: &DemoRepository, cancellation: &Cancellation) -> Result<Measured, Failure> {
    let runners = runners(steps.iter().map(|step| &step.search_space))?;
    let request = SweepRequest {
        variants: steps.into(),
        repository: Some(repository.git()),
        recipe_dir: PathBuf::from("benchmarks"),
        runner_dir: PathBuf::from("runners"),
        profile: Some("demo".to_owned()),
        runners,
        load: LoadOverrides::default(),
        seed: 0,
        evals: EvalOptions {
            tasks: vec![PathBuf::from(EVAL_TASK)],
            ..EvalOptions::default()
        },
        resume: false,
        unfit_rows: UnfitRows::Execute,
        failed_jobs: FailedJobs::EndSweep,
    };
    let bar = progress_bar();
    let end = run_sweep(&request, &mut |job, step| show(&bar, job, &step), cancellation).await;
    let exit = match end? {
        end if end.cancelled.is_some() => end.cancelled.map(Exit::from),
        end => end.first_failure.map(Exit::from),
    };
    if let Some(exit) = exit {
        return Ok(Measured::Ended(exit));
    }
    bar.finish_with_message("measured");
    match request.variants.as_slice() {
        [first, second] => Ok(Measured::Complete([runs_of(first)?, runs_of(second)?])),
        _ => Err(Failure::new(Exit::Infrastructure, "the demo needs exactly two commits")),
    }
}

/// The accuracy task of the demo, small sums: it needs no download.
const EVAL_TASK: &str = "benchmarks/evals/sums.yaml";

/// A runner for each label of the rows.
fn runners<'a>(spaces: impl Iterator<Item = &'a SearchSpace>) -> Result<BTreeMap<RunnerLabel, RunnerName>, Failure> {
    let labels = spaces.flat_map(SearchSpace::rows).map(|row| row.runner.clone());
    let named = labels.map(|label| Ok((label.clone(), format!("{label}_0").parse::<RunnerName>()?)));
    named.collect()
}

/// Loads the runs of a step, one per round.
fn runs_of(step: &Variant) -> Result<Vec<Run>, Failure> {
    let runs = step.rounds.iter().map(|folder| Ok(store::load_run(folder)?));
    runs.collect()
}

fn show(bar: &ProgressBar, SweepJob { total, variant, job, .. }: &SweepJob<'_>, step: &SweepStep<'_>) {
    match step {
        SweepStep::Starts => {
            bar.set_length(saturating::to_u64(*total));
            bar.set_message(format!("{}, {}", variant.name, job.name));
        }
        SweepStep::Ended { executed, .. } => match &executed.record.outcome {
            Outcome::Ok => bar.inc(1),
            Outcome::Failed(failure) => {
                bar.abandon_with_message("not measured");
                output::say(&format!("{}: {}", job.name, failure.reason));
            }
        },
        SweepStep::Kept { .. } | SweepStep::LeftOut { .. } => bar.inc(1),
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // The template is a constant. If indicatif cannot parse it, its default bar is good enough.
    if let Ok(style) = ProgressStyle::with_template("  {bar:30} {pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
