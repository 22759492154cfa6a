//! The policy until spring 2026: at 1k8k on one node, the highest and the lowest TP of each group, each at its highest
//! concurrency. Deployments over several nodes were not evaluated.

use std::collections::BTreeSet;

use crate::matrix::row::Row;

use super::groups::{first_highest, grouped, has_lens, highest, parallelism, single_node};
use super::{Choice, Chosen};

/// The choice, independent of whether measurements are requested.
pub(super) fn choice(rows: &[&mut Row]) -> Chosen {
    let mut chosen = Chosen::new();
    for members in grouped(rows, |row| single_node(row).filter(|_| has_lens(row, "1k8k"))) {
        let tp = |at: &usize| rows.get(*at).and_then(|row| parallelism(row)).map(|split| split.tp);
        let tps: BTreeSet<_> = members.iter().filter_map(tp).collect();
        for wanted in [tps.first(), tps.last()].into_iter().flatten() {
            let with_tp: Vec<usize> = members.iter().copied().filter(|at| tp(at) == Some(*wanted)).collect();
            let most = first_highest(rows, &with_tp).map(|(_, conc)| conc);
            for at in with_tp {
                if rows.get(at).map(|row| highest(row)) == most {
                    chosen.insert(at, Choice::default());
                }
            }
        }
    }
    chosen
}
