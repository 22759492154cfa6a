//! `policy:`, which events lead to which sweeps. The defaults are the labels and modes that InferenceX's repository uses.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::texts;
use crate::yaml::{Node, Object, Reader};

/// How much of a change is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The lowest concurrency of each parallelism: a smoke test.
    Trimmed,
    /// Everything.
    Full,
}

impl Mode {
    /// The modes by the words that settings, inputs and outputs use.
    pub const WORDS: [(&'static str, Self); 2] = [("trimmed", Self::Trimmed), ("full", Self::Full)];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Full => "full",
        }
    }
}

/// How a sweep is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Sweep {
    /// How much of a change is measured.
    pub mode: Mode,
    /// Run one cheap job first, and the others only if it succeeds.
    #[schemars(default)]
    pub canary: bool,
    /// Cancel the remaining jobs when one fails.
    #[schemars(default)]
    pub fail_fast: bool,
}

impl Sweep {
    const fn new(mode: Mode, canary: bool, fail_fast: bool) -> Self {
        Self { mode, canary, fail_fast }
    }
}

/// The form of the step output `mode`.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode.as_str())?;
        f.write_str(if self.canary { " canary-first" } else { "" })?;
        f.write_str(if self.fail_fast { " fail-fast" } else { "" })
    }
}

/// Which events trigger which sweeps.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Policy {
    /// Sweep labels with the sweep of each. A pull request with exactly one of them is measured.
    pub labels: IndexMap<String, Sweep>,
    /// Label that adds an accuracy evaluation of every point that can be evaluated.
    #[schemars(length(min = 1))]
    pub all_evals_label: String,
    /// Label that evaluates accuracy and measures nothing.
    #[schemars(length(min = 1))]
    pub evals_only_label: String,
    /// Label that shortens the load of agentic rows: one warm-up request a session, 20 minutes.
    #[schemars(length(min = 1))]
    pub fast_label: String,
    /// Labels that change when or where jobs run, not what they measure: setting or removing one starts the sweep anew.
    #[schemars(inner(length(min = 1)))]
    pub restart_labels: Vec<String>,
    /// Text in the last commit's message that prevents a sweep.
    #[schemars(length(min = 1))]
    pub skip_marker: String,
    /// Whether the marker counts on pushes, too. A push that is skipped loses the points of its entries.
    pub skip_marker_on_push: bool,
    /// Measure draft pull requests.
    pub drafts: bool,
    /// Measure pull requests from forks, at the commit on which a maintainer set a label (`fork.yml`).
    pub forks: bool,
    /// Branches whose pushes are measured; empty means the default branch.
    #[schemars(inner(length(min = 1)))]
    pub push_branches: Vec<String>,
    /// How a push is measured.
    pub push: Sweep,
    /// Config keys, with wildcards, that every measured push and pull request measures, whatever the changelog says; empty means
    /// the changelog entries that it adds.
    #[schemars(inner(length(min = 1)))]
    pub config_keys: Vec<String>,
    /// First word of a comment that gives a command.
    #[schemars(length(min = 1))]
    pub command: String,
    /// First word of a comment line by which the results of a pull request are published when it is merged, instead of measured again.
    #[schemars(length(min = 1))]
    pub reuse_command: String,
    /// Inputs of a manual run that are the workflow's own. Any other unknown input is an error.
    #[schemars(inner(length(min = 1)))]
    pub workflow_inputs: Vec<String>,
    /// Config keys, with wildcards, that a scheduled run measures; empty means none.
    #[schemars(inner(length(min = 1)))]
    pub schedule_config_keys: Vec<String>,
    /// How a scheduled run is measured.
    pub schedule: Sweep,
    /// Config keys, with wildcards, that a published release measures; empty means none.
    #[schemars(inner(length(min = 1)))]
    pub release_config_keys: Vec<String>,
    /// How a release is measured.
    pub release: Sweep,
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
            fast_label: "agentx-fast".to_owned(),
            restart_labels: [
                "skip_queue",
                "ci-patchwork",
                "engine-patch",
                "ci-patchwork-waived",
                "ci-checklist-complete",
            ]
            .map(str::to_owned)
            .to_vec(),
            skip_marker: "[skip-sweep]".to_owned(),
            skip_marker_on_push: true,
            drafts: false,
            forks: true,
            push_branches: Vec::new(),
            push: Sweep::new(Mode::Full, false, false),
            config_keys: Vec::new(),
            command: "/sweep".to_owned(),
            reuse_command: "/reuse-sweep-run".to_owned(),
            workflow_inputs: Vec::new(),
            schedule_config_keys: Vec::new(),
            schedule: Sweep::new(Mode::Full, false, false),
            release_config_keys: Vec::new(),
            release: Sweep::new(Mode::Full, false, false),
        }
    }
}

