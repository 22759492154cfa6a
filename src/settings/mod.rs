//! `imax.yaml`: a repository's own settings. The document is read once and as a whole, so that a misspelt section is
//! an error and not ignored. Its sections are plain values; the steps that apply them import them from here.

mod history;
mod ingest;
mod policy;
mod queue;
mod regressions;
mod schema;

use std::sync::Arc;

use crate::model::{Diagnostics, SourceFile};
use crate::yaml::{self, Node, Reader, Value};

pub use history::HistoryAddress;
pub use ingest::Ingest;
pub use policy::{Mode, Policy, Sweep};
pub use queue::Queue;
pub use regressions::{Exception, Regressions};
pub use schema::schema;

/// A repository's own settings. Absent values keep their defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub policy: Policy,
    /// Which runners take the jobs of rows.
    pub queue: Queue,
    /// What counts as a regression.
    pub regressions: Regressions,
    /// Where the action keeps runs, and what it compares with.
    pub history: Option<HistoryAddress>,
    /// The repository that is notified about published results.
    pub ingest: Option<Ingest>,
}

/// The sections.
const FIELDS: [&str; 5] = ["policy", "regressions", "history", "queue", "ingest"];

impl Settings {
    /// Parses the document. The diagnostics next to the settings are warnings. An empty document has the defaults.
    ///
    /// # Errors
    /// All errors with their places: invalid YAML, unknown sections and fields, values of a wrong type.
    pub fn parse(source: &Arc<SourceFile>) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut found = Diagnostics::new();
        let root = yaml::parse(source, &mut found);
        let read = root.and_then(|root| read(&mut Reader::new(source, &mut found), &root));
        found.into_result(read)
    }
}

fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Settings> {
    if root.value == Value::Null {
        return Some(Settings::default());
    }
    let object = reader.object(root, "settings", &FIELDS)?;
    let policy = object.get("policy").map(|node| policy::read(reader, node));
    let regressions = object.get("regressions").map(|node| regressions::read(reader, node));
    let history = object.get("history").map(|node| history::read(reader, node));
    let queue = object.get("queue").map(|node| queue::read(reader, node));
    let ingest = match object.get("ingest") {
        Some(node) if node.value == Value::Null => Some(None),
        Some(node) => ingest::read(reader, node).map(Some),
        None => Some(None),
    };
    Some(Settings {
        ingest: ingest?,
        queue: queue.unwrap_or_else(|| Some(Queue::default()))?,
        policy: policy.unwrap_or_else(|| Some(Policy::default()))?,
        regressions: regressions.unwrap_or_else(|| Some(Regressions::default()))?,
        history: history.unwrap_or(Some(None))?,
    })
}

/// A list of texts, none of them empty.
fn texts(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Vec<String>> {
    let items = reader.list(node, what)?;
    let read: Vec<Option<String>> = items.iter().map(|item| reader.text(item, what).map(str::to_owned)).collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> String {
        Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap_err().to_string()
    }

    #[test]
    fn empty_document_has_the_defaults() {
        for text in ["", "# nothing yet\n", "policy:\n", "{}", "regressions: {}\n"] {
            let (settings, warnings) = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap();
            assert!(settings == Settings::default() && warnings.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn example_settings_equal_the_defaults() {
        let source = SourceFile::new("imax.yaml", include_str!("../../imax.yaml"));
        assert_eq!(Settings::parse(&source), Ok((Settings::default(), Diagnostics::new())));
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let said = messages("polcy:\n  drafts: true\nregressions:\n  false-discovery-rat: 1\n  exceptions: {}\n");
        for words in [
            "unknown field `polcy` in `settings`\n --> imax.yaml:1:1",
            "did you mean `policy`?",
            "unknown field `false-discovery-rat` in `regressions`\n --> imax.yaml:4:3",
            "`exceptions` is a mapping, expected a list\n --> imax.yaml:5:15",
        ] {
            assert!(said.contains(words), "{words:?} not in:\n{said}");
        }
    }

    #[test]
    fn documents_other_than_mappings_are_refused() {
        for text in ["- policy\n", "policy", "policy: [a]", "policy: {"] {
            assert!(messages(text).contains("imax.yaml:1:"), "{text}");
        }
    }
}
