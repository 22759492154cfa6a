//! Which rows an accuracy evaluation goes with. Evaluations cost GPU time, so a few points stand for their group; the
//! two periods of the format choose them differently.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::config::EvalPolicy;
use crate::model::{Concurrency, Framework, Layout, ModelName, Parallelism, Precision, RunnerLabel, SeqLens, SpecDecoding};

use super::row::{EvalMark, Row, Scenario};

/// What a selection wants of evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evals {
    /// None, and no mark on rows.
    #[default]
    Off,
    /// The policy's choice, beside the measurements.
    Marked,
    /// The policy's choice alone, without measurements.
    Only,
    /// Every point that can be evaluated, without measurements.
    All,
}

impl Evals {
    /// Whether rows that are not evaluated are left out.
    #[must_use]
    pub fn excludes_measurements(self) -> bool {
        match self {
            Self::Off | Self::Marked => false,
            Self::Only | Self::All => true,
        }
    }
}

/// Lowest concurrency worth an evaluation under the newer policy: below, a run takes too long.
const LOWEST_CONC: u32 = 16;

/// Marks rows and, where only evaluations are wanted, leaves out the others.
#[must_use]
pub fn apply(mut rows: Vec<Row>, policy: EvalPolicy, evals: Evals) -> Vec<Row> {
    let mut all: Vec<&mut Row> = rows.iter_mut().collect();
    mark(&mut all, policy, evals);
    retain(rows, evals)
}

/// Leaves out what is not evaluated, where only evaluations are wanted.
#[must_use]
pub fn retain(mut rows: Vec<Row>, evals: Evals) -> Vec<Row> {
    if evals.excludes_measurements() {
        rows.retain(|row| row.eval.run == Some(true));
    }
    rows
}

/// Marks rows that all follow one policy. The groups are formed over all of them.
pub fn mark(rows: &mut [&mut Row], policy: EvalPolicy, evals: Evals) {
    let chosen = match (evals, policy) {
        (Evals::Off, _) => return,
        (Evals::Marked | Evals::Only | Evals::All, EvalPolicy::HighAndLowTp) => older_choice(rows),
        (Evals::Marked, EvalPolicy::HighAndMedianConcurrency) => fixed_choice(rows),
        (Evals::Only, EvalPolicy::HighAndMedianConcurrency) => {
            let mut chosen = fixed_choice(rows);
            chosen.extend(agentic_choice(rows, LOWEST_CONC));
            chosen
        }
        (Evals::All, EvalPolicy::HighAndMedianConcurrency) => every_choice(rows),
    };
    for (index, row) in rows.iter_mut().enumerate() {
        row.eval = match chosen.get(&index) {
            Some(mark) => EvalMark {
                run: Some(true),
                only: evals.excludes_measurements().then_some(true),
                ..*mark
            },
            None => EvalMark {
                run: Some(false),
                ..EvalMark::default()
            },
        };
    }
}

/// Index of a chosen row, with what its mark has beyond the choice itself.
type Chosen = HashMap<usize, EvalMark>;

/// What every group has in common.
type Group = (ModelName, RunnerLabel, Framework, Precision, SpecDecoding);

fn group(row: &Row) -> Group {
    (
        row.model.clone(),
        row.runner.clone(),
        row.framework.clone(),
        row.precision.clone(),
        row.spec_decoding,
    )
}

/// The split of a multi-node row: workers with their parallelism.
type Split = (u32, Parallelism, u32, Parallelism);

fn split(row: &Row) -> Option<Split> {
    match &row.layout {
        Layout::SingleNode(_) => None,
        Layout::MultiNode { prefill, decode } => Some((prefill.num_worker, prefill.parallelism, decode.num_worker, decode.parallelism)),
    }
}

fn single(row: &Row) -> Option<Parallelism> {
    match &row.layout {
        Layout::SingleNode(parallelism) => Some(*parallelism),
        Layout::MultiNode { .. } => None,
    }
}

fn has_lens(row: &Row, name: &str) -> bool {
    match row.scenario {
        Scenario::FixedSeqLen { lens, .. } => SeqLens::from_short_name(name) == Some(lens),
        Scenario::AgenticCoding { .. } => false,
    }
}

fn is_agentic(row: &Row) -> bool {
    match row.scenario {
        Scenario::FixedSeqLen { .. } => false,
        Scenario::AgenticCoding { .. } => true,
    }
}

fn highest(row: &Row) -> Concurrency {
    row.conc.as_slice().iter().copied().max().unwrap_or(Concurrency::MIN)
}

