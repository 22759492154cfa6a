//! The source of a task's documents: `dataset_path`, `dataset_name`, `dataset_kwargs`.

use super::DataSource;
use super::read::{OTHER_ENGINE, texts};
use crate::yaml::{Node, Object, Reader, Value};

/// Values of `dataset_path` that name a format of local files, not a data set.
const LOCAL: [&str; 3] = ["json", "csv", "parquet"];

/// Supported arguments of `datasets.load_dataset`. `trust_remote_code` has no effect, because no code of a data set is run.
const ARGUMENTS: [&str; 3] = ["data_files", "revision", "trust_remote_code"];

pub(super) fn read(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<DataSource> {
    let path_node = reader.required(object, "dataset_path", "task")?;
    let path = reader.text(path_node, "dataset_path")?;
    let arguments = match object.get("dataset_kwargs") {
        Some(node) => Some(arguments(node, reader)?),
        None => None,
    };
    let arguments = arguments.as_ref();
    let files = arguments.and_then(|arguments| arguments.get("data_files"));
    if LOCAL.contains(&path) {
        let Some(files) = files else {
            let help = "dataset_kwargs: {data_files: {test: questions.jsonl}}";
            reader.error_with_help(
                path_node.span,
                "missing-field",
                format!("`dataset_path: {path}` without data_files"),
                help,
            );
            return None;
        };
        return data_files(files, reader).map(DataSource::Files);
    }
    if let Some(files) = files {
        let message = "`data_files` of a data set on the hub is not supported";
        reader.error_with_help(files.span, "unsupported-key", message, "name the configuration with dataset_name");
        return None;
    }
    Some(DataSource::Hub {
        id: path.to_owned(),
        config: optional_text(object.get("dataset_name"), reader, "dataset_name")?,
        revision: optional_text(arguments.and_then(|arguments| arguments.get("revision")), reader, "revision")?,
    })
}

/// The text of an optional key; `None` if it is not a text.
fn optional_text(node: Option<&Node>, reader: &mut Reader<'_>, what: &str) -> Option<Option<String>> {
    match node {
        Some(node) => reader.text(node, what).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}

fn arguments<'n>(node: &'n Node, reader: &mut Reader<'_>) -> Option<Object<'n>> {
    let map = reader.mapping(node, "dataset_kwargs")?;
    let mut all_known = true;
    for entry in map.iter() {
        let name = entry.name().unwrap_or_default();
        if !ARGUMENTS.contains(&name) {
            let message = format!(
                "`{name}` in dataset_kwargs is not supported, expected one of {}",
                ARGUMENTS.join(", ")
            );
            reader.error_with_help(entry.key.span, "unsupported-key", message, OTHER_ENGINE);
            all_known = false;
        }
    }
    if !all_known {
        return None;
    }
    reader.object(node, "dataset_kwargs", &ARGUMENTS)
}

/// A file, a list of files, or either for each split. Files without a split belong to `train`, as in `datasets`.
fn data_files(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(String, Vec<String>)>> {
    match &node.value {
        Value::Mapping(map) => map
            .iter()
            .map(|entry| Some((entry.name()?.to_owned(), one_or_several(&entry.value, reader)?)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) => {
            Some(vec![("train".to_owned(), one_or_several(node, reader)?)])
        }
    }
}

fn one_or_several(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    match &node.value {
        Value::Sequence(_) => texts(node, reader, "data_files"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Mapping(_) => {
            reader.text(node, "data_files").map(|name| vec![name.to_owned()])
        }
    }
}
