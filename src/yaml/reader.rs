//! Typed reading of a tree. Each method returns a value or adds a finding with its place; the caller continues with the next field, so
//! that one run finds all errors.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Mapping, Node, Value};
use crate::model::{Diagnostic, Diagnostics, Place, SourceFile, Span, nearest, suggestion};

/// Reads nodes of one file and collects findings.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a Arc<SourceFile>,
    found: &'a mut Diagnostics,
}

#[derive(Debug, Clone)]
pub struct Object<'n> {
    node: &'n Node,
    mapping: &'n Mapping,
    /// Known keys that have a misspelt key: they are not reported as missing as well.
    meant: Vec<String>,
}

impl<'n> Object<'n> {
    /// The value of a key; a key without value counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.written(name).filter(|node| node.value != Value::Null)
    }

    /// The value of a key, `null` included.
    #[must_use]
    pub fn written(&self, name: &str) -> Option<&'n Node> {
        self.mapping.get(name).map(Arc::as_ref)
    }

    /// Whether the key is present under a misspelt name, which was already reported.
    #[must_use]
    pub fn is_misspelt(&self, name: &str) -> bool {
        self.meant.iter().any(|meant| meant == name)
    }

    /// The place of the object.
    #[must_use]
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// The place of a key; of the object if it lacks the key.
    #[must_use]
    pub fn key_span(&self, name: &str) -> Span {
        let entry = self.mapping.iter().find(|entry| entry.name() == Some(name));
        entry.map_or(self.node.span, |entry| entry.key.span)
    }
}

impl<'a> Reader<'a> {
    /// Reads nodes of `source`, adding to `found`.
    pub fn new(source: &'a Arc<SourceFile>, found: &'a mut Diagnostics) -> Self {
        Self { source, found }
    }

    /// A span of the file being read.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.source),
            span,
        }
    }

    pub fn error(&mut self, span: Span, code: &'static str, message: impl Into<String>) {
        let diagnostic = Diagnostic::error(code, message).at(self.place(span));
        self.found.push(diagnostic);
    }

    /// Adds an error with a remedy.
    pub fn error_with_help(&mut self, span: Span, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        let diagnostic = Diagnostic::error(code, message).at(self.place(span)).help(help);
        self.found.push(diagnostic);
    }

    /// Adds a warning with a remedy.
    pub fn warning(&mut self, span: Span, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        let diagnostic = Diagnostic::warning(code, message).at(self.place(span)).help(help);
        self.found.push(diagnostic);
    }

    fn mismatch<T>(&mut self, node: &Node, what: &str, expected: &str) -> Option<T> {
        let message = format!("`{what}` is {}, expected {expected}", node.value.describe());
        self.error(node.span, "type", message);
        None
    }

    /// A mapping with any keys.
    pub fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Mapping> {
        if let Value::Mapping(mapping) = &node.value {
            Some(mapping)
        } else {
            self.mismatch(node, what, "a mapping")
        }
    }

    /// A mapping with only `known` keys; unknown ones are reported with the most similar known key.
    pub fn object<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Object<'n>> {
        let mapping = self.mapping(node, what)?;
        let mut meant = Vec::new();
        for entry in mapping.iter() {
            match entry.name() {
                Some(name) if known.contains(&name) => {}
                Some(name) => {
                    let message = format!("unknown field `{name}` in `{what}`");
                    self.error_with_help(entry.key.span, "unknown-field", message, suggestion(name, known));
                    meant.extend(nearest(name, known).map(str::to_owned));
                }
                None => {
                    let message = format!("{} as a field of `{what}`, expected a name", entry.key.value.describe());
                    self.error_with_help(
                        entry.key.span,
                        "unknown-field",
                        message,
                        format!("known fields: {}", known.join(", ")),
                    );
                }
            }
        }
        Some(Object { node, mapping, meant })
    }

    /// The value of a required field, `null` included.
    pub fn required<'n>(&mut self, object: &Object<'n>, name: &str, what: &str) -> Option<&'n Node> {
        let value = object.written(name);
        if value.is_none() && !object.is_misspelt(name) {
            // Only the first line of the object: a mark over all its lines would not help.
            let start = object.span().start;
            let first = Span { start, end: start };
            self.error(first, "missing-field", format!("`{what}` has no `{name}`, which is required"));
        }
        value
    }

    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Arc<Node>]> {
        if let Value::Sequence(list) = &node.value {
            Some(list)
        } else {
            self.mismatch(node, what, "a list")
        }
    }

    /// Text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) if text.is_empty() => {
                self.error(node.span, "empty", format!("`{what}` is empty, expected text"));
                None
            }
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) => {
                let message = format!("`{what}` is {}, expected text", node.value.describe());
                self.error_with_help(node.span, "type", message, "put it in quotes");
                None
            }
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => self.mismatch(node, what, "text"),
        }
    }

    /// Text as one of the model's names.
    pub fn name<T: TryFrom<String, Error = crate::model::NameError>>(&mut self, node: &Node, what: &str) -> Option<T> {
        let text = self.text(node, what)?;
        match T::try_from(text.to_owned()) {
            Ok(name) => Some(name),
            Err(error) => {
                self.error(node.span, "name", error.to_string());
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        self.mismatch(node, what, "true or false")
    }

    /// A whole number; `8.0` counts as one.
    pub fn integer(&mut self, node: &Node, what: &str) -> Option<i64> {
        match &node.value {
            Value::Int(number) => Some(*number),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => format!("{number:.0}").parse().ok(),
            Value::Text(text) if text.trim().parse::<i64>().is_ok() => {
                let message = format!("`{what}` is the text {text:?}, expected a whole number");
                self.error_with_help(node.span, "type", message, "remove the quotes");
                None
            }
            Value::Null | Value::Bool(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => {
                self.mismatch(node, what, "a whole number")
            }
        }
    }

    /// A whole number from 1.
    pub fn positive(&mut self, node: &Node, what: &str) -> Option<NonZeroU32> {
        let number = self.integer(node, what)?;
        let positive = u32::try_from(number).ok().and_then(NonZeroU32::new);
        if positive.is_none() {
            let message = format!("`{what}` is {number}, expected a whole number from 1 to {}", u32::MAX);
            self.error(node.span, "range", message);
        }
        positive
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of {}", known.join(", "));
        let Value::Text(text) = &node.value else {
            return self.mismatch(node, what, &expected);
        };
        let chosen = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let message = format!("`{what}` is {}, expected {expected}", node.value.describe());
            match nearest(text, &known) {
                Some(near) => self.error_with_help(node.span, "value", message, format!("did you mean `{near}`?")),
                None => self.error(node.span, "value", message),
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_of_an_object_are_reported() {
        let source = SourceFile::new("f", "tp: \"8\"\nconc_strat: 1\nep: 0\n1: 2\n");
        let mut found = Diagnostics::new();
        let node = super::super::parse(&source, &mut found).unwrap();
        let mut reader = Reader::new(&source, &mut found);
        let object = reader.object(&node, "entry", &["tp", "ep", "conc-start", "model"]).unwrap();
        let tp = object.get("tp").and_then(|node| reader.positive(node, "tp"));
        let ep = object.get("ep").and_then(|node| reader.positive(node, "ep"));
        assert!(reader.required(&object, "model", "entry").is_none());
        assert_eq!((tp, ep), (None, None));
        let codes: Vec<_> = found.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["unknown-field", "unknown-field", "type", "range", "missing-field"]);
        assert!(object.is_misspelt("conc-start"));
    }
}
