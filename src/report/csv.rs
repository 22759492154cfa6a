//! The report for spreadsheets: one line for each point, numbers with all digits, units in the heading.

use super::economics::{COST_FIELDS, cost_values};
use super::escape;
use super::evals::ScoreRow;
use super::sentences;
use super::view::{Group, TableRow, View};
use crate::analysis::Grouping;
use crate::model::Workload;
use crate::model::count;
use crate::result::{Metric, Point};

/// The settings, before the metrics.
const SETTINGS: [&str; 14] = [
    "model_prefix",
    "model",
    "hardware",
    "framework",
    "precision",
    "spec_decoding",
    "disagg",
    "isl",
    "osl",
    "layout",
    "gpus",
    "conc",
    "image",
    "failure",
];

/// A value of the table, independent of the format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Nothing,
    Text(String),
    Number(f64),
}

impl Cell {
    fn some(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }

    fn number_or_nothing(number: Option<f64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }

    /// The value as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Nothing | Self::Text(_) => None,
        }
    }
}

/// The report as CSV: seconds, tokens per second, and for a comparison the relative change of each metric and the verdict. After the
/// points comes a line for each accuracy score.
#[must_use]
pub fn csv(view: &View) -> String {
    written(&rows(view))
}

/// Several runs as one CSV: the first column is the name of the run.
#[must_use]
pub fn csv_of_several(runs: &[(&str, View)]) -> String {
    let shape = Shape::of(runs.iter().map(|(_, view)| view));
    let mut rows = Vec::new();
    for (name, view) in runs {
        rows.extend(
            shape
                .rows(view)
                .into_iter()
                .map(|row| std::iter::once(Cell::some(*name)).chain(row).collect()),
        );
    }
    let names = std::iter::once("run".to_owned()).chain(shape.heading()).collect();
    written(&(names, rows))
}

fn written((names, rows): &Table) -> String {
    let mut text = String::new();
    push_line(&mut text, names.iter().map(String::as_str));
    for row in rows {
        let fields: Vec<String> = row.iter().map(|cell| cell.text().unwrap_or_default()).collect();
        push_line(&mut text, fields.iter().map(String::as_str));
    }
    text
}

type Table = (Vec<String>, Vec<Vec<Cell>>);

/// The headings and the rows, for every format that is a table.
pub(super) fn rows(view: &View) -> Table {
    let shape = Shape::of([view]);
    (shape.heading(), shape.rows(view))
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Whether a point is a replay of coding-agent sessions, which have metrics of their own.
    sessions: bool,
    groups: bool,
    changes: bool,
    costs: bool,
    scores: bool,
}

/// The columns of accuracy scores.
const SCORE_FIELDS: [&str; 6] = ["task", "score_name", "score", "score_stderr", "questions", "score_change"];

