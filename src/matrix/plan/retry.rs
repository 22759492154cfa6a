//! Completing a run: only the part of a plan that an earlier run of the same commit did not measure.

use std::collections::HashSet;

use super::{Plan, eval_identity};
use crate::matrix::row::{Concurrencies, Row};
use crate::model::{Concurrency, PointKey};

impl Plan {
    /// The plan without points that are already measured. Evaluated rows are kept whole: the evaluation needs the
    /// running engine, and an accuracy score is not a measurement of a point.
    #[must_use]
    pub fn without(self, measured: &HashSet<PointKey>) -> Self {
        Self {
            benchmarks: self.benchmarks.into_iter().filter_map(|row| remaining(row, measured)).collect(),
            evals: self.evals,
            changes: self.changes,
        }
    }
}

impl Plan {
    /// The plan without evaluated rows whose scores are there, by [`eval_identity`].
    ///
    /// # Errors
    /// None in practice: a row always has a JSON form.
    pub fn without_evals(self, evaluated: &HashSet<String>) -> Result<Self, serde_json::Error> {
        let mut evals = Vec::new();
        for row in self.evals {
            if !evaluated.contains(&eval_identity(&row)?) {
                evals.push(row);
            }
        }
        Ok(Self { evals, ..self })
    }
}

fn remaining(row: Row, measured: &HashSet<PointKey>) -> Option<Row> {
    if row.eval.run == Some(true) {
        return Some(row);
    }
    let left = row
        .point_keys()
        .into_iter()
        .filter(|key| !measured.contains(key))
        .map(|key| key.conc);
    let left: Vec<Concurrency> = left.collect();
    match row.conc {
        Concurrencies::One(_) if left.is_empty() => None,
        Concurrencies::One(_) => Some(row),
        Concurrencies::Several(_) if left.is_empty() => None,
        Concurrencies::Several(_) => Some(Row {
            conc: Concurrencies::Several(left),
            ..row
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(conc: impl serde::Serialize, run_eval: bool) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 64, "osl": 16,
            "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 128, "exp-name": "e", "run-eval": run_eval
        }))
        .unwrap()
    }

    #[test]
    fn measured_points_are_removed_from_the_plan() {
        let plan = Plan {
            benchmarks: vec![row(4, false), row([4, 8, 16], false), row(8, false), row(4, true)],
            evals: vec![row(4, true)],
            changes: Vec::new(),
        };
        let measured = row([4, 16], false).point_keys().into_iter().collect();
        let left = plan.clone().without(&measured);
        assert_eq!(left.benchmarks, [row([8], false), row(8, false), row(4, true)]);
        assert_eq!(left.evals, plan.evals);
    }
}
