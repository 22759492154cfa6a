//! `imax eval`: evaluates accuracy tasks against a server. Flags, live progress and output.

mod arguments;
mod meta;
mod table;

pub use arguments::{ApiArg, EvalArgs};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{emit, say};
use super::{Exit, Failure};
use crate::eval::threshold::Verdict;
use crate::evaluate::{
    self, EvalOutcome, EvaluationProgress, EvaluationResult, HarnessResultFile, HarnessScore, failed_scores, unsure_scores,
};
use crate::system::cancellation::{CancelCause, Cancellation};

/// Runs the command.
///
/// # Errors
/// Usage for an invalid command line; otherwise the errors of the evaluation.
pub fn run(arguments: EvalArgs) -> Result<Exit, Failure> {
    let quiet = arguments.quiet;
    let request = arguments.into_request()?;
    let stop = Cancellation::on_signals()?;
    let mut live = Live::new(quiet);
    let outcome = evaluate::run(&request, &stop, &mut |progress| live.show(progress));
    live.clear();
    match outcome? {
        EvalOutcome::Native(result) => {
            emit(&table::table(&result.tasks, crate::cli::terminal::stdout_style()))?;
            for problem in &result.about.problems {
                say(&format!("warning: {problem}"));
            }
            say(&format!("wrote {}", request.settings.output.join(&result.results_file).display()));
            Ok(conclude(&result, stop.cause()))
        }
        EvalOutcome::LmEval(files) => Ok(conclude_harness(&files)),
        EvalOutcome::Stopped(cause) => Ok(cause.into()),
    }
}

/// Prints failed and unsure scores, and returns the exit code.
fn conclude(result: &EvaluationResult, stopped: Option<CancelCause>) -> Exit {
    if let Some(cause) = stopped {
        say("stopped; `--resume` continues with the answers received so far");
        return cause.into();
    }
    let unsure = unsure_scores(&result.tasks);
    if !unsure.is_empty() {
        say(&format!("unsure: below the threshold, but within the error: {unsure}"));
    }
    let failed = failed_scores(&result.tasks);
    if !failed.is_empty() {
        say(&format!("error: below the threshold by more than the error allows: {failed}"));
        return Exit::MeasurementFailed;
    }
    if result.unreachable {
        let reason = result.first_failure.as_deref().unwrap_or("no connection");
        say(&format!("error: cannot connect to the engine: {reason}"));
        return Exit::Infrastructure;
    }
    if !result.is_complete() {
        say("error: no score, because some questions were not answered; `--resume` sends them again");
        return Exit::MeasurementFailed;
    }
    Exit::Success
}

fn conclude_harness(files: &[HarnessResultFile]) -> Exit {
    let mut exit = Exit::Success;
    for HarnessResultFile { path, scores } in files {
        say(&format!("wrote {}", path.display()));
        for HarnessScore { task, key, mean, verdict } in scores {
            say(&format!("{task} {key}: {mean:.4}, {}", verdict.as_str()));
            if matches!(verdict, Verdict::Fail { .. }) {
                exit = Exit::MeasurementFailed;
            }
        }
    }
    exit
}

/// A progress bar on a terminal, otherwise nothing.
struct Live(ProgressBar);

impl Live {
    fn new(quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("asking [{bar:30}] {pos}/{len} {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self(bar)
    }

    fn show(&mut self, progress: EvaluationProgress) {
        let whole = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.0.set_length(whole(progress.total));
        self.0.set_position(whole(progress.answered + progress.failed));
        if progress.failed > 0 {
            self.0.set_message(format!("{} failed", progress.failed));
        }
    }

    fn clear(&mut self) {
        self.0.finish_and_clear();
    }
}
