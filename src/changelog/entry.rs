//! An entry of the changelog: which configs changed, why, and how their measurement differs from the usual one.

use std::fmt;
use std::num::NonZeroU32;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::{ChangelogError, Place};

/// One entry, checked. Its JSON form is what the search-space document carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Master config keys, or patterns of them with `*`; at least one.
    pub config_keys: Vec<String>,
    /// What changed, for people; at least one line.
    pub description: Vec<String>,
    /// The pull request, or a placeholder for it.
    pub pr_link: String,
    /// Evaluate accuracy and do not measure.
    pub evals_only: bool,
    /// Evaluate accuracy at every point that can be evaluated, and do not measure.
    pub all_evals: bool,
    /// Measure only points that are new on curves that did not change otherwise.
    pub append_only: bool,
    /// Leave out multi-node evaluations whose prefill workers have a lower expert parallelism.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_min_prefill_ep: Option<NonZeroU32>,
    /// Only these scenarios; all where absent. Never empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario_type: Option<Vec<ScenarioType>>,
}

/// The kinds of workload that an entry can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioType {
    /// Requests of fixed lengths.
    FixedSeqLen,
    /// Recorded coding-agent traces.
    AgenticCoding,
}

impl ScenarioType {
    /// All of them, in the order in which they are planned.
    pub const ALL: [Self; 2] = [Self::FixedSeqLen, Self::AgenticCoding];

    /// As configs and changelogs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FixedSeqLen => "fixed-seq-len",
            Self::AgenticCoding => "agentic-coding",
        }
    }
}

impl fmt::Display for ScenarioType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Entry {
    /// The scenarios that the entry is about, in the order in which they are planned.
    #[must_use]
    pub fn scenarios(&self) -> Vec<ScenarioType> {
        let listed = |scenario: &ScenarioType| self.scenario_type.as_ref().is_none_or(|list| list.contains(scenario));
        ScenarioType::ALL.into_iter().filter(listed).collect()
    }

    /// What makes two entries the same one, whatever pull request they name.
    #[must_use]
    pub fn same_but_for_link(&self, other: &Self) -> bool {
        let mut linked = other.clone();
        linked.pr_link.clone_from(&self.pr_link);
        *self == linked
    }
}

/// An entry as written. Known to this module alone. The spellings with `_` are those of InferenceX's own field names,
/// which its tool reads too.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct EntryDocument {
    #[serde(alias = "config_keys")]
    config_keys: Vec<Text>,
    description: Vec<Text>,
    #[serde(alias = "pr_link")]
    pr_link: Text,
    #[serde(alias = "evals_only", default)]
    evals_only: Flag,
    #[serde(alias = "all_evals", default)]
    all_evals: Flag,
    #[serde(alias = "append_only", default)]
    append_only: Flag,
    #[serde(alias = "eval_min_prefill_ep", default)]
    eval_min_prefill_ep: Option<Count>,
    #[serde(alias = "scenario_type", default)]
    scenario_type: Option<Vec<ScenarioType>>,
}

/// Why an entry whose fields are well typed is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryProblem {
    /// A list that needs an item has none.
    #[error("`{0}` is empty, expected at least one item")]
    Empty(&'static str),
    /// A field that contradicts `append-only`.
    #[error("`append-only` adds points to a curve and is never about evals; remove `{0}` or `append-only`")]
    AppendOnlyWith(&'static str),
}

impl TryFrom<EntryDocument> for Entry {
    type Error = EntryProblem;

    fn try_from(document: EntryDocument) -> Result<Self, EntryProblem> {
        let EntryDocument {
            config_keys,
            description,
            pr_link,
            evals_only: Flag(evals_only),
            all_evals: Flag(all_evals),
            append_only: Flag(append_only),
            eval_min_prefill_ep,
            scenario_type,
        } = document;
        let lists = [
            (config_keys.is_empty(), "config-keys"),
            (description.is_empty(), "description"),
            (scenario_type.as_ref().is_some_and(Vec::is_empty), "scenario-type"),
        ];
        if let Some((_, field)) = lists.into_iter().find(|(empty, _)| *empty) {
            return Err(EntryProblem::Empty(field));
        }
        let about_evals = [
            (evals_only, "evals-only"),
            (all_evals, "all-evals"),
            (eval_min_prefill_ep.is_some(), "eval-min-prefill-ep"),
        ];
        if let Some((_, field)) = about_evals.into_iter().find(|(set, _)| append_only && *set) {
            return Err(EntryProblem::AppendOnlyWith(field));
        }
        Ok(Self {
            config_keys: config_keys.into_iter().map(|Text(key)| key).collect(),
            description: description.into_iter().map(|Text(line)| line).collect(),
            pr_link: pr_link.0,
            evals_only,
            all_evals,
            append_only,
            eval_min_prefill_ep: eval_min_prefill_ep.map(|Count(value)| value),
            scenario_type,
        })
    }
}

/// Reads a list of entries. Lines are counted in `text` as it is, so a caller that reads a part of a file blanks out
/// the rest instead of cutting it away.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<(Entry, Place)>, ChangelogError> {
    let place = |location: serde_saphyr::Location| Place {
        file: file.to_owned(),
        line: location.line().max(1),
        column: location.column().max(1),
    };
    let options = serde_saphyr::options! { with_snippet: false };
    let documents: Option<Vec<Spanned<EntryDocument>>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| ChangelogError::Entry {
            place: place(error.location().unwrap_or(serde_saphyr::Location::UNKNOWN)),
            message: super::error::without_position(&error.to_string()),
        })?;
    let checked = documents.unwrap_or_default().into_iter().map(|document| {
        let place = place(document.referenced);
        match Entry::try_from(document.value) {
            Ok(entry) => Ok((entry, place)),
            Err(problem) => Err(ChangelogError::Entry {
                place,
                message: problem.to_string(),
            }),
        }
    });
    checked.collect()
}

