//! A table for a terminal. Columns that say the same in every row become a line above it, and columns that do not fit the width are left out,
//! the least important first; the table says which.

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr as _;

use super::view::Mark;

/// How a text for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextStyle {
    /// Columns of the terminal; `None` means no limit.
    pub width: Option<usize>,
    /// Whether colours are shown.
    pub has_colors: bool,
}

/// Width below which a table is no longer made narrower.
const NARROWEST: usize = 20;

impl TextStyle {
    /// A text in the colour of a mark.
    #[must_use]
    pub fn painted(self, mark: Mark, text: &str) -> String {
        let color = match mark {
            Mark::Good => AnsiColor::Green,
            Mark::Bad => AnsiColor::Red,
            Mark::Unsure => AnsiColor::Yellow,
            Mark::Neutral => return text.to_owned(),
        };
        if !self.has_colors {
            return text.to_owned();
        }
        let style: Style = color.on_default();
        format!("{style}{text}{style:#}")
    }
}

/// How important a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Left out before those with a lower number.
    Optional(u8),
    /// Tells rows apart: always shown, unless it is the same in all rows.
    Identity,
    /// Always shown.
    Always,
}

/// A column of a [`TextTable`].
#[derive(Debug, Clone)]
pub struct TextColumn {
    /// The heading; a line break in it keeps the column narrow.
    pub title: String,
    /// Whether it is aligned to the right.
    pub is_number: bool,
    pub rank: Rank,
}

/// A cell: a text, and behind it a change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextCell {
    pub text: String,
    pub change: Option<(String, Mark)>,
}

impl From<String> for TextCell {
    fn from(text: String) -> Self {
        Self { text, change: None }
    }
}

/// Rows under columns; each row has a cell for each column.
#[derive(Debug, Clone, Default)]
pub struct TextTable {
    pub columns: Vec<TextColumn>,
    pub rows: Vec<Vec<TextCell>>,
}

impl TextTable {
    /// Adds a column of words.
    pub fn add_column(&mut self, title: &str, rank: Rank) {
        self.columns.push(TextColumn {
            title: title.to_owned(),
            is_number: false,
            rank,
        });
    }

    /// Adds a column of numbers.
    pub fn add_number(&mut self, title: &str, rank: Rank) {
        self.columns.push(TextColumn {
            title: title.to_owned(),
            is_number: true,
            rank,
        });
    }

