//! The policy since spring 2026: fixed lengths at 8k1k, at the highest and the median concurrency; the agentic scenario
//! only if evaluations are requested without measurements.

use std::collections::BTreeSet;

use crate::matrix::row::Row;
use crate::model::Concurrency;

use super::groups::{deployment, engine, first_highest, grouped, has_lens, highest, is_agentic, parallelism, single_node};
use super::{Choice, Chosen};

/// Lowest evaluated concurrency: below it, an evaluation takes too long.
const LOWEST: u32 = 16;

const LENGTHS: &str = "8k1k";

fn is_worth_evaluating(row: &Row) -> bool {
    has_lens(row, LENGTHS) && highest(row).get() >= LOWEST
}

/// The choice in addition to measurements: fixed lengths only.
pub(super) fn beside_measurements(rows: &[&mut Row]) -> Chosen {
    let mut chosen = Chosen::new();
    for members in grouped(rows, |row| is_worth_evaluating(row).then(|| single_node(row))?) {
        let concs: BTreeSet<Concurrency> = members.iter().filter_map(|at| rows.get(*at)).map(|row| highest(row)).collect();
        // For an even number, the upper one of the two in the middle.
        let wanted = [concs.iter().nth(concs.len() / 2), concs.last()];
        for at in members {
            if rows.get(at).is_some_and(|row| wanted.contains(&Some(&highest(row)))) {
                chosen.insert(at, Choice::default());
            }
        }
    }
    for members in grouped(rows, |row| is_worth_evaluating(row).then(|| deployment(row))?) {
        chosen.extend(first_highest(rows, &members).map(at_highest));
    }
    chosen
}

/// The choice without measurements: the same, and the agentic scenario at its highest concurrency, once per engine on one node, once
/// per deployment over several.
pub(super) fn instead_of_measurements(rows: &[&mut Row]) -> Chosen {
    let mut chosen = beside_measurements(rows);
    for members in grouped(rows, |row| parallelism(row).filter(|_| is_agentic(row)).map(|_| engine(row))) {
        chosen.extend(first_highest(rows, &members).map(|(at, _)| (at, Choice::default())));
    }
    for members in grouped(rows, |row| {
        (is_agentic(row) && highest(row).get() >= LOWEST).then(|| deployment(row))?
    }) {
        chosen.extend(first_highest(rows, &members).map(at_highest));
    }
    chosen
}

/// Everything at 8k1k and everything agentic. The rows of one deployment are merged: its engine starts once.
pub(super) fn everything(rows: &[&mut Row]) -> Chosen {
    let mut chosen = Chosen::new();
    for (at, row) in rows.iter().enumerate() {
        if parallelism(row).is_some() && (is_agentic(row) || has_lens(row, LENGTHS)) {
            chosen.insert(at, Choice::default());
        }
    }
    for members in grouped(rows, |row| has_lens(row, LENGTHS).then(|| deployment(row))?) {
        chosen.extend(together(rows, &members).map(|(at, concs)| {
            let choice = Choice {
                all_concs: true,
                concs: Some(concs),
                ..Choice::default()
            };
            (at, choice)
        }));
    }
    for members in grouped(rows, |row| is_agentic(row).then(|| deployment(row))?) {
        chosen.extend(together(rows, &members).map(|(at, concs)| {
            let choice = Choice {
                conc: concs.last().copied(),
                concs: Some(concs),
                ..Choice::default()
            };
            (at, choice)
        }));
    }
    chosen
}

fn at_highest((at, conc): (usize, Concurrency)) -> (usize, Choice) {
    let choice = Choice {
        conc: Some(conc),
        ..Choice::default()
    };
    (at, choice)
}

/// The first member with the concurrencies of all, ascending.
fn together(rows: &[&mut Row], members: &[usize]) -> Option<(usize, Vec<Concurrency>)> {
    let first = members.first()?;
    let rows = members.iter().filter_map(|at| rows.get(*at));
    let concs: BTreeSet<Concurrency> = rows.flat_map(|row| row.conc.as_slice().iter().copied()).collect();
    Some((*first, concs.into_iter().collect()))
}
