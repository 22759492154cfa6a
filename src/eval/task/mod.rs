//! A task as lm-eval's task files describe it: where the questions are, how a prompt is made of one, what is asked of the
//! engine, how an answer is read out of what it says, and how it is scored.

mod fewshot;
mod filters;
mod generation;
mod json;
mod read;
mod scoring;
mod source;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use serde_json::{Map, Value};

use super::dataset::Document;
use super::filter::Pipeline;
use super::metric::Metric;
use super::template::Template;

pub use read::read;

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name: the key of its scores.
    pub name: String,
    /// The file as it was read, as results quote it.
    pub config: Map<String, Value>,
    /// `metadata.version`.
    pub version: Value,
    /// Where the questions are.
    pub source: DataSource,
    /// The names of the splits.
    pub splits: Splits,
    /// Fields that each document gets, each from a template over the document and, as `doc`, all of it.
    pub process_docs: Vec<(String, Template)>,
    /// How a document becomes text.
    pub form: Form,
    /// Text before everything else.
    pub description: Option<Field>,
    /// Few-shot examples.
    pub fewshot: Fewshot,
    /// Number of examples, if given in the file.
    pub num_fewshot: Option<usize>,
    /// What is asked of the engine.
    pub generation: Generation,
    /// How answers are read, each way on its own.
    pub filters: Vec<Pipeline>,
    /// How answers are scored.
    pub metrics: Vec<MetricUse>,
    /// How often each question is asked.
    pub repeats: NonZeroU32,
}

/// Where the documents of a task are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Files of this machine, split by split.
    Files(Vec<(String, Vec<String>)>),
    /// A data set of the hub.
    Hub {
        /// `owner/name`.
        id: String,
        /// The configuration.
        config: Option<String>,
        /// The revision that the file pins.
        revision: Option<String>,
    },
}

/// The names of a data set's splits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Splits {
    /// For learning; few-shot examples come from it first.
    pub training: Option<String>,
    /// For choosing among models.
    pub validation: Option<String>,
    /// For the score.
    pub test: Option<String>,
}

/// The name of a column, or a template.
#[derive(Debug, Clone)]
pub struct Field {
    /// As written: a column where there is one of this name.
    pub written: String,
    /// The template that it is otherwise.
    pub template: Template,
}

/// What is right.
#[derive(Debug, Clone)]
pub enum TargetField {
    /// A column or a template.
    Field(Field),
    /// The same number for every document: an index into the choices.
    Index(i64),
    /// The same texts for every document.
    Texts(Vec<String>),
}

/// What can be chosen.
#[derive(Debug, Clone)]
pub enum ChoiceField {
    /// A column, or a template that gives a list.
    Field(Field),
    /// The same for every document.
    Texts(Vec<String>),
}

/// How a document becomes a question and an answer.
#[derive(Debug, Clone)]
pub struct Form {
    /// The question.
    pub text: Field,
    /// The answer.
    pub target: TargetField,
    /// The choices, where the target is an index.
    pub choice: Option<ChoiceField>,
    /// Between question and answer.
    pub target_delimiter: String,
    /// Behind an example.
    pub fewshot_delimiter: String,
}

/// Which examples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// As Python's generator draws them, seeded once a task.
    Random,
    /// The first ones.
    FirstN,
}

/// Few-shot examples.
#[derive(Debug, Clone)]
pub struct Fewshot {
    /// The split they come from, where the file names one.
    pub split: Option<String>,
    /// Examples in the file itself.
    pub samples: Option<Vec<Document>>,
    /// Places in the split that may be used.
    pub indices: Option<Vec<usize>>,
    /// Which of them.
    pub sampler: Sampler,
    /// How one becomes text.
    pub form: Form,
}

/// What is asked of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Texts at which the answer ends.
    pub until: Vec<String>,
    /// Maximum tokens of an answer, if given in the file.
    pub max_gen_toks: Option<u32>,
    /// Temperature; 0 by default.
    pub temperature: f64,
    /// Nucleus sampling, if given in the file.
    pub top_p: Option<f64>,
    /// As written, for the samples' file.
    pub written: Map<String, Value>,
}

/// A metric and which direction is good.
#[derive(Debug, Clone)]
pub struct MetricUse {
    /// How one answer is scored.
    pub metric: Metric,
    /// Whether more is better.
    pub higher_is_better: bool,
}
