//! Selects the files of a hub repository that belong to a configuration and a split: from the front matter of its README, or else from
//! the names of folders and files, by the rules of
//! <https://huggingface.co/docs/hub/datasets-data-files-configuration>.

use globset::GlobBuilder;

use super::{DataError, Format};
use crate::model::{Diagnostics, SourceFile};
use crate::yaml::{self, Mapping, Node, Value};

/// Words in file names that stand for a split, besides its own name.
const OTHER_NAMES: [(&str, &[&str]); 3] = [
    ("train", &["training"]),
    ("validation", &["valid", "val", "dev"]),
    ("test", &["testing", "eval", "evaluation"]),
];

/// The names of the files of `split` in configuration `config`, in their order.
///
/// # Errors
/// [`DataError::NoFile`], with the existing configurations.
pub fn choose(files: &[String], readme: Option<&str>, config: Option<&str>, split: &str) -> Result<Vec<String>, DataError> {
    let wanted = match config {
        Some(config) => format!("configuration `{config}`, split `{split}`"),
        None => format!("split `{split}`"),
    };
    let data: Vec<&String> = files.iter().filter(|name| Format::of_name(name).is_some()).collect();
    let told = readme.map(configurations).unwrap_or_default();
    if !told.is_empty() {
        let chosen = match config {
            Some(name) => told.iter().find(|known| known.name == name),
            None => told.iter().find(|known| known.name == "default" || known.default).or(told.first()),
        };
        let Some(chosen) = chosen else {
            let names: Vec<&str> = told.iter().map(|known| known.name.as_str()).collect();
            let hint = format!("; the configurations are {}", names.join(", "));
            return Err(DataError::NoFile {
                wanted,
                files: files.len(),
                hint,
            });
        };
        let patterns = chosen
            .data
            .iter()
            .filter(|(known, _)| known == split)
            .flat_map(|(_, patterns)| patterns);
        let matching: Vec<String> = patterns.flat_map(|pattern| matching(&data, pattern)).collect();
        if !matching.is_empty() {
            return Ok(matching);
        }
        if !chosen.data.is_empty() {
            let splits: Vec<_> = chosen.data.iter().map(|(split, _)| split.as_str()).collect();
            let hint = format!("; the splits are {}", splits.join(", "));
            return Err(DataError::NoFile {
                wanted,
                files: files.len(),
                hint,
            });
        }
    }
    by_name(&data, config, split).ok_or_else(|| {
        let hint = if data.is_empty() { "; none is JSON, CSV or Parquet" } else { "" }.to_owned();
        DataError::NoFile {
            wanted,
            files: files.len(),
            hint,
        }
    })
}

fn matching(data: &[&String], pattern: &str) -> Vec<String> {
    let plain = pattern.trim_start_matches("./");
    match GlobBuilder::new(plain).literal_separator(true).build() {
        Ok(glob) => {
            let matcher = glob.compile_matcher();
            data.iter()
                .filter(|name| matcher.is_match(name.as_str()))
                .map(|name| (*name).clone())
                .collect()
        }
        Err(_) => data
            .iter()
            .filter(|name| name.as_str() == plain)
            .map(|name| (*name).clone())
            .collect(),
    }
}

/// The files whose names have the split as a word. With a configuration, only files in a folder of its name or with its name as stem
/// count, if there are any.
fn by_name(data: &[&String], config: Option<&str>, split: &str) -> Option<Vec<String>> {
    let also = OTHER_NAMES
        .iter()
        .find(|(known, _)| *known == split)
        .map_or(&[][..], |(_, others)| others);
    let own: Vec<&&String> = data
        .iter()
        .filter(|name| config.is_none_or(|config| is_of_configuration(name, config)))
        .collect();
    let own = if own.is_empty() { data.iter().collect() } else { own };
    let mut files: Vec<String> = own
        .iter()
        .filter(|name| words(name).iter().any(|word| word == split || also.contains(&word.as_str())))
        .map(|name| name.to_string())
        .collect();
    if files.is_empty()
        && split == "train"
        && !own
            .iter()
            .any(|name| OTHER_NAMES.iter().any(|(known, _)| words(name).iter().any(|word| word == known)))
    {
        // If no name has a split, all files are `train`.
        files = own.iter().map(|name| name.to_string()).collect();
    }
    (!files.is_empty()).then_some(files)
}

/// The words of a file name in lower case.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.map(str::to_ascii_lowercase).collect()
}

/// Whether a file is in a folder of the configuration's name, or has that name as its stem.
fn is_of_configuration(name: &str, config: &str) -> bool {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    name.split('/').any(|folder| folder == config) || file.rsplit_once('.').is_some_and(|(stem, _)| stem == config)
}

#[derive(Debug)]
struct Configuration {
    name: String,
    default: bool,
    /// Split and patterns.
    data: Vec<(String, Vec<String>)>,
}

/// The configurations that the front matter of a README names.
fn configurations(readme: &str) -> Vec<Configuration> {
    let front = readme.strip_prefix("---").and_then(|rest| rest.split_once("\n---"));
    let Some((front, _)) = front else {
        return Vec::new();
    };
    let source = SourceFile::new("README.md", front);
    let Some(node) = yaml::parse(&source, &mut Diagnostics::new()) else {
        return Vec::new();
    };
    let configs = mapping(&node)
        .and_then(|map| map.get("configs"))
        .map(|node| list(node))
        .unwrap_or_default();
    configs.into_iter().filter_map(configuration).collect()
}

fn configuration(node: &Node) -> Option<Configuration> {
    let map = mapping(node)?;
    let data = map.get("data_files").map(|node| patterns(node)).unwrap_or_default();
    let folder = map
        .get("data_dir")
        .and_then(|node| node.value.as_text())
        .map(|folder| folder.trim_matches('/'));
    Some(Configuration {
        name: map.get("config_name")?.value.as_text()?.to_owned(),
        default: map.get("default").is_some_and(|node| node.value == Value::Bool(true)),
        data: data
            .into_iter()
            .map(|(split, patterns)| {
                (
                    split,
                    patterns
                        .into_iter()
                        .map(|pattern| folder.map_or(pattern.clone(), |folder| format!("{folder}/{pattern}")))
                        .collect(),
                )
            })
            .collect(),
    })
}

/// A pattern, a list of patterns, or a list of splits with their patterns. Patterns without a split belong to `train`.
fn patterns(node: &Node) -> Vec<(String, Vec<String>)> {
    let plain = texts(node);
    if !plain.is_empty() {
        return vec![("train".to_owned(), plain)];
    }
    list(node)
        .into_iter()
        .filter_map(|item| {
            let map = mapping(item)?;
            Some((map.get("split")?.value.as_text()?.to_owned(), texts(map.get("path")?)))
        })
        .collect()
}

/// A text, or the texts of a list.
fn texts(node: &Node) -> Vec<String> {
    let nodes = std::iter::once(node).chain(list(node));
    nodes.filter_map(|node| node.value.as_text().map(str::to_owned)).collect()
}

fn mapping(node: &Node) -> Option<&Mapping> {
    match &node.value {
        Value::Mapping(map) => Some(map),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) => None,
    }
}

fn list(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::Sequence(items) => items.iter().map(AsRef::as_ref).collect(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Mapping(_) => Vec::new(),
    }
}
