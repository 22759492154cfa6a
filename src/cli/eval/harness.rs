//! `--engine lm-eval`: the Python harness evaluates, as a child process that is stopped with everything that came of it. Its
//! results are put where ours would be, and judged by the same thresholds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::arguments::{ApiArg, EvalArgs};
use super::evaluate::{Evaluation, address};
use super::exit_of_stop;
use crate::cli::output::say;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::eval::score::Score;
use crate::eval::threshold::Verdict;
use crate::model::{Secret, Variable};
use crate::system::files;
use crate::system::host;
use crate::system::process::{Ending, Group, Input, StartedFrom};
use crate::system::stop::StopSignal;

/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long it has to end after SIGTERM, and after SIGKILL.
const GRACE: Duration = Duration::from_millis(3500);
const LIMIT: Duration = Duration::from_millis(1500);
/// Lines of its log that are shown where it failed.
const TAIL: usize = 20;

pub(super) fn run(arguments: &EvalArgs, evaluation: &Evaluation, stop: &StopSignal) -> Result<Exit, Failure> {
    let folder = evaluation.output.join(format!("lm-eval-{}", host::timestamp().replace(':', "-")));
    let log = evaluation.output.join("lm_eval.log");
    let mut child = Group::start(&StartedFrom {
        program: &arguments.lm_eval,
        arguments: &command_line(arguments, evaluation, &folder),
        folder: Path::new("."),
        input: Input::Empty,
        environment: &environment(),
        job: &format!("eval-{}", std::process::id()),
        log: &log,
    })
    .or_exit(Exit::Infrastructure)?;
    let ending = loop {
        if let Some(ending) = child.poll().or_exit(Exit::Infrastructure)? {
            break Some(ending);
        }
        if stop.wait_for(LOOK).is_some() {
            break None;
        }
    };
    // Also after its end: what it started may outlive it.
    child.stop(GRACE, LIMIT, &|| stop.times_raised() > 1);
    let Some(ending) = ending else {
        return Ok(exit_of_stop(stop).unwrap_or(Exit::Interrupted));
    };
    if ending != Ending::Exited(0) {
        let text = files::read_text(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(TAIL).collect();
        lines.iter().rev().for_each(|line| say(line));
        let error = anyhow::anyhow!("{} {ending}; its log is {}", arguments.lm_eval, log.display());
        return Err(error).or_exit(Exit::MeasurementFailed);
    }
    judge(evaluation, &take_results(&folder, &evaluation.output)?)
}

/// Everything that we have: the harness looks for its libraries, caches and proxies in it.
fn environment() -> Vec<Variable> {
    let telling = |name: &str| ["TOKEN", "KEY", "SECRET", "PASSWORD"].iter().any(|part| name.contains(part));
    let variable = |(name, value): (String, String)| {
        if telling(&name) {
            Variable::secret(&name, Secret::new(value))
        } else {
            Variable::plain(&name, value)
        }
    };
    std::env::vars().map(variable).collect()
}

fn command_line(arguments: &EvalArgs, evaluation: &Evaluation, folder: &Path) -> Vec<String> {
    let settings = &evaluation.settings;
    let url = address(&evaluation.base_url, settings.api);
    let model = match arguments.api {
        ApiArg::Chat => "local-chat-completions",
        ApiArg::Completions => "local-completions",
    };
    let model_args = format!(
        "model={},base_url={url},num_concurrent={},tokenizer_backend=none,tokenized_requests=False,max_retries=3,timeout={},seed={}",
        settings.model, evaluation.concurrency, arguments.request_timeout, settings.seed
    );
    let tasks: Vec<String> = arguments.tasks.iter().map(|path| path.display().to_string()).collect();
    let mut line: Vec<String> = vec!["--model".to_owned(), model.to_owned()];
    let mut add = |flag: &str, value: String| line.extend([flag.to_owned(), value]);
    add("--model_args", model_args);
    add("--tasks", tasks.join(","));
    add("--output_path", folder.display().to_string());
    if let Some(count) = arguments.num_fewshot {
        add("--num_fewshot", count.to_string());
    }
    if let Some(limit) = arguments.limit {
        add("--limit", limit.to_string());
    }
    let generation = [
        ("max_gen_toks", arguments.max_gen_toks.map(|number| number.to_string())),
        ("temperature", arguments.temperature.map(|number| number.to_string())),
        ("top_p", arguments.top_p.map(|number| number.to_string())),
    ];
    let generation: Vec<String> = generation
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
        .collect();
    if !generation.is_empty() {
        add("--gen_kwargs", generation.join(","));
    }
    line.push("--log_samples".to_owned());
    if arguments.api == ApiArg::Chat {
        line.push("--apply_chat_template".to_owned());
        if arguments.single_turn {
            line.extend(["--fewshot_as_multiturn".to_owned(), "false".to_owned()]);
        }
    }
    line
}

/// Moves results and samples out of the harness's folders; gives the results.
fn take_results(folder: &Path, output: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut results = Vec::new();
    for path in files_below(folder).or_exit(Exit::Infrastructure)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("results") && !name.starts_with("samples") {
            continue;
        }
        let target = output.join(&name);
        std::fs::rename(&path, &target).or_exit(Exit::Infrastructure)?;
        if name.starts_with("results") {
            results.push(target);
        }
    }
    let _ = std::fs::remove_dir_all(folder);
    if results.is_empty() {
        let error = anyhow::anyhow!("lm-eval ended well and left no results in {}", folder.display());
        return Err(error).or_exit(Exit::Infrastructure);
    }
    Ok(results)
}

/// The harness makes a folder below the output for the model's name.
fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// The verdicts over what the harness wrote: each task's first strict score, or else its first.
fn judge(evaluation: &Evaluation, results: &[PathBuf]) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    let names: Vec<&str> = evaluation.model_names.iter().map(String::as_str).collect();
    for path in results {
        say(&format!("wrote {}", path.display()));
        let text = files::read_text(path).or_exit(Exit::Infrastructure)?;
        let document: Value = serde_json::from_str(&text).or_exit(Exit::Infrastructure)?;
        let tasks = document.get("results").and_then(Value::as_object);
        for (task, scores) in tasks.into_iter().flatten() {
            let Some((key, mean)) = main_score(scores) else { continue };
            let questions = document
                .pointer("/n-samples")
                .and_then(|all| all.get(task)?.get("effective")?.as_u64());
            let Some(score) = Score::of_mean(mean, questions.unwrap_or(0)) else {
                continue;
            };
            let verdict = evaluation.thresholds.judge(&names, task, &score);
            say(&format!("{task} {key}: {mean:.4}, {}", verdict.as_str()));
            if matches!(verdict, Verdict::Fail { .. }) {
                exit = Exit::MeasurementFailed;
            }
        }
    }
    Ok(exit)
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