/// A string. YAML's own words for something else (`12`, `true`, `null`) are refused, not turned into text: who writes
/// one of them meant something else than the text, or must quote it.
#[derive(Debug, Clone)]
struct Text(String);

/// A yes or a no, in any of the spellings that InferenceX's tool reads.
#[derive(Debug, Clone, Copy, Default)]
struct Flag(bool);

/// A whole number from 1, also as text or as `4.0`, as InferenceX's tool reads it.
#[derive(Debug, Clone, Copy)]
struct Count(NonZeroU32);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text (in quotes where YAML would read a number, a date, a yes or a no)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;

        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Flag, E> {
                match value {
                    0 => Ok(Flag(false)),
                    1 => Ok(Flag(true)),
                    2.. => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Flag, E> {
                match u64::try_from(value) {
                    Ok(value) => self.visit_u64(value),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Flag, E> {
                match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "t" | "y" | "1" => Ok(Flag(true)),
                    "false" | "no" | "off" | "f" | "n" | "0" => Ok(Flag(false)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(FlagVisitor)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
                let count = u32::try_from(value).ok().and_then(NonZeroU32::new);
                count
                    .map(Count)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Count, E> {
                match u64::try_from(value) {
                    Ok(value) => self.visit_u64(value),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Count, E> {
                // Every whole number that a count may be has an exact text form.
                match (value.fract() == 0.0).then(|| format!("{value:.0}").parse()) {
                    Some(Ok(whole)) => self.visit_u64(whole),
                    Some(Err(_)) | None => Err(E::invalid_value(de::Unexpected::Float(value), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                match text.trim().parse() {
                    Ok(whole) => self.visit_u64(whole),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(CountVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(fields: &str) -> Result<Entry, String> {
        let text = format!("- config-keys: [a]\n  description: [d]\n  pr-link: p\n{fields}");
        parse("log.yaml", &text)
            .map(|mut entries| entries.remove(0).0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_and_counts_take_the_spellings_of_the_original() {
        for spelling in ["true", "yes", "on", "'true'", "'YES'", "1", "'1'"] {
            assert!(one(&format!("  evals-only: {spelling}\n")).unwrap().evals_only, "{spelling}");
        }
        for spelling in ["4", "'4'", "4.0"] {
            let entry = one(&format!("  eval-min-prefill-ep: {spelling}\n")).unwrap();
            assert_eq!(entry.eval_min_prefill_ep, NonZeroU32::new(4), "{spelling}");
        }
    }

    #[test]
    fn refuses_what_is_no_entry_and_says_where() {
        for (fields, message) in [
            ("  evals-only: 2\n", "log.yaml:4:"),
            ("  evals-only: maybe\n", "true or false"),
            ("  evals-only: null\n", "log.yaml:4:"),
            ("  eval-min-prefill-ep: 0\n", "a whole number from 1"),
            ("  eval-min-prefill-ep: 1.5\n", "a whole number from 1"),
            ("  scenario-type: []\n", "`scenario-type` is empty"),
            ("  scenario-type: [chat]\n", "unknown variant"),
            ("  evals: true\n", "unknown field"),
            (
                "  append-only: true\n  all-evals: true\n",
                "log.yaml:1:3: `append-only` adds points",
            ),
            ("- x\n", "log.yaml:4:"),
        ] {
            let error = one(fields).unwrap_err();
            assert!(error.contains(message) && error.starts_with("log.yaml:"), "{fields}: {error}");
        }
    }

    #[test]
    fn text_is_never_made_of_something_else() {
        for item in ["12", "true", "null", "1.5", "[a]", "{a: b}"] {
            let error = parse("f", &format!("- config-keys: [a]\n  description:\n    - {item}\n  pr-link: p\n")).unwrap_err();
            assert!(error.to_string().starts_with("f:3:"), "{item}: {error}");
        }
    }

    #[test]
    fn scenarios_are_planned_in_one_order() {
        let entry = one("  scenario-type: [agentic-coding, fixed-seq-len, agentic-coding]\n").unwrap();
        assert_eq!(entry.scenarios(), ScenarioType::ALL);
        assert_eq!(one("").unwrap().scenarios(), ScenarioType::ALL);
    }
}
