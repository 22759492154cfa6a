//! An entry of the changelog: which configs changed, why, and how their measurement differs from the default.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Diagnostics, Place, Severity, SourceFile, Span};
use crate::yaml::{self, Node, Object, Reader, Value};

/// One entry of the changelog. Its JSON form is part of the search-space document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Entry {
    /// Master config keys, or patterns of them with `*`; at least one.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub config_keys: Vec<String>,
    /// What changed, for people; at least one line.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub description: Vec<String>,
    /// The pull request, or a placeholder for it.
    #[schemars(length(min = 1))]
    pub pr_link: String,
    /// Evaluate accuracy and do not measure.
    #[schemars(default)]
    pub evals_only: bool,
    /// Evaluate accuracy at every point that can be evaluated, and do not measure.
    #[schemars(default)]
    pub all_evals: bool,
    /// Measure only the new points of curves that are otherwise unchanged.
    #[schemars(default)]
    pub append_only: bool,
    /// Skip multi-node evaluations whose prefill workers have a lower expert parallelism.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_min_prefill_ep: Option<NonZeroU32>,
    /// Limit the entry to these scenarios; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub scenario_type: Option<Vec<ScenarioType>>,
}

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioType {
    /// Requests of fixed lengths.
    FixedSeqLen,
    /// Recorded sessions of a coding agent.
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
    /// The scenarios of the entry, in the order in which they are planned.
    #[must_use]
    pub fn scenarios(&self) -> Vec<ScenarioType> {
        ScenarioType::ALL
            .into_iter()
            .filter(|scenario| self.scenario_type.as_ref().is_none_or(|list| list.contains(scenario)))
            .collect()
    }

    /// Whether two entries are equal except for their pull request.
    #[must_use]
    pub fn same_but_for_link(&self, other: &Self) -> bool {
        let mut linked = other.clone();
        linked.pr_link.clone_from(&self.pr_link);
        *self == linked
    }
}

/// An entry with the places for messages about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedEntry {
    pub entry: Entry,
    /// Where it begins.
    pub place: Place,
    /// Where each of its config keys stands.
    pub key_places: Vec<Place>,
}

impl LocatedEntry {
    /// A warning for each config key that the entry has twice. It is planned once.
    fn repeated_keys(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut first: HashMap<&str, &Place> = HashMap::new();
        for (key, place) in self.entry.config_keys.iter().zip(&self.key_places) {
            if let Some(earlier) = first.get(key.as_str()) {
                let message = format!("the config key `{key}` is twice in this entry; it is planned once");
                let finding = Diagnostic::warning("repeated-config-key", message).at(place.clone());
                found.push(
                    finding
                        .related((*earlier).clone(), "already named here")
                        .help("remove the repetition"),
                );
            } else {
                first.insert(key, place);
            }
        }
        found
    }
}

const CONFIG_KEYS: Field = Field("config-keys", "config_keys");
const DESCRIPTION: Field = Field("description", "description");
const PR_LINK: Field = Field("pr-link", "pr_link");
const EVALS_ONLY: Field = Field("evals-only", "evals_only");
const ALL_EVALS: Field = Field("all-evals", "all_evals");
const APPEND_ONLY: Field = Field("append-only", "append_only");
const EVAL_MIN_PREFILL_EP: Field = Field("eval-min-prefill-ep", "eval_min_prefill_ep");
const SCENARIO_TYPE: Field = Field("scenario-type", "scenario_type");
const FIELDS: [Field; 8] = [
    CONFIG_KEYS,
    DESCRIPTION,
    PR_LINK,
    EVALS_ONLY,
    ALL_EVALS,
    APPEND_ONLY,
    EVAL_MIN_PREFILL_EP,
    SCENARIO_TYPE,
];

/// A field's name, and its alternative name in InferenceX, which its tool accepts too.
#[derive(Clone, Copy)]
struct Field(&'static str, &'static str);

impl Field {
    /// The field's value, including an explicit null.
    fn value<'n>(self, object: &Object<'n>) -> Option<&'n Node> {
        object.written(self.0).or_else(|| object.written(self.1))
    }

    fn key_span(self, object: &Object<'_>) -> Span {
        object.key_span(if object.written(self.0).is_some() { self.0 } else { self.1 })
    }
}

const ENTRY: &str = "changelog entry";

/// Parses a list of entries. `text` is parsed, `source` is quoted in messages: to parse a part of a
/// file, the rest is blanked in `text`, so that line numbers are kept.
///
/// # Errors
/// All errors of all entries.
pub(super) fn parse(source: &Arc<SourceFile>, text: String) -> Result<Vec<LocatedEntry>, Diagnostics> {
    let mut found = Diagnostics::new();
    let masked = SourceFile::new(source.name.clone(), text);
    let root = yaml::parse(&masked, &mut found);
    let entries = root.and_then(|root| read_list(&mut Reader::new(source, &mut found), &root));
    match entries {
        Some(entries) if found.is_empty() => Ok(entries),
        Some(_) | None => Err(refused(found)),
    }
}

