//! `results_*.json` with lm-eval's keys, so that tools for lm-eval's results can read it, and a block `imax` with facts that lm-eval
//! does not record: intervals, retries and reused answers, and the data that was used.

use serde_json::{Map, Value, json};

use super::answer_text::AnswerText;
use super::request::{Api, RequestSettings};
use super::scored_task::ScoredTask;
use super::task::Task;

/// Version of the block `imax`.
pub const SCHEMA: u32 = 1;

/// Facts about an evaluation as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Version of this program.
    pub version: String,
    /// The engine's URL.
    pub base_url: String,
    /// Concurrent requests.
    pub concurrency: usize,
    /// The number of questions, if it was limited.
    pub limit: Option<usize>,
    /// When it began, seconds since 1970.
    pub started_unix_s: f64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Requests that were sent again because their connection failed.
    pub retries: u64,
    /// Requests that were not answered.
    pub failed: u64,
    /// Answers taken from an earlier, interrupted evaluation.
    pub resumed: u64,
    /// CPU time of this program while it asked, seconds.
    pub client_cpu_s: f64,
    /// Problems, for people.
    pub problems: Vec<String>,
}

/// A task with its data and its scores.
#[derive(Debug, Clone)]
pub struct TaskResult<'a> {
    pub task: &'a Task,
    /// Its scores.
    pub scored: &'a ScoredTask,
    /// The files that its documents came from, with commit or path.
    pub data: Value,
    /// SHA-256 of the task file.
    pub task_hash: String,
}

/// The document. Partial results lack `lm_eval_version`, so that collectors do not take them for results.
#[must_use]
pub fn document(tasks: &[TaskResult<'_>], settings: &RequestSettings, answer_text: &AnswerText, about: &About) -> Value {
    let complete = tasks.iter().all(|result| result.scored.is_complete());
    let mut document = Map::new();
    let mut set = |key: &str, value: Value| document.insert(key.to_owned(), value);
    set("results", by_task(tasks, scores));
    set("group_subtasks", by_task(tasks, |_| json!([])));
    set("configs", by_task(tasks, |result| config(result, settings)));
    set("versions", by_task(tasks, |result| result.task.version.clone()));
    set("n-shot", by_task(tasks, |result| result.scored.num_fewshot.into()));
    set("higher_is_better", by_task(tasks, higher_is_better));
    set(
        "n-samples",
        by_task(
            tasks,
            |result| json!({ "original": result.scored.original, "effective": result.scored.answered }),
        ),
    );
    set("config", run_config(settings, about));
    set("date", about.started_unix_s.into());
    if complete {
        set("lm_eval_version", format!("imax {}", about.version).into());
    } else {
        set("partial", true.into());
    }
    set("model_source", model_source(settings.api).into());
    set("model_name", settings.model.as_str().into());
    set("total_evaluation_time_seconds", about.seconds.to_string().into());
    set("imax", imax(tasks, settings, answer_text, about));
    Value::Object(document)
}

fn model_source(api: Api) -> &'static str {
    match api {
        Api::Chat => "local-chat-completions",
        Api::Completions => "local-completions",
    }
}

fn scores(result: &TaskResult<'_>) -> Value {
    let mut entries = Map::new();
    entries.insert("alias".to_owned(), result.scored.task.as_str().into());
    entries.insert("sample_len".to_owned(), result.scored.answered.into());
    for named in &result.scored.scores {
        let mean = named.score.map_or(Value::Null, |score| score.mean.into());
        let error = named.score.and_then(|score| score.stderr).map_or_else(|| "N/A".into(), Value::from);
        entries.insert(named.key(), mean);
        entries.insert(format!("{}_stderr,{}", named.metric, named.filter), error);
    }
    Value::Object(entries)
}

fn config(result: &TaskResult<'_>, settings: &RequestSettings) -> Value {
    let mut config = result.task.config.clone();
    config.insert("num_fewshot".to_owned(), result.scored.num_fewshot.into());
    let mut metadata = match config.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) | None => Map::new(),
    };
    metadata.insert("model".to_owned(), settings.model.as_str().into());
    config.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(config)
}

fn higher_is_better(result: &TaskResult<'_>) -> Value {
    let uses = result.task.metrics.iter();
    let entries = uses.map(|used| (used.metric.name().to_owned(), used.higher_is_better.into()));
    Value::Object(entries.collect())
}

fn run_config(settings: &RequestSettings, about: &About) -> Value {
    json!({
        "model": model_source(settings.api),
        "model_args": { "model": settings.model, "base_url": about.base_url, "num_concurrent": about.concurrency },
        "limit": about.limit,
        "gen_kwargs": {
            "max_gen_toks": settings.override_max_gen_toks, "temperature": settings.temperature, "top_p": settings.top_p,
        },
        "fewshot_seed": 1234,
    })
}

/// One value for each task, under its name.
fn by_task(tasks: &[TaskResult<'_>], value: impl Fn(&TaskResult<'_>) -> Value) -> Value {
    let entries = tasks.iter().map(|result| (result.scored.task.clone(), value(result)));
    Value::Object(entries.collect())
}

fn intervals(result: &TaskResult<'_>) -> Value {
    let named = result.scored.scores.iter().filter_map(|named| Some((named.key(), named.score?)));
    let entries = named.map(|(key, score)| (key, json!({ "low": score.interval.0, "high": score.interval.1 })));
    Value::Object(entries.collect())
}

fn imax(tasks: &[TaskResult<'_>], settings: &RequestSettings, answer_text: &AnswerText, about: &About) -> Value {
    let of_tasks = tasks.iter().map(|result| {
        let scored = result.scored;
        let about_task = json!({
            "asked": scored.asked, "answered": scored.answered, "from_reasoning": scored.from_reasoning,
            "cut_at_max_tokens": scored.cut, "with_thinking": scored.with_thinking, "repeats": result.task.repeats, "data": result.data,
            "task_sha256": result.task_hash, "interval_95_wilson": intervals(result),
        });
        (scored.task.clone(), about_task)
    });
    json!({
        "schema": SCHEMA, "version": about.version, "seconds": about.seconds, "client_cpu_s": about.client_cpu_s,
        "concurrency": about.concurrency, "seed": settings.seed, "retries": about.retries, "failed": about.failed,
        "resumed": about.resumed, "think_end_token": answer_text.think_end_token, "cut_at_stop": answer_text.cut_at_stop,
         "problems": about.problems, "tasks": Value::Object(of_tasks.collect()),
    })
}
