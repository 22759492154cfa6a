//! The rules of the file of saved queries.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use chrono::Weekday;

use super::document::{
    DayDocument, DigestDocument, DigestPlan, Document, FormatDocument, Receiver, ReceiverDocument, Scope, Watch, WatchDocument, Watches,
};
use crate::analysis::Filter;
use crate::model::{Metric, Secret};
use crate::notify::{MessageFormat, SignedWebhook, SigningKey};
use crate::system::public_address::is_public;
use crate::system::{environment, files};

/// The longest name of a watch, digest or receiver.
const LONGEST_NAME: usize = 100;

/// What is wrong at a place of the file.
pub(super) struct Fault {
    pub place: String,
    pub reason: String,
}

fn fault(place: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault {
        place: place.into(),
        reason: reason.into(),
    }
}

impl Document {
    pub(super) fn check(self) -> Result<Watches, Fault> {
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

    use super::super::document::worse_and_failed;
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
    fn file_of_another_encoding_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watches.yaml");
        // "é" of ISO 8859-1.
        std::fs::write(&path, b"receivers: {}\n# caf\xe9\n").unwrap();
        let found = Watches::read(&path).unwrap_err().to_string();
        assert!(
            found.ends_with("watches.yaml:2: not UTF-8; save the file in this encoding"),
            "{found}"
        );
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