/// Findings with warnings as errors: a warning about an entry, such as a duplicate key, would be overlooked.
pub(super) fn refused(found: Diagnostics) -> Diagnostics {
    let mut errors = Diagnostics::new();
    for diagnostic in found {
        errors.push(Diagnostic {
            severity: Severity::Error,
            ..diagnostic
        });
    }
    errors
}

/// Checks all entries of a file, old ones too.
pub fn check(source: &Arc<SourceFile>) -> Diagnostics {
    let entries = match parse(source, source.text.clone()) {
        Ok(entries) => entries,
        Err(found) => return found,
    };
    let mut found = Diagnostics::new();
    for repeated in entries.iter().flat_map(LocatedEntry::repeated_keys) {
        found.push(repeated);
    }
    found
}

fn read_list(reader: &mut Reader<'_>, root: &Node) -> Option<Vec<LocatedEntry>> {
    match &root.value {
        Value::Null => Some(Vec::new()),
        Value::Sequence(items) => {
            let entries: Vec<Option<LocatedEntry>> = items.iter().map(|item| read(reader, item)).collect();
            entries.into_iter().collect()
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Mapping(_) => {
            let message = format!("the changelog is {}, expected a list of entries", root.value.describe());
            reader.error_with_help(root.span, "type", message, "begin each entry with `- config-keys:`");
            None
        }
    }
}

/// Reads one entry.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<LocatedEntry> {
    let known: Vec<&str> = FIELDS.iter().flat_map(|field| [field.0, field.1]).collect();
    let object = reader.object(node, ENTRY, &known)?;
    let keys = required(reader, &object, CONFIG_KEYS).and_then(|node| texts(reader, node, CONFIG_KEYS));
    let description = required(reader, &object, DESCRIPTION).and_then(|node| texts(reader, node, DESCRIPTION));
    let pr_link = required(reader, &object, PR_LINK).and_then(|node| text(reader, node, PR_LINK));
    let evals_only = flag(reader, &object, EVALS_ONLY);
    let all_evals = flag(reader, &object, ALL_EVALS);
    let append_only = flag(reader, &object, APPEND_ONLY);
    let minimum = minimum(reader, &object);
    let scenarios = scenarios(reader, &object);
    let (keys, append_only) = (keys?, append_only?);
    let entry = Entry {
        config_keys: keys.iter().map(|(key, _)| key.clone()).collect(),
        description: description?.into_iter().map(|(line, _)| line).collect(),
        pr_link: pr_link?,
        evals_only: evals_only?,
        all_evals: all_evals?,
        append_only,
        eval_min_prefill_ep: minimum?,
        scenario_type: scenarios?,
    };
    let about_evals = [
        (entry.evals_only, EVALS_ONLY),
        (entry.all_evals, ALL_EVALS),
        (entry.eval_min_prefill_ep.is_some(), EVAL_MIN_PREFILL_EP),
    ];
    if let Some((_, field)) = about_evals.into_iter().find(|(set, _)| append_only && *set) {
        let message = format!(
            "`append-only` beside `{}`: it adds points to a curve and is never about evals",
            field.0
        );
        reader.error_with_help(field.key_span(&object), "append-only", message, "remove one of the two");
        return None;
    }
    // Only the first line: marking the whole entry would highlight nothing.
    let start = node.span.start;
    Some(LocatedEntry {
        entry,
        place: reader.place(Span { start, end: start }),
        key_places: keys.into_iter().map(|(_, place)| place).collect(),
    })
}

fn required<'n>(reader: &mut Reader<'_>, object: &Object<'n>, field: Field) -> Option<&'n Node> {
    match field.value(object) {
        Some(node) => Some(node),
        None => reader.required(object, field.0, ENTRY),
    }
}

/// Text, possibly empty. What YAML reads as another type is refused: `12` or `yes` was meant as something
/// else, or must be quoted.
fn text(reader: &mut Reader<'_>, node: &Node, field: Field) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Sequence(_) | Value::Mapping(_) => {
            reader.text(node, field.0).map(str::to_owned)
        }
    }
}

/// A list of texts with at least one.
fn texts(reader: &mut Reader<'_>, node: &Node, field: Field) -> Option<Vec<(String, Place)>> {
    let items = not_empty(reader, node, field)?;
    let texts: Vec<Option<(String, Place)>> = items
        .iter()
        .map(|item| text(reader, item, field).map(|text| (text, reader.place(item.span))))
        .collect();
    texts.into_iter().collect()
}

fn not_empty<'n>(reader: &mut Reader<'_>, node: &'n Node, field: Field) -> Option<&'n [Arc<Node>]> {
    let items = reader.list(node, field.0)?;
    if items.is_empty() {
        reader.error(node.span, "empty", format!("`{}` is empty, expected at least one item", field.0));
        return None;
    }
    Some(items)
}

