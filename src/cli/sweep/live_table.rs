//! Live table of a sweep on stderr: a line per point as soon as it is measured.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output;
use crate::job::Outcome;
use crate::model::Metric;
use crate::result::{Point, PointOutcome};
use crate::sweep::{SweepJob, SweepStep};

/// Maximum width of the column of job names, in characters.
const WIDEST: usize = 60;

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
}

impl LiveTable {
    /// A table for jobs with these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
        Self {
            width: longest.min(WIDEST),
            has_heading: false,
            running: std::io::stderr().is_terminal().then(spinner),
        }
    }

    pub fn show(&mut self, job: &SweepJob<'_>, step: &SweepStep<'_>) {
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
        if let Some(running) = self.running.take() {
            running.finish_and_clear();
        }
    }

    fn show_start(&self, job: &SweepJob<'_>) {
        let name = &job.job.name;
        match &self.running {
            Some(running) => running.set_message(format!("[{}/{}] {name}", job.number, job.total)),
            None => output::say(&format!("[{}/{}] {name}", job.number, job.total)),
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
    let name: String = job.job.name.chars().take(width).collect();
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
