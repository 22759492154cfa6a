//! The report as one HTML file that works offline: it contains plotly.js. Untrusted text passes through maud, which escapes it, or
//! through JSON whose `<` are escaped.

mod accuracy;
mod conditions;
mod plotly;
mod replays;
mod style;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::columns::Column;
use super::number;
use super::plot::{DIMENSIONS, Plot, data, plots, values_of};
use super::sentences;
use super::table::failures;
use super::verdicts::VerdictLine;
use super::view::{Cell, Group, Mark, TableRow, View};
use crate::analysis::{Comparison, Verdict};
use crate::model::Metric;
use plotly::plotly_js;
use style::{SCRIPT, STYLE};

/// The page. `title` is the document's title in the browser.
///
/// # Errors
/// If the embedded plotly.js cannot be decompressed.
pub fn html(view: &View, title: &str) -> std::io::Result<String> {
    let plots = plots(view);
    let plotly_js = if plots.is_empty() { String::new() } else { plotly_js()? };
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(view, title))
                main {
                    (answered(view))
                    (changes(view))
                    (failed(view))
                    @if !plots.is_empty() { (controls(view)) }
                    (charts(&plots))
                    (accuracy::table(view))
                    (tables(view))
                    (replays::table(view))
                    (notes(view))
                    (conditions::list(view))
                }
                @if !plots.is_empty() {
                    script { (PreEscaped(plotly_js)) }
                    script { (PreEscaped(constant(view))) (PreEscaped(SCRIPT)) }
                }
            }
        }
    };
    Ok(page.into_string())
}

/// The data of the script, as a JavaScript constant. `<` is escaped, because it could end the script or begin a comment; U+2028 and
/// U+2029 are escaped, because JavaScript, unlike JSON, takes them for line ends.
fn constant(view: &View) -> String {
    let json = data(view).to_string();
    let json = json
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    format!("const report = {json};\n")
}

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "good",
        Mark::Bad => "bad",
        Mark::Unsure => "unsure",
        Mark::Neutral => "neutral",
    }
}

fn header(view: &View, title: &str) -> Markup {
    markup! {
        header {
            p.title { (title) }
            h1 class=(class(view.mark())) { (view.headline()) }
            @if let Some(comparison) = view.comparison {
                p.subtitle { (comparison.head) " compared with " (comparison.base) "; " (sentences::basis(comparison)) }
                @for rule in &comparison.rules { p.subtitle { (rule) } }
            }
            (conditions::line(view))
            div.cards {
                (card("Points", &view.run.points.len().to_string(), Mark::Neutral, Some("points")))
                (card("Measured", &view.run.measured().to_string(), measured_mark(view), Some("measured")))
                @if let Some(comparison) = view.comparison { (compared_cards(comparison)) }
            }
        }
    }
}

fn measured_mark(view: &View) -> Mark {
    if view.run.measured() == view.run.points.len() {
        Mark::Good
    } else {
        Mark::Bad
    }
}

/// A card; the script counts the shown points where `counted` says which.
fn card(title: &str, text: &str, mark: Mark, counted: Option<&str>) -> Markup {
    markup! { div.card data-count=[counted] { span.what { (title) } span class={ "value " (class(mark)) } { (text) } } }
}

fn compared_cards(comparison: &Comparison) -> Markup {
    let counted = Verdict::ALL.into_iter().filter(|verdict| comparison.count(*verdict) > 0);
    markup! {
        @for verdict in counted {
            (card(verdict.as_str(), &comparison.count(verdict).to_string(), verdict.into(), Some(verdict.as_str())))
        }
        @for metric in Metric::COMPARED {
            @if let Some(change) = comparison.overall(metric) {
                (card(&format!("{} overall", super::columns::metric_name(metric, super::sentences::throughput_unit_of(comparison))), &number::signed_percent(change), Mark::Neutral, Some("overall")))
            }
        }
    }
}

fn changes(view: &View) -> Markup {
    markup! {
        @for list in view.verdicts() {
            section {
                h2 { (list.title) }
                ul.changes { @for line in &list.lines { (change(line)) } }
            }
        }
    }
}

fn change(line: &VerdictLine) -> Markup {
    markup! {
        li data-name=(line.what) {
            span class={ "badge " (class(line.mark)) } { (line.verdict) }
            " " strong { (line.what) } " " span.detail { (line.detail) @if let Some(note) = &line.note { "; " (note) } }
        }
    }
}

fn failed(view: &View) -> Markup {
    markup! {
        @if view.run.failures().next().is_some() {
            section {
                h2 { "Failed" }
                ul.changes {
                    @for (point, failure) in view.run.failures() {
                        li data-name=(point.key) { span.badge.bad { (failure.class.as_str()) } " " strong { (point.key) } " " span.detail { (failure.reason) } }
                    }
                }
            }
        }
    }
}

fn answered(view: &View) -> Markup {
    markup! {
        @if !view.answers.is_empty() {
            section { h2 { "Answers" } ul.changes { @for answer in &view.answers { li { strong { (answer) } } } } }
        }
    }
}

