//! Every config of a runner label on every one of its nodes: one short row each, to check that the nodes work.

use crate::config::{AgenticCandidate, Candidate, Catalog, ConcurrencySpec, Entry, Runners, ScenarioBlock};
use crate::model::{Concurrency, Diagnostics, Layout, RunnerLabel, SeqLens};

use super::evals::Evals;
use super::expand::{Expansion, expand_block};
use super::filters::{self, Nodes};
use super::row::{Concurrencies, Row, Scenario};
use super::select::{SelectError, has_prefix, is_wanted, marked};
use super::shared_curves::SharedCurves;

/// Selection of runner-model-sweep. Empty lists and absent values select everything.
#[derive(Debug, Clone)]
pub struct NodeSweep {
    pub runner_type: String,
    /// Prefixes of config keys.
    pub key_prefixes: Vec<String>,
    pub precisions: Vec<String>,
    pub frameworks: Vec<String>,
    /// The concurrency of every row; without it, the lowest of the config.
    pub conc: Option<Concurrency>,
    /// Single-node, multi-node, or both.
    pub nodes: Nodes,
    /// Substring of node names.
    pub node_filter: Option<String>,
}

/// Context length that is sufficient for a check at 1k1k, tokens.
const CHECK_CONTEXT: u32 = 2048;

/// One row for each config of the label and each of its nodes.
///
/// # Errors
/// An unknown label, no node with the substring in its name, configs that cannot be expanded.
pub fn runner_model_sweep(catalog: &Catalog, sweep: &NodeSweep, evals: Option<Evals>) -> Result<Vec<Row>, SelectError> {
    let nodes = nodes_of(&catalog.runners, sweep)?;
    let mut planned = Vec::new();
    let mut failed = Diagnostics::new();
    let shared = SharedCurves::of(catalog);
    for entry in catalog.entries.values().filter(|entry| is_checked(entry, sweep)) {
        match check_row(entry, &catalog.runners, sweep.conc) {
            Ok(Some(mut row)) => {
                shared.mark(std::slice::from_mut(&mut row), entry);
                planned.extend(nodes.iter().map(|node| {
                    let runner = node.clone();
                    (Row { runner, ..row.clone() }, entry.conventions.evals)
                }));
            }
            Ok(None) => {}
            Err(more) => failed.append(more),
        }
    }
    if failed.has_errors() {
        Err(failed.into())
    } else {
        Ok(marked(catalog, planned, evals))
    }
}

fn nodes_of(runners: &Runners, sweep: &NodeSweep) -> Result<Vec<RunnerLabel>, SelectError> {
    let Some(all) = runners.labels.get(sweep.runner_type.as_str()) else {
        return Err(SelectError::UnknownRunner {
            unknown: vec![sweep.runner_type.clone()],
            known: runners.labels.keys().map(ToString::to_string).collect(),
        });
    };
    let part = sweep.node_filter.as_deref().unwrap_or_default();
    let nodes = filters::nodes_with(runners, &sweep.runner_type, part);
    if nodes.is_empty() {
        return Err(SelectError::NoNode {
            label: sweep.runner_type.clone(),
            part: part.to_owned(),
            known: all.iter().map(ToString::to_string).collect(),
        });
    }
    Ok(nodes)
}

fn is_checked(entry: &Entry, sweep: &NodeSweep) -> bool {
    let nodes = if entry.multinode { sweep.nodes.multi } else { sweep.nodes.single };
    nodes
        && has_prefix(&sweep.key_prefixes, &entry.key)
        && entry.runner.as_str() == sweep.runner_type
        && is_wanted(&sweep.precisions, entry.precision.as_str())
        && is_wanted(&sweep.frameworks, entry.framework.as_str())
}

/// The row that represents an entry; `None` if no block of it is suitable for a check.
fn check_row(entry: &Entry, runners: &Runners, conc: Option<Concurrency>) -> Result<Option<Row>, Diagnostics> {
    let Some(block) = check_block(entry) else { return Ok(None) };
    let rows = expand_block(entry, runners, &block, &Expansion::default())?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    row.exp_name = format!("{}_test", entry.model_prefix);
    if let Scenario::FixedSeqLen { lens, max_model_len } = &mut row.scenario
        && SeqLens::from_short_name("1k1k") == Some(*lens)
    {
        *max_model_len = Concurrency::MIN.saturating_add(CHECK_CONTEXT - 1);
    }
    if let Layout::MultiNode { prefill, decode } = &mut row.layout {
        prefill.additional_settings.get_or_insert_default();
        decode.additional_settings.get_or_insert_default();
    }
    if let Some(conc) = conc {
        row.conc = match row.conc {
            Concurrencies::One(_) => Concurrencies::One(conc),
            Concurrencies::Several(_) => Concurrencies::Several(vec![conc]),
        };
    }
    Ok(Some(row))
}

/// The entry's block for checks, reduced to one candidate at its lowest concurrency.
fn check_block(entry: &Entry) -> Option<ScenarioBlock> {
    let wanted = entry.conventions.check_lens.and_then(SeqLens::from_short_name);
    match entry.blocks.iter().find(|block| match block {
        ScenarioBlock::FixedSeqLen { lens, .. } => wanted.is_none_or(|wanted| wanted == *lens),
        ScenarioBlock::AgenticCoding { .. } => wanted.is_none(),
    })? {
        ScenarioBlock::FixedSeqLen { lens, candidates } => Some(ScenarioBlock::FixedSeqLen {
            lens: *lens,
            candidates: vec![at_lowest(check_candidate(candidates, |candidate| candidate)?)],
        }),
        ScenarioBlock::AgenticCoding { duration_s, candidates } => {
            let chosen = check_candidate(candidates, |agentic| &agentic.candidate)?;
            Some(ScenarioBlock::AgenticCoding {
                duration_s: *duration_s,
                candidates: vec![AgenticCandidate {
                    candidate: at_lowest(&chosen.candidate),
                    offload: chosen.offload.clone(),
                }],
            })
        }
    }
}

/// On one node the first candidate with the highest TP, over several the first with the lowest listed concurrency.
fn check_candidate<T>(candidates: &[T], candidate: impl Fn(&T) -> &Candidate) -> Option<&T> {
    candidates
        .iter()
        .min_by_key(|item| match (&candidate(item).layout, &candidate(item).conc) {
            (Layout::SingleNode(parallelism), _) => u32::MAX - parallelism.tp.get(),
            (Layout::MultiNode { .. }, ConcurrencySpec::List(values)) => values.iter().min().map_or(u32::MAX, |conc| conc.get()),
            (Layout::MultiNode { .. }, ConcurrencySpec::Range { .. }) => u32::MAX,
        })
}

fn at_lowest(candidate: &Candidate) -> Candidate {
    let lowest = match &candidate.conc {
        ConcurrencySpec::Range { start, .. } => *start,
        ConcurrencySpec::List(values) => values.iter().copied().min().unwrap_or(Concurrency::MIN),
    };
    Candidate {
        conc: ConcurrencySpec::List(vec![lowest]),
        ..candidate.clone()
    }
}
