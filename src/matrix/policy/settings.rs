//! What the policy can be told in `imax.yaml`, under `policy:`. The defaults are the labels and modes that
//! InferenceX's repository uses.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;

/// How much of what changed is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The lowest concurrency of each way to run an engine: does it work at all?
    Trimmed,
    /// Everything.
    Full,
}

/// How a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sweep {
    /// How much is measured.
    pub mode: Mode,
    /// One cheap job first, and the others only if it works.
    #[serde(default)]
    pub canary: bool,
    /// The first job that fails ends the others.
    #[serde(default)]
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
        f.write_str(match self.mode {
            Mode::Trimmed => "trimmed",
            Mode::Full => "full",
        })?;
        f.write_str(if self.canary { " canary-first" } else { "" })?;
        f.write_str(if self.fail_fast { " fail-fast" } else { "" })
    }
}

/// The policy's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
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

impl Default for Settings {
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

/// Why settings cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct SettingsError {
    file: String,
    line: u64,
    column: u64,
    message: String,
}

/// The file, of which other parts belong to other commands.
#[derive(Deserialize)]
struct SettingsFile {
    #[serde(default)]
    policy: Option<Settings>,
}

impl Settings {
    /// Reads the settings from `imax.yaml`; `file` names it in errors.
    ///
    /// # Errors
    /// Where the text is not YAML, or `policy` has a field that does not exist or a value of another type.
    pub fn parse(file: &str, text: &str) -> Result<Self, SettingsError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let read: Result<Option<SettingsFile>, _> = serde_saphyr::from_str_with_options(text, options);
        let document = read.map_err(|error| {
            let location = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
            SettingsError {
                file: file.to_owned(),
                line: location.line().max(1),
                column: location.column().max(1),
                message: error.to_string(),
            }
        })?;
        Ok(document.and_then(|document| document.policy).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_keeps_its_default() {
        let settings = Settings::parse(
            "imax.yaml",
            "other: 1\npolicy:\n  drafts: true\n  labels:\n    bench: {mode: trimmed}\n",
        )
        .unwrap();
        assert_eq!(settings.labels.keys().collect::<Vec<_>>(), ["bench"]);
        assert_eq!(
            Settings {
                labels: Settings::default().labels,
                drafts: false,
                ..settings
            },
            Settings::default()
        );
        assert_eq!(Settings::parse("imax.yaml", "").unwrap(), Settings::default());
    }

    #[test]
    fn a_wrong_setting_is_located() {
        for (text, place) in [
            ("policy:\n  draft: true\n", "imax.yaml:2:"),
            ("policy:\n  labels:\n    a: {mode: half}\n", "imax.yaml:3:"),
        ] {
            let error = Settings::parse("imax.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
