//! A run that was stored several times: what was stored later replaces what it names and leaves the rest, as in a database.

use std::collections::{BTreeMap, BTreeSet};

use super::{HistoryRun, RunRecord};
use crate::model::Digest;

/// Puts revisions of the same run together. The runs are in the order in which they count, each with what identifies it; the result is in
/// the order of first appearance.
#[must_use]
pub fn merge_revisions(runs: impl IntoIterator<Item = (String, HistoryRun)>) -> Vec<HistoryRun> {
    let mut merged: Vec<HistoryRun> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (identity, run) in runs {
        match places.get(&identity).and_then(|place| merged.get_mut(*place)) {
            Some(earlier) => replace(earlier, run),
            None => {
                places.insert(identity, merged.len());
                merged.push(run);
            }
        }
    }
    merged
}

fn replace(earlier: &mut HistoryRun, mut later: HistoryRun) {
    let points = std::mem::take(&mut earlier.run.points);
    let kept = points.into_iter().filter(|point| later.run.point(&point.key).is_none());
    let kept: Vec<_> = kept.collect();
    later.run.points.extend(kept);
    later.run.points.sort_by(|left, right| left.key.cmp(&right.key));
    let scores = std::mem::take(&mut earlier.run.evals);
    let kept: Vec<_> = scores
        .into_iter()
        .filter(|score| later.run.evals.iter().all(|new| new.key != score.key))
        .collect();
    later.run.evals.extend(kept);
    let named: BTreeSet<Digest> = later.run.records.iter().map(RunRecord::key).collect();
    let records = std::mem::take(&mut earlier.run.records).into_iter();
    later.run.records.extend(records.filter(|record| !named.contains(&record.key())));
    *earlier = later;
}
