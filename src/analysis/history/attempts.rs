//! Measurements that several attempts of a workflow run report: a job that reports, or a few rows, ran again. They count once, for the newest
//! attempt, as in databases.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::HistoryRun;

/// Takes the measurements out of earlier attempts that a later one has with the same content. A failure stays: the same failure in two attempts
/// are two failures.
pub(super) fn take_out_repeated(runs: &mut [HistoryRun]) {
    let mut attempts: BTreeMap<[Option<String>; 4], Vec<(u32, usize)>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        let context = &run.context;
        if let (Some(attempt), Some(_)) = (context.attempt, &run.run_id) {
            let of_workflow = [&context.project, &context.provider, &context.repository, &run.run_id].map(Clone::clone);
            attempts.entry(of_workflow).or_default().push((attempt, index));
        }
    }
    for mut of_workflow in attempts.into_values().filter(|attempts| attempts.len() > 1) {
        of_workflow.sort_by_key(|attempt| Reverse(*attempt));
        for (at, (attempt, earlier)) in of_workflow.iter().enumerate() {
            let newer = of_workflow.iter().take(at).filter(|(newer, _)| newer > attempt);
            for (_, later) in newer {
                take_out(runs, *earlier, *later);
            }
        }
    }
}

fn take_out(runs: &mut [HistoryRun], earlier: usize, later: usize) {
    let Some(run) = runs.get_mut(earlier) else { return };
    let mut points = std::mem::take(&mut run.run.points);
    let mut evals = std::mem::take(&mut run.run.evals);
    if let Some(later) = runs.get(later) {
        points.retain(|point| point.measurement().is_none() || later.run.point(&point.key) != Some(point));
        evals.retain(|score| !later.run.evals.contains(score));
    }
    if let Some(run) = runs.get_mut(earlier) {
        run.run.points = points;
        run.run.evals = evals;
    }
}