/// Rows by a key, in the order of their first member.
fn grouped<K: Eq + Hash>(rows: &[&mut Row], key: impl Fn(&Row) -> Option<K>) -> Vec<Vec<usize>> {
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
fn first_highest(rows: &[&mut Row], members: &[usize]) -> Option<(usize, Concurrency)> {
    let mut best: Option<(usize, Concurrency)> = None;
    for &at in members {
        let conc = highest(rows.get(at)?);
        if best.is_none_or(|(_, most)| conc > most) {
            best = Some((at, conc));
        }
    }
    best
}

fn at_conc(conc: Concurrency) -> EvalMark {
    EvalMark {
        conc: Some(conc),
        ..EvalMark::default()
    }
}

/// 8k1k. One node: every row at the highest and at the upper median concurrency of its group. Several nodes: one row a
/// split, at its highest concurrency.
fn fixed_choice(rows: &[&mut Row]) -> Chosen {
    let worth = |row: &Row| has_lens(row, "8k1k") && highest(row).get() >= LOWEST_CONC;
    let mut chosen = Chosen::new();
    for members in grouped(rows, |row| {
        single(row).filter(|_| worth(row)).map(|split| (group(row), split.dp_attn))
    }) {
        let concs: BTreeSet<Concurrency> = members.iter().filter_map(|at| rows.get(*at)).map(|row| highest(row)).collect();
        let wanted = [concs.iter().nth(concs.len() / 2), concs.last()];
        for at in members {
            if rows.get(at).is_some_and(|row| wanted.contains(&Some(&highest(row)))) {
                chosen.insert(at, EvalMark::default());
            }
        }
    }
    for members in grouped(rows, |row| split(row).filter(|_| worth(row)).map(|split| (group(row), split))) {
        chosen.extend(first_highest(rows, &members).map(|(at, conc)| (at, at_conc(conc))));
    }
    chosen
}

/// The agentic scenario: one row a split, at its highest concurrency.
fn agentic_choice(rows: &[&mut Row], lowest: u32) -> Chosen {
    let mut chosen = Chosen::new();
    for members in grouped(rows, |row| {
        single(row).filter(|_| is_agentic(row)).map(|split| (group(row), split.dp_attn))
    }) {
        chosen.extend(first_highest(rows, &members).map(|(at, _)| (at, EvalMark::default())));
    }
    chosen.extend(agentic_splits(rows, lowest));
    chosen
}

fn agentic_splits(rows: &[&mut Row], lowest: u32) -> Chosen {
    let worth = |row: &Row| is_agentic(row) && highest(row).get() >= lowest;
    grouped(rows, |row| split(row).filter(|_| worth(row)).map(|split| (group(row), split)))
        .iter()
        .filter_map(|members| first_highest(rows, members))
        .map(|(at, conc)| (at, at_conc(conc)))
        .collect()
}

/// Everything at 8k1k and everything agentic; over several nodes one row a split, fixed lengths at each concurrency.
fn every_choice(rows: &[&mut Row]) -> Chosen {
    let mut chosen = Chosen::new();
    for (at, row) in rows.iter().enumerate() {
        if single(row).is_some() && (is_agentic(row) || has_lens(row, "8k1k")) {
            chosen.insert(at, EvalMark::default());
        }
    }
    for members in grouped(rows, |row| {
        split(row).filter(|_| has_lens(row, "8k1k")).map(|split| (group(row), split))
    }) {
        let mark = EvalMark {
            all_concs: Some(true),
            ..EvalMark::default()
        };
        chosen.extend(first_highest(rows, &members).map(|(at, _)| (at, mark)));
    }
    chosen.extend(agentic_splits(rows, 1));
    chosen
}

/// 1k8k. One node: of each group the highest and the lowest TP, each at its highest concurrency. Several nodes: the row of
/// each group with the highest concurrency.
fn older_choice(rows: &[&mut Row]) -> Chosen {
    let worth = |row: &Row| has_lens(row, "1k8k");
    let mut chosen = Chosen::new();
    for members in grouped(rows, |row| {
        single(row).filter(|_| worth(row)).map(|split| (group(row), split.dp_attn))
    }) {
        let tps: BTreeSet<_> = members
            .iter()
            .filter_map(|at| rows.get(*at))
            .filter_map(|row| single(row))
            .map(|p| p.tp)
            .collect();
        for tp in [tps.first(), tps.last()].into_iter().flatten() {
            let with_tp: Vec<usize> = members
                .iter()
                .copied()
                .filter(|at| rows.get(*at).and_then(|row| single(row)).is_some_and(|p| p.tp == *tp))
                .collect();
            let most = first_highest(rows, &with_tp).map(|(_, conc)| conc);
            for at in with_tp {
                if rows.get(at).map(|row| highest(row)) == most {
                    chosen.insert(at, EvalMark::default());
                }
            }
        }
    }
    for members in grouped(rows, |row| split(row).filter(|_| worth(row)).map(|_| group(row))) {
        chosen.extend(first_highest(rows, &members).map(|(at, conc)| (at, at_conc(conc))));
    }
    chosen
}