    /// Adds a row with a text for each column.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(TextCell::from).collect());
    }

    /// The table with a line break at its end, the lines above and below it included.
    #[must_use]
    pub fn render(&self, style: TextStyle) -> String {
        let mut shown: Vec<usize> = (0..self.columns.len()).filter(|at| !self.is_constant(*at)).collect();
        let mut left_out = Vec::new();
        let mut table = self.laid_out(&shown);
        while let Some(limit) = style.width.filter(|limit| width(&table) > *limit) {
            let Some(least) = self.least_important(&shown) else {
                // Nothing more can be left out: cells are broken at spaces instead of lines at the edge.
                table = self.broken(&shown, limit.max(NARROWEST));
                break;
            };
            shown.retain(|at| *at != least);
            left_out.push(least);
            table = self.laid_out(&shown);
        }
        let mut text = wrapped(&self.constants(), style.width);
        text.push_str(&self.painted(&table, &shown, style));
        text.push('\n');
        text.push_str(&note(&self.titles(left_out), style.width));
        text
    }

    /// Whether a column that identifies rows does not.
    fn is_constant(&self, at: usize) -> bool {
        let is_identity = self.columns.get(at).is_some_and(|column| column.rank == Rank::Identity);
        let mut texts = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| &cell.text);
        let Some(first) = texts.next() else { return false };
        is_identity && texts.all(|text| text == first)
    }

    /// `vllm, fp8, TP 8`: what all rows have in common.
    fn constants(&self) -> Vec<String> {
        let first = self.rows.first();
        let constants = self.columns.iter().enumerate().filter(|(at, _)| self.is_constant(*at));
        let values = constants.filter_map(|(at, column)| {
            let value = &first?.get(at)?.text;
            Some(format!("{} {value}", one_line(&column.title)))
        });
        values.collect()
    }

    fn least_important(&self, shown: &[usize]) -> Option<usize> {
        let ranked = shown.iter().filter_map(|at| match self.columns.get(*at)?.rank {
            Rank::Optional(number) => Some((number, *at)),
            Rank::Identity | Rank::Always => None,
        });
        ranked.max().map(|(_, at)| at)
    }

    fn titles(&self, mut columns: Vec<usize>) -> Vec<String> {
        columns.sort_unstable();
        let titles = columns.into_iter().filter_map(|at| self.columns.get(at));
        titles.map(|column| one_line(&column.title)).collect()
    }

    fn aligned(&self, column: usize, text: &str) -> Cell {
        let is_number = self.columns.get(column).is_some_and(|column| column.is_number);
        Cell::new(text).set_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left })
    }

    fn laid_out(&self, shown: &[usize]) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled);
        let titles = shown.iter().filter_map(|at| Some((*at, self.columns.get(*at)?)));
        table.set_header(titles.map(|(at, column)| self.aligned(at, &column.title)));
        for row in &self.rows {
            let cells = shown.iter().filter_map(|at| Some((*at, row.get(*at)?)));
            table.add_row(cells.map(|(at, cell)| self.aligned(at, &cell.whole())));
        }
        table
    }

    fn broken(&self, shown: &[usize], limit: usize) -> Table {
        let mut table = self.laid_out(shown);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(limit).unwrap_or(u16::MAX));
        table
    }

    /// The table's text with its changes in colour. A row that is broken into several lines has none: where its parts are is not known.
    fn painted(&self, table: &Table, shown: &[usize], style: TextStyle) -> String {
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let first_row = lines
            .iter()
            .position(|line| line.starts_with('╞'))
            .map_or(lines.len(), |rule| rule + 1);
        let is_whole = lines.len() == first_row + self.rows.len() + 1;
        if !style.has_colors || !is_whole {
            return text;
        }
        let rows = lines.iter().zip(0..).map(|(line, number): (&&str, usize)| {
            let row = number.checked_sub(first_row).and_then(|row| self.rows.get(row));
            row.map_or_else(|| (*line).to_owned(), |row| painted_row(line, row, shown, style))
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

impl TextCell {
    fn whole(&self) -> String {
        match &self.change {
            None => self.text.clone(),
            Some((change, mark)) => format!("{} {change}{}", self.text, sign(*mark)),
        }
    }
}

/// What a change means where there are no colours.
#[must_use]
pub fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "+",
        Mark::Bad => "!",
        Mark::Unsure => "?",
        Mark::Neutral => "",
    }
}

/// The changes of a line in their order, each in its colour.
fn painted_row(line: &str, row: &[TextCell], shown: &[usize], style: TextStyle) -> String {
    let mut text = String::new();
    let mut rest = line;
    for (change, mark) in shown.iter().filter_map(|at| row.get(*at)?.change.as_ref()) {
        let change = format!("{change}{}", sign(*mark));
        let Some((before, after)) = rest.split_once(&change) else {
            continue;
        };
        text.push_str(before);
        text.push_str(&style.painted(*mark, &change));
        rest = after;
    }
    text + rest
}

fn one_line(title: &str) -> String {
    title.replace('\n', " ")
}

fn width(table: &Table) -> usize {
    table
        .to_string()
        .lines()
        .map(unicode_width::UnicodeWidthStr::width)
        .max()
        .unwrap_or(0)
}

/// What was left out; nothing where everything is shown.
fn note(left_out: &[String], limit: Option<usize>) -> String {
    match left_out {
        [] => String::new(),
        [first, rest @ ..] => {
            let first = format!("not shown, for the width: {first}");
            wrapped(&std::iter::once(first).chain(rest.iter().cloned()).collect::<Vec<_>>(), limit)
        }
    }
}

/// Parts with commas between them, in lines of at most that width, where each part fits; ends with a line break unless there are no parts.
pub(super) fn wrapped(parts: &[String], limit: Option<usize>) -> String {
    let mut text = String::new();
    let mut used = 0;
    for (at, part) in parts.iter().enumerate() {
        let needed = part.width() + 2;
        if at > 0 {
            let is_full = limit.is_some_and(|limit| used + needed > limit);
            text.push_str(if is_full { ",\n" } else { ", " });
            used = if is_full { 0 } else { used };
        }
        text.push_str(part);
        used += needed;
    }
    if !parts.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &str, rank: Rank) -> TextColumn {
        TextColumn {
            title: title.to_owned(),
            is_number: true,
            rank,
        }
    }

    fn table() -> TextTable {
        let cell = |text: &str| TextCell::from(text.to_owned());
        let change = TextCell {
            text: "12.5".to_owned(),
            change: Some(("▲4.2%".to_owned(), Mark::Bad)),
        };
        TextTable {
            columns: vec![
                column("Engine", Rank::Identity),
                column("TP", Rank::Identity),
                column("Conc", Rank::Always),
                column("tok/s/GPU", Rank::Optional(0)),
                column("Interactivity\n(tok/s/user)", Rank::Optional(1)),
                column("TTFT\n(ms)", Rank::Optional(2)),
            ],
            rows: vec![
                vec![cell("vllm"), cell("8"), cell("4"), cell("1,234"), cell("81.2"), change],
                vec![cell("vllm"), cell("4"), cell("4"), cell("1,034"), cell("71.2"), cell("13.5")],
            ],
        }
    }

    fn style(width: usize) -> TextStyle {
        TextStyle {
            width: Some(width),
            has_colors: false,
        }
    }

    #[test]
    fn constant_columns_stand_above_the_table() {
        let text = table().render(TextStyle::default());
        assert!(text.starts_with("Engine vllm\n┌"), "{text}");
        assert!(text.contains("│ TP ┆ Conc"), "{text}");
        assert!(!text.contains("not shown"), "{text}");
    }

    #[test]
    fn columns_are_left_out_by_rank_and_named() {
        let text = table().render(style(46));
        assert!(text.contains("Interactivity\n") || text.contains("(tok/s/user)"), "{text}");
        assert!(text.ends_with("not shown, for the width: TTFT (ms)\n"), "{text}");
        let text = table().render(style(30));
        assert!(text.contains("not shown, for the width:") && text.contains("TTFT (ms)"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 28..140 {
            for line in table().render(style(width)).lines().filter(|line| !line.starts_with("not shown")) {
                assert!(line.width() <= width.max(NARROWEST), "{width}: {line}");
            }
        }
    }

    #[test]
    fn colours_are_around_changes_alone() {
        let plain = table().render(TextStyle::default());
        let colored = table().render(TextStyle {
            width: None,
            has_colors: true,
        });
        assert!(plain.contains("12.5 ▲4.2%!") && !plain.contains('\u{1b}'), "{plain}");
        assert!(colored.contains("12.5 \u{1b}[31m▲4.2%!\u{1b}[0m"), "{colored:?}");
        assert_eq!(colored.replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""), plain);
    }

    #[test]
    fn parts_are_wrapped_between_each_other() {
        let parts = ["a 1", "bb 2", "ccc 3"].map(str::to_owned);
        assert_eq!(wrapped(&parts, Some(11)), "a 1, bb 2,\nccc 3\n");
        assert_eq!(wrapped(&parts, None), "a 1, bb 2, ccc 3\n");
        assert_eq!(wrapped(&[], Some(11)), "");
    }
}
