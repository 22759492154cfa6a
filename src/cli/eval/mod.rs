//! `imax eval`: evaluates accuracy tasks against a server. Flags, live progress and output.

mod arguments;
mod meta;
mod table;

pub use arguments::{ApiArg, EvalArgs};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::heartbeat::Heartbeat;
use super::output::{emit, say};
use super::terminal::draws_on_stderr;
use super::{Exit, Failure};
use crate::eval::threshold::Verdict;
use crate::evaluate::{
    self, EvalOutcome, EvaluationProgress, EvaluationResult, HarnessResultFile, HarnessScore, failed_scores, unsure_scores,
};
use crate::model::saturating;
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

/// A progress bar on a terminal, otherwise a line every ten seconds.
struct Live {
    bar: ProgressBar,
    state: Arc<Mutex<Option<EvaluationProgress>>>,
    _heartbeat: Heartbeat,
}

impl Live {
    fn new(quiet: bool) -> Self {
        let target = if quiet || !draws_on_stderr() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("asking [{bar:30}] {pos}/{len} {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let state = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&state);
        Self {
            bar,
            state,
            _heartbeat: Heartbeat::start(quiet, move |elapsed| line(*lock(&seen), elapsed)),
        }
    }

    fn show(&mut self, progress: EvaluationProgress) {
        *lock(&self.state) = Some(progress);
        self.bar.set_length(saturating::to_u64(progress.total));
        self.bar.set_position(saturating::to_u64(progress.answered + progress.failed));
        if progress.failed > 0 {
            self.bar.set_message(format!("{} failed", progress.failed));
        }
    }

    fn clear(self) {
        self.bar.finish_and_clear();
    }
}

/// A value is whole whenever the lock is free, also after a panic.
fn lock(state: &Mutex<Option<EvaluationProgress>>) -> MutexGuard<'_, Option<EvaluationProgress>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(progress: Option<EvaluationProgress>, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match progress {
        None => format!("asking: no answer after {seconds} s"),
        Some(EvaluationProgress { total, answered, failed }) => {
            let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            format!("asking: {answered} of {total} answered in {seconds} s{failed}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_how_many_questions_are_answered() {
        let at = |answered, failed| {
            let progress = EvaluationProgress {
                total: 1319,
                answered,
                failed,
            };
            line(Some(progress), Duration::from_millis(20_400))
        };
        assert_eq!(at(250, 0), "asking: 250 of 1319 answered in 20 s");
        assert_eq!(at(250, 3), "asking: 250 of 1319 answered in 20 s, 3 failed");
        assert_eq!(line(None, Duration::from_secs(10)), "asking: no answer after 10 s");
    }
}
