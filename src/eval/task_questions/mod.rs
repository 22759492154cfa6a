//! A task with its documents: each question as the messages to send, with the correct answers. The order of messages, the
//! delimiters and the choice of examples follow lm-eval's `fewshot_context`.

use serde_json::Value;

use super::dataset::Document;
use super::python::{self, Random};
use super::task::{ChoiceField, Field, Form, Sampler, TargetField, Task};
use super::template::TemplateError;

pub use super::message::{Message, Role, as_single_turn, as_text};

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its index in the split, from 0.
    pub id: usize,
    pub document: Document,
    /// The messages to send.
    pub messages: Vec<Message>,
    /// The target as the task gives it: a text, an index, a list.
    pub target: Value,
    /// The correct texts.
    pub right: Vec<String>,
}

/// All questions of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskQuestions {
    /// The questions, in the order of the split.
    pub questions: Vec<Question>,
    /// How many documents the split has.
    pub original: usize,
    /// How many examples each question has.
    pub num_fewshot: usize,
}

/// Options that override the task file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choices {
    /// Examples per question. A task file with 0 examples keeps 0.
    pub num_fewshot: Option<usize>,
    /// Ask only this number of questions, from the first.
    pub limit: Option<usize>,
}

/// Why the questions of a task cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The split is empty.
    #[error("task {task}: the split has no documents")]
    Empty { task: String },
    /// A template failed.
    #[error("task {task}, document {document}: {source}")]
    Template {
        task: String,
        /// The document, from 0.
        document: usize,
        /// Why.
        source: TemplateError,
    },
    /// A template gave a value of the wrong kind.
    #[error("task {task}, document {document}: `{field}` is {found}, expected {expected}")]
    Field {
        task: String,
        /// The document, from 0.
        document: usize,
        /// The field of the task file.
        field: &'static str,
        /// The value.
        found: String,
        /// The expected kind.
        expected: &'static str,
    },
    /// There are fewer examples than a question needs.
    #[error("task {task}: {wanted} examples per question, but the split has {found}: lower --num-fewshot")]
    TooFewExamples {
        task: String,
        /// The examples that a question needs.
        wanted: usize,
        /// The available examples.
        found: usize,
    },
}

/// lm-eval's seed for examples.
const FEWSHOT_SEED: u32 = 1234;

/// The number of examples of each question.
#[must_use]
pub fn num_fewshot(task: &Task, chosen: Option<usize>) -> usize {
    match (task.num_fewshot, chosen) {
        (Some(0), _) => 0,
        (_, Some(chosen)) => chosen,
        (own, None) => own.unwrap_or(0),
    }
}

impl TaskQuestions {
    /// The questions of a task. `documents` are those of the evaluated split, `examples` those from which examples are chosen.
    ///
    /// # Errors
    /// See [`QuestionError`].
    pub fn new(task: &Task, documents: Vec<Document>, examples: Vec<Document>, choices: Choices) -> Result<Self, QuestionError> {
        let original = documents.len();
        let limit = choices.limit.unwrap_or(original);
        let documents = documents.into_iter().take(limit).enumerate();
        let documents: Vec<Document> = documents
            .map(|(id, document)| processed(task, id, document))
            .collect::<Result<_, _>>()?;
        let num_fewshot = num_fewshot(task, choices.num_fewshot);
        let pool = if num_fewshot == 0 { Vec::new() } else { examples };
        let pool: Vec<Document> = pool
            .into_iter()
            .enumerate()
            .map(|(id, document)| match &task.fewshot.samples {
                // `process_docs` does not apply to examples in the task file.
                Some(_) if task.fewshot.split.is_none() => Ok(document),
                Some(_) | None => processed(task, id, document),
            })
            .collect::<Result<_, _>>()?;
        let first = documents.first().ok_or_else(|| QuestionError::Empty { task: task.name.clone() })?;
        let columns: Vec<String> = first.keys().cloned().collect();
        let mut writer = Writer {
            task,
            columns: &columns,
            pool: &pool,
            random: Random::new(FEWSHOT_SEED),
            num_fewshot,
            several_right: false,
        };
        writer.several_right = task.form.choice.is_none() && writer.target(&task.form, first, 0)?.is_array();
        let questions = documents.iter().enumerate().map(|(id, document)| writer.question(id, document));
        Ok(Self {
            questions: questions.collect::<Result<_, _>>()?,
            original,
            num_fewshot,
        })
    }
}