impl Shape {
    fn of<'a, 'b: 'a>(views: impl IntoIterator<Item = &'a View<'b>>) -> Self {
        let none = Self {
            sessions: false,
            groups: false,
            changes: false,
            costs: false,
            scores: false,
        };
        views.into_iter().fold(none, |shape, view| Self {
            // The dimensions of the default groups have columns already.
            sessions: shape.sessions || view.run.points.iter().any(is_of_sessions),
            groups: shape.groups || view.grouping != Grouping::default(),
            changes: shape.changes || view.comparison.is_some(),
            costs: shape.costs || view.has_costs,
            scores: shape.scores || !view.run.evals.is_empty(),
        })
    }

    fn metrics(self) -> impl Iterator<Item = Metric> {
        Metric::ALL
            .into_iter()
            .filter(move |metric| self.sessions || !metric.is_of_sessions())
    }

    fn heading(self) -> Vec<String> {
        let metrics: Vec<String> = self.metrics().map(column).collect();
        let mut names = Vec::new();
        if self.groups {
            names.push("group".to_owned());
        }
        names.extend(SETTINGS.map(str::to_owned));
        names.extend(metrics.iter().cloned());
        if self.changes {
            names.extend(metrics.iter().map(|name| format!("{name}_change")));
            names.push("verdict".to_owned());
        }
        if self.costs {
            names.extend(COST_FIELDS.map(str::to_owned));
        }
        if self.scores {
            names.extend(SCORE_FIELDS.map(str::to_owned));
        }
        names
    }

    fn rows(self, view: &View) -> Vec<Vec<Cell>> {
        let points = view
            .groups
            .iter()
            .flat_map(|group| group.rows.iter().map(|row| self.of_point(group, row)));
        let scores = view.scores().rows();
        points.chain(scores.iter().map(|score| self.of_score(score))).collect()
    }

    fn of_point(self, group: &Group, row: &TableRow) -> Vec<Cell> {
        let mut cells = Vec::new();
        if self.groups {
            cells.push(Cell::some(group.name.clone()));
        }
        cells.extend(settings(row.point));
        cells.push(Cell::some(row.failure().unwrap_or_default()));
        cells.extend(self.metrics().map(|metric| Cell::number_or_nothing(row.point.get(metric))));
        if self.changes {
            let changes = self
                .metrics()
                .map(|metric| row.compared.and_then(|compared| compared.change(metric)));
            cells.extend(changes.map(|change| Cell::number_or_nothing(change.map(|change| change.relative))));
            cells.push(Cell::some(row.compared.map_or("", |compared| compared.verdict.as_str())));
        }
        if self.costs {
            match &row.cost {
                Some(cost) => cells.extend(cost_values(cost).map(Cell::number_or_nothing)),
                None => cells.extend(COST_FIELDS.map(|_| Cell::Nothing)),
            }
        }
        if self.scores {
            cells.extend(SCORE_FIELDS.map(|_| Cell::Nothing));
        }
        cells
    }

    /// The row of a score: the settings that it has, and no metrics.
    fn of_score(self, row: &ScoreRow) -> Vec<Cell> {
        let key = &row.score.key;
        let mut cells = Vec::new();
        if self.groups {
            cells.push(Cell::Nothing);
        }
        cells.extend(SETTINGS.map(|setting| match setting {
            "model_prefix" => Cell::some(key.model_prefix.clone()),
            "hardware" => Cell::some(key.hardware.clone()),
            "framework" => Cell::some(key.framework.clone()),
            "precision" => Cell::some(key.precision.clone()),
            "spec_decoding" => Cell::some(key.spec_decoding.clone()),
            "layout" => Cell::some(key.layout.clone()),
            "conc" => Cell::Number(count(key.conc)),
            _ => Cell::Nothing,
        }));
        cells.extend(self.metrics().map(|_| Cell::Nothing));
        if self.changes {
            cells.extend(self.metrics().map(|_| Cell::Nothing));
            cells.push(Cell::some(
                row.change.map_or("", |change| sentences::metric_verdict(change.verdict)),
            ));
        }
        if self.costs {
            cells.extend(COST_FIELDS.map(|_| Cell::Nothing));
        }
        cells.extend([
            Cell::some(key.task.clone()),
            Cell::some(key.score_name.clone()),
            Cell::Number(row.score.score),
            Cell::number_or_nothing(row.score.stderr),
            row.score.questions.map_or(Cell::Nothing, |number| Cell::Number(count(number))),
            Cell::number_or_nothing(row.change.map(|change| change.head - change.base)),
        ]);
        cells
    }
}

fn is_of_sessions(point: &Point) -> bool {
    match point.key.curve.workload {
        Workload::FixedSeqLen(_) => false,
        Workload::AgenticCoding => true,
    }
}

fn column(metric: Metric) -> String {
    let unit = match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu => "tok_per_s",
        Metric::Interactivity => "tok_per_s_per_user",
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => "s",
        Metric::Qps => "req_per_s",
        Metric::CacheHitRate => "fraction",
    };
    format!("{}_{unit}", metric.id().replace('-', "_"))
}

fn settings(point: &Point) -> Vec<Cell> {
    let curve = &point.key.curve;
    let lens = match curve.workload {
        Workload::FixedSeqLen(lens) => Some(lens),
        Workload::AgenticCoding => None,
    };
    let gpus = count(point.gpus);
    vec![
        Cell::some(curve.model_prefix.to_string()),
        Cell::some(point.model.clone().unwrap_or_default()),
        Cell::some(curve.runner.to_string()),
        Cell::some(curve.framework.to_string()),
        Cell::some(curve.precision.to_string()),
        Cell::some(curve.spec_decoding.to_string()),
        Cell::some(curve.disagg.to_string()),
        Cell::number_or_nothing(lens.map(|lens| f64::from(lens.isl.get()))),
        Cell::number_or_nothing(lens.map(|lens| f64::from(lens.osl.get()))),
        Cell::some(curve.layout.clone()),
        Cell::Number(gpus),
        Cell::Number(f64::from(point.key.conc.get())),
        Cell::some(point.image.clone().unwrap_or_default()),
    ]
}

fn push_line<'a>(text: &mut String, fields: impl Iterator<Item = &'a str>) {
    let fields: Vec<String> = fields.map(escape::csv).collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}
