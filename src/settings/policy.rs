//! `policy:`, which events lead to which sweeps. The defaults are the labels and modes that InferenceX's repository uses.

use std::fmt;

use indexmap::IndexMap;

use super::texts;
use crate::yaml::{Node, Object, Reader};

/// How much of what changed is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The lowest concurrency of each way to run an engine: does it work at all?
    Trimmed,
    /// Everything.
    Full,
}

impl Mode {
    /// Both, with the word that settings, inputs and outputs use.
    pub const WORDS: [(&'static str, Self); 2] = [("trimmed", Self::Trimmed), ("full", Self::Full)];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Full => "full",
        }
    }
}

/// How a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// How much is measured.
    pub mode: Mode,
    /// One cheap job first, and the others only if it works.
    pub canary: bool,
    /// The first job that fails ends the others.
    pub fail_fast: bool,
}

impl Sweep {
    const fn new(mode: Mode, canary: bool, fail_fast: bool) -> Self {
        Self { mode, canary, fail_fast }
    }
}

/// As the step output `mode` has it.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode.as_str())?;
        f.write_str(if self.canary { " canary-first" } else { "" })?;
        f.write_str(if self.fail_fast { " fail-fast" } else { "" })
    }
}

/// The section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Labels of which a pull request has exactly one when it is to be measured.
    pub labels: IndexMap<String, Sweep>,
    /// The label that has accuracy evaluated at every point that can be evaluated.
    pub all_evals_label: String,
    /// The label that has accuracy evaluated and nothing measured.
    pub evals_only_label: String,
    /// What in the last commit's message keeps a push or pull request from being measured.
    pub skip_marker: String,
    /// Whether drafts are measured.
    pub drafts: bool,
    /// Whether a pull request from a fork is measured once a maintainer set a label after its last push.
    pub forks: bool,
    /// Branches whose pushes are measured; the default branch where the list is empty.
    pub push_branches: Vec<String>,
    /// How a push is measured.
    pub push: Sweep,
    /// What a comment that gives a command starts with.
    pub command: String,
    /// Config keys, with wildcards, that a scheduled run measures; none where the list is empty.
    pub schedule_config_keys: Vec<String>,
    /// How a scheduled run is measured.
    pub schedule: Sweep,
}

impl Default for Policy {
    fn default() -> Self {
        let labels = [
            ("sweep-enabled", Sweep::new(Mode::Trimmed, false, false)),
            ("full-sweep-enabled", Sweep::new(Mode::Full, true, false)),
            ("non-canary-full-sweep-enabled", Sweep::new(Mode::Full, false, false)),
            ("full-sweep-fail-fast", Sweep::new(Mode::Full, true, true)),
            ("full-sweep-fail-fast-no-canary", Sweep::new(Mode::Full, false, true)),
        ];
        Self {
            labels: labels.into_iter().map(|(name, sweep)| (name.to_owned(), sweep)).collect(),
            all_evals_label: "all-evals".to_owned(),
            evals_only_label: "evals-only".to_owned(),
            skip_marker: "[skip-sweep]".to_owned(),
            drafts: false,
            forks: true,
            push_branches: Vec::new(),
            push: Sweep::new(Mode::Full, false, false),
            command: "/sweep".to_owned(),
            schedule_config_keys: Vec::new(),
            schedule: Sweep::new(Mode::Full, false, false),
        }
    }
}

/// Fields of the section.
pub(super) const FIELDS: [&str; 11] = [
    "labels",
    "all-evals-label",
    "evals-only-label",
    "skip-marker",
    "drafts",
    "forks",
    "push-branches",
    "push",
    "command",
    "schedule-config-keys",
    "schedule",
];

/// Fields of a sweep.
pub(super) const SWEEP_FIELDS: [&str; 3] = ["mode", "canary", "fail-fast"];

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Policy> {
    let object = reader.object(node, "policy", &FIELDS)?;
    let default = Policy::default();
    // All fields are read before the first `?`, so that all errors are found.
    let labels = given(reader, &object, "labels", default.labels, |reader, node, _| {
        read_labels(reader, node)
    });
    let all_evals_label = given(reader, &object, "all-evals-label", default.all_evals_label, text);
    let evals_only_label = given(reader, &object, "evals-only-label", default.evals_only_label, text);
    let skip_marker = given(reader, &object, "skip-marker", default.skip_marker, text);
    let drafts = given(reader, &object, "drafts", default.drafts, Reader::flag);
    let forks = given(reader, &object, "forks", default.forks, Reader::flag);
    let push_branches = given(reader, &object, "push-branches", default.push_branches, texts);
    let push = given(reader, &object, "push", default.push, sweep);
    let command = given(reader, &object, "command", default.command, text);
    let schedule_config_keys = given(reader, &object, "schedule-config-keys", default.schedule_config_keys, texts);
    let schedule = given(reader, &object, "schedule", default.schedule, sweep);
    let policy = Policy {
        labels: labels?,
        all_evals_label: all_evals_label?,
        evals_only_label: evals_only_label?,
        skip_marker: skip_marker?,
        drafts: drafts?,
        forks: forks?,
        push_branches: push_branches?,
        push: push?,
        command: command?,
        schedule_config_keys: schedule_config_keys?,
        schedule: schedule?,
    };
    refuse_shared_labels(reader, &object, &policy);
    if policy.command.contains(char::is_whitespace) {
        let message = format!("`command` is {:?}, expected one word, such as /sweep", policy.command);
        reader.error(object.key_span("command"), "value", message);
    }
    Some(policy)
}

