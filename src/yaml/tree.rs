//! The tree. Nodes are shared, so an alias costs a pointer and a document full of aliases stays small.

use std::sync::Arc;

use crate::model::Span;

/// A value and its place. The place of an alias is that of its anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    /// Where it is.
    pub span: Span,
    /// The number of nodes with all aliases expanded.
    pub(super) size: u64,
    /// The number of levels below it, those of aliases included.
    pub(super) depth: u32,
}

/// The value of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or an empty scalar.
    Null,
    /// A boolean in any of the spellings of YAML 1.1.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, infinities and NaN included.
    Float(f64),
    /// A date. No field of a config is a date; the variant exists to report one.
    Date(String),
    Text(String),
    Sequence(Vec<Arc<Node>>),
    /// Keys and values in their order, merge keys resolved.
    Mapping(Mapping),
}

impl Value {
    /// The type, for messages: `a list`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Date(_) => "a date",
            Self::Text(_) => "text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Date(_) | Self::Sequence(_) | Self::Mapping(_) => None,
        }
    }

    /// The value for messages, or its type if it is long: `"8"`, `4.5`, `a list`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Bool(value) => format!("`{value}`"),
            Self::Int(value) => format!("`{value}`"),
            Self::Float(value) => format!("`{value}`"),
            Self::Date(text) => format!("the date `{text}`"),
            Self::Text(text) if text.chars().count() <= 60 => format!("the text {text:?}"),
            Self::Null | Self::Text(_) | Self::Sequence(_) | Self::Mapping(_) => self.kind().to_owned(),
        }
    }
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyValue {
    pub key: Arc<Node>,
    pub value: Arc<Node>,
}

/// Keys with values. No key occurs twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    pub(super) entries: Vec<KeyValue>,
}

impl Mapping {
    /// Entries in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, KeyValue> {
        self.entries.iter()
    }

    /// The value of a text key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Node>> {
        self.entries
            .iter()
            .find(|entry| entry.name() == Some(name))
            .map(|entry| &entry.value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl KeyValue {
    /// The key, if it is text.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.key.value.as_text()
    }
}
