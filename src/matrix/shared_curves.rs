//! Config entries whose rows would be the same points: the identity of a point has no image, no recipe and no settings of workers, so two
//! entries that differ in nothing else measure points with the same identity. Their rows carry the key of their entry.

use std::collections::{HashMap, HashSet};

use crate::config::{Catalog, Entry};
use crate::model::{Concurrency, ConfigKey, CurveKey, Framework, ModelPrefix, Precision, RunnerLabel};

use super::expand::{Expansion, expand};
use super::row::Row;

/// The curves of which several entries measure a point at the same concurrency.
pub(super) struct SharedCurves(HashSet<CurveKey>);

/// What entries with a common curve have in common. Only those are expanded.
type Family<'c> = (&'c ModelPrefix, &'c Precision, &'c Framework, &'c RunnerLabel);
/// The concurrencies of a curve, with the first entry that measures each.
type Owners<'c> = HashMap<Concurrency, &'c ConfigKey>;

impl SharedCurves {
    /// Those of a whole catalog, whatever is selected of it: a point has the same identity in each plan. Entries that cannot be expanded
    /// share nothing; a selection of them is refused elsewhere.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let mut families: HashMap<Family<'_>, Vec<&Entry>> = HashMap::new();
        for entry in catalog.entries.values() {
            let family = (&entry.model_prefix, &entry.precision, &entry.framework, &entry.runner);
            families.entry(family).or_default().push(entry);
        }
        let mut shared = HashSet::new();
        for entries in families.into_values().filter(|entries| entries.len() > 1) {
            add_shared(catalog, &entries, &mut shared);
        }
        Self(shared)
    }

    /// Writes the entry's key into those of its rows whose curve is shared. All of them get it: which entry was there first is not known
    /// from the configs, and a point that joins the history of another one is worse than one that begins its own.
    pub(super) fn mark(&self, rows: &mut [Row], entry: &Entry) {
        if self.0.is_empty() {
            return;
        }
        for row in rows {
            // A row that was placed on one node has that node for its runner.
            let mut curve = row.curve_key();
            curve.runner = entry.runner.clone();
            if self.0.contains(&curve) {
                row.config_key = Some(entry.key.clone());
            }
        }
    }
}

fn add_shared(catalog: &Catalog, entries: &[&Entry], shared: &mut HashSet<CurveKey>) {
    let mut curves: HashMap<CurveKey, Owners<'_>> = HashMap::new();
    for &entry in entries {
        for row in expand(entry, &catalog.runners, &Expansion::default()).unwrap_or_default() {
            let curve = row.curve_key();
            let owners = curves.entry(curve.clone()).or_default();
            for conc in row.conc.as_slice() {
                if *owners.entry(*conc).or_insert(&entry.key) != &entry.key {
                    shared.insert(curve.clone());
                }
            }
        }
    }
}
