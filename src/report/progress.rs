//! The comment while a sweep runs: numbers of finished, running, waiting and failed jobs, and the estimated remaining time.

use super::links::Links;
use crate::model::count;

/// A job of a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JobProgress {
    /// Waiting for a runner or for other jobs.
    Waiting,
    /// Running, with the seconds since its start.
    Running(f64),
    /// Succeeded, with its duration in seconds.
    Done(f64),
    Failed,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Its jobs. Those that GitHub does not list yet count as waiting.
    pub jobs: Vec<JobProgress>,
    pub links: Links,
}

impl Progress {
    fn count(&self, is: fn(&JobProgress) -> bool) -> usize {
        self.jobs.iter().filter(|job| is(job)).count()
    }

    /// Whether all jobs have ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.jobs
            .iter()
            .all(|job| matches!(job, JobProgress::Done(_) | JobProgress::Failed))
    }

    /// The estimated remaining seconds: the remaining work, at the mean duration of finished jobs, divided by the number of running jobs.
    /// `None` before the first job is done.
    #[must_use]
    pub fn seconds_left(&self) -> Option<f64> {
        let done: Vec<f64> = self
            .jobs
            .iter()
            .filter_map(|job| match job {
                JobProgress::Done(seconds) => Some(*seconds),
                JobProgress::Waiting | JobProgress::Running(_) | JobProgress::Failed => None,
            })
            .collect();
        let mean = done.iter().sum::<f64>() / count(done.len());
        let left: f64 = self
            .jobs
            .iter()
            .map(|job| match job {
                JobProgress::Waiting => mean,
                JobProgress::Running(seconds) => (mean - seconds).max(0.0),
                JobProgress::Done(_) | JobProgress::Failed => 0.0,
            })
            .sum();
        let at_once = count(self.count(|job| matches!(job, JobProgress::Running(_))).max(1));
        mean.is_finite().then_some(left / at_once)
    }
}

/// The text of the comment. `markers` are the hidden lines by which it is found again.
#[must_use]
pub fn progress(progress: &Progress, markers: &[&str]) -> String {
    const CELLS: usize = 20;
    let total = progress.jobs.len();
    let failed = progress.count(|job| matches!(job, JobProgress::Failed));
    let ended = failed + progress.count(|job| matches!(job, JobProgress::Done(_)));
    let running = progress.count(|job| matches!(job, JobProgress::Running(_)));
    let waiting = total - ended - running;
    let sign = if failed > 0 { "🔴" } else { "⏳" };
    let filled = (ended * CELLS).checked_div(total).unwrap_or(0);
    let bar = "█".repeat(filled) + &"░".repeat(CELLS - filled);
    let mut text = format!("### {sign} {ended} of {total} jobs done");
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    text.push_str(&format!("\n\n`{bar}` {running} running, {waiting} waiting"));
    if let (false, Some(seconds)) = (progress.is_over(), progress.seconds_left()) {
        text.push_str(&format!("; about {} left", duration(seconds)));
    }
    text.push_str(".\n");
    text.push_str(&progress.links.markdown());
    for marker in markers {
        text.push_str(&format!("\n{marker}\n"));
    }
    text
}

/// An estimate, rounded: `1 min`, `45 min`, `3.5 h`.
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil().max(1.0);
    if minutes < 100.0 {
        format!("{minutes:.0} min")
    } else {
        format!("{:.1} h", minutes / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(jobs: &[JobProgress]) -> Progress {
        Progress {
            jobs: jobs.to_vec(),
            links: Links::default(),
        }
    }

    #[test]
    fn remaining_time_is_work_divided_by_active_runners() {
        use JobProgress::{Done, Failed, Running, Waiting};
        assert_eq!(sweep(&[Running(10.0), Waiting]).seconds_left(), None);
        let jobs = [Done(100.0), Done(140.0), Failed, Running(20.0), Running(200.0), Waiting, Waiting];
        assert_eq!(sweep(&jobs).seconds_left(), Some(170.0));
        assert!(!sweep(&jobs).is_over() && sweep(&[Done(1.0), Failed]).is_over());
    }

    #[test]
    fn comment_counts_jobs_and_estimates_remaining_time() {
        use JobProgress::{Done, Failed, Running, Waiting};
        let text = progress(&sweep(&[Done(120.0), Failed, Running(0.0), Waiting]), &["<!-- a -->"]);
        let expected =
            "### 🔴 2 of 4 jobs done, 1 failed\n\n`██████████░░░░░░░░░░` 1 running, 1 waiting; about 4 min left.\n\n<!-- a -->\n";
        assert_eq!(text, expected);
        assert!(progress(&sweep(&[]), &[]).starts_with("### ⏳ 0 of 0 jobs done"));
    }
}
