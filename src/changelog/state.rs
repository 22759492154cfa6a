//! The changelog in a repository: one log and fragments, one file per pull request, which are read as
//! if they were appended to the log. Fragments are folded into the log from time to time, which adds no entries.

use std::sync::Arc;

use super::ChangelogError;
use super::diff;
use super::entry::{self, LocatedEntry};
use crate::model::{Diagnostic, Place, SourceFile, Span};

/// The changelog at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The log; empty if there is none.
    pub log: Arc<SourceFile>,
    /// The fragments, in the order in which they are read.
    pub fragments: Vec<Fragment>,
}

/// A file with entries that are not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its path, by which the fragments of two states are matched.
    pub path: String,
    pub source: Arc<SourceFile>,
}

impl State {
    /// No changelog at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            log: SourceFile::new("", ""),
            fragments: Vec::new(),
        }
    }

    /// The entries that were added since `base`: those of the log first.
    ///
    /// # Errors
    /// An old entry was changed or removed, nothing was added, or the added text is not a valid entry.
    pub fn additions_since(&self, base: &Self) -> Result<Vec<LocatedEntry>, ChangelogError> {
        let mut added = or_none(diff::additions(&base.log, &self.log))?;
        for fragment in base.fragments.iter().filter(|fragment| self.fragment(&fragment.path).is_none()) {
            take_folded(&mut added, fragment)?;
        }
        for fragment in &self.fragments {
            let before = base
                .fragment(&fragment.path)
                .map_or_else(|| SourceFile::new("", ""), |before| Arc::clone(&before.source));
            added.extend(or_none(diff::additions(&before, &fragment.source))?);
        }
        if added.is_empty() {
            return Err(ChangelogError::NothingAdded {
                file: self.log.name.clone(),
            });
        }
        Ok(added)
    }

    fn fragment(&self, path: &str) -> Option<&Fragment> {
        self.fragments.iter().find(|fragment| fragment.path == path)
    }
}

fn or_none(found: Result<Vec<LocatedEntry>, ChangelogError>) -> Result<Vec<LocatedEntry>, ChangelogError> {
    match found {
        Err(ChangelogError::NothingAdded { .. }) => Ok(Vec::new()),
        Ok(_) | Err(_) => found,
    }
}

/// Removes the entries of a folded fragment from those added to the log.
fn take_folded(added: &mut Vec<LocatedEntry>, fragment: &Fragment) -> Result<(), ChangelogError> {
    for old in entry::parse(&fragment.source, fragment.source.text.clone())? {
        let folded = added.iter().position(|added| added.entry.same_but_for_link(&old.entry));
        let Some(at) = folded else {
            let place = Place {
                file: Arc::clone(&fragment.source),
                span: Span::START,
            };
            let found = Diagnostic::error("changelog-history", "this fragment was removed, but its entries are not in the log");
            let found = found.at(place).help("restore it, or fold it with `imax changelog fold`");
            return Err(ChangelogError::Invalid(found.into()));
        };
        added.remove(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> String {
        format!("- config-keys:\n    - {key}\n  description:\n    - \"d\"\n  pr-link: XXX\n")
    }

    fn state(log: &[&str], fragments: &[(&str, &[&str])]) -> State {
        let joined = |keys: &[&str]| keys.iter().map(|key| entry(key)).collect::<Vec<_>>().join("\n");
        let fragment = |(path, keys): &(&str, &[&str])| Fragment {
            path: (*path).to_owned(),
            source: SourceFile::new(*path, joined(keys)),
        };
        State {
            log: SourceFile::new("log.yaml", joined(log)),
            fragments: fragments.iter().map(fragment).collect(),
        }
    }

    fn added(base: &State, head: &State) -> Result<Vec<String>, String> {
        let added = head.additions_since(base).map_err(|error| error.to_string())?;
        Ok(added
            .into_iter()
            .map(|added| format!("{} {}", added.place.file.name, added.entry.config_keys[0]))
            .collect())
    }

    #[test]
    fn fragments_are_read_after_the_log() {
        let base = state(&["a"], &[("d/1.yaml", &["b"])]);
        let head = state(&["a", "c"], &[("d/1.yaml", &["b", "f"]), ("d/2.yaml", &["d", "e"])]);
        assert_eq!(
            added(&base, &head).unwrap(),
            ["log.yaml c", "d/1.yaml f", "d/2.yaml d", "d/2.yaml e"]
        );
    }

    #[test]
    fn folding_adds_no_entries() {
        let base = state(&["a"], &[("d/1.yaml", &["b"]), ("d/2.yaml", &["c"])]);
        let folded = state(&["a", "b", "c"], &[]);
        assert!(added(&base, &folded).unwrap_err().contains("no new entry"));
        let folded_and_more = state(&["a", "b", "c"], &[("d/3.yaml", &["new"])]);
        assert_eq!(added(&base, &folded_and_more).unwrap(), ["d/3.yaml new"]);
    }

    #[test]
    fn changed_or_removed_fragment_is_an_error() {
        let base = state(&["a"], &[("d/1.yaml", &["b"])]);
        assert!(added(&base, &state(&["a", "x"], &[])).unwrap_err().contains("d/1.yaml"));
        assert!(
            added(&base, &state(&["a"], &[("d/1.yaml", &["x"])]))
                .unwrap_err()
                .contains("d/1.yaml:2:1")
        );
    }
}