/// Fields of the section.
pub(super) const FIELDS: [&str; 19] = [
    "labels",
    "all-evals-label",
    "evals-only-label",
    "fast-label",
    "restart-labels",
    "skip-marker",
    "skip-marker-on-push",
    "drafts",
    "forks",
    "push-branches",
    "push",
    "config-keys",
    "command",
    "reuse-command",
    "workflow-inputs",
    "schedule-config-keys",
    "schedule",
    "release-config-keys",
    "release",
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
    let fast_label = given(reader, &object, "fast-label", default.fast_label, text);
    let restart_labels = given(reader, &object, "restart-labels", default.restart_labels, texts);
    let skip_marker = given(reader, &object, "skip-marker", default.skip_marker, text);
    let skip_marker_on_push = given(reader, &object, "skip-marker-on-push", default.skip_marker_on_push, Reader::flag);
    let drafts = given(reader, &object, "drafts", default.drafts, Reader::flag);
    let forks = given(reader, &object, "forks", default.forks, Reader::flag);
    let push_branches = given(reader, &object, "push-branches", default.push_branches, texts);
    let push = given(reader, &object, "push", default.push, sweep);
    let config_keys = given(reader, &object, "config-keys", default.config_keys, texts);
    let command = given(reader, &object, "command", default.command, text);
    let reuse_command = given(reader, &object, "reuse-command", default.reuse_command, text);
    let workflow_inputs = given(reader, &object, "workflow-inputs", default.workflow_inputs, texts);
    let schedule_config_keys = given(reader, &object, "schedule-config-keys", default.schedule_config_keys, texts);
    let schedule = given(reader, &object, "schedule", default.schedule, sweep);
    let release_config_keys = given(reader, &object, "release-config-keys", default.release_config_keys, texts);
    let release = given(reader, &object, "release", default.release, sweep);
    let policy = Policy {
        labels: labels?,
        all_evals_label: all_evals_label?,
        evals_only_label: evals_only_label?,
        fast_label: fast_label?,
        restart_labels: restart_labels?,
        skip_marker: skip_marker?,
        skip_marker_on_push: skip_marker_on_push?,
        drafts: drafts?,
        forks: forks?,
        push_branches: push_branches?,
        push: push?,
        config_keys: config_keys?,
        command: command?,
        reuse_command: reuse_command?,
        workflow_inputs: workflow_inputs?,
        schedule_config_keys: schedule_config_keys?,
        schedule: schedule?,
        release_config_keys: release_config_keys?,
        release: release?,
    };
    refuse_shared_labels(reader, &object, &policy);
    for (field, command, example) in [
        ("command", &policy.command, "/sweep"),
        ("reuse-command", &policy.reuse_command, "/reuse-sweep-run"),
    ] {
        if command.contains(char::is_whitespace) {
            let message = format!("`{field}` is {command:?}, expected one word, such as {example}");
            reader.error(object.key_span(field), "value", message);
        }
    }
    Some(policy)
}

/// A field's value if present, otherwise its default.
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

/// A label with two meanings would be ambiguous.
fn refuse_shared_labels(reader: &mut Reader<'_>, object: &Object<'_>, policy: &Policy) {
    let single = [
        ("all-evals-label", &policy.all_evals_label),
        ("evals-only-label", &policy.evals_only_label),
        ("fast-label", &policy.fast_label),
    ];
    for (index, (field, label)) in single.iter().enumerate() {
        let shared = single[..index].iter().find(|(_, other)| other == label).map(|(other, _)| *other);
        let shared = shared.or_else(|| policy.labels.contains_key(*label).then_some("labels"));
        let shared = shared.or_else(|| policy.restart_labels.contains(label).then_some("restart-labels"));
        if let Some(other) = shared {
            let message = format!("`{label}` is both of `{field}` and of `{other}`, expected a label for each");
            reader.error(object.key_span(field), "label", message);
        }
    }
    if let Some(label) = policy.restart_labels.iter().find(|label| policy.labels.contains_key(*label)) {
        let message = format!("`{label}` is both of `restart-labels` and of `labels`, expected a label for each");
        reader.error(object.key_span("restart-labels"), "label", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceFile;
    use crate::settings::Settings;

    #[test]
    fn absent_fields_keep_their_defaults() {
        let text = "policy:\n  drafts: true\n  push: {mode: trimmed, fail-fast: yes}\n  labels:\n    bench: {mode: trimmed}\n";
        let (Settings { policy, .. }, _) = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap();
        assert_eq!(policy.labels.keys().collect::<Vec<_>>(), ["bench"]);
        assert_eq!((policy.drafts, policy.push), (true, Sweep::new(Mode::Trimmed, false, true)));
        let rest = Policy::default();
        assert_eq!((policy.command, policy.schedule), (rest.command, rest.schedule));
    }

    #[test]
    fn invalid_setting_is_reported_with_place() {
        for (text, words) in [
            ("draft: true", "unknown field `draft` in `policy`\n --> imax.yaml:2:3"),
            ("labels:\n    a: {mode: half}", "expected one of trimmed, full\n --> imax.yaml:3:15"),
            ("labels:\n    a: {canary: true}", "has no `mode`"),
            ("labels:\n    a: full", "is the text \"full\", expected a mapping"),
            ("labels:\n    1: {mode: full}", "put it in quotes"),
            ("skip-marker: ''", "`skip-marker` is empty"),
            ("push-branches: main", "`push-branches` is the text \"main\", expected a list"),
            ("forks: 1", "expected true or false"),
            ("command: /bench this", "expected one word"),
            ("reuse-command: 'reuse it'", "`reuse-command` is \"reuse it\", expected one word"),
            ("fast-label: skip_queue", "`fast-label` and of `restart-labels`"),
            ("restart-labels: [sweep-enabled]", "`restart-labels` and of `labels`"),
            ("all-evals-label: evals-only", "expected a label for each"),
            ("evals-only-label: sweep-enabled", "`evals-only-label` and of `labels`"),
        ] {
            let text = format!("policy:\n  {text}\n");
            let error = Settings::parse(&SourceFile::new("imax.yaml", text.clone())).unwrap_err();
            assert!(error.len() == 1 && error.to_string().contains(words), "{text}: {error}");
        }
    }
}
