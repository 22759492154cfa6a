//! Trimming: only the lowest concurrency of each configuration of an engine, as a smoke test.

use std::collections::HashMap;

use crate::matrix::row::{Concurrencies, Row};
use crate::model::{Concurrency, Layout};

/// On one node, the first row with the lowest concurrency among those with the same fingerprint; over several nodes, each
/// row with its lowest concurrency. The order is kept.
pub fn lowest(rows: Vec<Row>) -> Vec<Row> {
    let mut best: HashMap<&str, (usize, Concurrency)> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let (Layout::SingleNode(_), Some(fingerprint), Some(conc)) = (&row.layout, &row.recipe_fingerprint, minimum(row)) {
            let kept = best.entry(fingerprint).or_insert((at, conc));
            if conc < kept.1 {
                *kept = (at, conc);
            }
        }
    }
    let kept: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| match (&row.layout, &row.recipe_fingerprint) {
            (Layout::SingleNode(_), Some(fingerprint)) => best.get(fingerprint.as_str()).is_none_or(|(best, _)| *best == at),
            (Layout::SingleNode(_) | Layout::MultiNode { .. }, _) => true,
        })
        .collect();
    let kept = rows.into_iter().zip(kept).filter(|(_, kept)| *kept);
    kept.map(|(row, _)| at_lowest(row)).collect()
}

fn minimum(row: &Row) -> Option<Concurrency> {
    row.conc.as_slice().iter().copied().min()
}

fn at_lowest(row: Row) -> Row {
    let conc = match (&row.conc, minimum(&row)) {
        (Concurrencies::Several(_), Some(conc)) => Concurrencies::Several(vec![conc]),
        (Concurrencies::One(_), _) | (Concurrencies::Several(_), None) => row.conc.clone(),
    };
    Row { conc, ..row }
}
