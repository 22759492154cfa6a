//! The evaluation that `imax eval` and `imax run` share: reads tasks and documents, sends the questions, scores the answers and
//! writes the result files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{ClientSettings, RequestError, send_all};
use super::documents::{Documents, DocumentsError, load};
use super::journal::{Journal, JournalError};
use super::result_files;
use super::task_file::{TaskFile, TaskFileError};
use crate::eval::answer_text::AnswerText;
use crate::eval::request::{Api, ModelAnswer, RequestSettings};
use crate::eval::results::About;
use crate::eval::scored_task::{Answers, ScoredTask, ScoringError, hash};
use crate::eval::task::{self, Task};
use crate::eval::task_questions::{Choices, QuestionError, TaskQuestions, num_fewshot};
use crate::eval::threshold::{Thresholds, Verdict};
use crate::model::saturating;
use crate::model::{Diagnostics, Secret, SourceFile};
use crate::system::cancellation::Cancellation;
use crate::system::files::FileError;
use crate::system::host;

/// What to evaluate, and how.
#[derive(Debug, Clone)]
pub struct EvaluationSettings {
    /// The engine's URL: with or without `/v1`, or with the whole path.
    pub base_url: String,
    /// Settings of every request.
    pub requests: RequestSettings,
    /// How the answer is extracted from an engine's text.
    pub answer_text: AnswerText,
    /// The API key, if the engine needs one.
    pub key: Option<Secret>,
    /// Requests in flight.
    pub concurrency: usize,
    /// Timeout of one request.
    pub timeout: Duration,
    /// Number of questions and examples.
    pub choices: Choices,
    /// Folder of the results.
    pub output: PathBuf,
    /// Suffix of file names: `_conc16` if a job has several evaluations.
    pub suffix: String,
    /// Whether to resume an interrupted evaluation.
    pub resume: bool,
    /// Thresholds of scores.
    pub thresholds: Thresholds,
    /// Names of the model in the thresholds file.
    pub model_names: Vec<String>,
}

/// A task with its questions.
#[derive(Debug, Clone)]
pub struct PreparedTask {
    pub(super) task: Task,
    pub(super) task_questions: TaskQuestions,
    pub(super) data: Value,
    pub(super) task_hash: String,
}

/// Progress of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationProgress {
    /// Requests of this evaluation.
    pub total: usize,
    /// Requests with an answer.
    pub answered: usize,
    /// Requests without one.
    pub failed: usize,
}

/// A task's scores and the verdict on its main score.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedTask {
    /// The scores.
    pub scored: ScoredTask,
    /// The verdict on the main score.
    pub verdict: Verdict,
}

/// The result of an evaluation.
#[derive(Debug, Clone)]
pub struct EvaluationResult {
    /// Each task.
    pub tasks: Vec<JudgedTask>,
    /// Metadata of the evaluation.
    pub about: About,
    /// Name of the result file in the output folder.
    pub results_file: String,
    /// Whether no request was answered because all connections failed.
    pub unreachable: bool,
    /// Text of the first failure.
    pub first_failure: Option<String>,
}

