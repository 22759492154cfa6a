//! The changelog as a repository keeps it: one log, and beside it fragments, a file a pull request, which are read as
//! if they were appended to the log. Fragments are folded into the log from time to time; that adds nothing.

use super::diff::{self, Added};
use super::entry::{self, Entry};
use super::{ChangelogError, Place};

/// The changelog at one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The log's text; empty where there is no log.
    pub log: String,
    /// The fragments in the order in which they are read.
    pub fragments: Vec<Fragment>,
}

/// A file with entries that are not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its path.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl State {
    /// The entries that this state has and `base` has not: those of the log first. `file` is the log's path.
    ///
    /// # Errors
    /// Where an old entry was changed or removed, where nothing was added, and where what was added is no entry.
    pub fn additions_since(&self, base: &Self, file: &str) -> Result<Vec<Added>, ChangelogError> {
        let mut added = or_none(diff::additions(file, &base.log, &self.log))?;
        for fragment in &base.fragments {
            match self.fragments.iter().find(|other| other.file == fragment.file) {
                Some(_) => {}
                None => take_folded(&mut added, fragment)?,
            }
        }
        for fragment in &self.fragments {
            let before = base.fragments.iter().find(|other| other.file == fragment.file);
            let before = before.map_or("", |fragment| fragment.text.as_str());
            added.extend(or_none(diff::additions(&fragment.file, before, &fragment.text))?);
        }
        if added.is_empty() {
            return Err(ChangelogError::NothingAdded { file: file.to_owned() });
        }
        Ok(added)
    }

    /// All entries of the log and of the fragments, for a look at everything.
    ///
    /// # Errors
    /// Where one of them is no entry.
    pub fn entries(&self, file: &str) -> Result<Vec<Added>, ChangelogError> {
        let mut all = read(file, &self.log)?;
        for fragment in &self.fragments {
            all.extend(read(&fragment.file, &fragment.text)?);
        }
        Ok(all.into_iter().map(|(entry, place)| Added { entry, place }).collect())
    }
}

fn read(file: &str, text: &str) -> Result<Vec<(Entry, Place)>, ChangelogError> {
    entry::parse(file, text)
}

fn or_none(found: Result<Vec<Added>, ChangelogError>) -> Result<Vec<Added>, ChangelogError> {
    match found {
        Err(ChangelogError::NothingAdded { .. }) => Ok(Vec::new()),
        Ok(_) | Err(_) => found,
    }
}

/// Takes a folded fragment's entries, which the log has now, from what was added to the log.
fn take_folded(added: &mut Vec<Added>, fragment: &Fragment) -> Result<(), ChangelogError> {
    for (entry, _) in read(&fragment.file, &fragment.text)? {
        match added.iter().position(|added| added.entry.same_but_for_link(&entry)) {
            Some(at) => {
                added.remove(at);
            }
            None => {
                return Err(ChangelogError::FragmentRemoved {
                    file: fragment.file.clone(),
                });
            }
        }
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
        let fragment = |(file, keys): &(&str, &[&str])| Fragment {
            file: (*file).to_owned(),
            text: joined(keys),
        };
        State {
            log: joined(log),
            fragments: fragments.iter().map(fragment).collect(),
        }
    }

    fn added(base: &State, head: &State) -> Result<Vec<String>, String> {
        let added = head.additions_since(base, "log.yaml").map_err(|error| error.to_string())?;
        Ok(added
            .into_iter()
            .map(|added| format!("{} {}", added.place.file, added.entry.config_keys[0]))
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
    fn folding_adds_nothing() {
        let base = state(&["a"], &[("d/1.yaml", &["b"]), ("d/2.yaml", &["c"])]);
        let folded = state(&["a", "b", "c"], &[]);
        assert!(added(&base, &folded).unwrap_err().contains("no entry was added"));
        let folded_and_more = state(&["a", "b", "c"], &[("d/3.yaml", &["new"])]);
        assert_eq!(added(&base, &folded_and_more).unwrap(), ["d/3.yaml new"]);
    }

    #[test]
    fn a_fragment_that_changed_or_vanished_is_an_error() {
        let base = state(&["a"], &[("d/1.yaml", &["b"])]);
        assert!(added(&base, &state(&["a", "x"], &[])).unwrap_err().contains("d/1.yaml"));
        assert!(
            added(&base, &state(&["a"], &[("d/1.yaml", &["x"])]))
                .unwrap_err()
                .contains("d/1.yaml:2:1: entry 1")
        );
    }
}
