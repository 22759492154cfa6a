//! The mapping file of an import: names of columns and words for values that differ from those of the format.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::facts::{Fact, Facts, FactsError};

/// What a mapping file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    set: Facts,
    columns: BTreeMap<String, String>,
    values: BTreeMap<Fact, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Facts that the file does not say.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// The file's name of a column to the format's.
    #[serde(default)]
    columns: BTreeMap<String, String>,
    /// For a fact, the file's word to the word of the history.
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, String>>,
}

/// Why a text is not a mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("invalid mapping file: {0}")]
    Form(#[from] serde_saphyr::Error),
    #[error("invalid mapping file: {0}")]
    Fact(#[from] FactsError),
}

impl Mapping {
    /// Reads a mapping file, YAML or JSON with the keys `set`, `columns` and `values`.
    ///
    /// # Errors
    /// [`MappingError`], with the place.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let Document { set, columns, values } = serde_saphyr::from_str(text)?;
        let mut mapping = Self {
            columns,
            ..Self::default()
        };
        for (key, value) in set {
            mapping.set.say(key.parse()?, &value, "the mapping file");
        }
        for (key, words) in values {
            mapping.values.insert(key.parse()?, words);
        }
        Ok(mapping)
    }

    /// The facts of the file.
    pub(super) fn facts(&self) -> &Facts {
        &self.set
    }

    /// The format's name of a column.
    pub(super) fn column<'a>(&'a self, found: &'a str) -> &'a str {
        self.columns.get(found).map_or(found, String::as_str)
    }

    /// Replaces the words of a file by those of the history.
    pub(super) fn translate(&self, facts: &mut Facts) {
        if self.values.is_empty() {
            return;
        }
        for (fact, text) in facts.iter_mut() {
            if let Some(word) = self.values.get(&fact).and_then(|words| words.get(text)) {
                text.clone_from(word);
            }
        }
    }
}
