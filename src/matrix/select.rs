//! The three selections of rows that the commands offer: all rows that pass filters, config keys, and
//! every node of a label. Each expands entries and applies filters.

use std::collections::HashSet;

use crate::config::{Catalog, Entry, EvalPolicy};
use crate::model::{ConfigKey, Diagnostics, SeqLens};

use super::concurrency::{Bounds, Step};
use super::evals::{self, Evals};
use super::expand::{Expansion, expand};
use super::filters::{self, Nodes, ScenarioKind};
use super::node_sweep::{NodeSweep, runner_model_sweep};
use super::pattern::KeyPattern;
use super::row::Row;
use super::shared_curves::SharedCurves;

/// Why no rows can be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A config cannot be expanded.
    #[error("{0}")]
    Config(#[from] Diagnostics),
    /// Labels that the runner file does not have.
    #[error("unknown runner type {}, expected one of {}", unknown.join(", "), known.join(", "))]
    UnknownRunner {
        /// The requested value.
        unknown: Vec<String>,
        /// The known values.
        known: Vec<String>,
    },
    /// Config keys that are in no file.
    #[error("unknown config key {}{}", unknown.join(", "), help)]
    UnknownKey {
        /// The requested value.
        unknown: Vec<String>,
        /// A suggestion of a known key, as the end of the sentence.
        help: String,
    },
    /// A pattern that matches no config key.
    #[error("the pattern `{0}` matches no config key")]
    NoMatch(String),
    /// A pattern that is not a valid glob.
    #[error("invalid pattern of config keys: {0}")]
    InvalidPattern(#[from] globset::Error),
    /// No node of a label has a name with this part.
    #[error("no node of `{label}` has {part:?} in its name, expected a part of one of {}", known.join(", "))]
    NoNode {
        /// The runner label.
        label: String,
        /// The requested value.
        part: String,
        /// The label's nodes.
        known: Vec<String>,
    },
    /// A name of lengths that these configs do not use.
    #[error("unknown sequence lengths `{found}`, expected one of {}", known.join(", "))]
    UnknownSeqLens {
        /// The requested value.
        found: String,
        /// The known values.
        known: Vec<String>,
    },
}

/// Filters of full-sweep. Empty lists and absent values select everything.
#[derive(Debug, Clone, Default)]
pub struct FullSweep {
    /// Prefixes of config keys.
    pub key_prefixes: Vec<String>,
    /// Precisions.
    pub precisions: Vec<String>,
    /// Engines.
    pub frameworks: Vec<String>,
    /// Runner labels.
    pub runner_types: Vec<String>,
    /// Names of sequence lengths.
    pub seq_lens: Vec<String>,
    /// From one concurrency of a range to the next.
    pub step: Step,
    /// Lowest and highest concurrency.
    pub bounds: Bounds,
    /// Highest TP on one node.
    pub max_tp: Option<i64>,
    /// Highest EP on one node.
    pub max_ep: Option<i64>,
    /// One node, several, or both.
    pub nodes: Option<Nodes>,
    /// Kinds of scenario.
    pub scenarios: Vec<ScenarioKind>,
    /// A part of node names: rows are placed on these nodes.
    pub node_filter: Option<String>,
}

/// Filters of test-config besides the keys.
#[derive(Debug, Clone, Default)]
pub struct TestConfig {
    /// Concurrencies.
    pub conc: Vec<i64>,
    /// Names of sequence lengths.
    pub seq_lens: Vec<String>,
    /// Kinds of scenario.
    pub scenarios: Vec<ScenarioKind>,
    /// A part of node names or of the label: rows are placed on these nodes.
    pub node_filter: Option<String>,
}

/// One of the selections.
#[derive(Debug, Clone)]
pub enum RowSelection {
    FullSweep(Box<FullSweep>),
    /// Config keys, or patterns over them.
    TestConfig {
        keys: Vec<String>,
        test: TestConfig,
    },
    NodeSweep(NodeSweep),
}

impl RowSelection {
    /// The selected rows of a catalog.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn rows(&self, catalog: &Catalog, evals: Option<Evals>) -> Result<Vec<Row>, SelectError> {
        match self {
            Self::FullSweep(sweep) => full_sweep(catalog, sweep, evals),
            Self::TestConfig { keys, test } => test_config(catalog, keys, test, evals),
            Self::NodeSweep(sweep) => runner_model_sweep(catalog, sweep, evals),
        }
    }
}

