//! The plan as text: a line for a terminal, and markdown for the step summary.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::durations::KnownHours;
use super::group::Estimate;
use super::jobs::Job;
use crate::model::escape_markdown;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Changelog entries of the plan.
    pub entries: usize,
    pub jobs: usize,
    /// Jobs that only evaluate.
    pub eval_jobs: usize,
    pub points: usize,
}

impl Totals {
    /// The totals of some jobs.
    #[must_use]
    pub fn of(entries: usize, jobs: &[Job]) -> Self {
        let (evals, measured): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(|job| job.row.eval.only == Some(true));
        Self {
            entries,
            jobs: jobs.len(),
            eval_jobs: evals.len(),
            points: measured.iter().map(|job| job.row.conc.as_slice().len()).sum(),
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            entries,
            jobs,
            eval_jobs,
            points,
        } = self;
        let entries = count(*entries, "changelog entry", "changelog entries");
        let jobs = count(*jobs, "job", "jobs");
        write!(
            f,
            "{entries}, {jobs} ({} measured, {} evals-only)",
            count(*points, "point", "points"),
            eval_jobs
        )
    }
}

fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Number of jobs above which GitHub's page of a run fails to load.
const PAGE_LIMIT: usize = 500;

/// The step summary: reason, size, and jobs by runner.
#[must_use]
pub fn summary(reason: &str, totals: Totals, jobs: &[Job], estimate: Option<Estimate>, known: Option<KnownHours>) -> String {
    let mut text = format!("### Sweep plan\n\n{}\n\n{totals}.\n", escape_markdown(reason));
    if let Some(known) = known {
        let _ = writeln!(
            text,
            "\nAbout {:.1} GPU-hours, estimated from earlier jobs ({} of {} jobs).",
            known.gpu_hours, known.jobs, totals.jobs
        );
    } else if let Some(estimate) = estimate {
        let minutes: u64 = jobs
            .iter()
            .map(|job| estimate.minutes(job.row.conc.as_slice().len()) * job.gpus)
            .sum();
        let _ = writeln!(text, "\nAbout {} GPU-hours, estimated by `--group-by-engine`.", minutes / 60);
    }
    if totals.jobs > PAGE_LIMIT {
        let _ = writeln!(
            text,
            "\nOver {PAGE_LIMIT} jobs: GitHub's page of this run may not load; the jobs still run."
        );
    }
    if jobs.is_empty() {
        return text;
    }
    text.push_str("\n| model | precision | engine | runner | jobs | points |\n|---|---|---|---|---:|---:|\n");
    let mut groups: IndexMap<[&str; 4], (usize, usize)> = IndexMap::new();
    for job in jobs {
        let row = &job.row;
        let names = [
            row.model_prefix.as_str(),
            row.precision.as_str(),
            row.framework.as_str(),
            row.runner.as_str(),
        ];
        let (jobs, points) = groups.entry(names).or_default();
        *jobs += 1;
        *points += row.conc.as_slice().len();
    }
    for (names, (jobs, points)) in groups {
        let names = names.map(escape_markdown).join(" | ");
        let _ = writeln!(text, "| {names} | {jobs} | {points} |");
    }
    text
}