/// A field's value where it is written, else its default.
fn given<'r, T>(
    reader: &mut Reader<'r>,
    object: &Object<'_>,
    name: &'static str,
    default: T,
    read: impl FnOnce(&mut Reader<'r>, &Node, &str) -> Option<T>,
) -> Option<T> {
    match object.get(name) {
        Some(node) => read(reader, node, name),
        None => Some(default),
    }
}

fn text(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<String> {
    reader.text(node, what).map(str::to_owned)
}

fn read_labels(reader: &mut Reader<'_>, node: &Node) -> Option<IndexMap<String, Sweep>> {
    let mapping = reader.mapping(node, "labels")?;
    let mut labels = Some(IndexMap::new());
    for entry in mapping.iter() {
        let name = reader.text(&entry.key, "label").map(str::to_owned);
        let read = name.zip(sweep(reader, &entry.value, "label's sweep"));
        labels = labels.zip(read).map(|(mut labels, (name, sweep))| {
            labels.insert(name, sweep);
            labels
        });
    }
    labels
}

fn sweep(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Sweep> {
    let object = reader.object(node, what, &SWEEP_FIELDS)?;
    let mode = reader
        .required(&object, "mode", what)
        .and_then(|node| reader.choice(node, "mode", &Mode::WORDS));
    let canary = given(reader, &object, "canary", false, Reader::flag);
    let fail_fast = given(reader, &object, "fail-fast", false, Reader::flag);
    Some(Sweep {
        mode: mode?,
        canary: canary?,
        fail_fast: fail_fast?,
    })
}

/// A label that means two things would do the one or the other by chance.
fn refuse_shared_labels(reader: &mut Reader<'_>, object: &Object<'_>, policy: &Policy) {
    for (field, label) in [
        ("all-evals-label", &policy.all_evals_label),
        ("evals-only-label", &policy.evals_only_label),
    ] {
        if policy.labels.contains_key(label) {
            let message = format!("`{label}` is both `{field}` and one of `labels`, expected a label for each");
            reader.error(object.key_span(field), "label", message);
        }
    }
    if policy.all_evals_label == policy.evals_only_label {
        let label = &policy.all_evals_label;
        let message = format!("`{label}` is both `all-evals-label` and `evals-only-label`, expected a label for each");
        reader.error(object.key_span("evals-only-label"), "label", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceFile;
    use crate::settings::Settings;

    #[test]
    fn what_is_not_set_keeps_its_default() {
        let text = "policy:\n  drafts: true\n  push: {mode: trimmed, fail-fast: yes}\n  labels:\n    bench: {mode: trimmed}\n";
        let (Settings { policy, .. }, _) = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap();
        assert_eq!(policy.labels.keys().collect::<Vec<_>>(), ["bench"]);
        assert_eq!((policy.drafts, policy.push), (true, Sweep::new(Mode::Trimmed, false, true)));
        let rest = Policy::default();
        assert_eq!((policy.command, policy.schedule), (rest.command, rest.schedule));
    }

    #[test]
    fn a_wrong_setting_is_located() {
        for (text, words) in [
            ("draft: true", "unknown field `draft` in `policy`\n --> imax.yaml:2:3"),
            ("labels:\n    a: {mode: half}", "expected one of trimmed, full\n --> imax.yaml:3:15"),
            ("labels:\n    a: {canary: true}", "has no `mode`"),
            ("labels:\n    a: full", "is the text \"full\", expected a mapping"),
            ("labels:\n    1: {mode: full}", "put it into quotes"),
            ("skip-marker: ''", "`skip-marker` is empty"),
            ("push-branches: main", "`push-branches` is the text \"main\", expected a list"),
            ("forks: 1", "expected true or false"),
            ("command: /bench this", "expected one word"),
            ("all-evals-label: evals-only", "expected a label for each"),
            ("evals-only-label: sweep-enabled", "`evals-only-label` and one of `labels`"),
        ] {
            let text = format!("policy:\n  {text}\n");
            let error = Settings::parse(&SourceFile::new("imax.yaml", text.clone())).unwrap_err();
            assert!(error.len() == 1 && error.to_string().contains(words), "{text}: {error}");
        }
    }
}