/// A row with the policy of the entry it comes from.
pub(super) type Planned = (Row, EvalPolicy);

/// Every row that passes the filters, in the order of the catalog.
///
/// # Errors
/// Unknown labels or lengths, and configs that cannot be expanded.
pub fn full_sweep(catalog: &Catalog, sweep: &FullSweep, evals: Option<Evals>) -> Result<Vec<Row>, SelectError> {
    known_runners(catalog, &sweep.runner_types)?;
    let lens = known_lens(catalog, &sweep.seq_lens)?;
    let part = filter_of(sweep.node_filter.as_deref());
    let mut planned = Vec::new();
    let mut failed = Diagnostics::new();
    let shared = SharedCurves::of(catalog);
    for entry in catalog.entries.values().filter(|entry| is_swept(entry, sweep)) {
        let how = Expansion {
            step: sweep.step,
            bounds: sweep.bounds,
            places: part.map(|part| filters::nodes_with(&catalog.runners, entry.runner.as_str(), part)),
        };
        let mut rows = match expand(entry, &catalog.runners, &how) {
            Ok(rows) => rows,
            Err(more) => {
                failed.append(more);
                continue;
            }
        };
        shared.mark(&mut rows, entry);
        filters::scenarios(&mut rows, &sweep.scenarios);
        filters::seq_lens(&mut rows, &lens);
        if let Some(nodes) = sweep.nodes {
            nodes.retain(&mut rows);
        }
        if let Some(bound) = sweep.max_tp {
            filters::max_tp(&mut rows, bound);
        }
        if let Some(bound) = sweep.max_ep {
            filters::max_ep(&mut rows, bound);
        }
        planned.extend(rows.into_iter().map(|row| (row, entry.conventions.evals)));
    }
    if failed.has_errors() {
        Err(failed.into())
    } else {
        Ok(marked(catalog, planned, evals))
    }
}

/// Every row of the entries that the keys name, in the order of the keys; a key may be a pattern with `*`, `?` and `[]`.
///
/// # Errors
/// Keys and patterns without a match, and configs that cannot be expanded.
pub fn test_config(catalog: &Catalog, keys: &[String], test: &TestConfig, evals: Option<Evals>) -> Result<Vec<Row>, SelectError> {
    let lens = known_lens(catalog, &test.seq_lens)?;
    let part = filter_of(test.node_filter.as_deref());
    let mut planned = Vec::new();
    let mut failed = Diagnostics::new();
    let shared = SharedCurves::of(catalog);
    for entry in matching(catalog, keys)? {
        let how = Expansion {
            places: part.map(|part| filters::label_and_nodes_with(&catalog.runners, &entry.runner, part)),
            ..Expansion::default()
        };
        let mut rows = match expand(entry, &catalog.runners, &how) {
            Ok(rows) => rows,
            Err(more) => {
                failed.append(more);
                continue;
            }
        };
        shared.mark(&mut rows, entry);
        filters::scenarios(&mut rows, &test.scenarios);
        filters::seq_lens(&mut rows, &lens);
        filters::concurrencies(&mut rows, &test.conc);
        planned.extend(rows.into_iter().map(|row| (row, entry.conventions.evals)));
    }
    if failed.has_errors() {
        Err(failed.into())
    } else {
        Ok(marked(catalog, planned, evals))
    }
}

/// An empty part of a name does not filter.
fn filter_of(part: Option<&str>) -> Option<&str> {
    part.filter(|part| !part.is_empty())
}

