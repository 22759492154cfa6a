//! When, where and with what a run was measured: what its job records say, each different value once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most values that are kept of each kind, and the longest of them in characters: records are files from outside.
const MOST_VALUES: usize = 32;
const LONGEST_VALUE: usize = 200;

/// The conditions of one job or of all jobs of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Start of the first job, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// End of the last job, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Commits of the repository with the recipes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub commits: BTreeSet<String>,
    /// Engines with their versions, such as `vllm 0.13.0`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub engines: BTreeSet<String>,
    /// Versions of imax.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub imax: BTreeSet<String>,
    /// GPUs with their number, such as `8 x NVIDIA H200`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub gpus: BTreeSet<String>,
    /// Versions of the GPUs' driver.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub drivers: BTreeSet<String>,
    /// Versions of CUDA that drivers support, or of ROCm.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub toolkits: BTreeSet<String>,
    /// Names of the runners.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub runners: BTreeSet<String>,
}

impl Conditions {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the conditions of other jobs.
    pub fn add(&mut self, other: Self) {
        let Self {
            started,
            ended,
            commits,
            engines,
            imax,
            gpus,
            drivers,
            toolkits,
            runners,
        } = other;
        self.started = self.started.take().into_iter().chain(started.map(shortened)).min();
        self.ended = self.ended.take().into_iter().chain(ended.map(shortened)).max();
        for (values, others) in [
            (&mut self.commits, commits),
            (&mut self.engines, engines),
            (&mut self.imax, imax),
            (&mut self.gpus, gpus),
            (&mut self.drivers, drivers),
            (&mut self.toolkits, toolkits),
            (&mut self.runners, runners),
        ] {
            values.extend(others.into_iter().map(shortened));
            while values.len() > MOST_VALUES {
                values.pop_last();
            }
        }
    }
}

fn shortened(value: String) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        None => value,
        Some((end, _)) => format!("{}…", &value[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(started: &str, ended: &str, driver: &str) -> Conditions {
        Conditions {
            started: Some(started.to_owned()),
            ended: Some(ended.to_owned()),
            drivers: BTreeSet::from([driver.to_owned()]),
            ..Conditions::default()
        }
    }

    #[test]
    fn a_run_spans_its_jobs_and_has_each_value_once() {
        let mut run = Conditions::default();
        assert!(run.is_empty());
        run.add(job("2026-11-30T10:00:00Z", "2026-11-30T10:20:00Z", "570"));
        run.add(job("2026-11-30T09:00:00Z", "2026-11-30T10:10:00Z", "570"));
        run.add(Conditions::default());
        assert_eq!(run, job("2026-11-30T09:00:00Z", "2026-11-30T10:20:00Z", "570"));
    }

    #[test]
    fn many_and_long_values_are_bounded() {
        let mut run = Conditions::default();
        for number in 0..1000 {
            run.add(job("a", "b", &format!("{number:04}{}", "x".repeat(10_000))));
        }
        assert_eq!(run.drivers.len(), MOST_VALUES);
        assert!(run.drivers.iter().all(|driver| driver.chars().count() == LONGEST_VALUE + 1));
    }
}
