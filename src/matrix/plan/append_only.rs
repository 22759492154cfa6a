//! Append-only entries add points to curves that are otherwise unchanged, and only those points are
//! measured. That is only valid if nothing else changed, so everything else is compared.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Options, kind};
use crate::changelog::{LocatedEntry, ScenarioType};
use crate::config::Catalog;
use crate::matrix::filters::ScenarioKind;
use crate::matrix::row::{Concurrencies, Row, Scenario};
use crate::matrix::{Expansion, expand, fingerprint};
use crate::model::{Concurrency, ConfigKey, Diagnostic, Diagnostics, KvOffloading, Layout, Place, SpecDecoding};

/// Why append-only entries cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum AppendOnlyError {
    /// Some entries are append-only and others are not.
    #[error("this entry is not append-only and others of the change are; split it into two changes")]
    Mixed { place: Place },
    #[error("append-only entries add points to curves, so they cannot be combined with evals-only or all-evals")]
    Evals,
    /// The configs of the base are missing.
    #[error("append-only entries need the configs of the base revision, which were not found")]
    NoBase,
    #[error("append-only adds points to existing curves, but these configs are not in the base: {}; use an ordinary entry", keys.join(", "))]
    NewConfigs { keys: Vec<String> },
    /// Configs changed that no entry selects.
    #[error("append-only, but these configs changed and no entry selects them: {}; restore them, or use ordinary entries", keys.join(", "))]
    Unrelated { keys: Vec<String> },
    /// A scenario changed that no entry selects.
    #[error("append-only, but `{key}` changed in its scenario `{scenario}`, which no entry selects; restore it, or use an ordinary entry")]
    OutsideScope { key: String, scenario: ScenarioType },
    /// There was no curve.
    #[error("append-only, but the base has no rows of the selected configs; use an ordinary entry")]
    NoCurve,
    #[error("append-only, but a recipe of the base changed or was removed: {recipe}; restore it, or use an ordinary entry")]
    Changed { recipe: String },
    /// Points were removed.
    #[error(
        "append-only, but concurrencies of the base were removed from {recipe}: {}; restore them",
        list(points)
    )]
    Removed { recipe: String, points: Vec<Concurrency> },
    /// No point is new.
    #[error("append-only, but no point is new; add concurrencies or search-space entries, or drop the changelog entry")]
    NothingNew,
    /// A new point belongs to no curve, or to one whose image changed.
    #[error("append-only, but the new point {recipe} belongs to no curve of the base with the same image; use an ordinary entry")]
    NewCurve { recipe: String },
    #[error("{0}")]
    Config(#[from] Diagnostics),
    /// A row has no JSON form.
    #[error("cannot serialize a row: {0}")]
    Json(#[from] serde_json::Error),
}

impl AppendOnlyError {
    /// The error as a finding at the append-only entry, or at the one that should be append-only.
    pub(super) fn at(self, entry: &Place) -> Diagnostics {
        let place = match &self {
            Self::Config(found) => return found.clone(),
            Self::Mixed { place } => place,
            Self::Evals
            | Self::NoBase
            | Self::NewConfigs { .. }
            | Self::Unrelated { .. }
            | Self::OutsideScope { .. }
            | Self::NoCurve
            | Self::Changed { .. }
            | Self::Removed { .. }
            | Self::NothingNew
            | Self::NewCurve { .. }
            | Self::Json(_) => entry,
        };
        Diagnostic::error("append-only", self.to_string()).at(place.clone()).into()
    }
}

fn list(points: &[Concurrency]) -> String {
    points.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Append-only entries must not be mixed with others, nor with evaluations.
pub fn check_request(added: &[LocatedEntry], options: Options) -> Result<(), AppendOnlyError> {
    if let Some(other) = added.iter().find(|added| !added.entry.append_only) {
        return Err(AppendOnlyError::Mixed {
            place: other.place.clone(),
        });
    }
    if options.all_evals || options.evals_only {
        return Err(AppendOnlyError::Evals);
    }
    Ok(())
}

/// Checks that nothing changed that no entry selects. Rows are compared, that is the meaning of configs, not their text.
pub fn check_scope(resolved: &[(&LocatedEntry, Vec<&ConfigKey>)], head: &Catalog, base: Option<&Catalog>) -> Result<(), AppendOnlyError> {
    let base = base.ok_or(AppendOnlyError::NoBase)?;
    let mut selected: HashMap<&ConfigKey, HashSet<ScenarioType>> = HashMap::new();
    for (added, keys) in resolved {
        for key in keys {
            selected.entry(key).or_default().extend(added.entry.scenarios());
        }
    }
    let new: BTreeSet<String> = selected
        .keys()
        .filter(|key| base.get(key.as_str()).is_none())
        .map(ToString::to_string)
        .collect();
    if !new.is_empty() {
        return Err(AppendOnlyError::NewConfigs {
            keys: new.into_iter().collect(),
        });
    }
    let keys: BTreeSet<&ConfigKey> = base.entries.keys().chain(head.entries.keys()).collect();
    let others = keys.iter().filter(|key| !selected.contains_key(**key));
    let unrelated: Vec<String> = others
        .filter(|key| meaning(head, base, key) != meaning(head, head, key))
        .map(ToString::to_string)
        .collect();
    if !unrelated.is_empty() {
        return Err(AppendOnlyError::Unrelated { keys: unrelated });
    }
    for (key, scenarios) in selected {
        for scenario in ScenarioType::ALL.into_iter().filter(|scenario| !scenarios.contains(scenario)) {
            if rows_of_scenario(head, base, key, scenario)? != rows_of_scenario(head, head, key, scenario)? {
                return Err(AppendOnlyError::OutsideScope {
                    key: key.to_string(),
                    scenario,
                });
            }
        }
    }
    Ok(())
}

/// The rows of a catalog's entry, expanded with the runners of `head`, because only the configs are compared.
fn meaning(head: &Catalog, catalog: &Catalog, key: &ConfigKey) -> Option<Result<Vec<Row>, Diagnostics>> {
    let entry = catalog.entries.get(key)?;
    Some(expand(entry, &head.runners, &Expansion::default()))
}

fn rows_of_scenario(head: &Catalog, catalog: &Catalog, key: &ConfigKey, scenario: ScenarioType) -> Result<Vec<Row>, AppendOnlyError> {
    let mut rows = meaning(head, catalog, key).unwrap_or(Ok(Vec::new()))?;
    rows.retain(|row| ScenarioKind::of(row) == kind(scenario));
    Ok(rows)
}

/// The rows of `head` without the points of `base`; everything in `base` must be present and unchanged.
pub fn delta(base: &[Row], head: Vec<Row>) -> Result<Vec<Row>, AppendOnlyError> {
    let before = points(base)?;
    let now = points(&head)?;
    if before.is_empty() {
        return Err(AppendOnlyError::NoCurve);
    }
    for (recipe, points) in &before {
        let removed = |concs: &BTreeSet<Concurrency>| points.concs.difference(concs).copied().collect::<Vec<_>>();
        match now.get(recipe).map(|now| removed(&now.concs)) {
            None => {
                return Err(AppendOnlyError::Changed {
                    recipe: points.name.clone(),
                });
            }
            Some(gone) if !gone.is_empty() => {
                return Err(AppendOnlyError::Removed {
                    recipe: points.name.clone(),
                    points: gone,
                });
            }
            Some(_) => {}
        }
    }
    let mut emitted: HashSet<(String, Concurrency)> = HashSet::new();
    let mut added = Vec::new();
    for row in head {
        let recipe = fingerprint(&row)?;
        let old = before.get(&recipe);
        let mut is_new = |conc: &Concurrency| {
            let known = old.is_some_and(|old| old.concs.contains(conc));
            !known && emitted.insert((recipe.clone(), *conc))
        };
        let conc = match &row.conc {
            Concurrencies::One(conc) => is_new(conc).then_some(Concurrencies::One(*conc)),
            Concurrencies::Several(concs) => {
                let new: Vec<Concurrency> = concs.iter().copied().filter(|conc| is_new(conc)).collect();
                (!new.is_empty()).then_some(Concurrencies::Several(new))
            }
        };
        if let Some(conc) = conc {
            added.push(Row { conc, ..row });
        }
    }
    if added.is_empty() {
        return Err(AppendOnlyError::NothingNew);
    }
    check_curves(base, &added)?;
    Ok(added)
}

/// The points of one recipe.
struct Points {
    name: String,
    concs: BTreeSet<Concurrency>,
}

fn points(rows: &[Row]) -> Result<HashMap<String, Points>, AppendOnlyError> {
    let mut found: HashMap<String, Points> = HashMap::new();
    for row in rows {
        let points = found.entry(fingerprint(row)?).or_insert_with(|| Points {
            name: row.curve_key().to_string(),
            concs: BTreeSet::new(),
        });
        points.concs.extend(row.conc.as_slice());
    }
    Ok(found)
}

/// Every new point must lie on an existing curve with a single image, the point's.
fn check_curves(base: &[Row], added: &[Row]) -> Result<(), AppendOnlyError> {
    let mut images: HashMap<VisibleCurve<'_>, HashSet<&str>> = HashMap::new();
    for row in base {
        images.entry(visible_curve(row)).or_default().insert(row.image.as_str());
    }
    for row in added {
        if images.get(&visible_curve(row)) != Some(&HashSet::from([row.image.as_str()])) {
            return Err(AppendOnlyError::NewCurve {
                recipe: row.curve_key().to_string(),
            });
        }
    }
    Ok(())
}

/// What dashboards draw as one line, over all ways to spread the engine over GPUs.
type VisibleCurve<'a> = (
    [&'a str; 5],
    bool,
    Option<(u32, u32)>,
    bool,
    Option<SpecDecoding>,
    [Option<&'a str>; 2],
);

fn visible_curve(row: &Row) -> VisibleCurve<'_> {
    let names = [
        row.model.as_str(),
        row.model_prefix.as_str(),
        row.precision.as_str(),
        row.framework.as_str(),
        row.runner.as_str(),
    ];
    let (lens, offloads, drafting) = match &row.scenario {
        Scenario::FixedSeqLen { lens, .. } => (Some((lens.isl.get(), lens.osl.get())), false, Some(row.spec_decoding)),
        Scenario::AgenticCoding { kv_offloading, .. } => (None, *kv_offloading != KvOffloading::None, None),
    };
    let hardware = match &row.layout {
        Layout::SingleNode(_) => [None, None],
        Layout::MultiNode { prefill, decode } => [prefill.hardware.as_deref(), decode.hardware.as_deref()],
    };
    (names, row.disagg.unwrap_or(false), lens, offloads, drafting, hardware)
}