/// A boolean in any of the spellings that InferenceX's tool accepts; false if the field is absent.
fn flag(reader: &mut Reader<'_>, object: &Object<'_>, field: Field) -> Option<bool> {
    let Some(node) = field.value(object) else { return Some(false) };
    let spelled = match &node.value {
        Value::Int(0) => Some(false),
        Value::Int(1) => Some(true),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "t" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "f" | "n" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    spelled.or_else(|| reader.flag(node, field.0))
}

/// A whole number from 1, also as text, as in InferenceX's tool. The outer `None` is an error.
fn minimum(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Option<NonZeroU32>> {
    let Some(node) = EVAL_MIN_PREFILL_EP.value(object).filter(|node| node.value != Value::Null) else {
        return Some(None);
    };
    let spelled = match &node.value {
        Value::Text(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    spelled.or_else(|| reader.positive(node, EVAL_MIN_PREFILL_EP.0)).map(Some)
}

/// The outer `None` is an error.
fn scenarios(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Option<Vec<ScenarioType>>> {
    let Some(node) = SCENARIO_TYPE.value(object).filter(|node| node.value != Value::Null) else {
        return Some(None);
    };
    let words = ScenarioType::ALL.map(|scenario| (scenario.as_str(), scenario));
    let items = not_empty(reader, node, SCENARIO_TYPE)?;
    let chosen: Vec<Option<ScenarioType>> = items.iter().map(|item| reader.choice(item, SCENARIO_TYPE.0, &words)).collect();
    chosen.into_iter().collect::<Option<Vec<_>>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Vec<LocatedEntry>, Vec<String>> {
        let source = SourceFile::new("log.yaml", text);
        parse(&source, text.to_owned()).map_err(|found| {
            let located_message = |found: &crate::model::Diagnostic| {
                let place = found.place.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{place} {}", found.message)
            };
            found.iter().map(located_message).collect()
        })
    }

    fn one(fields: &str) -> Result<Entry, Vec<String>> {
        let text = format!("- config-keys: [a]\n  description: [d]\n  pr-link: p\n{fields}");
        read_all(&text).map(|mut entries| entries.remove(0).entry)
    }

    #[test]
    fn flags_and_counts_accept_spellings_of_inferencex() {
        for spelling in ["true", "yes", "on", "'true'", "'YES'", "1", "'1'"] {
            assert!(one(&format!("  evals-only: {spelling}\n")).unwrap().evals_only, "{spelling}");
        }
        for spelling in ["4", "'4'", "4.0"] {
            let entry = one(&format!("  eval-min-prefill-ep: {spelling}\n")).unwrap();
            assert_eq!(entry.eval_min_prefill_ep, NonZeroU32::new(4), "{spelling}");
        }
    }

    #[test]
    fn invalid_entries_are_refused_with_place() {
        for (fields, message) in [
            ("  evals-only: 2\n", "log.yaml:4:15 `evals-only` is `2`, expected true or false"),
            ("  evals-only: maybe\n", "expected true or false"),
            ("  evals-only: null\n", "log.yaml:4:"),
            ("  eval-min-prefill-ep: 0\n", "expected a whole number from 1"),
            ("  eval-min-prefill-ep: 1.5\n", "expected a whole number"),
            ("  scenario-type: []\n", "log.yaml:4:18 `scenario-type` is empty"),
            (
                "  scenario-type: [chat]\n",
                "`scenario-type` is the text \"chat\", expected one of fixed-seq-len",
            ),
            ("  evals: true\n", "unknown field `evals`"),
            (
                "  append-only: true\n  all-evals: true\n",
                "log.yaml:5:3 `append-only` beside `all-evals`",
            ),
            ("- x\n", "log.yaml:4:3 `changelog entry` is the text \"x\", expected a mapping"),
        ] {
            let errors = one(fields).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(message), "{fields}: {errors:?}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let errors = read_all("- config-keys: []\n  description: d\n- pr-link: x\n").unwrap_err();
        let lines: Vec<&str> = errors.iter().map(|error| error.split_once(' ').unwrap().0).collect();
        let wanted = ["log.yaml:1:16", "log.yaml:2:16", "log.yaml:1:3", "log.yaml:3:3", "log.yaml:3:3"];
        assert_eq!(lines, wanted, "{errors:#?}");
    }

    #[test]
    fn other_types_are_not_converted_to_text() {
        for item in ["12", "true", "null", "1.5", "2026-01-01", "[a]", "{a: b}"] {
            let errors = read_all(&format!("- config-keys: [a]\n  description:\n    - {item}\n  pr-link: p\n")).unwrap_err();
            assert!(errors[0].starts_with("log.yaml:3:7 `description` is "), "{item}: {errors:?}");
        }
    }

    #[test]
    fn scenarios_are_planned_in_one_order() {
        let entry = one("  scenario-type: [agentic-coding, fixed-seq-len, agentic-coding]\n").unwrap();
        assert_eq!(entry.scenarios(), ScenarioType::ALL);
        assert_eq!(one("").unwrap().scenarios(), ScenarioType::ALL);
    }
}