/// The document with the fields that `process_docs` adds.
fn processed(task: &Task, id: usize, mut document: Document) -> Result<Document, QuestionError> {
    if task.process_docs.is_empty() {
        return Ok(document);
    }
    let mut variables = document.clone();
    variables.insert("doc".to_owned(), Value::Object(document.clone()));
    for (name, template) in &task.process_docs {
        let text = template.render(&variables).map_err(|source| QuestionError::Template {
            task: task.name.clone(),
            document: id,
            source,
        })?;
        let value = as_value(text);
        variables.insert(name.clone(), value.clone());
        document.insert(name.clone(), value);
    }
    Ok(document)
}

/// Parses a text that is a list literal; other texts stay as they are.
fn as_value(text: String) -> Value {
    if text.len() >= 2 && text.starts_with('[') && text.ends_with(']') {
        return python::literal(&text).unwrap_or(Value::String(text));
    }
    Value::String(text)
}

struct Writer<'t> {
    task: &'t Task,
    columns: &'t [String],
    pool: &'t [Document],
    random: Random,
    num_fewshot: usize,
    /// Whether targets are lists of correct texts, as in the first document.
    several_right: bool,
}

impl Writer<'_> {
    fn question(&mut self, id: usize, document: &Document) -> Result<Question, QuestionError> {
        let mut messages = Vec::new();
        if let Some(description) = &self.task.description {
            let content = match document.get(&description.written) {
                Some(value) => python::shown(value),
                None => self.rendered(description, document, id)?,
            };
            if !content.is_empty() {
                messages.push(Message {
                    role: Role::System,
                    content,
                    delimiter: String::new(),
                });
            }
        }
        for example in self.examples(document)? {
            let Some(example) = self.pool.get(example) else { continue };
            self.turn(&self.task.fewshot.form, example, id, true, &mut messages)?;
        }
        self.turn(&self.task.form, document, id, false, &mut messages)?;
        let target = self.target(&self.task.form, document, id)?;
        Ok(Question {
            id,
            document: document.clone(),
            messages,
            right: self.right(&target, document, id)?,
            target,
        })
    }

    /// Indices in the pool of examples.
    fn examples(&mut self, document: &Document) -> Result<Vec<usize>, QuestionError> {
        let count = self.num_fewshot;
        if count == 0 {
            return Ok(Vec::new());
        }
        let fewshot = &self.task.fewshot;
        // Only if examples come from the evaluated split: no question may contain its own answer.
        let own_split = fewshot.split == self.task.splits.test;
        let other = |place: &usize| self.pool.get(*place) != Some(document);
        let places: Vec<usize> = match (fewshot.sampler, &fewshot.indices) {
            (Sampler::Random, Some(indices)) => indices.iter().copied().filter(|place| *place < self.pool.len()).collect(),
            (Sampler::Random | Sampler::FirstN, _) => (0..self.pool.len()).collect(),
        };
        let too_few = |found: usize| QuestionError::TooFewExamples {
            task: self.task.name.clone(),
            wanted: count,
            found,
        };
        if fewshot.sampler == Sampler::FirstN {
            let usable: Vec<usize> = places.into_iter().filter(|place| !own_split || other(place)).collect();
            return usable.get(..count).map(<[usize]>::to_vec).ok_or_else(|| too_few(usable.len()));
        }
        let drawn = count + usize::from(own_split);
        let sample = self.random.sample(places.len(), drawn).ok_or_else(|| too_few(places.len()))?;
        let sample = sample.into_iter().filter_map(|at| places.get(at).copied());
        if !own_split {
            return Ok(sample.collect());
        }
        let mut chosen: Vec<usize> = sample.filter(other).collect();
        if chosen.len() < count {
            // The question itself (or a copy) was drawn: draw again without it.
            let others: Vec<usize> = places.iter().copied().filter(other).collect();
            let sample = self.random.sample(others.len(), count).ok_or_else(|| too_few(others.len()))?;
            chosen = sample.into_iter().filter_map(|at| others.get(at).copied()).collect();
        }
        chosen.truncate(count);
        Ok(chosen)
    }

    /// The messages of a question; for an example also its answer.
    fn turn(&self, form: &Form, document: &Document, id: usize, answered: bool, messages: &mut Vec<Message>) -> Result<(), QuestionError> {
        let content = match self.column(&form.text, document) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => return Err(self.wrong(id, "doc_to_text", other, "a text")),
            None => self.rendered(&form.text, document, id)?,
        };
        let answer = if answered {
            self.example_answer(form, document, id)?
        } else {
            String::new()
        };
        let delimiter = if answer.is_empty() { "" } else { form.target_delimiter.as_str() };
        messages.push(Message {
            role: Role::User,
            content,
            delimiter: delimiter.to_owned(),
        });
        if !answer.is_empty() {
            messages.push(Message {
                role: Role::Assistant,
                content: answer,
                delimiter: form.fewshot_delimiter.clone(),
            });
        }
        Ok(())
    }

    fn example_answer(&self, form: &Form, document: &Document, id: usize) -> Result<String, QuestionError> {
        let target = self.target(form, document, id)?;
        let choices = self.choices(form, document, id)?;
        Ok(match (&target, choices) {
            (Value::Number(_), Some(choices)) => self.chosen(&target, &choices, id)?,
            (Value::Array(several), _) => several.first().map(python::shown).unwrap_or_default(),
            (Value::Null, _) => String::new(),
            (other, _) => python::shown(other),
        })
    }

    fn target(&self, form: &Form, document: &Document, id: usize) -> Result<Value, QuestionError> {
        match &form.target {
            TargetField::Index(index) => Ok((*index).into()),
            TargetField::Texts(texts) => Ok(texts.clone().into()),
            TargetField::Field(field) => {
                if let Some(value) = self.column(field, document) {
                    return Ok(value.clone());
                }
                let text = self.rendered(field, document, id)?;
                if python::is_digits(&text) && form.choice.is_some() {
                    return Ok(python::literal(&text).unwrap_or(Value::String(text)));
                }
                Ok(as_value(text))
            }
        }
    }

    fn choices(&self, form: &Form, document: &Document, id: usize) -> Result<Option<Vec<String>>, QuestionError> {
        let Some(choice) = &form.choice else { return Ok(None) };
        let value = match choice {
            ChoiceField::Texts(texts) => return Ok(Some(texts.clone())),
            ChoiceField::Field(field) => match self.column(field, document) {
                Some(value) => value.clone(),
                None => as_value(self.rendered(field, document, id)?),
            },
        };
        match value {
            Value::Array(items) => Ok(Some(items.iter().map(python::shown).collect())),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Err(self.wrong(id, "doc_to_choice", &other, "a list"))
            }
        }
    }

    /// The correct texts.
    fn right(&self, target: &Value, document: &Document, id: usize) -> Result<Vec<String>, QuestionError> {
        if let Some(choices) = self.choices(&self.task.form, document, id)? {
            return Ok(vec![self.chosen(target, &choices, id)?]);
        }
        let several = target.as_array().filter(|_| self.several_right);
        Ok(several.map_or_else(
            || vec![python::shown(target)],
            |several| several.iter().map(python::shown).collect(),
        ))
    }

    fn chosen(&self, target: &Value, choices: &[String], id: usize) -> Result<String, QuestionError> {
        let place = target.as_i64().and_then(|index| match usize::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => choices.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
        });
        let found = place.and_then(|place| choices.get(place)).cloned();
        found.ok_or_else(|| self.wrong(id, "doc_to_target", target, "the index of one of the choices"))
    }

    fn column<'d>(&self, field: &Field, document: &'d Document) -> Option<&'d Value> {
        let known = self.columns.contains(&field.written);
        document.get(&field.written).filter(|_| known)
    }

    fn rendered(&self, field: &Field, document: &Document, id: usize) -> Result<String, QuestionError> {
        field.template.render(document).map_err(|source| QuestionError::Template {
            task: self.task.name.clone(),
            document: id,
            source,
        })
    }

    fn wrong(&self, document: usize, field: &'static str, found: &Value, expected: &'static str) -> QuestionError {
        let mut found = found.to_string();
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
        }
        QuestionError::Field {
            task: self.task.name.clone(),
            document,
            field,
            found,
            expected,
        }
    }
}

#[cfg(test)]
mod tests;
