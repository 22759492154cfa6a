//! The file of saved queries: receivers, watches and digests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Weekday;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::analysis::Filter;
use crate::model::{Metric, Secret, json_schema};
use crate::notify::{MessageFormat, SignedWebhook, SigningKey};
use crate::system::environment;
use crate::system::files::{self, FileError};
use crate::system::public_address::is_public;

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
    #[error("{}: {reason}", path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("{}: {place}: {reason}", path.display())]
    Value { path: PathBuf, place: String, reason: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "imax watches")]
struct Document {
    /// Where messages go, by name.
    receivers: BTreeMap<String, ReceiverDocument>,
    /// Saved queries.
    #[serde(default)]
    watches: Vec<WatchDocument>,
    /// Weekly messages.
    #[serde(default)]
    digests: Vec<DigestDocument>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReceiverDocument {
    /// An https URL. Redirects are not followed.
    url: Option<String>,
    /// The variable with the URL, for one that is a secret, as those of chats are.
    url_env: Option<String>,
    /// The variable with the key of the signature, `whsec_` and base64 of 24 to 64 bytes.
    secret_env: Option<String>,
    /// The file with the key.
    secret_file: Option<PathBuf>,
    /// Whether it is in the server's own network or behind a proxy: http, private addresses and the proxies of the environment are allowed.
    #[serde(default)]
    internal: bool,
    /// The body of messages: the event, or the text in the form of a chat.
    #[serde(default)]
    format: FormatDocument,
    /// Seconds for one attempt, 1 to 30.
    #[serde(default = "ten")]
    timeout_s: u32,
    /// Attempts for each message, 1 to 20.
    #[serde(default = "eight")]
    attempts: u32,
    /// Seconds after the first attempt, 1 to 3600; each further wait is four times as long, an hour at most.
    #[serde(default = "five")]
    first_wait_s: u32,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum FormatDocument {
    #[default]
    Event,
    Slack,
    Discord,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WatchDocument {
    name: String,
    /// What opens a state.
    #[serde(default = "worse_and_failed")]
    when: BTreeSet<Condition>,
    /// Points: KEY=GLOB as for --filter.
    #[serde(default)]
    filters: Vec<String>,
    project: Option<String>,
    #[serde(default = "main_branch")]
    branch: String,
    /// Metrics whose levels count; all that are compared if there are none.
    #[serde(default)]
    metrics: Vec<String>,
    /// The least relative change of a level that counts, such as 0.05.
    #[serde(default)]
    least_change: f64,
    /// A state opens only for what happened in this many days before.
    #[serde(default = "thirty")]
    newest_days: u32,
    /// Days after which a state that goes on is told again.
    #[serde(default = "seven")]
    remind_days: u32,
    /// For `stale`: the age of the newest run in days.
    #[serde(default = "three")]
    stale_days: u32,
    /// Names of receivers.
    to: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DigestDocument {
    name: String,
    #[serde(default)]
    filters: Vec<String>,
    project: Option<String>,
    #[serde(default = "main_branch")]
    branch: String,
    /// The day of the week.
    #[serde(default)]
    day: DayDocument,
    /// The hour, UTC, 0 to 23.
    #[serde(default = "seven_oclock")]
    hour: u8,
    /// Names of receivers.
    to: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum DayDocument {
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
fn worse_and_failed() -> BTreeSet<Condition> {
    BTreeSet::from([Condition::Worse, Condition::Failed])
}

/// The schema of the file.
pub(crate) fn schema() -> Json {
    json_schema::<Document>()
}

/// The longest name of a watch, digest or receiver.
const LONGEST_NAME: usize = 100;

impl Watches {
    /// Reads the file, and the URLs and keys that it names.
    ///
    /// # Errors
    /// [`WatchFileError`].
    pub(crate) fn read(path: &Path) -> Result<Self, WatchFileError> {
        let text = files::read_text(path)?;
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

/// What is wrong at a place of the file.
struct Fault {
    place: String,
    reason: String,
}

fn fault(place: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault {
        place: place.into(),
        reason: reason.into(),
    }
}

impl Document {
    fn check(self) -> Result<Watches, Fault> {
        let Self {
            receivers,
            watches,
            digests,
        } = self;
        let mut names = BTreeSet::new();
        for (place, name) in [
            watches.iter().map(|watch| ("watches", &watch.name)).collect::<Vec<_>>(),
            digests.iter().map(|digest| ("digests", &digest.name)).collect(),
        ]
        .concat()
        {
            check_name(place, name)?;
            if !names.insert(name.clone()) {
                return Err(fault(place, format!("{name:?} names two entries; what was told is kept by name")));
            }
        }
        let known: BTreeSet<String> = receivers.keys().cloned().collect();
        Ok(Watches {
            receivers: receivers.into_iter().map(receiver).collect::<Result<_, _>>()?,
            watches: watches.into_iter().map(|watch| watch.check(&known)).collect::<Result<_, _>>()?,
            digests: digests.into_iter().map(|digest| digest.check(&known)).collect::<Result<_, _>>()?,
        })
    }
}

fn check_name(place: &str, name: &str) -> Result<(), Fault> {
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(fault(
            place,
            format!("{name:?} is no name; expected a line of at most {LONGEST_NAME} bytes"),
        ));
    }
    Ok(())
}

fn receiver((name, document): (String, ReceiverDocument)) -> Result<(String, Receiver), Fault> {
    let place = format!("receivers.{name}");
    check_name("receivers", &name)?;
    let ReceiverDocument {
        url,
        url_env,
        secret_env,
        secret_file,
        internal,
        format,
        timeout_s,
        attempts,
        first_wait_s,
    } = document;
    for (key, value, least, most) in [
        ("timeout-s", timeout_s, 1, 30),
        ("attempts", attempts, 1, 20),
        ("first-wait-s", first_wait_s, 1, 3600),
    ] {
        if !(least..=most).contains(&value) {
            return Err(fault(format!("{place}.{key}"), format!("{value}, expected {least} to {most}")));
        }
    }
    let url = url_of(&place, url, url_env, internal)?;
    let key = key_of(&place, secret_env, secret_file.as_deref())?;
    let format = match format {
        FormatDocument::Event => MessageFormat::Event,
        FormatDocument::Slack => MessageFormat::Slack,
        FormatDocument::Discord => MessageFormat::Discord,
    };
    if matches!(format, MessageFormat::Event) && key.is_none() {
        let reason = "events are signed; name the variable or file of the key with secret-env or secret-file";
        return Err(fault(place, reason));
    }
    let receiver = Receiver {
        webhook: SignedWebhook {
            url,
            key,
            timeout: Duration::from_secs(timeout_s.into()),
            is_internal: internal,
        },
        format,
        attempts,
        first_wait: Duration::from_secs(first_wait_s.into()),
    };
    Ok((name, receiver))
}

/// The URL, which no message shows: those of chats are secrets.
fn url_of(place: &str, url: Option<String>, url_env: Option<String>, is_internal: bool) -> Result<Secret, Fault> {
    let (place, text) = match (url, url_env) {
        (Some(url), None) => (format!("{place}.url"), url),
        (None, Some(variable)) => {
            let text = environment::text(&variable);
            let text = text.ok_or_else(|| fault(format!("{place}.url-env"), format!("the variable {variable} is not set")))?;
            (format!("{place}.url-env"), text)
        }
        (None, None) | (Some(_), Some(_)) => return Err(fault(place, "expected one of url and url-env")),
    };
    let url = url::Url::parse(&text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let host = url.as_ref().and_then(url::Url::host);
    let (Some(url), Some(host)) = (&url, host) else {
        return Err(fault(place, "not an http or https URL"));
    };
    if !is_internal {
        if url.scheme() != "https" {
            return Err(fault(place, "expected an https URL; `internal: true` allows http"));
        }
        if address(&host).is_some_and(|address| !is_public(address)) {
            return Err(fault(place, "an address of a private network; `internal: true` allows it"));
        }
    }
    Ok(Secret::new(text))
}

/// The address that a URL names itself. Names are resolved by each attempt.
fn address(host: &url::Host<&str>) -> Option<IpAddr> {
    match host {
        url::Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        url::Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        url::Host::Domain(_) => None,
    }
}

fn key_of(place: &str, variable: Option<String>, file: Option<&Path>) -> Result<Option<SigningKey>, Fault> {
    let (place, text) = match (variable, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(fault(place, "expected one of secret-env and secret-file")),
        (Some(variable), None) => {
            let place = format!("{place}.secret-env");
            let text = environment::text(&variable).ok_or_else(|| fault(&place, format!("the variable {variable} is not set")))?;
            (place, text)
        }
        (None, Some(file)) => {
            let place = format!("{place}.secret-file");
            let text = files::read_text(file).map_err(|error| fault(&place, error.to_string()))?;
            (place, text)
        }
    };
    let key = SigningKey::parse(text.trim());
    key.map(Some).ok_or_else(|| {
        fault(
            place,
            "expected whsec_ and base64 of 24 to 64 bytes, such as whsec_$(openssl rand -base64 32)",
        )
    })
}

impl WatchDocument {
    fn check(self, receivers: &BTreeSet<String>) -> Result<Watch, Fault> {
        let Self {
            name,
            when,
            filters,
            project,
            branch,
            metrics,
            least_change,
            newest_days,
            remind_days,
            stale_days,
            to,
        } = self;
        let place = format!("watches.{name}");
        if when.is_empty() {
            return Err(fault(format!("{place}.when"), "expected worse, failed or stale"));
        }
        if !(0.0..1.0).contains(&least_change) {
            return Err(fault(
                format!("{place}.least-change"),
                format!("{least_change}, expected a part such as 0.05"),
            ));
        }
        for (key, days) in [
            ("newest-days", newest_days),
            ("remind-days", remind_days),
            ("stale-days", stale_days),
        ] {
            if !(1..=3650).contains(&days) {
                return Err(fault(format!("{place}.{key}"), format!("{days}, expected 1 to 3650")));
            }
        }
        Ok(Watch {
            scope: scope(&place, project, branch, &filters)?,
            conditions: when,
            metrics: metrics.iter().map(|id| metric(&place, id)).collect::<Result<_, _>>()?,
            least_change,
            newest_days,
            remind_days,
            stale_days,
            to: targets(&place, to, receivers)?,
            name,
        })
    }
}

impl DigestDocument {
    fn check(self, receivers: &BTreeSet<String>) -> Result<DigestPlan, Fault> {
        let Self {
            name,
            filters,
            project,
            branch,
            day,
            hour,
            to,
        } = self;
        let place = format!("digests.{name}");
        if hour > 23 {
            return Err(fault(format!("{place}.hour"), format!("{hour}, expected 0 to 23")));
        }
        Ok(DigestPlan {
            scope: scope(&place, project, branch, &filters)?,
            day: match day {
                DayDocument::Monday => Weekday::Mon,
                DayDocument::Tuesday => Weekday::Tue,
                DayDocument::Wednesday => Weekday::Wed,
                DayDocument::Thursday => Weekday::Thu,
                DayDocument::Friday => Weekday::Fri,
                DayDocument::Saturday => Weekday::Sat,
                DayDocument::Sunday => Weekday::Sun,
            },
            hour,
            to: targets(&place, to, receivers)?,
            name,
        })
    }
}

fn scope(place: &str, project: Option<String>, branch: String, filters: &[String]) -> Result<Scope, Fault> {
    let parse = |text: &String| {
        text.parse::<Filter>()
            .map_err(|error| fault(format!("{place}.filters"), error.to_string()))
    };
    Ok(Scope {
        project,
        branch,
        filters: filters.iter().map(parse).collect::<Result<_, _>>()?,
    })
}

fn metric(place: &str, id: &str) -> Result<Metric, Fault> {
    let known = Metric::COMPARED.into_iter().find(|metric| metric.id() == id);
    known.ok_or_else(|| {
        let ids: Vec<&str> = Metric::COMPARED.into_iter().map(Metric::id).collect();
        fault(format!("{place}.metrics"), format!("{id:?}, expected {}", ids.join(", ")))
    })
}

fn targets(place: &str, to: Vec<String>, receivers: &BTreeSet<String>) -> Result<Vec<String>, Fault> {
    if to.is_empty() {
        return Err(fault(format!("{place}.to"), "expected the name of a receiver"));
    }
    match to.iter().find(|name| !receivers.contains(*name)) {
        None => Ok(to),
        Some(name) => Err(fault(format!("{place}.to"), format!("there is no receiver {name:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn read(text: &str) -> Result<Watches, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watches.yaml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("key"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let text = text.replace("KEY", folder.path().join("key").to_str().unwrap());
        std::fs::write(&path, text).unwrap();
        Watches::read(&path).map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), "."))
    }

    const RECEIVER: &str = "receivers: { team: { url: 'https://example.org/hook', secret-file: KEY } }\n";

    #[test]
    fn entries_have_the_usual_rules_unless_they_state_others() {
        let watches = read(&format!(
            "{RECEIVER}watches: [{{ name: all, to: [team] }}]\ndigests: [{{ name: week, to: [team], day: friday }}]\n"
        ))
        .unwrap();
        let watch = &watches.watches[0];
        assert_eq!((watch.scope.branch.as_str(), watch.newest_days, watch.remind_days), ("main", 30, 7));
        assert_eq!(watch.conditions, worse_and_failed());
        assert_eq!((watches.digests[0].day, watches.digests[0].hour), (Weekday::Fri, 7));
        assert_eq!(watches.receivers["team"].attempts, 8);
    }

    #[test]
    fn faults_name_their_place_and_no_secret() {
        for (text, words) in [
            ("receivers: {}\nwatchs: []\n", "watchs"),
            (
                "receivers: { a: { url: 'ftp://jane:secret@example.org' } }",
                "receivers.a.url: not an http or https URL",
            ),
            ("receivers: { a: { url: 'https://example.org' } }", "receivers.a: events are signed"),
            (
                "receivers: { a: { url: 'http://secret@example.org' } }",
                "receivers.a.url: expected an https URL; `internal: true` allows http",
            ),
            ("receivers: { a: {} }", "receivers.a: expected one of url and url-env"),
            (
                "receivers: { a: { url-env: IMAX_NOT_SET_ANYWHERE } }",
                "receivers.a.url-env: the variable IMAX_NOT_SET_ANYWHERE is not set",
            ),
            (
                "receivers: { a: { url: 'https://e.org', secret-file: KEY, attempts: 0 } }",
                "receivers.a.attempts: 0, expected 1 to 20",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [tem] }}]"),
                "watches.x.to: there is no receiver \"tem\"",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [] }}]"),
                "watches.x.to: expected the name",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [team], when: [] }}]"),
                "watches.x.when",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [team], filters: [modle=a] }}]"),
                "watches.x.filters: invalid filter",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [team], metrics: [speed] }}]"),
                "watches.x.metrics: \"speed\"",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [team], least-change: 5 }}]"),
                "watches.x.least-change: 5",
            ),
            (
                &format!("{RECEIVER}watches: [{{ name: x, to: [team] }}, {{ name: x, to: [team] }}]"),
                "names two entries",
            ),
            (
                &format!("{RECEIVER}digests: [{{ name: x, to: [team], hour: 24 }}]"),
                "digests.x.hour: 24",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(words), "{text}: {found}");
            assert!(!found.contains("secret@"), "{found}");
        }
    }

    #[test]
    fn addresses_of_private_networks_need_consent_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "10.0.0.8:8443",
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[fd00:ec2::254]",
            "[64:ff9b::7f00:1]",
            "jane@192.168.0.1",
        ] {
            let text = format!("receivers: {{ a: {{ url: 'https://{host}/x', secret-file: KEY }} }}");
            let found = read(&text).unwrap_err();
            let expected = "./watches.yaml: receivers.a.url: an address of a private network; `internal: true` allows it";
            assert_eq!(found, expected, "{host}");
            read(&text.replace("secret-file", "internal: true, secret-file")).unwrap();
        }
        read("receivers: { a: { url: 'https://1.1.1.1/x', secret-file: KEY } }").unwrap();
    }
}
