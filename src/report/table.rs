//! The report for a terminal.

use super::columns::Column;
use super::sentences;
use super::text_table::{TextCell, TextColumn, TextStyle, TextTable};
use super::view::{Cell, Group, TableRow, View};

/// The report as plain text: the verdict, then a table a group. The best of each group has a star; a change that means something has its
/// sign and colour.
#[must_use]
pub fn table(view: &View, style: TextStyle) -> String {
    let mut text = format!("{}\n", style.painted(view.mark(), &view.headline()));
    if let Some(comparison) = view.comparison {
        let basis = sentences::basis(comparison);
        let basis = if basis.is_empty() { basis } else { format!("; {basis}") };
        text.push_str(&format!("{} compared with {}{basis}\n", comparison.head, comparison.base));
        for rule in &comparison.rules {
            text.push_str(&format!("{rule}\n"));
        }
    }
    for answer in &view.answers {
        text.push_str(&format!("{answer}\n"));
    }
    let columns = view.columns();
    for group in &view.groups {
        let table = group_table(group, &columns).render(style);
        text.push_str(&format!("\n{}\n{table}", group.heading()));
        for (row, failure) in failures(group) {
            text.push_str(&format!("{}: {failure}\n", row.point.key));
        }
    }
    if view.has_marks() {
        text.push_str(LEGEND);
    }
    for list in view.verdicts() {
        text.push_str(&format!("\n{}\n", list.title));
        for line in list.lines {
            let note = line.note.map_or_else(String::new, |note| format!("; {note}"));
            let detail = style.painted(line.mark, &line.detail);
            text.push_str(&format!("  {}: {detail}{note}\n", line.what));
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

/// What the signs of changes mean.
pub(super) const LEGEND: &str = "* best; change: + better, ! worse, ? unsure\n";

/// The rows of a group without numbers, with the reason.
pub(super) fn failures<'a>(group: &'a Group) -> impl Iterator<Item = (&'a TableRow<'a>, String)> {
    group.rows.iter().filter_map(|row| Some((row, row.failure()?)))
}

fn group_table(group: &Group, columns: &[Column]) -> TextTable {
    let unit = group.throughput_unit();
    let titled = columns.iter().map(|column| TextColumn {
        title: narrow(column.title(unit)),
        is_number: column.is_number(),
        rank: column.rank(),
    });
    let rows = group.rows.iter().map(|row| row.cells.iter().map(text_cell).collect());
    TextTable {
        columns: titled.collect(),
        rows: rows.collect(),
    }
}

/// A heading in two lines: the name, and the unit below it.
fn narrow(title: &str) -> String {
    match title.split_once(" (").or_else(|| title.split_once(" tok/")) {
        Some((name, _)) => format!("{name}\n{}", title[name.len()..].trim_start()),
        None => title.to_owned(),
    }
}

/// The best of a group has a star.
fn text_cell(cell: &Cell) -> TextCell {
    let star = if cell.best { "*" } else { "" };
    TextCell {
        text: format!("{}{star}", cell.text),
        change: cell.delta.as_ref().map(|delta| (delta.text.clone(), delta.mark)),
    }
}
