//! The search-space document: the plan as JSON, in the form that InferenceX's workflows read.

use indexmap::IndexMap;
use serde::Serialize;

use super::Plan;
use crate::changelog::Entry;
use crate::matrix::row::{Row, Scenario};
use crate::model::{Layout, MeasuredChange};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchSpace {
    /// Measured rows on one node, by `1k1k`, `8k1k`, `isl_osl` or `agentic`.
    pub single_node: IndexMap<String, Vec<Row>>,
    /// Measured rows over several nodes, likewise.
    pub multi_node: IndexMap<String, Vec<Row>>,
    /// Evaluated rows of fixed lengths on one node.
    pub evals: Vec<Row>,
    /// Evaluated rows of the agentic scenario on one node.
    pub agentic_evals: Vec<Row>,
    /// Evaluated rows of fixed lengths over several nodes.
    pub multinode_evals: Vec<Row>,
    /// Evaluated rows of the agentic scenario over several nodes.
    pub multinode_agentic_evals: Vec<Row>,
    /// The origin of the plan.
    pub changelog_metadata: ChangelogMetadata,
    /// The entries with the curves that they select; in the plan file beside this document, whose form is InferenceX's.
    #[serde(skip)]
    pub changes: Vec<MeasuredChange>,
}

/// The origin of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangelogMetadata {
    /// The earlier state, as given.
    pub base_ref: String,
    /// The later state, as given.
    pub head_ref: String,
    pub entries: Vec<Entry>,
}

impl SearchSpace {
    /// The document of a plan.
    #[must_use]
    pub fn new(plan: Plan, changelog_metadata: ChangelogMetadata) -> Self {
        let mut document = Self {
            single_node: IndexMap::new(),
            multi_node: IndexMap::new(),
            evals: Vec::new(),
            agentic_evals: Vec::new(),
            multinode_evals: Vec::new(),
            multinode_agentic_evals: Vec::new(),
            changelog_metadata,
            changes: plan.changes,
        };
        for row in plan.benchmarks.into_iter().map(spelled_out) {
            let nodes = if row.layout.is_multi_node() {
                &mut document.multi_node
            } else {
                &mut document.single_node
            };
            nodes.entry(group(&row)).or_default().push(row);
        }
        for row in plan.evals.into_iter().map(spelled_out) {
            let evals = match (&row.scenario, row.layout.is_multi_node()) {
                (Scenario::FixedSeqLen { .. }, false) => &mut document.evals,
                (Scenario::AgenticCoding { .. }, false) => &mut document.agentic_evals,
                (Scenario::FixedSeqLen { .. }, true) => &mut document.multinode_evals,
                (Scenario::AgenticCoding { .. }, true) => &mut document.multinode_agentic_evals,
            };
            evals.push(row);
        }
        document
    }

    /// The document for InferenceX's tools, whose rows have no `config-key`.
    #[must_use]
    pub fn for_inferencex(mut self) -> Self {
        let groups = self.single_node.values_mut().chain(self.multi_node.values_mut());
        let evals = [
            &mut self.evals,
            &mut self.agentic_evals,
            &mut self.multinode_evals,
            &mut self.multinode_agentic_evals,
        ];
        for row in groups.chain(evals).flatten() {
            row.config_key = None;
        }
        self
    }

    /// All rows, measured ones first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let evals = [
            &self.evals,
            &self.agentic_evals,
            &self.multinode_evals,
            &self.multinode_agentic_evals,
        ];
        let measured = self.single_node.values().chain(self.multi_node.values());
        measured.chain(evals).flatten()
    }
}

/// The identity of an evaluated row, by which its score in one plan stands for the same row in another.
///
/// # Errors
/// None in practice: a row always has a JSON form.
pub fn eval_identity(row: &Row) -> Result<String, serde_json::Error> {
    let concurrencies: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    let fingerprint = crate::matrix::fingerprint(&spelled_out(row.clone()))?;
    Ok(format!("{fingerprint} {}", concurrencies.join(",")))
}

/// A row with the document's values for fields that are absent in a generated row. Recipe fingerprints are
/// computed from generated rows, so this happens afterwards.
fn spelled_out(mut row: Row) -> Row {
    match row.scenario {
        Scenario::FixedSeqLen { .. } => {
            row.eval.run.get_or_insert(false);
            row.eval.only.get_or_insert(false);
            if row.layout.is_multi_node() {
                row.eval.all_concs.get_or_insert(false);
            }
        }
        Scenario::AgenticCoding { .. } => {}
    }
    match &mut row.layout {
        Layout::SingleNode(_) => {}
        Layout::MultiNode { prefill, decode } => {
            for workers in [prefill, decode] {
                workers.additional_settings.get_or_insert_default();
            }
        }
    }
    row
}

/// The name of lengths as in the row's own name: which of them have a short name differs between the periods
/// of the format.
fn group(row: &Row) -> String {
    match row.scenario {
        Scenario::FixedSeqLen { lens, .. } => {
            let name = row
                .exp_name
                .strip_prefix(row.model_prefix.as_str())
                .and_then(|rest| rest.strip_prefix('_'));
            name.map_or_else(|| lens.to_string(), str::to_owned)
        }
        Scenario::AgenticCoding { .. } => "agentic".to_owned(),
    }
}