fn is_swept(entry: &Entry, sweep: &FullSweep) -> bool {
    has_prefix(&sweep.key_prefixes, &entry.key)
        && is_wanted(&sweep.precisions, entry.precision.as_str())
        && is_wanted(&sweep.frameworks, entry.framework.as_str())
        && is_wanted(&sweep.runner_types, entry.runner.as_str())
}

/// Whether a list of wanted values has a value. An empty list does not filter.
pub(super) fn is_wanted(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
}

/// Whether a key starts with one of the prefixes. An empty list does not filter.
pub(super) fn has_prefix(prefixes: &[String], key: &ConfigKey) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| key.as_str().starts_with(prefix))
}

fn known_runners(catalog: &Catalog, wanted: &[String]) -> Result<(), SelectError> {
    let labels = &catalog.runners.labels;
    let unknown: Vec<String> = wanted
        .iter()
        .filter(|label| !labels.contains_key(label.as_str()))
        .cloned()
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = labels.keys().map(ToString::to_string).collect();
    Err(SelectError::UnknownRunner { unknown, known })
}

fn known_lens(catalog: &Catalog, wanted: &[String]) -> Result<Vec<SeqLens>, SelectError> {
    let known: Vec<&str> = ["1k1k", "1k8k", "8k1k"]
        .into_iter()
        .filter(|name| catalog.entries.is_empty() || catalog.entries.values().any(|entry| entry.conventions.seq_len_names.contains(name)))
        .collect();
    wanted
        .iter()
        .map(|name| {
            SeqLens::from_short_name(name)
                .filter(|_| known.contains(&name.as_str()))
                .ok_or_else(|| SelectError::UnknownSeqLens {
                    found: name.clone(),
                    known: known.iter().map(ToString::to_string).collect(),
                })
        })
        .collect()
}

/// Entries that keys and patterns name: each once, where it is first named; those of a pattern in the catalog's order.
fn matching<'c>(catalog: &'c Catalog, keys: &[String]) -> Result<Vec<&'c Entry>, SelectError> {
    let mut found: Vec<&Entry> = Vec::new();
    let mut unknown = Vec::new();
    for key in keys {
        if key.contains(['*', '?']) {
            let pattern = KeyPattern::new(key)?;
            let mut matching = catalog
                .entries
                .values()
                .filter(|entry| pattern.matches(entry.key.as_str()))
                .peekable();
            if matching.peek().is_none() {
                return Err(SelectError::NoMatch(key.clone()));
            }
            found.extend(matching);
        } else {
            match catalog.get(key) {
                Some(entry) => found.push(entry),
                None => unknown.push(key.clone()),
            }
        }
    }
    if let Some(first) = unknown.first() {
        let known: Vec<&str> = catalog.entries.keys().map(crate::model::ConfigKey::as_str).collect();
        let help = crate::model::nearest(first, &known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(SelectError::UnknownKey { unknown, help });
    }
    let mut seen = HashSet::new();
    found.retain(|entry| seen.insert(entry.key.as_str()));
    Ok(found)
}

/// Marks evaluations by each entry's own policy; by default, by the convention of the configs.
pub(super) fn marked(catalog: &Catalog, planned: Vec<Planned>, wish: Option<Evals>) -> Vec<Row> {
    let by_default = catalog.entries.values().any(|entry| entry.conventions.evals_by_default);
    let evals = wish.unwrap_or(if by_default { Evals::Marked } else { Evals::Off });
    let (mut rows, policies): (Vec<Row>, Vec<EvalPolicy>) = planned.into_iter().unzip();
    for policy in [EvalPolicy::HighAndMedianConcurrency, EvalPolicy::HighAndLowTp] {
        let mut under: Vec<&mut Row> = rows
            .iter_mut()
            .zip(&policies)
            .filter(|(_, own)| **own == policy)
            .map(|(row, _)| row)
            .collect();
        evals::mark(&mut under, policy, evals);
    }
    evals::retain(rows, evals)
}
