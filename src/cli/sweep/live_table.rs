//! Live table of a sweep on stderr: a line per point as soon as it is measured.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::heartbeat::Heartbeat;
use crate::cli::output;
use crate::cli::terminal::{draws_on_stderr, stderr_style};
use crate::job::Outcome;
use crate::model::Metric;
use crate::result::{Point, PointOutcome};
use crate::sweep::{SweepJob, SweepStep};

/// Maximum width of the column of job names, in characters.
const WIDEST: usize = 60;
/// Shortest name of a job, whatever the width of the terminal.
const NARROWEST: usize = 12;

struct Figure {
    title: &'static str,
    metric: Metric,
    /// Factor from the metric's unit (seconds, tokens per second) to the unit shown.
    factor: f64,
    decimals: usize,
}

const FIGURES: [Figure; 3] = [
    Figure {
        title: "tok/s/GPU",
        metric: Metric::ThroughputPerGpu,
        factor: 1.0,
        decimals: 1,
    },
    Figure {
        title: "TTFT ms",
        metric: Metric::Ttft,
        factor: 1000.0,
        decimals: 1,
    },
    Figure {
        title: "TPOT ms",
        metric: Metric::Tpot,
        factor: 1000.0,
        decimals: 2,
    },
];

/// On a terminal the running job is shown below the table; elsewhere, such as in a CI log, it gets a line of its own.
pub(super) struct LiveTable {
    /// Width of the column of job names, in characters.
    width: usize,
    has_heading: bool,
    running: Option<ProgressBar>,
    /// The job that runs, where nothing can be drawn.
    heartbeat: Option<Heartbeat>,
}

impl LiveTable {
    /// A table for jobs with these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
        Self {
            width: longest.min(name_room(stderr_style().width)),
            has_heading: false,
            running: draws_on_stderr().then(spinner),
            heartbeat: None,
        }
    }

    pub fn show(&mut self, job: &SweepJob<'_>, step: &SweepStep<'_>) {
        self.heartbeat = None;
        match step {
            SweepStep::Starts => self.show_start(job),
            SweepStep::Ended { executed, points } => {
                let result = match &executed.record.outcome {
                    Outcome::Ok => format!("measured in {:.0} s", executed.record.seconds),
                    Outcome::Failed(failure) => format!("failed: {}", failure.reason),
                };
                self.show_points(job, points, &result);
            }
            SweepStep::Kept { points } => self.show_points(job, points, "measured before"),
            SweepStep::LeftOut { reason } => self.line(&row(job, self.width, None, &format!("left out, {reason}"))),
        }
    }

    /// Removes the line of the running job.
    pub fn end(&mut self) {
        self.heartbeat = None;
        if let Some(running) = self.running.take() {
            running.finish_and_clear();
        }
    }

    fn show_start(&mut self, job: &SweepJob<'_>) {
        let name = &job.job.name;
        match &self.running {
            Some(running) => running.set_message(format!("[{}/{}] {name}", job.number, job.total)),
            None => {
                let job = format!("[{}/{}] {name}", job.number, job.total);
                output::say(&job);
                self.heartbeat = Some(Heartbeat::start(false, move |elapsed| {
                    format!("{job}: {} s so far", elapsed.as_secs())
                }));
            }
        }
    }

    fn show_points(&mut self, job: &SweepJob<'_>, points: &[Point], result: &str) {
        if !std::mem::replace(&mut self.has_heading, true) {
            self.line(&heading(self.width));
        }
        if points.is_empty() {
            self.line(&row(job, self.width, None, result));
        }
        for point in points {
            self.line(&row(job, self.width, Some(point), result));
        }
    }

    fn line(&self, text: &str) {
        match &self.running {
            Some(running) => running.println(text),
            None => output::say(text),
        }
    }
}

impl Drop for LiveTable {
    /// Needed if the sweep ends with an error, whose message must not be mixed with the spinner.
    fn drop(&mut self) {
        self.end();
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    // The template is a constant. If indicatif cannot parse it, its default spinner is good enough.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(250));
    spinner
}

/// Room for the name of a job beside the other columns and a short result, such as `measured in 33 s`.
fn name_room(terminal: Option<usize>) -> usize {
    let others = NUMBER_WIDTH + FIGURES.len() * 11 + 7 + 18;
    terminal.map_or(WIDEST, |columns| columns.saturating_sub(others).clamp(NARROWEST, WIDEST))
}

/// A name of at most that many characters; a cut one ends with `…`.
fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept = name.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// Width of the column of job numbers, such as `  3/12`.
const NUMBER_WIDTH: usize = 9;

fn heading(width: usize) -> String {
    let mut text = format!("{:NUMBER_WIDTH$}{:<width$}  {:>5}", "", "job", "conc");
    for figure in &FIGURES {
        let _ = write!(text, "  {:>9}", figure.title);
    }
    text.push_str("  result");
    text
}

/// A line of the table with the figures of a point.
fn row(job: &SweepJob<'_>, width: usize, point: Option<&Point>, result: &str) -> String {
    let number = format!("{}/{}", job.number, job.total);
    let name = shortened(&job.job.name, width);
    let conc = point.map(|point| point.key.conc.to_string()).unwrap_or_default();
    let mut text = format!("{number:>7}  {name:<width$}  {conc:>5}");
    let measured = point.and_then(Point::measurement);
    for figure in &FIGURES {
        let value = measured.and_then(|measured| measured.get(figure.metric));
        let shown = value.map_or_else(|| "-".to_owned(), |value| format!("{:.*}", figure.decimals, value * figure.factor));
        let _ = write!(text, "  {shown:>9}");
    }
    let reason = match point.map(|point| &point.outcome) {
        Some(PointOutcome::Failed(failure)) => format!("failed: {}", failure.reason),
        Some(PointOutcome::Measured(_)) | None => result.to_owned(),
    };
    let _ = write!(text, "  {reason}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_leave_room_for_the_other_columns() {
        for (terminal, expected) in [
            (None, 60),
            (Some(80), 13),
            (Some(100), 33),
            (Some(120), 53),
            (Some(300), 60),
            (Some(10), 12),
        ] {
            assert_eq!(name_room(terminal), expected, "{terminal:?}");
        }
        for columns in [80, 100, 120] {
            let width = name_room(Some(columns));
            let heading = heading(width);
            assert!(
                heading.chars().count() - "result".len() + "measured in 33 s".len() <= columns,
                "{heading}"
            );
        }
    }

    #[test]
    fn cut_names_show_that_they_are_cut() {
        assert_eq!(shortened("llama70b h200", 13), "llama70b h200");
        assert_eq!(shortened("llama70b h200", 9), "llama70b…");
    }
}
