//! Parses a task file to a [`Task`]. All errors are found in one run, with their places. A key that lm-eval supports and this
//! implementation does not is an error, never silently ignored.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{ChoiceField, Field, Form, Splits, TargetField, Task, fewshot, filters, generation, json, scoring, source};
use crate::eval::template::Template;
use crate::model::{Diagnostics, SourceFile};
use crate::yaml::{self, Node, Object, Reader, Value};

/// Supported keys.
const KNOWN: [&str; 28] = [
    "task",
    "task_alias",
    "tag",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "output_type",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "metadata",
    "should_decontaminate",
    "unsafe_code",
    "group",
];

/// Keys of lm-eval that are not supported, and why.
const UNSUPPORTED: [(&str, &str); 11] = [
    ("include", "write the included keys into this file"),
    ("process_results", "it is a Python function"),
    ("custom_dataset", "it is a Python function"),
    ("use_prompt", "promptsource is not supported"),
    ("doc_to_image", "only text tasks are supported"),
    ("doc_to_audio", "only text tasks are supported"),
    ("doc_to_decontamination_query", "decontamination is not supported"),
    ("gen_prefix", "a prefix of the answer is not supported"),
    ("aggregate_metric_list", "groups are not supported: name their tasks one by one"),
    ("dataset_version", "pin a revision: dataset_kwargs: {revision: …}"),
    ("weight_by_size", "groups are not supported: name their tasks one by one"),
];

/// The remedy for unsupported keys.
pub(super) const OTHER_ENGINE: &str = "`imax eval --engine lm-eval` runs the task with the Python harness";

/// Reads a task file.
///
/// # Errors
/// All errors of the file.
pub fn read(file: &Arc<SourceFile>) -> Result<Task, Diagnostics> {
    let mut found = Diagnostics::new();
    let node = yaml::parse(file, &mut found);
    let task = node.and_then(|node| task(&node, &mut Reader::new(file, &mut found)));
    found.into_result(task).map(|(task, _)| task)
}

fn task(node: &Node, reader: &mut Reader<'_>) -> Option<Task> {
    if let Some(map) = reader.mapping(node, "task") {
        for entry in map.iter() {
            let name = entry.name().unwrap_or_default();
            if let Some((_, reason)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
                let message = format!("key `{name}` is not supported: {reason}");
                reader.error_with_help(entry.key.span, "unsupported-key", message, OTHER_ENGINE);
            }
        }
    }
    let known: Vec<&str> = KNOWN.into_iter().chain(UNSUPPORTED.iter().map(|(name, _)| *name)).collect();
    let object = reader.object(node, "task", &known)?;
    for name in ["should_decontaminate", "unsafe_code"] {
        if let Some(flag) = object.get(name)
            && reader.flag(flag, name) == Some(true)
        {
            reader.error_with_help(
                flag.span,
                "unsupported-key",
                format!("`{name}: true` is not supported"),
                OTHER_ENGINE,
            );
        }
    }
    let name = reader
        .required(&object, "task", "task")
        .and_then(|node| reader.text(node, "task"))
        .map(str::to_owned);
    output_type(&object, reader);
    let source = source::read(&object, reader);
    let splits = Splits {
        training: split(&object, reader, "training_split"),
        validation: split(&object, reader, "validation_split"),
        test: split(&object, reader, "test_split"),
    };
    if splits.test.is_none() && splits.validation.is_none() {
        let help = "name the split that is evaluated: `test_split: test`";
        reader.error_with_help(object.span(), "missing-field", "neither `test_split` nor `validation_split`", help);
    }
    let form = form(&object, reader, None);
    let fewshot = form.as_ref().and_then(|form| fewshot::read(&object, reader, form));
    let generation = generation::read(&object, reader, form.as_ref().map_or("\n\n", |form| &form.fewshot_delimiter));
    let num_fewshot = object.get("num_fewshot").and_then(|node| count(node, reader, "num_fewshot"));
    let repeats = object
        .get("repeats")
        .map_or(Some(NonZeroU32::MIN), |node| reader.positive(node, "repeats"));
    let metadata = object.get("metadata").map(json::value);
    Some(Task {
        name: name?,
        version: metadata
            .and_then(|map| map.get("version").cloned())
            .unwrap_or_else(|| "Yaml".into()),
        config: json::object(node),
        source: source?,
        splits,
        process_docs: process_docs(&object, reader),
        description: object.get("description").and_then(|node| field(node, reader, "description")),
        fewshot: fewshot?,
        form: form?,
        num_fewshot,
        generation: generation?,
        filters: filters::read(&object, reader)?,
        metrics: scoring::read(&object, reader)?,
        repeats: repeats?,
    })
}

fn output_type(object: &Object<'_>, reader: &mut Reader<'_>) {
    let Some(node) = object.get("output_type") else { return };
    if let Some(other) = reader.text(node, "output_type").filter(|text| *text != "generate_until") {
        let message = format!("`output_type: {other}` is not supported, expected generate_until");
        reader.error_with_help(node.span, "unsupported-key", message, OTHER_ENGINE);
    }
}

