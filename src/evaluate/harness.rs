//! Runs the Python harness lm-eval as a child process and stops it with all of its descendants. Its result files are moved to the
//! output folder and judged by the same thresholds as those of the native evaluator.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::evaluation::{EvaluationSettings, request_url};
use super::request::EvalOutcome;
use crate::eval::request::Api;
use crate::eval::score::Score;
use crate::eval::threshold::Verdict;
use crate::model::{Secret, Variable};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files::FileError;
use crate::system::host;
use crate::system::process::{Ending, Group, Input, ProcessError, StartedFrom};
use crate::system::untrusted;

/// Longest single wait for the child. An evaluation has no deadline of its own: the job that runs it has one.
const WAIT: Duration = Duration::from_secs(60 * 60);
/// How long the child has to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_millis(3500);
/// How long it has to end after SIGKILL.
const KILL_GRACE: Duration = Duration::from_millis(1500);
/// Lines of the log quoted in an error.
const QUOTED_LINES: usize = 20;
/// How much of the log's end is searched for them, bytes.
const SEARCHED: u64 = 256 << 10;

/// A result file that the harness wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct HarnessResultFile {
    /// The file, in the output folder.
    pub path: PathBuf,
    /// The main score of each of its tasks.
    pub scores: Vec<HarnessScore>,
}

/// A task's main score: its first strict one, else its first.
#[derive(Debug, Clone, PartialEq)]
pub struct HarnessScore {
    /// The task.
    pub task: String,
    /// Metric and filter: `exact_match,strict-match`.
    pub key: String,
    /// The score.
    pub mean: f64,
    /// The verdict on the score.
    pub verdict: Verdict,
}

/// Why the harness returned no scores.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// The process could not be started or watched.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The process failed.
    #[error("{program} {ending}; end of the log {}:\n{tail}", log.display())]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        ending: Ending,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// It succeeded without writing a result file.
    #[error("lm-eval exited with status 0 but wrote no result file to {}", .0.display())]
    NoResults(PathBuf),
    /// A result file cannot be moved into the output folder.
    #[error("cannot move the results from {} to the output folder: {source}", folder.display())]
    Move {
        /// The folder that the harness wrote to.
        folder: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// A result file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A result file is not JSON.
    #[error("{}: invalid JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parse error.
        source: serde_json::Error,
    },
}

/// Runs the harness and reads its scores.
pub(super) fn run(
    program: &str,
    settings: &EvaluationSettings,
    tasks: &[PathBuf],
    cancellation: &Cancellation,
) -> Result<EvalOutcome, HarnessError> {
    let folder = settings.output.join(format!("lm-eval-{}", host::timestamp().replace(':', "-")));
    let log = settings.output.join("lm_eval.log");
    let _ = std::fs::remove_file(&log);
    let log_file = untrusted::create_new(&log).map_err(ProcessError::Log)?;
    let mut child = Group::start(&StartedFrom {
        program,
        arguments: &command_line(settings, tasks, &folder),
        folder: Path::new("."),
        input: Input::Empty,
        environment: &environment(),
        job: &format!("eval-{}", std::process::id()),
        log: &log_file,
    })?;
    let ending = wait(&mut child, cancellation);
    // Also after the child exited: its descendants may still run.
    child.stop(TERM_GRACE, KILL_GRACE, &|| cancellation.requests() > 1);
    match ending? {
        Waited::Stopped(cause) => Ok(EvalOutcome::Stopped(cause)),
        Waited::Ended(Ending::Exited(0)) => {
            let paths = take_results(&folder, &settings.output)?;
            let files = paths.into_iter().map(|path| read_scores(settings, path));
            Ok(EvalOutcome::LmEval(files.collect::<Result<_, _>>()?))
        }
        Waited::Ended(ending) => Err(HarnessError::Failed {
            program: program.to_owned(),
            ending,
            tail: tail(&log_file),
            log,
        }),
    }
}

/// Why the wait for the child ended.
enum Waited {
    Ended(Ending),
    Stopped(CancelCause),
}

fn wait(child: &mut Group, cancellation: &Cancellation) -> Result<Waited, ProcessError> {
    loop {
        if let Some(ending) = child.wait_timeout(WAIT, cancellation)? {
            return Ok(Waited::Ended(ending));
        }
        if let Some(cause) = cancellation.cause() {
            return Ok(Waited::Stopped(cause));
        }
    }
}

