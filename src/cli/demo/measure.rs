//! One step of the demo's history: the plan of its commit, every job of it on this machine, the collected run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::repository::{Refs, Step};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::execution::{EvalOptions, ExecutionRequest, LoadOverrides, execute};
use crate::job::Outcome;
use crate::matrix::plan::{Job, PlanFile, jobs};
use crate::planning::{self, ChangelogFiles, ConfigFiles};
use crate::store::{self, collect};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// Plans, measures and collects a step, with its results in the folder. Any exit but success means that a job failed or that the demo
/// was cancelled.
pub async fn measure(step: Step, refs: &Refs, results: &Path, cancellation: &Cancellation) -> Result<Exit, Failure> {
    let space = planning::between(
        &refs.base,
        &refs.head,
        &ChangelogFiles::default(),
        &ConfigFiles::default(),
        &output::say,
    )?;
    let planned = jobs(space.rows());
    let plan_file = results.join("plan.json");
    files::write_json(&plan_file, &PlanFile::new(&planned, &space, None)).or_exit(Exit::Infrastructure)?;
    output::say(&format!("{}: {} jobs", step.title(), planned.len()));
    for job in &planned {
        output::say(&format!("  {}", job.name));
    }
    let folder = results.join("jobs");
    let bar = progress_bar(planned.len());
    for job in &planned {
        bar.set_message(job.name.clone());
        let executed = Box::pin(execute(request(job, &folder), cancellation)).await?;
        let exit = Exit::from(executed.end);
        if matches!(exit, Exit::Interrupted | Exit::Terminated) {
            bar.abandon_with_message("cancelled");
            return Ok(exit);
        }
        if exit != Exit::Success {
            bar.abandon_with_message("failed");
            output::say(&format!("{}: {}", job.name, outcome_line(&executed.record.outcome)));
            return Ok(exit);
        }
        bar.inc(1);
    }
    bar.finish_with_message("measured");
    collect::write_run(results, store::gather(&folder, Some(&plan_file))?)?;
    Ok(Exit::Success)
}

fn outcome_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Failed(failure) => failure.reason.clone(),
    }
}

/// The accuracy task of the demo: small sums, which need no download.
const EVAL_TASK: &str = "benchmarks/evals/sums.yaml";

fn request(job: &Job, jobs: &Path) -> ExecutionRequest {
    ExecutionRequest {
        row: job.row.clone(),
        out: jobs.join(&job.id),
        recipe_dir: PathBuf::from("benchmarks"),
        runner_dir: PathBuf::from("runners"),
        profile: Some("demo".to_owned()),
        runner_name: Some(format!("{}_0", job.row.runner)),
        port: None,
        load: LoadOverrides::default(),
        seed: 0,
        evals: EvalOptions {
            tasks: vec![PathBuf::from(EVAL_TASK)],
            ..EvalOptions::default()
        },
        quiet: true,
    }
}

fn progress_bar(jobs: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(jobs).unwrap_or(u64::MAX));
    // The template is a constant that the library parses; were it wrong, its plain bar is as good.
    if let Ok(style) = ProgressStyle::with_template("  {bar:30} {pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