/// Presets of the axes, with labels.
const PRESETS: [(&str, &str, &str); 6] = [
    ("Throughput / interactivity", "interactivity", "throughput-per-gpu"),
    ("Throughput / E2E latency", "e2el", "throughput-per-gpu"),
    ("TTFT / concurrency", "conc", "ttft"),
    ("Throughput / concurrency", "conc", "throughput-per-gpu"),
    ("Cost / interactivity", "interactivity", "cost"),
    ("Energy / interactivity", "interactivity", "energy"),
];

fn controls(view: &View) -> Markup {
    let data = data(view);
    let axes: Vec<(&str, &str)> = data["axes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|axis| Some((axis["id"].as_str()?, axis["title"].as_str()?)))
        .collect();
    let is_axis = |id: &str| axes.iter().any(|(known, _)| *known == id);
    markup! {
        section.controls {
            div.row {
                @for (at, name) in DIMENSIONS.iter().enumerate() {
                    fieldset {
                        legend { (name) }
                        @for value in values_of(view, at) { label { input type="checkbox" data-dimension=(at) value=(value); " " (value) } }
                    }
                }
                span #shown role="status" {}
            }
            div.row {
                @for (title, x, y) in PRESETS {
                    @if is_axis(x) && is_axis(y) { button type="button" data-x=(x) data-y=(y) { (title) } }
                }
            }
            div.row {
                label { "y " select #y { @for (id, title) in &axes { option value=(id) { (title) } } } }
                label { "x " select #x { @for (id, title) in &axes { option value=(id) { (title) } } } }
                label { input #logy type="checkbox"; " log y" }
                label { input #logx type="checkbox"; " log x" }
                label { input #pareto type="checkbox"; " Pareto frontier" }
                span.exports {
                    button #csv type="button" { "CSV of shown points" }
                    button #png type="button" { "PNG of the plots" }
                }
            }
        }
    }
}

fn charts(plots: &[Plot]) -> Markup {
    markup! {
        @for plot in plots {
            section {
                h2 { (plot.model) " " (plot.sequence) }
                div.plot data-model=(plot.model) data-sequence=(plot.sequence) {}
            }
        }
    }
}

/// The tables; each row has the index of its point in the script's data.
fn tables(view: &View) -> Markup {
    let columns = view.columns();
    let mut first = 0;
    let sections = view.groups.iter().map(|group| {
        let section = table(group, &columns, first);
        first += group.rows.len();
        section
    });
    let sections: Vec<Markup> = sections.collect();
    markup! { @for section in sections { (section) } }
}

fn table(group: &Group, columns: &[Column], first: usize) -> Markup {
    let shown = group.deciding_columns(columns);
    let constants = group.constants(columns);
    let unit = group.throughput_unit();
    markup! {
        section.group {
            h2 { (group.heading()) }
            @if !constants.is_empty() { p.constants { (constants.join(", ")) } }
            div.scroll tabindex="0" role="region" aria-label=(group.heading()) {
                table {
                    thead { tr {
                        @if is_compared(group) { th { "Verdict" } }
                        @for (_, column) in &shown { th .number[column.is_number()] { (column.title(unit)) } }
                    } }
                    tbody { @for (at, row) in group.rows.iter().enumerate() { (table_row(row, &shown, first + at, is_compared(group))) } }
                }
            }
            @for (row, failure) in failures(group) { p.failure data-name=(row.point.key) { strong { (row.point.key) } ": " (failure) } }
        }
    }
}

fn is_compared(group: &Group) -> bool {
    group.rows.iter().any(|row| row.compared.is_some())
}

fn table_row(row: &TableRow, columns: &[(usize, Column)], number: usize, compared: bool) -> Markup {
    markup! {
        tr title=[row.point.image.as_deref()] data-point=(number) {
            @if compared {
                td {
                    @if let Some(point) = row.compared {
                        span class={ "badge " (class(point.verdict.into())) } { (point.verdict.as_str()) }
                    }
                }
            }
            @for (at, column) in columns { @if let Some(cell) = row.cells.get(*at) { (table_cell(cell, column.is_number())) } }
        }
    }
}

fn table_cell(cell: &Cell, number: bool) -> Markup {
    markup! {
        td .number[number] .best[cell.best] title=[cell.best.then_some("best of its group")] {
            // Before the number, so that the digits of a column stay aligned.
            @if let Some(delta) = &cell.delta { span class={ "delta " (class(delta.mark)) } { (delta.text) } }
            (cell.text)
        }
    }
}

fn notes(view: &View) -> Markup {
    markup! {
        @if !view.run.problems.is_empty() || !view.cost_notes.is_empty() {
            section {
                h2 { "Notes" }
                ul {
                    @for problem in &view.run.problems { li { (problem) } }
                    @for note in &view.cost_notes { li { (note) } }
                }
            }
        }
    }
}
