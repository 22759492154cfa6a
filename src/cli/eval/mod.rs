//! `imax eval`: accuracy tasks against a server. The evaluating itself is [`evaluate`], which `imax run` calls too.

mod arguments;
mod evaluate;
mod harness;
mod write;

pub use arguments::{ApiArg, EvalArgs, key as api_key, thresholds as thresholds_of, usual_settings};
pub use evaluate::{Evaluated, Evaluation, EvaluationError, Judged, Prepared, Progress, evaluate, prepare_all};
pub use write::{reasons, shown, table};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{emit, say};
use super::{Exit, Failure, OrExit as _};
use crate::eval::threshold::Verdict;
use crate::system::files;
use crate::system::stop::StopSignal;
use arguments::Engine;

/// Runs the command.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: &EvalArgs) -> Result<Exit, Failure> {
    let evaluation = arguments.evaluation()?;
    let stop = StopSignal::on_signals().or_exit(Exit::Infrastructure)?;
    let meta = arguments.meta()?;
    std::fs::create_dir_all(&evaluation.output).or_exit(Exit::Infrastructure)?;
    if arguments.engine == Engine::LmEval {
        let exit = harness::run(arguments, &evaluation, &stop)?;
        files::write(&evaluation.output.join("meta_env.json"), meta.as_bytes()).or_exit(Exit::Infrastructure)?;
        return Ok(exit);
    }
    let tasks = prepare_all(&arguments.tasks, evaluation.choices, &mut || !stop.is_set()).map_err(|error| classify(error, &stop))?;
    let mut live = Live::new(arguments.quiet);
    let evaluated = evaluate(&evaluation, &tasks, &stop, &mut |progress| live.show(progress));
    live.clear();
    let evaluated = evaluated.map_err(|error| classify(error, &stop))?;
    files::write(&evaluation.output.join("meta_env.json"), meta.as_bytes()).or_exit(Exit::Infrastructure)?;
    emit(&table(&evaluated.tasks))?;
    for problem in &evaluated.about.problems {
        say(&format!("warning: {problem}"));
    }
    say(&format!("wrote {}", evaluation.output.join(&evaluated.results_file).display()));
    Ok(exit_of(&evaluated, &stop))
}

fn exit_of(evaluated: &Evaluated, stop: &StopSignal) -> Exit {
    if let Some(exit) = exit_of_stop(stop) {
        say("stopped; `--resume` goes on with what was answered");
        return exit;
    }
    let unsure = reasons(&evaluated.tasks, &|verdict| matches!(verdict, Verdict::Unsure { .. }));
    if !unsure.is_empty() {
        say(&format!("unsure: below the threshold, but within the error: {unsure}"));
    }
    let failed = reasons(&evaluated.tasks, &|verdict| matches!(verdict, Verdict::Fail { .. }));
    if !failed.is_empty() {
        say(&format!("error: below the threshold by more than the error allows: {failed}"));
        return Exit::MeasurementFailed;
    }
    if evaluated.unreachable {
        let reason = evaluated.first_failure.as_deref().unwrap_or("no connection");
        say(&format!("error: the engine cannot be reached: {reason}"));
        return Exit::Infrastructure;
    }
    if !evaluated.is_complete() {
        say("error: not every question was answered, so there is no score; `--resume` asks the rest");
        return Exit::MeasurementFailed;
    }
    Exit::Success
}

fn exit_of_stop(stop: &StopSignal) -> Option<Exit> {
    stop.cause().map(Exit::from)
}

fn classify(error: EvaluationError, stop: &StopSignal) -> Failure {
    let exit = exit_of_stop(stop).unwrap_or(match &error {
        EvaluationError::Task(_) | EvaluationError::Exam(_) | EvaluationError::Sheet(_) | EvaluationError::SameName(_) => {
            Exit::InvalidInput
        }
        EvaluationError::File(files::FileError::Read { .. }) => Exit::InvalidInput,
        EvaluationError::Data { source, .. } => exit_of_data(source),
        EvaluationError::File(_) | EvaluationError::Ask(_) | EvaluationError::Journal(_) => Exit::Infrastructure,
    });
    // Diagnostics have their own form, with places and snippets.
    let error = match error {
        EvaluationError::Task(found) => anyhow::Error::from(found),
        EvaluationError::File(_)
        | EvaluationError::Data { .. }
        | EvaluationError::Exam(_)
        | EvaluationError::Sheet(_)
        | EvaluationError::Ask(_)
        | EvaluationError::Journal(_)
        | EvaluationError::SameName(_) => error.into(),
    };
    Failure { exit, error }
}

fn exit_of_data(error: &crate::evaluate::DataSourceError) -> Exit {
    use crate::evaluate::DataSourceError;
    match error {
        DataSourceError::Hub(_) => Exit::Infrastructure,
        DataSourceError::File(_) | DataSourceError::Data(_) | DataSourceError::NoSplit { .. } | DataSourceError::Form(_) => {
            Exit::InvalidInput
        }
    }
}

/// A bar on a terminal, silence elsewhere.
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

    fn show(&mut self, progress: Progress) {
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
