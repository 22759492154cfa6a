//! A task of lm-eval's task files: the source of its documents, prompt templates, sampling parameters, filters that extract the answer,
//! and metrics.

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
    /// The file's content, which results quote.
    pub config: Map<String, Value>,
    /// `metadata.version`.
    pub version: Value,
    /// The source of the documents.
    pub source: DataSource,
    /// The names of the splits.
    pub splits: Splits,
    /// Fields that are added to each document. Each template sees the document's fields, and the document itself as `doc`.
    pub process_docs: Vec<(String, Template)>,
    /// How a document becomes text.
    pub form: Form,
    /// The text before the examples.
    pub description: Option<Field>,
    /// Few-shot examples.
    pub fewshot: Fewshot,
    /// Number of examples, if given in the file.
    pub num_fewshot: Option<usize>,
    /// Sampling parameters.
    pub generation: Generation,
    /// Filter pipelines; each gives scores of its own.
    pub filters: Vec<Pipeline>,
    /// The metrics.
    pub metrics: Vec<MetricUse>,
    /// How many times each question is asked.
    pub repeats: NonZeroU32,
}

/// The source of a task's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Local files by split.
    Files(Vec<(String, Vec<String>)>),
    /// A data set of the hub.
    Hub {
        /// `owner/name`.
        id: String,
        /// The configuration.
        config: Option<String>,
        /// The pinned revision.
        revision: Option<String>,
    },
}

/// The names of a data set's splits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Splits {
    /// The training split; few-shot examples come from it if it exists.
    pub training: Option<String>,
    /// The validation split.
    pub validation: Option<String>,
    /// The test split.
    pub test: Option<String>,
}

/// The name of a column, or a template.
#[derive(Debug, Clone)]
pub struct Field {
    /// The text as written: a column name, if such a column exists.
    pub written: String,
    /// The text as a template, if there is no such column.
    pub template: Template,
}

/// The target: the correct answer.
#[derive(Debug, Clone)]
pub enum TargetField {
    /// A column or a template.
    Field(Field),
    /// The same number for every document: an index into the choices.
    Index(i64),
    /// The same texts for every document.
    Texts(Vec<String>),
}

/// The choices of a multiple-choice question.
#[derive(Debug, Clone)]
pub enum ChoiceField {
    /// A column, or a template that gives a list.
    Field(Field),
    /// The same for every document.
    Texts(Vec<String>),
}

/// The templates that turn a document into question and answer.
#[derive(Debug, Clone)]
pub struct Form {
    /// The question.
    pub text: Field,
    /// The answer.
    pub target: TargetField,
    /// The choices, if the target is an index.
    pub choice: Option<ChoiceField>,
    /// The delimiter between question and answer.
    pub target_delimiter: String,
    /// The delimiter after an example.
    pub fewshot_delimiter: String,
}

/// How examples are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Sampled by Python's generator, seeded once for each task.
    Random,
    /// The first documents.
    FirstN,
}

/// Few-shot examples.
#[derive(Debug, Clone)]
pub struct Fewshot {
    /// Their split, if the file names one.
    pub split: Option<String>,
    /// Examples in the file itself.
    pub samples: Option<Vec<Document>>,
    /// Indices of the split's documents that may be used.
    pub indices: Option<Vec<usize>>,
    /// How they are chosen.
    pub sampler: Sampler,
    /// The templates of an example.
    pub form: Form,
}

/// Sampling parameters of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Stop strings.
    pub until: Vec<String>,
    /// Maximum tokens of an answer, if given in the file.
    pub max_gen_toks: Option<u32>,
    /// Temperature; 0 by default.
    pub temperature: f64,
    /// Nucleus sampling, if given in the file.
    pub top_p: Option<f64>,
    /// The mapping as written, for the samples file.
    pub written: Map<String, Value>,
}

/// A metric and its direction.
#[derive(Debug, Clone)]
pub struct MetricUse {
    /// How one answer is scored.
    pub metric: Metric,
    /// Whether more is better.
    pub higher_is_better: bool,
}