fn tail(log: &File) -> String {
    let text = untrusted::read_end(log, SEARCHED).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

/// The whole environment of this process: it names the harness's libraries, caches and proxies.
fn environment() -> Vec<Variable> {
    std::env::vars().map(|(name, value)| variable(&name, value)).collect()
}

fn variable(name: &str, value: String) -> Variable {
    let is_secret = ["TOKEN", "KEY", "SECRET", "PASSWORD"].iter().any(|part| name.contains(part));
    if is_secret {
        Variable::secret(name, Secret::new(value))
    } else {
        Variable::plain(name, value)
    }
}

fn command_line(settings: &EvaluationSettings, tasks: &[PathBuf], folder: &Path) -> Vec<String> {
    let requests = &settings.requests;
    let model = match requests.api {
        Api::Chat => "local-chat-completions",
        Api::Completions => "local-completions",
    };
    let tasks: Vec<String> = tasks.iter().map(|path| path.display().to_string()).collect();
    let mut flags = vec![
        ("--model", model.to_owned()),
        ("--model_args", model_args(settings)),
        ("--tasks", tasks.join(",")),
        ("--output_path", folder.display().to_string()),
    ];
    flags.extend(settings.choices.num_fewshot.map(|count| ("--num_fewshot", count.to_string())));
    flags.extend(settings.choices.limit.map(|limit| ("--limit", limit.to_string())));
    let generation = generation_args(settings);
    if !generation.is_empty() {
        flags.push(("--gen_kwargs", generation));
    }
    let mut line: Vec<String> = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
    line.push("--log_samples".to_owned());
    if requests.api == Api::Chat {
        line.push("--apply_chat_template".to_owned());
        if !requests.multi_turn {
            line.extend(["--fewshot_as_multiturn".to_owned(), "false".to_owned()]);
        }
    }
    line
}

fn model_args(settings: &EvaluationSettings) -> String {
    let requests = &settings.requests;
    format!(
        "model={},base_url={},num_concurrent={},tokenizer_backend=none,tokenized_requests=False,max_retries=3,timeout={},seed={}",
        requests.model,
        request_url(&settings.base_url, requests.api),
        settings.concurrency,
        settings.timeout.as_secs(),
        requests.seed
    )
}

fn generation_args(settings: &EvaluationSettings) -> String {
    let requests = &settings.requests;
    let values = [
        ("max_gen_toks", requests.override_max_gen_toks.map(|number| number.to_string())),
        ("temperature", requests.temperature.map(|number| number.to_string())),
        ("top_p", requests.top_p.map(|number| number.to_string())),
    ];
    let pairs = values.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Moves result and sample files from the harness's folders to the output folder, and returns the paths of the result files.
fn take_results(folder: &Path, output: &Path) -> Result<Vec<PathBuf>, HarnessError> {
    let move_error = |source| HarnessError::Move {
        folder: folder.to_owned(),
        source,
    };
    let mut results = Vec::new();
    for path in files_below(folder).map_err(move_error)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("results") && !name.starts_with("samples") {
            continue;
        }
        let target = output.join(&name);
        std::fs::rename(&path, &target).map_err(move_error)?;
        if name.starts_with("results") {
            results.push(target);
        }
    }
    let _ = std::fs::remove_dir_all(folder);
    if results.is_empty() {
        return Err(HarnessError::NoResults(folder.to_owned()));
    }
    Ok(results)
}

/// The harness creates a folder named after the model below its output folder.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files_below(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn read_scores(settings: &EvaluationSettings, path: PathBuf) -> Result<HarnessResultFile, HarnessError> {
    let text = untrusted::read_text(&path)?;
    let document: Value = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(source) => return Err(HarnessError::Json { path, source }),
    };
    let tasks = document.get("results").and_then(Value::as_object);
    let scores = tasks.into_iter().flatten().filter_map(|(task, scores)| {
        let questions = document
            .pointer("/n-samples")
            .and_then(|all| all.get(task)?.get("effective")?.as_u64());
        judge(settings, task, scores, questions.unwrap_or(0))
    });
    let scores = scores.collect();
    Ok(HarnessResultFile { path, scores })
}

fn judge(settings: &EvaluationSettings, task: &str, scores: &Value, questions: u64) -> Option<HarnessScore> {
    let (key, mean) = main_score(scores)?;
    let score = Score::of_mean(mean, questions)?;
    let models: Vec<&str> = settings.model_names.iter().map(String::as_str).collect();
    Some(HarnessScore {
        task: task.to_owned(),
        key,
        mean,
        verdict: settings.thresholds.judge(&models, task, &score),
    })
}

fn main_score(scores: &Value) -> Option<(String, f64)> {
    let named = scores
        .as_object()?
        .iter()
        .filter(|(key, _)| key.contains(',') && !key.contains("_stderr"));
    let named: Vec<(String, f64)> = named.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect();
    let strict = named.iter().find(|(key, _)| key.contains("strict"));
    strict.or(named.first()).cloned()
}