fn split(object: &Object<'_>, reader: &mut Reader<'_>, name: &str) -> Option<String> {
    let node = object.get(name)?;
    reader.text(node, name).map(str::to_owned)
}

/// A whole number from 0.
pub(super) fn count(node: &Node, reader: &mut Reader<'_>, what: &str) -> Option<usize> {
    let number = reader.integer(node, what)?;
    let count = usize::try_from(number).ok();
    if count.is_none() {
        reader.error(node.span, "range", format!("`{what}` is {number}, expected a whole number from 0"));
    }
    count
}

/// Text, which may be empty.
pub(super) fn any_text<'n>(node: &'n Node, reader: &mut Reader<'_>, what: &str) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Sequence(_) | Value::Mapping(_) => {
            reader.text(node, what)
        }
    }
}

/// A column or a template.
pub(super) fn field(node: &Node, reader: &mut Reader<'_>, what: &str) -> Option<Field> {
    let text = any_text(node, reader, what)?;
    match Template::new(text) {
        Ok(template) => Some(Field {
            written: text.to_owned(),
            template,
        }),
        Err(error) => {
            reader.error(node.span, "template", format!("`{what}`: {error}"));
            None
        }
    }
}

/// A list of texts; numbers count as texts.
pub(super) fn texts(node: &Node, reader: &mut Reader<'_>, what: &str) -> Option<Vec<String>> {
    let items = reader.list(node, what)?;
    items
        .iter()
        .map(|item| match &item.value {
            Value::Int(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => {
                any_text(item, reader, what).map(str::to_owned)
            }
        })
        .collect()
}

/// The templates of a question or an example; missing ones are those of `general`.
pub(super) fn form(object: &Object<'_>, reader: &mut Reader<'_>, general: Option<&Form>) -> Option<Form> {
    let text = match (object.get("doc_to_text"), general) {
        (None, Some(general)) => Some(general.text.clone()),
        (None, None) => reader.required(object, "doc_to_text", "task").and(None),
        (Some(node), _) => field(node, reader, "doc_to_text"),
    };
    let target = match (object.get("doc_to_target"), general) {
        (None, Some(general)) => Some(general.target.clone()),
        (None, None) => reader.required(object, "doc_to_target", "task").and(None),
        (Some(node), _) => target(node, reader),
    };
    let choice = match (object.get("doc_to_choice"), general) {
        (None, general) => general.and_then(|general| general.choice.clone()),
        (Some(node), _) => choice(node, reader),
    };
    let (target_delimiter, fewshot_delimiter) = general.map_or((" ", "\n\n"), |form| (&form.target_delimiter, &form.fewshot_delimiter));
    Some(Form {
        target_delimiter: delimiter(object, reader, "target_delimiter", target_delimiter)?,
        fewshot_delimiter: delimiter(object, reader, "fewshot_delimiter", fewshot_delimiter)?,
        text: text?,
        target: target?,
        choice,
    })
}

fn delimiter(object: &Object<'_>, reader: &mut Reader<'_>, name: &str, default: &str) -> Option<String> {
    match object.get(name) {
        Some(node) => any_text(node, reader, name).map(str::to_owned),
        None => Some(default.to_owned()),
    }
}

fn target(node: &Node, reader: &mut Reader<'_>) -> Option<TargetField> {
    match &node.value {
        Value::Int(index) => Some(TargetField::Index(*index)),
        Value::Sequence(_) => texts(node, reader, "doc_to_target").map(TargetField::Texts),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Mapping(_) => {
            field(node, reader, "doc_to_target").map(TargetField::Field)
        }
    }
}

fn choice(node: &Node, reader: &mut Reader<'_>) -> Option<ChoiceField> {
    match &node.value {
        Value::Sequence(_) => texts(node, reader, "doc_to_choice").map(ChoiceField::Texts),
        Value::Mapping(map) => {
            let values = map
                .iter()
                .map(|entry| any_text(&entry.value, reader, "doc_to_choice").map(str::to_owned));
            values.collect::<Option<Vec<_>>>().map(ChoiceField::Texts)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) => {
            field(node, reader, "doc_to_choice").map(ChoiceField::Field)
        }
    }
}

/// `process_docs`: names and templates. lm-eval takes a Python function here, which cannot be run without Python.
fn process_docs(object: &Object<'_>, reader: &mut Reader<'_>) -> Vec<(String, Template)> {
    let Some(node) = object.get("process_docs") else {
        return Vec::new();
    };
    let Some(map) = reader.mapping(node, "process_docs") else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    for entry in map.iter() {
        let name = entry.name().unwrap_or_default();
        if let Some(field) = field(&entry.value, reader, name) {
            fields.push((name.to_owned(), field.template));
        }
    }
    fields
}
