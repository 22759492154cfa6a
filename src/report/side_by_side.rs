//! Several runs beside each other, for people at a terminal: a table a metric, a line a point, a column a run, each with its
//! change since the first.

use std::collections::BTreeSet;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::columns::{metric_text, metric_title};
use super::number;
use super::table::sign;
use super::view::Mark;
use super::words;
use crate::analysis::{Comparison, Run};
use crate::model::PointKey;
use crate::result::Metric;

/// What is shown: what a GPU gives, what a user feels, and how long the user waits for the first token.
const SHOWN: [Metric; 3] = [Metric::ThroughputPerGpu, Metric::Interactivity, Metric::Ttft];

/// A run with its comparison with the first.
pub type Compared<'a> = (&'a Run, &'a Comparison);

/// The runs as plain text. A changed number has `!` where the change is certain and `?` where it is not; a run without the point
/// has a dash.
#[must_use]
pub fn side_by_side(first: (&str, &Run), others: &[Compared]) -> String {
    let (name, run) = first;
    let mut text = String::new();
    for (of, comparison) in others {
        let basis = words::basis(comparison);
        let basis = if basis.is_empty() { basis } else { format!("; {basis}") };
        let headline = words::headline(of, Some(comparison));
        text.push_str(&format!("{} compared with {name}: {headline}{basis}\n", comparison.head));
    }
    let points: BTreeSet<&PointKey> = std::iter::once(run)
        .chain(others.iter().map(|(run, _)| *run))
        .flat_map(|run| run.points.iter().map(|point| &point.key))
        .collect();
    for metric in SHOWN {
        text.push_str(&format!("\n{}\n{}\n", metric_title(metric), table(metric, first, others, &points)));
    }
    text
}

fn table(metric: Metric, (name, first): (&str, &Run), others: &[Compared], points: &BTreeSet<&PointKey>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled);
    let names = others.iter().map(|(_, comparison)| comparison.head.as_str());
    let mut header = vec![Cell::new("Point"), number_cell(name.to_owned())];
    header.extend(names.map(|name| number_cell(name.to_owned())));
    table.set_header(header);
    for key in points {
        let mut row = vec![Cell::new(key), number_cell(value(metric, first, key))];
        row.extend(
            others
                .iter()
                .map(|(run, comparison)| number_cell(changed(metric, run, comparison, key))),
        );
        table.add_row(row);
    }
    table
}

fn number_cell(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn value(metric: Metric, run: &Run, key: &PointKey) -> String {
    let value = run.point(key).and_then(|point| point.get(metric));
    value.map_or_else(|| "–".to_owned(), |value| metric_text(metric, value))
}

fn changed(metric: Metric, run: &Run, comparison: &Comparison, key: &PointKey) -> String {
    let value = value(metric, run, key);
    let change = comparison.point(key).and_then(|point| point.change(metric));
    match change {
        None => value,
        Some(change) => {
            let mark = Mark::from(change.verdict);
            format!("{value} {}{}", number::change(change.relative), sign(mark))
        }
    }
}
