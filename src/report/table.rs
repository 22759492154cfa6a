//! The report for a terminal.

use super::columns::Column;
use super::replays;
use super::sentences;
use super::text_table::{TextCell, TextColumn, TextStyle, TextTable};
use super::text_wrap::wrapped_text;
use super::view::{Cell, Group, TableRow, View};

/// The report as plain text: the verdict, then a table a group. The best of each group has a star; a change that means something has its
/// sign and colour.
#[must_use]
pub fn table(view: &View, style: TextStyle) -> String {
    let mut text = format!("{}\n", style.painted(view.mark(), &view.headline()));
    if let Some(comparison) = view.comparison {
        let basis = sentences::basis(comparison);
        let basis = if basis.is_empty() { basis } else { format!("; {basis}") };
        push_line(
            &mut text,
            &format!("{} compared with {}{basis}", comparison.head, comparison.base),
            0,
            style,
        );
        for rule in &comparison.rules {
            push_line(&mut text, rule, 0, style);
        }
    }
    for answer in &view.answers {
        push_line(&mut text, answer, 0, style);
    }
    let columns = view.columns();
    for group in &view.groups {
        let table = group_table(group, &columns).render(style);
        text.push_str(&format!("\n{}\n{table}", group.heading()));
        for (row, failure) in failures(group) {
            push_line(&mut text, &format!("{}: {failure}", row.point.key), 2, style);
        }
    }
    if let Some(table) = replays::text_table(view) {
        text.push_str(&format!("\nReplayed sessions\n{}", table.render(style)));
    }
    if view.has_marks() {
        text.push_str(LEGEND);
    }
    for list in view.verdicts() {
        text.push_str(&format!("\n{}\n", list.title));
        for line in list.lines {
            let note = line.note.map_or_else(String::new, |note| format!("; {note}"));
            let detail = style.painted(line.mark, &line.detail);
            text.push_str("  ");
            push_line(&mut text, &format!("{}: {detail}{note}", line.what), 4, style);
        }
    }
    text.push_str(&view.scores().lines());
    for problem in &view.run.problems {
        push_line(&mut text, &format!("note: {problem}"), 2, style);
    }
    for note in &view.cost_notes {
        push_line(&mut text, &format!("note: {note}"), 2, style);
    }
    text
}

/// A sentence, broken at spaces where the terminal is narrower; lines after the first are indented. Colours count as text, so that a line
/// with them is a little shorter.
fn push_line(text: &mut String, line: &str, indent: usize, style: TextStyle) {
    text.push_str(&wrapped_text(line, indent, style.width));
    text.push('\n');
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
