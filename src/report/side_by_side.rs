//! Several runs side by side: a table for each metric and group, a line for each point, a column for each run with its change since
//! the first run.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::columns::{metric_text, metric_title};
use super::markdown;
use super::number;
use super::sentences;
use super::table::sign;
use super::view::{Mark, View};
use crate::analysis::{Comparison, Grouping, Run};
use crate::model::{PointKey, escape_markdown};
use crate::result::Metric;

/// The metrics of tables: throughput per GPU, interactivity, and time to first token. Other formats have all metrics.
const SHOWN: [Metric; 3] = [Metric::ThroughputPerGpu, Metric::Interactivity, Metric::Ttft];

/// A run with its comparison with the first.
pub type Compared<'a> = (&'a Run, &'a Comparison);

/// Runs beside each other.
#[derive(Debug)]
pub struct SideBySide<'a> {
    name: &'a str,
    first: &'a Run,
    others: &'a [Compared<'a>],
    grouping: Grouping,
    /// The points of any of them, in groups.
    groups: Vec<Vec<&'a PointKey>>,
}

/// A number of a run, and its change since the first run.
struct Value {
    text: String,
    change: Option<(String, Mark)>,
}

impl<'a> SideBySide<'a> {
    /// The runs, the first of which is the base of the others.
    #[must_use]
    pub fn new((name, first): (&'a str, &'a Run), others: &'a [Compared<'a>], grouping: &Grouping) -> Self {
        let runs = std::iter::once(first).chain(others.iter().map(|(run, _)| *run));
        let mut points: Vec<&PointKey> = runs.flat_map(|run| run.points.iter().map(|point| &point.key)).collect();
        points.sort_by(|left, right| grouping.compare(left, right).then_with(|| left.cmp(right)));
        points.dedup();
        let groups = points.chunk_by(|left, right| grouping.compare(left, right).is_eq());
        Self {
            name,
            first,
            others,
            grouping: grouping.clone(),
            groups: groups.map(<[_]>::to_vec).collect(),
        }
    }

    /// A view of each run, under its name: the first alone, the others compared with it.
    #[must_use]
    pub fn views(&self) -> Vec<(&'a str, View<'a>)> {
        let first = (self.name, View::grouped(self.first, None, self.grouping.clone()));
        let others = self.others.iter().map(|(run, comparison)| {
            let view = View::grouped(run, Some(comparison), self.grouping.clone());
            (comparison.head.as_str(), view)
        });
        std::iter::once(first).chain(others).collect()
    }

    /// Plain text for a terminal. `!` marks a certain change, `?` an unsure one, and a dash a run without the point.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text: String = self.headlines(str::to_owned).map(|line| format!("{line}\n")).collect();
        for metric in SHOWN {
            text.push_str(&format!("\n{}\n", metric_title(metric)));
            for points in &self.groups {
                text.push_str(&format!("{}\n", self.terminal_table(metric, points)));
            }
        }
        text
    }

    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text: String = self.headlines(escape_markdown).map(|line| format!("- {line}\n")).collect();
        for metric in SHOWN {
            text.push_str(&format!("\n#### {}\n", metric_title(metric)));
            for points in &self.groups {
                text.push_str(&self.markdown_table(metric, points));
            }
        }
        text
    }

    /// The verdict on each run, compared with the first. Names are untrusted text.
    fn headlines(&self, escaped: fn(&str) -> String) -> impl Iterator<Item = String> {
        self.others.iter().map(move |(run, comparison)| {
            let basis = sentences::basis(comparison);
            let basis = if basis.is_empty() { basis } else { format!("; {basis}") };
            let headline = sentences::headline(run, Some(comparison));
            let (head, base) = (escaped(&comparison.head), escaped(self.name));
            format!("{head} compared with {base}: {headline}{basis}")
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name).chain(self.others.iter().map(|(_, comparison)| comparison.head.as_str()))
    }

    /// A point's numbers in the order of the runs.
    fn values(&self, metric: Metric, key: &PointKey) -> Vec<Value> {
        let first = Value {
            text: value(metric, self.first, key),
            change: None,
        };
        let others = self.others.iter().map(|(run, comparison)| {
            let change = comparison.point(key).and_then(|point| point.change(metric));
            Value {
                text: value(metric, run, key),
                change: change.map(|change| (number::change(change.relative), change.verdict.into())),
            }
        });
        std::iter::once(first).chain(others).collect()
    }

    fn terminal_table(&self, metric: Metric, points: &[&PointKey]) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled);
        let number_cell = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let names = self.names().map(|name| number_cell(name.to_owned()));
        table.set_header(std::iter::once(Cell::new("Point")).chain(names));
        for key in points {
            let values = self.values(metric, key).into_iter().map(|value| match value.change {
                None => number_cell(value.text),
                Some((change, mark)) => number_cell(format!("{} {change}{}", value.text, sign(mark))),
            });
            table.add_row(std::iter::once(Cell::new(key)).chain(values));
        }
        table
    }

    fn markdown_table(&self, metric: Metric, points: &[&PointKey]) -> String {
        let names: Vec<String> = self.names().map(escape_markdown).collect();
        let mut text = format!("\n| Point | {} |\n| --- |{}\n", names.join(" | "), " ---: |".repeat(names.len()));
        for key in points {
            let values = self.values(metric, key).into_iter().map(|value| match value.change {
                None => value.text,
                Some((change, mark)) => format!("{} {}{change}", value.text, markdown::small_sign(mark)),
            });
            let values: Vec<String> = values.collect();
            text.push_str(&format!("| {} | {} |\n", escape_markdown(&key.to_string()), values.join(" | ")));
        }
        text
    }
}

fn value(metric: Metric, run: &Run, key: &PointKey) -> String {
    let value = run.point(key).and_then(|point| point.get(metric));
    value.map_or_else(|| "–".to_owned(), |value| metric_text(metric, value))
}
