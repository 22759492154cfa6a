//! Points that two search-space entries of one config entry measure. Their results have the same identity, so only one of them counts.

use std::collections::HashMap;

use crate::config::{Entry, Runners, ScenarioBlock};
use crate::model::{Concurrency, CurveKey, Diagnostic, Diagnostics, Place};

use super::expand::{Expansion, expand_block};

const HELP: &str =
    "measure each point once: remove it from one of the two, or give them different `environment:` variables or a config entry each";

/// A warning for each search-space entry that repeats points of an earlier one. A concurrency that one list has twice is a finding of the
/// list. Entries that cannot be expanded are findings of the expansion.
#[must_use]
pub fn repeated_points(entry: &Entry, runners: &Runners) -> Diagnostics {
    let mut found = Diagnostics::new();
    // By number, because an alias of YAML has the place of its anchor.
    let mut measured: HashMap<(CurveKey, Concurrency), (usize, Place)> = HashMap::new();
    for (number, (place, block)) in entry.blocks.iter().flat_map(single_candidates).enumerate() {
        let mut repeated: Vec<(Concurrency, Place)> = Vec::new();
        for row in expand_block(entry, runners, &block, &Expansion::default()).unwrap_or_default() {
            for conc in row.conc.as_slice() {
                let earlier = measured.entry((row.curve_key(), *conc)).or_insert_with(|| (number, place.clone()));
                if earlier.0 != number {
                    repeated.push((*conc, earlier.1.clone()));
                }
            }
        }
        repeated.dedup();
        if let Some((_, earlier)) = repeated.first() {
            let finding = Diagnostic::warning("repeated-point", message(&repeated))
                .at(place)
                .related(earlier.clone(), "already measured here")
                .help(HELP);
            found.push(finding);
        }
    }
    found
}

fn message(repeated: &[(Concurrency, Place)]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = repeated.iter().take(SHOWN).map(|(conc, _)| conc.to_string()).collect();
    if repeated.len() > SHOWN {
        shown.push(format!("{} more", repeated.len() - SHOWN));
    }
    let concurrency = if repeated.len() == 1 { "concurrency" } else { "concurrencies" };
    format!(
        "{concurrency} {} of this entry: another search-space entry measures the same points, and only one result of a point counts",
        shown.join(", ")
    )
}

/// The candidates of a block as blocks of their own, each with its place.
fn single_candidates(block: &ScenarioBlock) -> Vec<(Place, ScenarioBlock)> {
    match block {
        ScenarioBlock::FixedSeqLen { lens, candidates } => candidates
            .iter()
            .map(|candidate| {
                let candidates = vec![candidate.clone()];
                (candidate.place.clone(), ScenarioBlock::FixedSeqLen { lens: *lens, candidates })
            })
            .collect(),
        ScenarioBlock::AgenticCoding { duration_s, candidates } => candidates
            .iter()
            .map(|agentic| {
                let (duration_s, candidates) = (*duration_s, vec![agentic.clone()]);
                (
                    agentic.candidate.place.clone(),
                    ScenarioBlock::AgenticCoding { duration_s, candidates },
                )
            })
            .collect(),
    }
}
