//! The order in which the jobs of all variants are executed.

use std::path::Path;

use super::Variant;
use crate::matrix::plan::Job;

/// A job of a variant in a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub variant: &'a Variant,
    /// The folder of the round.
    pub round: &'a Path,
    pub job: &'a Job,
}

/// Orders the jobs: in a round each job runs for all variants before the next job. Every other round reverses the order of the variants,
/// so that a machine that becomes slower or faster does not favour a variant.
pub(super) fn schedule<'a>(variants: &'a [Variant], planned: &'a [Vec<Job>]) -> Vec<Turn<'a>> {
    let rounds = variants.iter().map(|variant| variant.rounds.len()).max().unwrap_or(0);
    let mut turns = Vec::new();
    for round in 0..rounds {
        let mut sides: Vec<_> = variants.iter().zip(planned).collect();
        if !round.is_multiple_of(2) {
            sides.reverse();
        }
        let longest = planned.iter().map(Vec::len).max().unwrap_or(0);
        for position in 0..longest {
            for (variant, jobs) in &sides {
                let folder = variant.rounds.get(round);
                let job = jobs_of(jobs, round).nth(position);
                if let (Some(folder), Some(job)) = (folder, job) {
                    turns.push(Turn {
                        variant,
                        round: folder,
                        job,
                    });
                }
            }
        }
    }
    turns
}

/// The jobs of a round. Rows that are only evaluated run in the first round: noise of the machine does not affect accuracy.
fn jobs_of(jobs: &[Job], round: usize) -> impl Iterator<Item = &Job> {
    jobs.iter().filter(move |job| round == 0 || !job.row.is_evaluated_alone())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::matrix::plan::{ChangelogMetadata, Plan, SearchSpace, jobs};

    fn variant(name: &'static str, concurrencies: &[u32], rounds: usize) -> Variant {
        let row = |conc: u32, alone: bool| {
            serde_json::from_value(json!({
                "image": "i", "model": "m", "model-prefix": "p", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 64,
                "osl": 16, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 128,
                "exp-name": "e", "run-eval": alone, "eval-only": alone
            }))
            .unwrap()
        };
        let metadata = ChangelogMetadata {
            base_ref: String::new(),
            head_ref: String::new(),
            entries: Vec::new(),
        };
        let benchmarks = concurrencies.iter().map(|conc| row(*conc, false)).collect();
        let plan = Plan {
            benchmarks,
            evals: vec![row(64, true)],
            changes: Vec::new(),
        };
        Variant {
            name,
            commit: None,
            search_space: SearchSpace::new(plan, metadata),
            rounds: (1..=rounds).map(|round| PathBuf::from(format!("{name}{round}"))).collect(),
        }
    }

    fn order(variants: &[Variant]) -> Vec<String> {
        let planned: Vec<Vec<Job>> = variants.iter().map(|variant| jobs(variant.search_space.rows())).collect();
        let turns = schedule(variants, &planned);
        let shown = turns
            .iter()
            .map(|turn| format!("{} {}", turn.round.display(), turn.job.row.conc.as_slice()[0]));
        shown.collect()
    }

    #[test]
    fn variants_take_turns_and_accuracy_is_evaluated_once() {
        let both = [variant("a", &[1, 4], 2), variant("b", &[1, 4], 2)];
        let expected = ["a1 1", "b1 1", "a1 4", "b1 4", "a1 64", "b1 64", "b2 1", "a2 1", "b2 4", "a2 4"];
        assert_eq!(order(&both), expected);
    }

    #[test]
    fn variant_with_fewer_jobs_or_rounds_leaves_its_turns_out() {
        let uneven = [variant("a", &[1, 4], 1), variant("b", &[1], 2)];
        assert_eq!(order(&uneven), ["a1 1", "b1 1", "a1 4", "b1 64", "a1 64", "b2 1"]);
        assert!(order(&[]).is_empty());
        assert_eq!(order(&[variant("a", &[1], 1)]), ["a1 1", "a1 64"]);
    }
}
