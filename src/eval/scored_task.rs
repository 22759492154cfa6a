//! Filters and scores the answers to a task's questions, and builds the samples of lm-eval's `samples_*.jsonl`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::answer_text::has_thinking;
use super::filter::FilterError;
use super::python;
use super::request::{Api, ModelAnswer, RequestSettings};
use super::score::Score;
use super::task::Task;
use super::task_questions::{Question, TaskQuestions, as_text};

/// The answers to each question, one per repeat; `None` if the engine did not answer.
pub type Answers = Vec<Vec<Option<ModelAnswer>>>;

/// A scored task.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredTask {
    /// The task's name.
    pub task: String,
    /// The scores, in the order of filters and metrics.
    pub scores: Vec<Named>,
    /// One object for each question and filter.
    pub samples: Vec<Value>,
    /// Questions of which all repeats were answered.
    pub answered: usize,
    /// Questions asked.
    pub asked: usize,
    /// Documents of the split.
    pub original: usize,
    /// Examples per question.
    pub num_fewshot: usize,
    /// Answers that were taken from the engine's reasoning.
    pub from_reasoning: usize,
    /// Answers that were truncated at the token limit.
    pub cut: usize,
    /// Answers with tags of reasoning in their text, so that filters searched the reasoning as well.
    pub with_thinking: usize,
}

/// A score under its metric and filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub metric: String,
    pub filter: String,
    pub higher_is_better: bool,
    /// The score; `None` without answers.
    pub score: Option<Score>,
}

impl Named {
    /// The key in results: `exact_match,strict-match`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{},{}", self.metric, self.filter)
    }
}

/// Why answers cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task}, document {document}, filter {filter}: {source}")]
pub struct ScoringError {
    pub task: String,
    /// The document, from 0.
    pub document: usize,
    pub filter: String,
    /// Why.
    pub source: FilterError,
}

impl ScoredTask {
    /// Scores the answers. Questions with missing answers are left out.
    ///
    /// # Errors
    /// [`ScoringError`] if a document does not fit a filter.
    pub fn new(task: &Task, task_questions: &TaskQuestions, answers: &Answers, settings: &RequestSettings) -> Result<Self, ScoringError> {
        let answered: Vec<(&Question, Vec<ModelAnswer>)> = task_questions
            .questions
            .iter()
            .zip(answers)
            .filter_map(|(question, answers)| Some((question, answers.iter().cloned().collect::<Option<_>>()?)))
            .collect();
        let mut values: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        let mut samples = Vec::new();
        for (filter_index, filter) in task.filters.iter().enumerate() {
            for (question, answers) in &answered {
                let said: Vec<String> = answers.iter().map(|answer| answer.text.clone()).collect();
                let read = filter.answer(&said, &question.document).map_err(|source| ScoringError {
                    task: task.name.clone(),
                    document: question.id,
                    filter: filter.name.clone(),
                    source,
                })?;
                let mut sample = sample(task, question, settings, &said);
                sample.insert("filtered_resps".to_owned(), json!([read]));
                sample.insert("filter".to_owned(), filter.name.as_str().into());
                for (metric_index, used) in task.metrics.iter().enumerate() {
                    let value = used.metric.score(&read, &question.right);
                    sample.insert(used.metric.name().to_owned(), value.into());
                    values.entry((filter_index, metric_index)).or_default().push(value);
                }
                samples.push(Value::Object(sample));
            }
        }
        let mut scores = Vec::new();
        for (filter_index, filter) in task.filters.iter().enumerate() {
            for (metric_index, used) in task.metrics.iter().enumerate() {
                scores.push(Named {
                    metric: used.metric.name().to_owned(),
                    filter: filter.name.clone(),
                    higher_is_better: used.higher_is_better,
                    score: values.get(&(filter_index, metric_index)).and_then(|values| Score::of(values)),
                });
            }
        }
        let all: Vec<&ModelAnswer> = answered.iter().flat_map(|(_, answers)| answers).collect();
        Ok(Self {
            task: task.name.clone(),
            scores,
            samples,
            answered: answered.len(),
            asked: task_questions.questions.len(),
            original: task_questions.original,
            num_fewshot: task_questions.num_fewshot,
            from_reasoning: all.iter().filter(|answer| answer.from_reasoning).count(),
            cut: all
                .iter()
                .filter(|answer| answer.finish_reason.as_deref() == Some("length"))
                .count(),
            with_thinking: all.iter().filter(|answer| has_thinking(&answer.text)).count(),
        })
    }

    /// Whether every question was answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.answered == self.asked
    }

    /// The main score: that of the first filter with `strict` in its name, or else the first.
    #[must_use]
    pub fn main_score(&self) -> Option<&Named> {
        let strict = self.scores.iter().find(|named| named.filter.contains("strict"));
        strict.or(self.scores.first())
    }
}

/// The fields of a sample that do not depend on the filter.
fn sample(task: &Task, question: &Question, settings: &RequestSettings, said: &[String]) -> Map<String, Value> {
    let prompt = match settings.api {
        // lm-eval stores the messages of a chat as a list of one JSON text.
        Api::Chat => json!([python::dumps(&settings.messages(question))]),
        Api::Completions => as_text(&question.messages).into(),
    };
    let prompt_text = prompt
        .as_str()
        .map_or_else(|| prompt.pointer("/0").map(python::shown).unwrap_or_default(), str::to_owned);
    let document = serde_json::to_string_pretty(&question.document).unwrap_or_default();
    let metrics: Vec<&str> = task.metrics.iter().map(|used| used.metric.name()).collect();
    let entries = [
        ("doc_id", question.id.into()),
        ("doc", Value::Object(question.document.clone())),
        ("target", question.target.clone()),
        (
            "arguments",
            json!({ "gen_args_0": { "arg_0": prompt, "arg_1": task.generation.written } }),
        ),
        ("resps", json!([said])),
        ("metrics", json!(metrics)),
        ("doc_hash", hash(&document).into()),
        ("prompt_hash", hash(&prompt_text).into()),
        ("target_hash", hash(&python::shown(&question.target)).into()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
