//! How the machines that measure are doing: jobs, waits, GPU hours and failures by day, by runner and by run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::history::JobSummary;
use crate::model::count;

/// The phase in which a job waits for GPUs, by its name in `job.json`.
const QUEUE: &str = "queue";
const DAY_MS: i64 = 86_400_000;

/// A job of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOfRun {
    pub run: i64,
    /// When the run was measured, milliseconds since 1970.
    pub started_ms: i64,
    /// GPUs that it held; absent where the run has no point of its curve.
    pub gpus: Option<u64>,
    pub job: JobSummary,
}

/// Jobs that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobGroup {
    pub jobs: usize,
    pub failed: usize,
    /// Failed jobs by the class of their failure.
    pub classes: BTreeMap<String, usize>,
    /// Jobs that were tried more than once.
    pub retried: usize,
    /// Seconds in the queue; absent without a job that has waited in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_queue_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_queue_s: Option<f64>,
    /// The time of jobs without the queue, times their GPUs. Jobs without a duration or GPUs count as 0, and in `unknown`.
    pub gpu_hours: f64,
    /// GPU hours of failed jobs.
    pub lost_gpu_hours: f64,
    /// Jobs whose GPU hours are not known.
    pub unknown: usize,
}

impl JobOfRun {
    fn is_ok(&self) -> bool {
        self.job.outcome == "ok"
    }

    /// Seconds in the queue; `None` for a launcher without one.
    #[must_use]
    pub fn queue_s(&self) -> Option<f64> {
        let waits: Vec<f64> = self
            .job
            .phases
            .iter()
            .filter(|phase| phase.phase == QUEUE)
            .map(|phase| phase.seconds)
            .collect();
        (!waits.is_empty()).then(|| waits.iter().sum())
    }

    #[must_use]
    pub fn gpu_hours(&self) -> Option<f64> {
        let seconds = (self.job.seconds? - self.queue_s().unwrap_or_default()).max(0.0);
        let gpus = u32::try_from(self.gpus?).ok()?;
        Some(seconds / 3600.0 * f64::from(gpus))
    }

    /// The machine: the runner's name, else the node's.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        self.job.runner.as_deref().or(self.job.node.as_deref())
    }
}

impl JobGroup {
    #[must_use]
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a JobOfRun>) -> Self {
        let jobs: Vec<&JobOfRun> = jobs.into_iter().collect();
        let mut waits: Vec<f64> = jobs.iter().filter_map(|job| job.queue_s()).collect();
        waits.sort_by(f64::total_cmp);
        let mut classes = BTreeMap::new();
        for job in jobs.iter().filter(|job| !job.is_ok()) {
            *classes.entry(job.job.outcome.clone()).or_default() += 1;
        }
        // The sum of no numbers is -0.
        let hours = |of: fn(&JobOfRun) -> bool| {
            let each = jobs.iter().filter(|job| of(job)).filter_map(|job| job.gpu_hours());
            each.sum::<f64>() + 0.0
        };
        Self {
            jobs: jobs.len(),
            failed: classes.values().sum(),
            classes,
            retried: jobs.iter().filter(|job| job.job.attempts > 1).count(),
            median_queue_s: waits.get(waits.len() / 2).copied(),
            longest_queue_s: waits.last().copied(),
            gpu_hours: hours(|_| true),
            lost_gpu_hours: hours(|job| !job.is_ok()),
            unknown: jobs.iter().filter(|job| job.gpu_hours().is_none()).count(),
        }
    }

    /// The share of jobs that ended well; `None` without jobs.
    #[must_use]
    pub fn success(&self) -> Option<f64> {
        (self.jobs > 0).then(|| count(self.jobs - self.failed) / count(self.jobs))
    }
}

/// Jobs by the day of their run, milliseconds since 1970 at midnight UTC; the oldest first.
#[must_use]
pub fn by_day(jobs: &[JobOfRun]) -> Vec<(i64, JobGroup)> {
    let mut days: BTreeMap<i64, Vec<&JobOfRun>> = BTreeMap::new();
    for job in jobs {
        days.entry(job.started_ms.div_euclid(DAY_MS) * DAY_MS).or_default().push(job);
    }
    days.into_iter().map(|(day, jobs)| (day, JobGroup::of(jobs))).collect()
}

/// A machine and its jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineJobs {
    pub machine: String,
    pub hardware: BTreeSet<String>,
    pub last_ms: i64,
    /// When its last job ended well.
    pub last_good_ms: Option<i64>,
    /// No job of it for the period, although others of the same hardware had some: it is offline, or nothing is sent to it.
    pub is_silent: bool,
    pub group: JobGroup,
}