impl EvaluationResult {
    /// Whether every question of every task was answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.tasks.iter().all(|judged| judged.scored.is_complete())
    }
}

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// A task cannot be found.
    #[error(transparent)]
    TaskFile(#[from] TaskFileError),
    /// A task file is invalid.
    #[error("{0}")]
    Task(#[from] Diagnostics),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The documents of a task cannot be loaded.
    #[error("task {task}: {source}")]
    Data {
        /// The task.
        task: String,
        /// The cause.
        source: DocumentsError,
    },
    /// The questions cannot be built.
    #[error(transparent)]
    TaskQuestions(#[from] QuestionError),
    /// An answer cannot be read.
    #[error(transparent)]
    ScoredTask(#[from] ScoringError),
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Two tasks have the same name.
    #[error("two task files have the task name `{0}`, so their scores could not be told apart; rename one")]
    SameName(String),
}

/// Reads a task and its documents: a file, or a shipped task by its name.
///
/// # Errors
/// [`EvaluationError`] for a task or data that cannot be used.
pub fn prepare(file: &Path, choices: Choices, go_on: &mut dyn FnMut() -> bool) -> Result<PreparedTask, EvaluationError> {
    let file = TaskFile::find(file)?;
    let task_hash = hash(&file.text);
    let task = task::read(&SourceFile::new(file.name.clone(), file.text.clone()))?;
    let mut documents = |split: &str| {
        load(&task.source, split, &file, go_on).map_err(|source| EvaluationError::Data {
            task: task.name.clone(),
            source,
        })
    };
    let splits = &task.splits;
    let asked = splits.test.as_ref().or(splits.validation.as_ref());
    let questions = documents(asked.map_or("test", String::as_str))?;
    let examples = match (&task.fewshot.split, &task.fewshot.samples) {
        _ if num_fewshot(&task, choices.num_fewshot) == 0 => None,
        (None, Some(samples)) => Some(Documents {
            documents: samples.clone(),
            origin: Value::Null,
        }),
        (split, _) => {
            let usual = splits.training.as_ref().or(splits.validation.as_ref()).or(splits.test.as_ref());
            Some(documents(split.as_ref().or(usual).map_or("train", String::as_str))?)
        }
    };
    let mut data = vec![questions.origin];
    let examples = examples.map(|loaded| {
        data.push(loaded.origin);
        loaded.documents
    });
    let task_questions = TaskQuestions::new(&task, questions.documents, examples.unwrap_or_default(), choices)?;
    Ok(PreparedTask {
        task,
        task_questions,
        data: data.into(),
        task_hash,
    })
}

/// Reads several tasks.
///
/// # Errors
/// As [`prepare`], and [`EvaluationError::SameName`].
pub fn prepare_tasks(files: &[PathBuf], choices: Choices, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<PreparedTask>, EvaluationError> {
    let mut all: Vec<PreparedTask> = Vec::new();
    for file in files {
        let prepared = prepare(file, choices, go_on)?;
        if all.iter().any(|known| known.task.name == prepared.task.name) {
            return Err(EvaluationError::SameName(prepared.task.name));
        }
        all.push(prepared);
    }
    Ok(all)
}

/// One request: which task, which question, which repeat.
struct RequestSlot {
    task: usize,
    question: usize,
    repeat: usize,
    hash: String,
}

/// Sends the requests, scores the answers and writes the result files.
///
/// # Errors
/// [`EvaluationError`]; failures of single questions are part of the result.
pub fn evaluate(
    evaluation: &EvaluationSettings,
    tasks: &[PreparedTask],
    cancellation: &Cancellation,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<EvaluationResult, EvaluationError> {
    let started = Instant::now();
    let (cpu_before, started_unix_s) = (host::cpu_seconds(), host::unix_seconds());
    std::fs::create_dir_all(&evaluation.output).map_err(|source| FileError::Write {
        path: evaluation.output.clone(),
        source,
    })?;
    let journal_path = evaluation.output.join(format!("answers{}.jsonl", evaluation.suffix));
    let mut journal = Journal::open(&journal_path, evaluation.resume)?;
    let mut answers: Vec<Answers> = tasks.iter().map(empty_answers).collect();
    let (mut slots, mut bodies, mut resumed) = (Vec::new(), Vec::new(), 0);
    for (slot, body) in requests(evaluation, tasks) {
        match journal.answer(&slot.hash) {
            Some(answer) => {
                resumed += 1;
                put(&mut answers, &slot, answer.clone());
            }
            None => {
                slots.push(slot);
                bodies.push(body);
            }
        }
    }
    let mut state = EvaluationProgress {
        total: bodies.len(),
        answered: 0,
        failed: 0,
    };
    let (mut failures, mut broken): (Vec<RequestError>, Option<JournalError>) = (Vec::new(), None);
    let settings = ClientSettings {
        url: request_url(&evaluation.base_url, evaluation.requests.api),
        api: evaluation.requests.api,
        key: evaluation.key.clone(),
        concurrency: evaluation.concurrency,
        timeout: evaluation.timeout,
    };
    let asked = send_all(&settings, &bodies, cancellation, &mut |index, answer| {
        let Some(slot) = slots.get(index) else { return };
        match answer {
            Ok(answer) => {
                state.answered += 1;
                broken = broken.take().or(journal.note(&slot.hash, &answer).err());
                put(&mut answers, slot, answer);
            }
            Err(error) => {
                state.failed += 1;
                failures.push(error);
            }
        }
        progress(state);
    })?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    let judged = judge(evaluation, tasks, &answers)?;
    let first_failure = failures
        .iter()
        .find(|error| !matches!(error, RequestError::Stopped | RequestError::NotSent))
        .map(ToString::to_string);
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        base_url: settings.url.clone(),
        concurrency: evaluation.concurrency,
        limit: evaluation.choices.limit,
        started_unix_s,
        seconds: started.elapsed().as_secs_f64(),
        retries: asked.retries,
        failed: saturating::to_u64(failures.len()),
        resumed,
        client_cpu_s: host::cpu_seconds() - cpu_before,
        problems: result_files::problems(&judged, first_failure.as_deref()),
    };
    let complete = judged.iter().all(|judged| judged.scored.is_complete());
    let results_file = result_files::write_results(evaluation, tasks, &judged, &about)?;
    if complete {
        journal.finish()?;
    }
    Ok(EvaluationResult {
        unreachable: state.answered == 0
            && !failures.is_empty()
            && failures
                .iter()
                .all(|error| matches!(error, RequestError::Transport { .. } | RequestError::NotSent)),
        tasks: judged,
        about,
        results_file,
        first_failure,
    })
}

fn empty_answers(prepared: &PreparedTask) -> Answers {
    let repeats = usize::try_from(prepared.task.repeats.get()).unwrap_or(1);
    vec![vec![None; repeats]; prepared.task_questions.questions.len()]
}

fn put(answers: &mut [Answers], slot: &RequestSlot, answer: ModelAnswer) {
    let answer_slot = answers
        .get_mut(slot.task)
        .and_then(|task| task.get_mut(slot.question))
        .and_then(|question| question.get_mut(slot.repeat));
    if let Some(answer_slot) = answer_slot {
        *answer_slot = Some(answer);
    }
}

fn requests(evaluation: &EvaluationSettings, tasks: &[PreparedTask]) -> Vec<(RequestSlot, Value)> {
    let mut all = Vec::new();
    for (task, prepared) in tasks.iter().enumerate() {
        for (question, asked) in prepared.task_questions.questions.iter().enumerate() {
            for repeat in 0..prepared.task.repeats.get() {
                let body = evaluation.requests.body(asked, &prepared.task.generation, repeat);
                let hash = hash(&body.to_string());
                let repeat = saturating::to_usize(repeat);
                all.push((
                    RequestSlot {
                        task,
                        question,
                        repeat,
                        hash,
                    },
                    body,
                ));
            }
        }
    }
    all
}

fn judge(evaluation: &EvaluationSettings, tasks: &[PreparedTask], answers: &[Answers]) -> Result<Vec<JudgedTask>, ScoringError> {
    let names: Vec<&str> = evaluation.model_names.iter().map(String::as_str).collect();
    let judged = tasks.iter().zip(answers).map(|(prepared, answers)| {
        let answers = answer_texts(&evaluation.answer_text, &prepared.task, answers);
        let scored = ScoredTask::new(&prepared.task, &prepared.task_questions, &answers, &evaluation.requests)?;
        let score = scored.main_score().and_then(|named| named.score).filter(|_| scored.is_complete());
        let verdict = score.map_or(Verdict::Unjudged, |score| evaluation.thresholds.judge(&names, &scored.task, &score));
        Ok(JudgedTask { scored, verdict })
    });
    judged.collect()
}

/// The journal stores the engine's unprocessed text, so that a resumed evaluation can apply other settings to it.
fn answer_texts(reading: &AnswerText, task: &Task, answers: &Answers) -> Answers {
    let stops = &task.generation.until;
    answers
        .iter()
        .map(|answers| {
            let answers = answers
                .iter()
                .map(|answer| answer.as_ref().map(|answer| reading.read(answer, stops)));
            answers.collect()
        })
        .collect()
}

/// The request URL, from a base URL with or without path.
pub(super) fn request_url(base: &str, api: Api) -> String {
    let base = base.trim_end_matches('/');
    let path = api.path();
    if base.ends_with(path) {
        base.to_owned()
    } else {
        format!("{}{path}", base.trim_end_matches("/v1"))
    }
}
