//! Resolves the entries of a mapping: applies merge keys (`<<`) and finds duplicate keys. Merged entries come first and are overridden
//! by the mapping's own, as yaml.org/type/merge defines.

use std::collections::HashMap;
use std::sync::Arc;

use super::{KeyValue, Mapping, Node, Value};

/// An entry as written: `<<: *base` or `key: value`.
pub(super) enum Written {
    /// `<<` as a plain key.
    Merge(Arc<Node>),
    /// Any other key.
    Own(KeyValue),
}

/// An error in a mapping's entries.
pub(super) enum Flaw {
    /// `second` repeats the key of `first`; the value of `second` counts.
    Duplicate {
        /// The entry without effect.
        first: Arc<Node>,
        /// The key's second place.
        second: Arc<Node>,
    },
    /// The value of `<<` is neither a mapping nor a list of mappings.
    NotMergeable(Arc<Node>),
}

/// The most entries for which pairwise comparison is faster than an index.
const FEW: usize = 24;

/// The resolved entries of a mapping, and the errors in the written ones.
pub(super) fn combine(written: Vec<Written>) -> (Mapping, Vec<Flaw>) {
    match plain(written) {
        Ok(mapping) => (mapping, Vec::new()),
        Err(written) => resolve(written),
    }
}

/// The fast path for nearly all mappings: few entries, no merge key, no duplicate. `None` for others.
fn plain(written: Vec<Written>) -> Result<Mapping, Vec<Written>> {
    let mut names: [&str; FEW] = [""; FEW];
    for (count, entry) in written.iter().enumerate() {
        let Written::Own(KeyValue { key, .. }) = entry else {
            return Err(written);
        };
        let Some(name) = key.value.as_text() else { return Err(written) };
        if names.iter().take(count).any(|known| *known == name) {
            return Err(written);
        }
        let Some(slot) = names.get_mut(count) else { return Err(written) };
        *slot = name;
    }
    Ok(Mapping {
        entries: written
            .into_iter()
            .filter_map(|entry| match entry {
                Written::Own(entry) => Some(entry),
                Written::Merge(_) => None,
            })
            .collect(),
    })
}

fn resolve(written: Vec<Written>) -> (Mapping, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let mut combined = Combined::default();
    for entry in &written {
        if let Written::Merge(source) = entry {
            match bases(source) {
                // Earlier bases win, so they are set last.
                Some(bases) => {
                    for entry in bases.into_iter().rev().flat_map(Mapping::iter) {
                        combined.set(entry.clone(), Origin::Base);
                    }
                }
                None => flaws.push(Flaw::NotMergeable(Arc::clone(source))),
            }
        }
    }
    for entry in written {
        if let Written::Own(entry) = entry {
            let second = Arc::clone(&entry.key);
            if let Some(first) = combined.set(entry, Origin::Own) {
                flaws.push(Flaw::Duplicate { first, second });
            }
        }
    }
    (combined.into_mapping(), flaws)
}

/// In the order of the text; the caller lets earlier ones win.
fn bases(source: &Arc<Node>) -> Option<Vec<&Mapping>> {
    fn mapping(node: &Node) -> Option<&Mapping> {
        if let Value::Mapping(mapping) = &node.value {
            Some(mapping)
        } else {
            None
        }
    }
    if let Value::Sequence(list) = &source.value {
        list.iter().map(|node| mapping(node)).collect()
    } else {
        mapping(source).map(|base| vec![base])
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Base,
    Own,
}

#[derive(Default)]
struct Combined {
    entries: Vec<(KeyValue, Origin)>,
    index: HashMap<String, usize>,
}

impl Combined {
    /// Sets a key, at its first position if it exists. Returns the key of an own entry that another own entry replaces.
    fn set(&mut self, entry: KeyValue, origin: Origin) -> Option<Arc<Node>> {
        let known = entry.name().and_then(|name| self.index.get(name).copied());
        if let Some(slot) = known.and_then(|at| self.entries.get_mut(at)) {
            let (before, before_origin) = std::mem::replace(slot, (entry, origin));
            return (before_origin == Origin::Own && origin == Origin::Own).then_some(before.key);
        }
        if let Some(name) = entry.name() {
            self.index.insert(name.to_owned(), self.entries.len());
        }
        self.entries.push((entry, origin));
        None
    }

    fn into_mapping(self) -> Mapping {
        Mapping {
            entries: self.entries.into_iter().map(|(entry, _)| entry).collect(),
        }
    }
}
