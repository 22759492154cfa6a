//! The file of a profile and the files that it extends.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::ProfileError;
use super::document::{KEYS, ProfileDocument, inherit};
use super::launcher::Launchers;

/// The launcher of scripts in the runner folder.
pub(super) const SCRIPT: &str = "script";
/// The entry of `pass-environment` that stands for all variables.
pub(super) const WHOLE_ENVIRONMENT: &str = "*";

/// A parsed file of `runners/`: the common keys, and the sections of launchers by name.
#[derive(Debug, Default)]
pub(super) struct ProfileSource {
    pub document: ProfileDocument,
    pub sections: BTreeMap<&'static str, Value>,
}

impl ProfileSource {
    /// The profile of a launch script without a YAML file.
    pub(super) fn of_script(path: String) -> Self {
        Self {
            document: ProfileDocument {
                launcher: Some(SCRIPT.to_owned()),
                // As InferenceX starts it.
                pass_environment: Some(vec![WHOLE_ENVIRONMENT.to_owned()]),
                ..ProfileDocument::default()
            },
            sections: BTreeMap::from([(SCRIPT, Value::String(path))]),
        }
    }
}

/// Reads files of the runner folder.
#[derive(Clone, Copy)]
pub(super) struct RunnerFolder<'a> {
    pub launchers: Launchers<'a>,
    /// Its path, for errors.
    pub path: &'a str,
    /// Returns the text of a file in it, if it exists.
    pub read: &'a dyn Fn(&str) -> Option<String>,
}

/// Rejects paths: only names of files in the runner folder are allowed.
pub(super) fn check_name(name: &str) -> Result<(), ProfileError> {
    if name.is_empty() || name.starts_with('.') || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err(ProfileError::UnsafeName(name.to_owned()));
    }
    Ok(())
}

impl RunnerFolder<'_> {
    /// The file of a profile merged with all files that it extends, directly or indirectly.
    pub(super) fn with_ancestors(self, name: &str) -> Result<ProfileSource, ProfileError> {
        let mut chain = vec![name.to_owned()];
        let mut source = self.parse(name)?;
        while let Some(base) = source.document.extends.take() {
            check_name(&base)?;
            if chain.contains(&base) {
                chain.push(base);
                return Err(ProfileError::Circle {
                    name: name.to_owned(),
                    chain: chain.join(" -> "),
                });
            }
            let mut parent = self.parse(&base)?;
            let next = parent.document.extends.take();
            source = self.inherited(parent, source);
            source.document.extends = next;
            chain.push(base);
        }
        Ok(source)
    }

    fn inherited(self, base: ProfileSource, child: ProfileSource) -> ProfileSource {
        let mut sections = base.sections;
        for launcher in self.launchers {
            let Some(own) = child.sections.get(launcher.name()).cloned() else {
                continue;
            };
            let value = match sections.remove(launcher.name()) {
                Some(base) => launcher.inherit(base, own),
                None => own,
            };
            sections.insert(launcher.name(), value);
        }
        ProfileSource {
            document: inherit(base.document, child.document),
            sections,
        }
    }

    fn parse(self, name: &str) -> Result<ProfileSource, ProfileError> {
        let text = (self.read)(&format!("{name}.yaml")).ok_or_else(|| ProfileError::Missing {
            name: name.to_owned(),
            folder: self.path.to_owned(),
        })?;
        let yaml = |problem: String| ProfileError::Yaml {
            name: name.to_owned(),
            problem,
        };
        // The derived deserialiser ignores the sections of launchers, so it cannot reject unknown keys itself.
        let keys: TopKeys = serde_saphyr::from_str(&text).map_err(|error| yaml(error.to_string()))?;
        self.refuse_unknown_key(name, &keys)?;
        let document = serde_saphyr::from_str(&text).map_err(|error| yaml(error.to_string()))?;
        let mut sections = BTreeMap::new();
        for launcher in self.launchers.iter().filter(|launcher| launcher.has_settings()) {
            if let Some(section) = launcher.read_section(&text).map_err(yaml)? {
                sections.insert(launcher.name(), section);
            }
        }
        Ok(ProfileSource { document, sections })
    }

    fn refuse_unknown_key(self, name: &str, keys: &TopKeys) -> Result<(), ProfileError> {
        let sections = self.launchers.iter().filter(|launcher| launcher.has_settings());
        let known: Vec<&str> = KEYS.into_iter().chain(sections.map(|launcher| launcher.name())).collect();
        let Some(unknown) = keys.0.iter().find(|key| !known.contains(&key.value.as_str())) else {
            return Ok(());
        };
        Err(ProfileError::UnknownKey {
            name: name.to_owned(),
            key: unknown.value.clone(),
            line: unknown.referenced.line(),
            expected: known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The top-level keys of a file, with their places.
struct TopKeys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for TopKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopKeysVisitor)
    }
}

struct TopKeysVisitor;

impl<'de> Visitor<'de> for TopKeysVisitor {
    type Value = TopKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopKeys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(TopKeys(keys))
    }
}
