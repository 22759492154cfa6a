//! The report for spreadsheets: one line a point, every number with its full digits, units in the heading.

use super::economics::{COST_FIELDS, cost_values};
use super::escape;
use super::view::{TableRow, View};
use crate::model::{SeqLens, Workload};
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

/// A value of the table, before it has a format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Not known.
    Nothing,
    /// A text.
    Text(String),
    /// A number.
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

    /// The text; a number as it is written.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
        }
    }

    /// The number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Nothing | Self::Text(_) => None,
        }
    }
}

/// The report as CSV: seconds, tokens per second, and for a comparison the relative change of each metric and the verdict.
#[must_use]
pub fn csv(view: &View) -> String {
    let (names, rows) = rows(view);
    let mut text = String::new();
    push_line(&mut text, names.iter().map(String::as_str));
    for row in rows {
        let fields: Vec<String> = row.iter().map(|cell| cell.text().unwrap_or_default()).collect();
        push_line(&mut text, fields.iter().map(String::as_str));
    }
    text
}

/// The headings and the rows, for every format that is a table.
pub(super) fn rows(view: &View) -> (Vec<String>, Vec<Vec<Cell>>) {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    (heading(view), rows.map(|row| cells(row, view)).collect())
}

fn cells(row: &TableRow, view: &View) -> Vec<Cell> {
    let mut cells = settings(row.point);
    cells.push(Cell::some(row.failure().unwrap_or_default()));
    cells.extend(Metric::ALL.iter().map(|metric| Cell::number_or_nothing(row.point.get(*metric))));
    if view.comparison.is_some() {
        let change = |metric| row.compared.and_then(|compared| compared.change(metric));
        cells.extend(
            Metric::ALL
                .iter()
                .map(|metric| Cell::number_or_nothing(change(*metric).map(|change| change.relative))),
        );
        cells.push(Cell::some(row.compared.map_or("", |compared| compared.verdict.as_str())));
    }
    if view.has_costs {
        match &row.cost {
            Some(cost) => cells.extend(cost_values(cost).map(Cell::number_or_nothing)),
            None => cells.extend(COST_FIELDS.map(|_| Cell::Nothing)),
        }
    }
    cells
}

fn heading(view: &View) -> Vec<String> {
    let metrics: Vec<String> = Metric::ALL.iter().map(|metric| column(*metric)).collect();
    let mut names: Vec<String> = SETTINGS.iter().map(|name| (*name).to_owned()).collect();
    names.extend(metrics.iter().cloned());
    if view.comparison.is_some() {
        names.extend(metrics.iter().map(|name| format!("{name}_change")));
        names.push("verdict".to_owned());
    }
    if view.has_costs {
        names.extend(COST_FIELDS.map(str::to_owned));
    }
    names
}

fn column(metric: Metric) -> String {
    let unit = match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu => "tok_per_s",
        Metric::Interactivity => "tok_per_s_per_user",
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => "s",
    };
    format!("{}_{unit}", metric.id().replace('-', "_"))
}

fn settings(point: &Point) -> Vec<Cell> {
    let curve = &point.key.curve;
    let lens = match curve.workload {
        Workload::FixedSeqLen(lens) => Some(lens),
        Workload::AgenticCoding => None,
    };
    let length = |length: fn(SeqLens) -> u32| Cell::number_or_nothing(lens.map(|lens| f64::from(length(lens))));
    #[expect(clippy::cast_precision_loss, reason = "numbers of GPUs are far below 2^52")]
    let gpus = point.gpus as f64;
    vec![
        Cell::some(curve.model_prefix.to_string()),
        Cell::some(point.model.clone().unwrap_or_default()),
        Cell::some(curve.runner.to_string()),
        Cell::some(curve.framework.to_string()),
        Cell::some(curve.precision.to_string()),
        Cell::some(curve.spec_decoding.to_string()),
        Cell::some(curve.disagg.to_string()),
        length(|lens| lens.isl.get()),
        length(|lens| lens.osl.get()),
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
