//! What identifies a measurement, as a file or a person says it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::model::suggestion;

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Something that identifies a measurement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fact {
            $($(#[$doc])* $name),+
        }

        impl Fact {
            /// All, in the order of messages.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name on command lines and in mapping files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

facts! {
    /// The model as its hub names it.
    Model = "model",
    /// The model's short name; by default what follows the last slash of the model.
    ModelPrefix = "model-prefix",
    Precision = "precision",
    Hardware = "hardware",
    Framework = "framework",
    /// The engine's version.
    Version = "version",
    Image = "image",
    Tp = "tp",
    Pp = "pp",
    /// Data-parallel replicas of the engine.
    Dp = "dp",
    Ep = "ep",
    PrefillTp = "prefill-tp",
    PrefillEp = "prefill-ep",
    PrefillWorkers = "prefill-workers",
    DecodeTp = "decode-tp",
    DecodeEp = "decode-ep",
    DecodeWorkers = "decode-workers",
    SpecDecoding = "spec-decoding",
    Isl = "isl",
    Osl = "osl",
    /// Concurrent requests.
    Concurrency = "conc",
    /// When it was measured, RFC 3339 or a day.
    Date = "date",
    Commit = "commit",
    Branch = "branch",
    /// The identity of the run among those of the same tool.
    RunId = "run-id",
    /// The engine's arguments.
    RuntimeArgs = "runtime-args",
    Dataset = "dataset",
    Turns = "turns",
    PrefixCaching = "prefix-caching",
    PrefixTokens = "prefix-tokens",
    PrefixCount = "prefix-count",
    RequestType = "request-type",
    Router = "router",
    Replicas = "replicas",
    /// Requests a second, for a load at a rate.
    RequestRate = "request-rate",
    /// The load generator's version.
    ProducerVersion = "producer-version",
    Node = "node",
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text does not state a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    #[error("{0:?} is not KEY=VALUE, such as model=org/name")]
    Form(String),
    #[error("unknown key {found:?}; {help}")]
    Key { found: String, help: String },
}

impl FromStr for Fact {
    type Err = FactsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|fact| fact.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|fact| fact.as_str()).collect();
            FactsError::Key {
                found: text.to_owned(),
                help: suggestion(text, &names),
            }
        })
    }
}

/// A fact, and where it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    text: String,
    place: String,
}

/// Facts with the places where they are said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts(BTreeMap<Fact, Said>);

/// A fact that is absent or cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fact} is {found}, expected {expected}; --set {fact}=… says what the file does not")]
pub(super) struct FactError {
    /// Where it is said; empty if it is absent.
    pub place: String,
    pub fact: Fact,
    pub found: String,
    pub expected: String,
}

impl Facts {
    /// Facts of `KEY=VALUE` texts, which a person gave.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn of_arguments<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, FactsError> {
        let mut facts = Self::default();
        for text in texts {
            let (key, value) = text.split_once('=').ok_or_else(|| FactsError::Form(text.to_owned()))?;
            facts.say(key.parse()?, value, "--set");
        }
        Ok(facts)
    }

    /// Adds a fact. Nothing but white space says nothing.
    pub(super) fn say(&mut self, fact: Fact, text: &str, place: impl Into<String>) {
        let text = text.trim();
        if !text.is_empty() {
            let said = Said {
                text: text.to_owned(),
                place: place.into(),
            };
            self.0.insert(fact, said);
        }
    }

    /// Adds a fact that is not said yet.
    pub(super) fn say_default(&mut self, fact: Fact, text: &str, place: impl Into<String>) {
        if !self.0.contains_key(&fact) {
            self.say(fact, text, place);
        }
    }

    /// These facts, and those of another list, which count more.
    pub(super) fn extend(&mut self, others: &Self) {
        for (fact, said) in &others.0 {
            self.0.insert(*fact, said.clone());
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Fact, &mut String)> {
        self.0.iter_mut().map(|(fact, said)| (*fact, &mut said.text))
    }

    pub(super) fn text(&self, fact: Fact) -> Option<&str> {
        self.0.get(&fact).map(|said| said.text.as_str())
    }

    /// A fact that must be said.
    pub(super) fn required(&self, fact: Fact, expected: &str) -> Result<&str, FactError> {
        self.text(fact).ok_or_else(|| self.wrong(fact, expected))
    }

    /// A whole number from 1, if it is said.
    pub(super) fn size(&self, fact: Fact) -> Result<Option<NonZeroU32>, FactError> {
        let Some(text) = self.text(fact) else { return Ok(None) };
        // Spreadsheets write whole numbers with a fraction of zero.
        let digits = text.strip_suffix(".0").unwrap_or(text);
        let number = digits
            .parse::<NonZeroU32>()
            .map_err(|_| self.wrong(fact, "a whole number from 1"))?;
        Ok(Some(number))
    }

    /// A whole number from 1 that must be said.
    pub(super) fn required_size(&self, fact: Fact) -> Result<NonZeroU32, FactError> {
        self.size(fact)?.ok_or_else(|| self.wrong(fact, "a whole number from 1"))
    }

    pub(super) fn wrong(&self, fact: Fact, expected: &str) -> FactError {
        let said = self.0.get(&fact);
        FactError {
            place: said.map(|said| said.place.clone()).unwrap_or_default(),
            fact,
            found: said.map_or_else(|| "absent".to_owned(), |said| format!("{:?}", shortened(&said.text))),
            expected: expected.to_owned(),
        }
    }
}

/// The start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
