//! Filters over expanded rows. Each is a separate function, independent of where rows come from.

use std::num::NonZeroU32;

use crate::config::Runners;
use crate::model::{Layout, RunnerLabel, SeqLens};

use super::row::{Concurrencies, Row, Scenario};

/// Selection of rows by number of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    /// Rows on one node.
    pub single: bool,
    /// Rows over several.
    pub multi: bool,
}

impl Nodes {
    /// From two flags: neither means both.
    #[must_use]
    pub fn from_flags(single: bool, multi: bool) -> Self {
        if single || multi {
            Self { single, multi }
        } else {
            Self { single: true, multi: true }
        }
    }

    pub fn retain(self, rows: &mut Vec<Row>) {
        rows.retain(|row| if row.layout.is_multi_node() { self.multi } else { self.single });
    }
}

/// A kind of scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenarioKind {
    /// Requests of fixed lengths.
    FixedSeqLen,
    AgenticCoding,
}

impl ScenarioKind {
    /// The kind of a row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        match row.scenario {
            Scenario::FixedSeqLen { .. } => Self::FixedSeqLen,
            Scenario::AgenticCoding { .. } => Self::AgenticCoding,
        }
    }
}

/// Keeps rows of these kinds of scenario; an empty list means all.
pub fn scenarios(rows: &mut Vec<Row>, kinds: &[ScenarioKind]) {
    if !kinds.is_empty() {
        rows.retain(|row| kinds.contains(&ScenarioKind::of(row)));
    }
}

/// Keeps rows of these lengths; agentic rows have none and are kept. An empty list means all.
pub fn seq_lens(rows: &mut Vec<Row>, wanted: &[SeqLens]) {
    if !wanted.is_empty() {
        rows.retain(|row| match row.scenario {
            Scenario::FixedSeqLen { lens, .. } => wanted.contains(&lens),
            Scenario::AgenticCoding { .. } => true,
        });
    }
}

/// Removes single-node rows of fixed lengths with a higher TP. A bound below 1 removes all of them.
pub fn max_tp(rows: &mut Vec<Row>, bound: i64) {
    rows.retain(|row| match (&row.layout, ScenarioKind::of(row)) {
        (Layout::SingleNode(parallelism), ScenarioKind::FixedSeqLen) => i64::from(parallelism.tp.get()) <= bound,
        (Layout::SingleNode(_), ScenarioKind::AgenticCoding) | (Layout::MultiNode { .. }, _) => true,
    });
}

/// Lowers a higher EP of single-node rows of fixed lengths to the bound. A bound below 1 removes all of them.
pub fn max_ep(rows: &mut Vec<Row>, bound: i64) {
    let bound = u32::try_from(bound.clamp(0, i64::from(u32::MAX))).ok().and_then(NonZeroU32::new);
    rows.retain_mut(|row| {
        let kind = ScenarioKind::of(row);
        match (&mut row.layout, kind) {
            (Layout::SingleNode(parallelism), ScenarioKind::FixedSeqLen) => match bound {
                Some(bound) => {
                    parallelism.ep = parallelism.ep.min(bound);
                    true
                }
                None => false,
            },
            (Layout::SingleNode(_), ScenarioKind::AgenticCoding) | (Layout::MultiNode { .. }, _) => true,
        }
    });
}

/// Keeps these concurrencies, in the order of the rows; an empty list means all.
pub fn concurrencies(rows: &mut Vec<Row>, wanted: &[i64]) {
    if wanted.is_empty() {
        return;
    }
    rows.retain_mut(|row| match &mut row.conc {
        Concurrencies::One(conc) => wanted.contains(&i64::from(conc.get())),
        Concurrencies::Several(list) => {
            list.retain(|conc| wanted.contains(&i64::from(conc.get())));
            !list.is_empty()
        }
    });
}

/// The nodes of a label whose names contain `part`, as labels that a job can request.
#[must_use]
pub fn nodes_with(runners: &Runners, label: &str, part: &str) -> Vec<RunnerLabel> {
    let nodes = runners.labels.get(label).map(Vec::as_slice).unwrap_or_default();
    nodes
        .iter()
        .filter(|node| node.as_str().contains(part))
        .map(RunnerLabel::from)
        .collect()
}

/// The label itself, if it contains `part`, followed by those of its nodes that do.
#[must_use]
pub fn label_and_nodes_with(runners: &Runners, label: &RunnerLabel, part: &str) -> Vec<RunnerLabel> {
    let own = Some(label.clone()).filter(|label| label.as_str().contains(part));
    own.into_iter().chain(nodes_with(runners, label.as_str(), part)).collect()
}
