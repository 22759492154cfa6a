//! Grouping of rows of which one is evaluated for all.

use std::collections::HashMap;
use std::hash::Hash;

use crate::matrix::row::{Concurrencies, EvalMark, Row, Scenario};
use crate::model::{Concurrency, Framework, Layout, ModelName, Parallelism, Precision, RunnerLabel, SeqLens, SpecDecoding};

/// A model on an engine on some hardware.
pub(super) type Engine = (ModelName, RunnerLabel, Framework, Precision);

/// The engine of a row.
pub(super) fn engine(row: &Row) -> Engine {
    (row.model.clone(), row.runner.clone(), row.framework.clone(), row.precision.clone())
}

/// The group of a single-node row: engine, speculative decoding, and attention. The lengths are the same in all groups.
pub(super) fn single_node(row: &Row) -> Option<(Engine, SpecDecoding, bool)> {
    parallelism(row).map(|split| (engine(row), row.spec_decoding, split.dp_attn))
}

/// A multi-node row without concurrencies and name: rows that differ in nothing else are one deployment.
pub(super) fn deployment(row: &Row) -> Option<Row> {
    row.layout.is_multi_node().then(|| Row {
        conc: Concurrencies::One(Concurrency::MIN),
        exp_name: String::new(),
        eval: EvalMark::default(),
        recipe_fingerprint: None,
        config_key: None,
        profile: false,
        ..row.clone()
    })
}

/// The split of a row on one node.
pub(super) fn parallelism(row: &Row) -> Option<Parallelism> {
    match &row.layout {
        Layout::SingleNode(parallelism) => Some(*parallelism),
        Layout::MultiNode { .. } => None,
    }
}

/// Whether the requests of a row have the lengths with this short name.
pub(super) fn has_lens(row: &Row, name: &str) -> bool {
    match row.scenario {
        Scenario::FixedSeqLen { lens, .. } => SeqLens::from_short_name(name) == Some(lens),
        Scenario::AgenticCoding { .. } => false,
    }
}

/// Whether a row is of the agentic scenario.
pub(super) fn is_agentic(row: &Row) -> bool {
    match row.scenario {
        Scenario::FixedSeqLen { .. } => false,
        Scenario::AgenticCoding { .. } => true,
    }
}

/// The highest of a row's concurrencies.
pub(super) fn highest(row: &Row) -> Concurrency {
    row.conc.as_slice().iter().copied().max().unwrap_or(Concurrency::MIN)
}

/// Row indices by a key, groups in the order of their first member; rows without a key are left out.
pub(super) fn grouped<K: Eq + Hash>(rows: &[&mut Row], key: impl Fn(&Row) -> Option<K>) -> Vec<Vec<usize>> {
    let mut index: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some(key) = key(row) {
            let group = *index.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            if let Some(members) = groups.get_mut(group) {
                members.push(at);
            }
        }
    }
    groups
}

/// The first member with the highest concurrency.
pub(super) fn first_highest(rows: &[&mut Row], members: &[usize]) -> Option<(usize, Concurrency)> {
    let mut best: Option<(usize, Concurrency)> = None;
    for &at in members {
        let conc = highest(rows.get(at)?);
        if best.is_none_or(|(_, most)| conc > most) {
            best = Some((at, conc));
        }
    }
    best
}
