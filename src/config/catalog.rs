//! All that can be measured: the entries of all master config files, and the runners.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::model::{ConfigKey, Diagnostic, Diagnostics, SourceFile};
use crate::yaml::{self, Node, Reader};

use super::{Entry, Runners, entry, runners};

/// Every config entry and every runner, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// Entries by key: files in the order they were given, entries in the order of the file.
    pub entries: IndexMap<ConfigKey, Entry>,
    /// The runners.
    pub runners: Runners,
}

impl Catalog {
    /// Parses master config files and the runner file. The diagnostics next to the catalog are warnings.
    ///
    /// # Errors
    /// All findings of all files, warnings included.
    pub fn parse(configs: &[Arc<SourceFile>], runner_file: &Arc<SourceFile>) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut found = Diagnostics::new();
        let catalog = Self::read_valid(configs, Some(runner_file), &mut found);
        found.into_result(catalog)
    }

    /// Parses what is valid and adds findings for the rest: entries with errors are left out. Returns `None` if the runner file is
    /// missing or has errors, after the configs were checked.
    pub fn read_valid(configs: &[Arc<SourceFile>], runner_file: Option<&Arc<SourceFile>>, found: &mut Diagnostics) -> Option<Self> {
        let mut entries = IndexMap::new();
        for (read, findings) in yaml::read_side_by_side(configs, read_entries) {
            found.append(findings);
            for entry in read {
                add(entry, &mut entries, found);
            }
        }
        let runner_file = runner_file?;
        let root = yaml::parse(runner_file, found)?;
        let runners = runners::read(&mut Reader::new(runner_file, found), &root)?;
        Some(Self { entries, runners })
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }
}

fn read_entries(reader: &mut Reader<'_>, root: &Node) -> Vec<Entry> {
    let Some(mapping) = reader.mapping(root, "config file") else {
        return Vec::new();
    };
    let mut entries = Vec::with_capacity(mapping.len());
    for written in mapping.iter() {
        let Some(key) = reader.name::<ConfigKey>(&written.key, "config key") else {
            continue;
        };
        if key.as_str().contains('*') {
            let message = format!("the config key `{key}` has a `*`, which changelogs use as a wildcard");
            reader.error(written.key.span, "wildcard-key", message);
            continue;
        }
        entries.extend(entry::read(reader, key, &written.key, &written.value));
    }
    entries
}

fn add(entry: Entry, entries: &mut IndexMap<ConfigKey, Entry>, found: &mut Diagnostics) {
    match entries.get(&entry.key) {
        Some(first) => {
            let diagnostic = Diagnostic::error("duplicate-config-key", format!("the config key `{}` is in two files", entry.key))
                .at(entry.place)
                .related(first.place.clone(), "and here")
                .help("remove or rename one of the two");
            found.push(diagnostic);
        }
        None => {
            entries.insert(entry.key.clone(), entry);
        }
    }
}
