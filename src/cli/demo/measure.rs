//! The demo's measurements: the plans of both commits, and every job of them on this machine, in rounds. In a round each job of the
//! first commit is followed by the same job of the second one, and the next round turns the order round, so that whatever else the
//! machine does meets both commits. From the rounds the comparison knows how much a measurement differs from the next.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::repository::{DemoRepository, Refs, Step};
use crate::analysis::Run;
use crate::cli::{Exit, Failure, output};
use crate::execution::{EvalOptions, ExecutionRequest, LoadOverrides, execute};
use crate::job::Outcome;
use crate::matrix::plan::{Job, PlanFile, jobs};
use crate::planning::{self, ChangelogFiles, ConfigFiles};
use crate::store::{self, collect};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// What a step measures, and where its results go.
pub struct PlannedStep {
    step: Step,
    commit: String,
    jobs: Vec<Job>,
    plan_file: PathBuf,
    /// A folder for each round.
    results: Vec<PathBuf>,
}

impl PlannedStep {
    /// Plans a step whose files are checked out, and writes its plan. The first round's results are in the step's own folder.
    pub fn new(step: Step, refs: Refs, folder: &Path, rounds: NonZeroU32) -> Result<Self, Failure> {
        let space = planning::between(
            &refs.base,
            &refs.head,
            &ChangelogFiles::default(),
            &ConfigFiles::default(),
            &output::say,
        )?;
        let planned = jobs(space.rows());
        let first = folder.join(step.folder());
        let plan_file = first.join("plan.json");
        files::write_json(&plan_file, &PlanFile::new(&planned, &space, None))?;
        let later = (2..=rounds.get()).map(|round| folder.join("rounds").join(format!("{}-{round}", step.folder())));
        output::say(&format!("{}: {} jobs", step.title(), planned.len()));
        for job in &planned {
            output::say(&format!("  {}", job.name));
        }
        Ok(Self {
            step,
            commit: refs.head,
            jobs: planned,
            plan_file,
            results: std::iter::once(first).chain(later).collect(),
        })
    }

    /// The jobs of a round. Accuracy is not a matter of the machine's noise: it is evaluated once.
    fn jobs_of(&self, round: usize) -> Vec<&Job> {
        let jobs = self.jobs.iter();
        jobs.filter(|job| round == 0 || !job.row.is_evaluated_alone()).collect()
    }

    /// The runs, one a round.
    fn collect(&self) -> Result<Vec<Run>, Failure> {
        let mut runs = Vec::new();
        for (round, results) in self.results.iter().enumerate() {
            // Later rounds have only some of the plan's jobs.
            let plan = (round == 0).then_some(self.plan_file.as_path());
            collect::write_run(results, store::gather(&results.join("jobs"), plan)?)?;
            runs.push(store::load_run(results)?);
        }
        Ok(runs)
    }
}

/// How the measurements ended.
pub enum Measured {
    /// The runs of both steps, one a round.
    Complete([Vec<Run>; 2]),
    /// A job failed, or the demo was cancelled.
    Ended(Exit),
}

/// Measures both steps, round by round, and collects their runs.
pub async fn measure(steps: [PlannedStep; 2], repository: &DemoRepository, cancellation: &Cancellation) -> Result<Measured, Failure> {
    let rounds = steps.iter().map(|step| step.results.len()).min().unwrap_or(0);
    let schedule: Vec<(&PlannedStep, usize, &Job)> = (0..rounds).flat_map(|round| schedule_of(&steps, round)).collect();
    let bar = progress_bar(schedule.len());
    for (step, round, job) in schedule {
        bar.set_message(format!("{}, {}", step.step.title(), job.name));
        repository.check_out(&step.commit)?;
        let folder = step.results[round].join("jobs");
        let executed = Box::pin(execute(request(job, &folder), cancellation)).await?;
        let exit = Exit::from(executed.end);
        if matches!(exit, Exit::Interrupted | Exit::Terminated) {
            bar.abandon_with_message("cancelled");
            return Ok(Measured::Ended(exit));
        }
        if exit != Exit::Success {
            bar.abandon_with_message("failed");
            output::say(&format!("{}: {}", job.name, outcome_line(&executed.record.outcome)));
            return Ok(Measured::Ended(exit));
        }
        bar.inc(1);
    }
    bar.finish_with_message("measured");
    let [first, second] = &steps;
    Ok(Measured::Complete([first.collect()?, second.collect()?]))
}

/// A round: the jobs of both steps in turn, the first one first in even rounds.
fn schedule_of(steps: &[PlannedStep; 2], round: usize) -> Vec<(&PlannedStep, usize, &Job)> {
    let [first, second] = if round.is_multiple_of(2) {
        [&steps[0], &steps[1]]
    } else {
        [&steps[1], &steps[0]]
    };
    let (of_first, of_second) = (first.jobs_of(round), second.jobs_of(round));
    let longest = of_first.len().max(of_second.len());
    let mut turns = Vec::new();
    for at in 0..longest {
        turns.extend(of_first.get(at).map(|job| (first, round, *job)));
        turns.extend(of_second.get(at).map(|job| (second, round, *job)));
    }
    turns
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
