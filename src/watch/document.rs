//! The file of saved queries: receivers, watches and digests, as they are written and as they are used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Weekday;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::check::Fault;
use crate::analysis::Filter;
use crate::model::{Metric, json_schema};
use crate::notify::{MessageFormat, SignedWebhook};
use crate::system::files::{self, FileError};

/// Checked saved queries.
#[derive(Debug)]
pub(crate) struct Watches {
    pub receivers: BTreeMap<String, Receiver>,
    pub watches: Vec<Watch>,
    pub digests: Vec<DigestPlan>,
}

/// Where messages go.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub webhook: SignedWebhook,
    pub format: MessageFormat,
    /// Attempts for each message.
    pub attempts: u32,
    /// Wait after the first attempt; four times as long after each further one, an hour at most.
    pub first_wait: Duration,
}

/// A saved query.
#[derive(Debug)]
pub(crate) struct Watch {
    pub name: String,
    pub scope: Scope,
    pub conditions: BTreeSet<Condition>,
    /// Empty for all that are compared.
    pub metrics: Vec<Metric>,
    /// The least relative change of a level that counts.
    pub least_change: f64,
    pub newest_days: u32,
    pub remind_days: u32,
    pub stale_days: u32,
    pub to: Vec<String>,
}

/// Which points.
#[derive(Debug)]
pub(crate) struct Scope {
    pub project: Option<String>,
    pub branch: String,
    pub filters: Vec<Filter>,
}

/// A weekly message.
#[derive(Debug)]
pub(crate) struct DigestPlan {
    pub name: String,
    pub scope: Scope,
    pub day: Weekday,
    /// UTC.
    pub hour: u8,
    pub to: Vec<String>,
}

/// What opens a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Condition {
    /// The newest change of a metric's level is for the worse.
    Worse,
    /// The newest run of a point failed to measure it.
    Failed,
    /// The newest run of the branch is old.
    Stale,
}

impl Condition {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// Why a file of saved queries cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}:{line}: not UTF-8; save the file in this encoding", path.display())]
    Encoding { path: PathBuf, line: usize },
    #[error("{}: {reason}", path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("{}: {place}: {reason}", path.display())]
    Value { path: PathBuf, place: String, reason: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "imax watches")]
pub(super) struct Document {
    /// Where messages go, by name.
    pub receivers: BTreeMap<String, ReceiverDocument>,
    /// Saved queries.
    #[serde(default)]
    pub watches: Vec<WatchDocument>,
    /// Weekly messages.
    #[serde(default)]
    pub digests: Vec<DigestDocument>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReceiverDocument {
    /// An https URL. Redirects are not followed.
    pub url: Option<String>,
    /// The variable with the URL, for one that is a secret, as those of chats are.
    pub url_env: Option<String>,
    /// The variable with the key of the signature, `whsec_` and base64 of 24 to 64 bytes.
    pub secret_env: Option<String>,
    /// The file with the key.
    pub secret_file: Option<PathBuf>,
    /// Whether it is in the server's own network or behind a proxy: http, private addresses and the proxies of the environment are allowed.
    #[serde(default)]
    pub internal: bool,
    /// The body of messages: the event, or the text in the form of a chat.
    #[serde(default)]
    pub format: FormatDocument,
    /// Seconds for one attempt, 1 to 30.
    #[serde(default = "ten")]
    pub timeout_s: u32,
    /// Attempts for each message, 1 to 20.
    #[serde(default = "eight")]
    pub attempts: u32,
    /// Seconds after the first attempt, 1 to 3600; each further wait is four times as long, an hour at most.
    #[serde(default = "five")]
    pub first_wait_s: u32,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FormatDocument {
    #[default]
    Event,
    Slack,
    Discord,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WatchDocument {
    pub name: String,
    /// What opens a state.
    #[serde(default = "worse_and_failed")]
    pub when: BTreeSet<Condition>,
    /// Points: KEY=GLOB as for --filter.
    #[serde(default)]
    pub filters: Vec<String>,
    pub project: Option<String>,
    #[serde(default = "main_branch")]
    pub branch: String,
    /// Metrics whose levels count; all that are compared if there are none.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// The least relative change of a level that counts, such as 0.05.
    #[serde(default)]
    pub least_change: f64,
    /// A state opens only for what happened in this many days before.
    #[serde(default = "thirty")]
    pub newest_days: u32,
    /// Days after which a state that goes on is told again.
    #[serde(default = "seven")]
    pub remind_days: u32,
    /// For `stale`: the age of the newest run in days.
    #[serde(default = "three")]
    pub stale_days: u32,
    /// Names of receivers.
    pub to: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DigestDocument {
    pub name: String,
    #[serde(default)]
    pub filters: Vec<String>,
    pub project: Option<String>,
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The day of the week.
    #[serde(default)]
    pub day: DayDocument,
    /// The hour, UTC, 0 to 23.
    #[serde(default = "seven_oclock")]
    pub hour: u8,
    /// Names of receivers.
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DayDocument {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

fn three() -> u32 {
    3
}
fn five() -> u32 {
    5
}
fn seven() -> u32 {
    7
}
fn eight() -> u32 {
    8
}
fn ten() -> u32 {
    10
}
fn thirty() -> u32 {
    30
}
fn seven_oclock() -> u8 {
    7
}
fn main_branch() -> String {
    "main".to_owned()
}
pub(super) fn worse_and_failed() -> BTreeSet<Condition> {
    BTreeSet::from([Condition::Worse, Condition::Failed])
}

/// The schema of the file.
pub(crate) fn schema() -> Json {
    json_schema::<Document>()
}

impl Watches {
    /// Reads the file, and the URLs and keys that it names.
    ///
    /// # Errors
    /// [`WatchFileError`].
    pub(crate) fn read(path: &Path) -> Result<Self, WatchFileError> {
        let bytes = files::read(path)?;
        let text = String::from_utf8(bytes).map_err(|error| WatchFileError::Encoding {
            path: path.to_owned(),
            line: line_of(error.as_bytes(), error.utf8_error().valid_up_to()),
        })?;
        let document: Document = serde_saphyr::from_str(&text).map_err(|error| WatchFileError::Syntax {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        document.check().map_err(|Fault { place, reason }| WatchFileError::Value {
            path: path.to_owned(),
            place,
            reason,
        })
    }
}

/// The line of a byte, from 1.
fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}
