//! Which rows get an accuracy evaluation. Evaluations cost GPU time, so a few points represent their group; the
//! two periods of the format choose them differently.

mod groups;
mod newer;
mod older;

use std::collections::HashMap;

use crate::config::EvalPolicy;
use crate::model::Concurrency;

use super::row::{Concurrencies, EvalMark, Row};

/// The evaluations of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evals {
    /// None, and no mark on rows.
    #[default]
    Off,
    /// The policy's choice, in addition to the measurements.
    Marked,
    /// The policy's choice without measurements.
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

#[derive(Debug, Clone, Default)]
struct Choice {
    /// The concurrency at which a row with several is evaluated.
    conc: Option<Concurrency>,
    /// Evaluate at each concurrency of the row.
    all_concs: bool,
    /// The concurrencies of the row, if it represents other rows too.
    concs: Option<Vec<Concurrency>>,
}

/// Chosen rows by index.
type Chosen = HashMap<usize, Choice>;

/// Removes rows that are not evaluated, if only evaluations are requested.
#[must_use]
pub fn retain(mut rows: Vec<Row>, evals: Evals) -> Vec<Row> {
    if evals.excludes_measurements() {
        rows.retain(|row| row.eval.run == Some(true));
    }
    rows
}

/// Marks rows with the same policy. The groups are formed over all of them.
pub fn mark(rows: &mut [&mut Row], policy: EvalPolicy, evals: Evals) {
    let mut chosen = match (evals, policy) {
        (Evals::Off, _) => return,
        (Evals::Marked | Evals::Only | Evals::All, EvalPolicy::HighAndLowTp) => older::choice(rows),
        (Evals::Marked, EvalPolicy::HighAndMedianConcurrency) => newer::beside_measurements(rows),
        (Evals::Only, EvalPolicy::HighAndMedianConcurrency) => newer::instead_of_measurements(rows),
        (Evals::All, EvalPolicy::HighAndMedianConcurrency) => newer::everything(rows),
    };
    for (index, row) in rows.iter_mut().enumerate() {
        match chosen.remove(&index) {
            Some(choice) => {
                row.eval = EvalMark {
                    run: Some(true),
                    only: evals.excludes_measurements().then_some(true),
                    conc: choice.conc,
                    all_concs: choice.all_concs.then_some(true),
                };
                if let Some(concs) = choice.concs {
                    row.conc = Concurrencies::Several(concs);
                }
            }
            None => {
                row.eval = EvalMark {
                    run: Some(false),
                    ..EvalMark::default()
                };
            }
        }
    }
}