/// Jobs by machine. One is silent if its last job is older by `silent_ms` than the newest of its hardware.
#[must_use]
pub fn by_machine(jobs: &[JobOfRun], silent_ms: i64) -> Vec<MachineJobs> {
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    let mut machines: BTreeMap<&str, Vec<&JobOfRun>> = BTreeMap::new();
    for job in jobs {
        let Some(machine) = job.machine() else { continue };
        let last = newest.entry(job.job.curve.runner.as_str()).or_insert(job.started_ms);
        *last = job.started_ms.max(*last);
        machines.entry(machine).or_default().push(job);
    }
    let machine = |(name, jobs): (&str, Vec<&JobOfRun>)| {
        let last_ms = jobs.iter().map(|job| job.started_ms).max().unwrap_or_default();
        let hardware: BTreeSet<&str> = jobs.iter().map(|job| job.job.curve.runner.as_str()).collect();
        let last_of_hardware = hardware.iter().filter_map(|hardware| newest.get(hardware)).max();
        MachineJobs {
            machine: name.to_owned(),
            last_ms,
            last_good_ms: jobs.iter().filter(|job| job.is_ok()).map(|job| job.started_ms).max(),
            is_silent: last_of_hardware.is_some_and(|newest| newest - last_ms > silent_ms),
            hardware: hardware.into_iter().map(str::to_owned).collect(),
            group: JobGroup::of(jobs),
        }
    };
    machines.into_iter().map(machine).collect()
}

/// Jobs by run, the newest first.
#[must_use]
pub fn by_run(jobs: &[JobOfRun]) -> Vec<(i64, i64, JobGroup)> {
    let mut runs: BTreeMap<(i64, i64), Vec<&JobOfRun>> = BTreeMap::new();
    for job in jobs {
        runs.entry((job.started_ms, job.run)).or_default().push(job);
    }
    let newest = runs.into_iter().rev();
    newest
        .map(|((started_ms, run), jobs)| (run, started_ms, JobGroup::of(jobs)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    struct Spec {
        run: i64,
        day: i64,
        runner: Option<&'static str>,
        outcome: &'static str,
        queue: Option<f64>,
        seconds: Option<f64>,
        gpus: Option<u64>,
    }

    const USUAL: Spec = Spec {
        run: 1,
        day: 0,
        runner: Some("node-a"),
        outcome: "ok",
        queue: None,
        seconds: Some(1800.0),
        gpus: Some(8),
    };

    fn job(spec: &Spec) -> JobOfRun {
        let curve = json!({
            "model-prefix": "demo", "precision": "fp8", "runner": "h200", "framework": "vllm", "spec-decoding": "none", "disagg": false,
            "workload": { "fixed-seq-len": { "isl": 1024, "osl": 1024 } }, "layout": "tp8"
        });
        let phases: Vec<_> = spec
            .queue
            .iter()
            .map(|seconds| json!({ "phase": "queue", "seconds": seconds, "ending": "done" }))
            .collect();
        let document = json!({
            "job_id": format!("{}-{}", spec.run, spec.day), "curve": curve, "concurrencies": [4], "outcome": spec.outcome, "seconds": spec.seconds,
            "attempts": if spec.outcome == "infra" { 2 } else { 1 }, "runner": spec.runner, "phases": phases
        });
        JobOfRun {
            run: spec.run,
            started_ms: spec.day * DAY_MS + 5000,
            gpus: spec.gpus,
            job: serde_json::from_value(document).unwrap(),
        }
    }

    #[test]
    fn waiting_holds_no_gpu() {
        for (spec, hours) in [
            (USUAL, Some(4.0)),
            (
                Spec {
                    queue: Some(900.0),
                    ..USUAL
                },
                Some(2.0),
            ),
            (
                Spec {
                    queue: Some(3600.0),
                    ..USUAL
                },
                Some(0.0),
            ),
            (Spec { gpus: None, ..USUAL }, None),
            (Spec { seconds: None, ..USUAL }, None),
        ] {
            assert_eq!(job(&spec).gpu_hours(), hours);
        }
    }

    #[test]
    fn jobs_are_summed_by_day_and_run() {
        let jobs = [
            job(&Spec {
                queue: Some(60.0),
                ..USUAL
            }),
            job(&Spec {
                queue: Some(300.0),
                outcome: "infra",
                ..USUAL
            }),
            job(&Spec {
                run: 2,
                day: 1,
                seconds: None,
                outcome: "server",
                ..USUAL
            }),
        ];
        let days = by_day(&jobs);
        assert_eq!(
            days.iter().map(|(day, group)| (*day, group.jobs, group.failed)).collect::<Vec<_>>(),
            [(0, 2, 1), (DAY_MS, 1, 1)]
        );
        let first = &days[0].1;
        assert_eq!(
            (first.median_queue_s, first.longest_queue_s, first.retried),
            (Some(300.0), Some(300.0), 1)
        );
        assert!((first.gpu_hours - (1740.0 + 1500.0) / 3600.0 * 8.0).abs() < 1e-9);
        assert!((first.lost_gpu_hours - 1500.0 / 3600.0 * 8.0).abs() < 1e-9);
        assert_eq!((first.success(), days[1].1.unknown), (Some(0.5), 1));
        assert_eq!(by_run(&jobs).iter().map(|(run, ..)| *run).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(JobGroup::of(&[]).success(), None);
    }

    #[test]
    fn a_machine_is_silent_if_others_of_its_hardware_are_not() {
        let on = |runner, day| job(&Spec { runner, day, ..USUAL });
        let jobs = [on(Some("node-a"), 0), on(Some("node-b"), 0), on(Some("node-b"), 9), on(None, 30)];
        let machines = by_machine(&jobs, 3 * DAY_MS);
        let found: Vec<(&str, bool, usize)> = machines
            .iter()
            .map(|machine| (machine.machine.as_str(), machine.is_silent, machine.group.jobs))
            .collect();
        assert_eq!(found, [("node-a", true, 1), ("node-b", false, 2)]);
    }
}
