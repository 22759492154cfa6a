//! `ingest:`, the repository that is notified about published results (`repository_dispatch`).

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::yaml::{Node, Reader};

/// A repository whose workflow fetches the results, such as that of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ingest {
    /// `owner/name`.
    #[schemars(regex(pattern = "^[^/ ]+/[^/ ]+$"))]
    pub repository: String,
    /// Type of the event that its workflow waits for.
    #[schemars(length(min = 1, max = 100))]
    pub event_type: String,
    /// Type of the event for a run with replays of sessions, in place of the other.
    #[schemars(length(min = 1, max = 100))]
    pub agentic_event_type: Option<String>,
    /// Members of the payload besides those that imax sets.
    #[schemars(default)]
    pub payload: BTreeMap<String, String>,
}

pub(super) const FIELDS: [&str; 4] = ["repository", "event-type", "agentic-event-type", "payload"];
/// GitHub's limit of the name of an event, bytes.
const LONGEST_TYPE: usize = 100;
/// GitHub's limit of top-level members of a payload, less those of imax.
const MOST_MEMBERS: usize = 4;

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Ingest> {
    let object = reader.object(node, "ingest", &FIELDS)?;
    let repository = reader.required(&object, "repository", "ingest")?;
    let repository = name_of_repository(reader, repository);
    let event_type = reader.required(&object, "event-type", "ingest")?;
    let event_type = name_of_event(reader, event_type, "event-type");
    let agentic_event_type = match object.get("agentic-event-type") {
        Some(node) => name_of_event(reader, node, "agentic-event-type").map(Some),
        None => Some(None),
    };
    let payload = match object.get("payload") {
        Some(node) => payload(reader, node),
        None => Some(BTreeMap::new()),
    };
    Some(Ingest {
        repository: repository?,
        event_type: event_type?,
        agentic_event_type: agentic_event_type?,
        payload: payload?,
    })
}

fn name_of_repository(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "repository")?;
    let parts: Vec<&str> = text.split('/').collect();
    let is_part = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if parts.len() == 2 && parts.iter().all(is_part) {
        return Some(text.to_owned());
    }
    reader.error(node.span, "value", format!("`repository` is {text:?}, expected OWNER/NAME"));
    None
}

fn name_of_event(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<String> {
    let text = reader.text(node, key)?;
    if text.len() <= LONGEST_TYPE {
        return Some(text.to_owned());
    }
    let message = format!("`{key}` has {} bytes, GitHub takes at most {LONGEST_TYPE}", text.len());
    reader.error(node.span, "value", message);
    None
}

fn payload(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let mapping = reader.mapping(node, "payload")?;
    let mut members = BTreeMap::new();
    for entry in mapping.iter() {
        let name = entry.name().unwrap_or_default();
        members.insert(name.to_owned(), reader.text(&entry.value, name)?.to_owned());
    }
    if members.len() > MOST_MEMBERS {
        let message = format!(
            "`payload` has {} members; GitHub takes ten in all, and imax sets the others, so at most {MOST_MEMBERS}",
            members.len()
        );
        reader.error(node.span, "value", message);
        return None;
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use crate::model::SourceFile;
    use crate::settings::Settings;

    #[test]
    fn receiver_has_a_repository_and_an_event() {
        let text = "ingest: { repository: org/app, event-type: ingest-results, payload: { database-target: production } }";
        let (settings, _) = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap();
        let ingest = settings.ingest.unwrap();
        assert_eq!(
            (ingest.repository.as_str(), ingest.event_type.as_str()),
            ("org/app", "ingest-results")
        );
        assert_eq!(ingest.payload["database-target"], "production");
        for (text, message) in [
            ("ingest: { repository: org/app }", "event-type"),
            ("ingest: { repository: org, event-type: e }", "expected OWNER/NAME"),
            ("ingest: { repository: 'org/a b', event-type: e }", "expected OWNER/NAME"),
            ("ingest: { repository: org/app, event-type: e, token: t }", "unknown field `token`"),
            (
                "ingest: { repository: org/app, event-type: e, payload: { a: '1', b: '1', c: '1', d: '1', e: '1' } }",
                "at most 4",
            ),
        ] {
            let error = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
