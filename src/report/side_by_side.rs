//! Several runs side by side: a table for each metric and group, a line for each point, a column for each run with its change since
//! the first run.

use std::collections::BTreeSet;

use super::columns::{metric_text, metric_title};
use super::markdown;
use super::number;
use super::sentences;
use super::table::LEGEND;
use super::text_table::{Rank, TextCell, TextColumn, TextStyle, TextTable, wrapped};
use super::throughput_unit::ThroughputUnit;
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

    /// Plain text for a terminal. A changed number has a sign and a colour; a run without the point has a dash. Where the runs do not
    /// fit the width, the newest are kept.
    #[must_use]
    pub fn table(&self, style: TextStyle) -> String {
        let mut text: String = self.headlines(str::to_owned).map(|line| format!("{line}\n")).collect();
        for metric in SHOWN {
            text.push_str(&format!("\n{}\n", metric_title(metric, self.throughput_unit())));
            for points in &self.groups {
                text.push_str(&self.terminal_table(metric, points, style));
            }
        }
        text.push_str(LEGEND);
        text
    }

    fn throughput_unit(&self) -> ThroughputUnit {
        ThroughputUnit::of_all(self.groups.iter().flatten().map(|key| &key.curve.runner))
    }

    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text: String = self.headlines(escape_markdown).map(|line| format!("- {line}\n")).collect();
        for metric in SHOWN {
            text.push_str(&format!("\n#### {}\n", metric_title(metric, self.throughput_unit())));
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

    fn terminal_table(&self, metric: Metric, points: &[&PointKey], style: TextStyle) -> String {
        let point = TextColumn {
            title: "Point".to_owned(),
            is_number: false,
            rank: Rank::Always,
        };
        let runs = self.names().count();
        let names = self.names().zip(0..).map(|(name, at): (&str, usize)| TextColumn {
            title: name.to_owned(),
            is_number: true,
            // The first is what the others are compared with.
            rank: if at == 0 {
                Rank::Always
            } else {
                Rank::Optional(u8::try_from(runs - at).unwrap_or(u8::MAX))
            },
        });
        let (common, own) = names_of(points);
        let rows = points.iter().zip(own).map(|(key, own)| {
            let values = self.values(metric, key).into_iter().map(|value| TextCell {
                text: value.text,
                change: value.change,
            });
            std::iter::once(TextCell::from(own)).chain(values).collect()
        });
        let table = TextTable {
            columns: std::iter::once(point).chain(names).collect(),
            rows: rows.collect(),
        };
        format!("{}{}", wrapped(&common, style.width), table.render(style))
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

/// The words that the names of all points have in common, and of each point the others.
fn names_of(points: &[&PointKey]) -> (Vec<String>, Vec<String>) {
    let names: Vec<String> = points.iter().map(ToString::to_string).collect();
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split(' ').collect()).collect();
    let Some((first, rest)) = words.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return (Vec::new(), names);
    };
    let common_places: BTreeSet<usize> = (0..first.len())
        .filter(|at| {
            rest.iter()
                .all(|other| other.len() == first.len() && other.get(*at) == first.get(*at))
        })
        .collect();
    let common = common_places.iter().map(|at| first[*at].to_owned());
    let own = words.iter().map(|words| {
        let own = words.iter().zip(0..).filter(|(_, at)| !common_places.contains(at));
        own.map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
    });
    (common.collect(), own.collect())
}
