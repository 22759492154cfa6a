//! The report for a terminal.

use comfy_table::{Cell as TableCell, CellAlignment, ContentArrangement, Table, presets};

use super::columns::Column;
use super::sentences;
use super::view::{Cell, Group, Mark, TableRow, View};
use crate::result::Metric;

/// The report as plain text: the verdict, then a table for each group. A star marks the best of a group, an exclamation mark a
/// significant change.
#[must_use]
pub fn table(view: &View) -> String {
    let mut text = format!("{}\n", view.headline());
    if let Some(comparison) = view.comparison {
        let basis = sentences::basis(comparison);
        let basis = if basis.is_empty() { basis } else { format!("; {basis}") };
        text.push_str(&format!("{} compared with {}{basis}\n", comparison.head, comparison.base));
    }
    for answer in &view.answers {
        text.push_str(&format!("{answer}\n"));
    }
    let columns = view.columns();
    for group in &view.groups {
        text.push_str(&format!("\n{}\n{}\n", group.heading(), group_table(group, &columns)));
        for (row, failure) in failures(group) {
            text.push_str(&format!("{}: {failure}\n", row.point.key));
        }
    }
    for list in view.verdicts() {
        text.push_str(&format!("\n{}\n", list.title));
        for line in list.lines {
            let note = line.note.map_or_else(String::new, |note| format!("; {note}"));
            text.push_str(&format!("  {}: {}{note}\n", line.what, line.detail));
        }
    }
    text.push_str(&view.scores().lines());
    for problem in &view.run.problems {
        text.push_str(&format!("note: {problem}\n"));
    }
    for note in &view.cost_notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// The rows of a group that have no numbers, with the reason.
pub(super) fn failures<'a>(group: &'a Group) -> impl Iterator<Item = (&'a TableRow<'a>, String)> {
    group.rows.iter().filter_map(|row| Some((row, row.failure()?)))
}

fn group_table(group: &Group, columns: &[Column]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column_title(*column)));
    for row in &group.rows {
        let cells = columns.iter().zip(&row.cells);
        table.add_row(cells.map(|(column, cell)| aligned(*column, text(cell))));
    }
    table
}

/// Two long headings are broken into lines, so that the table fits more terminals.
fn column_title(column: Column) -> TableCell {
    let title = match column {
        Column::Metric(Metric::Interactivity) => "Interactivity\n(tok/s/user)",
        Column::Metric(Metric::OutputThroughputPerGpu) => "Output\ntok/s/GPU",
        Column::Metric(Metric::InputThroughputPerGpu) => "Input\ntok/s/GPU",
        Column::Metric(_) | Column::Setting(_) | Column::Cost(_) => column.title(),
    };
    aligned(column, title.to_owned())
}

fn aligned(column: Column, text: String) -> TableCell {
    let alignment = if column.is_number() {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    };
    TableCell::new(text).set_alignment(alignment)
}

fn text(cell: &Cell) -> String {
    let star = if cell.best { "*" } else { "" };
    match &cell.delta {
        None => format!("{}{star}", cell.text),
        Some(delta) => format!("{}{star} {}{}", cell.text, delta.text, sign(delta.mark)),
    }
}

pub(super) fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good | Mark::Bad => "!",
        Mark::Unsure => "?",
        Mark::Neutral => "",
    }
}
