//! The report as one HTML file that works offline. Its text and tables are there without scripts; with scripts, the dashboards' pages show the same
//! run from data inside of the file (`web/`). Untrusted text passes through maud, which escapes it, or through JSON whose `<` are escaped.

mod accuracy;
mod bundle;
mod conditions;
mod pages;
mod replays;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::columns::Column;
use super::number;
use super::sentences;
use super::table::failures;
use super::verdicts::VerdictLine;
use super::view::{Cell, Group, Mark, TableRow, View};
use crate::analysis::{Comparison, Verdict};
use crate::model::Metric;
pub(crate) use bundle::{SCRIPT_GZ, STYLE_GZ};
pub use pages::{Pages, escaped_json};

/// The page. `title` is the document's title in the browser.
///
/// # Errors
/// If the embedded script and style cannot be decompressed.
pub fn html(view: &View, title: &str) -> std::io::Result<String> {
    let style = bundle::style()?;
    let script = view.pages.as_ref().map(|_| bundle::script()).transpose()?;
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(pages::policy(&style, script.as_deref()));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(style)) }
            }
            body {
                div #app { main { (article(view, title)) } }
                @if let (Some(pages), Some(script)) = (&view.pages, script) { (pages::scripts(pages, script)) }
            }
        }
    };
    Ok(page.into_string())
}

/// What the page says without scripts. `#charts` is where the script draws.
fn article(view: &View, title: &str) -> Markup {
    markup! {
        article #report {
            (header(view, title))
            (answered(view))
            (changes(view))
            (failed(view))
            div #charts {}
            (accuracy::table(view))
            (tables(view))
            (replays::table(view))
            (notes(view))
            (conditions::list(view))
        }
    }
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
        div.head {
            p.supertitle { (title) }
            h1 class=(class(view.mark())) { (view.headline()) }
            @if let Some(comparison) = view.comparison {
                p.subtitle { (comparison.head) " compared with " (comparison.base) "; " (sentences::basis(comparison)) }
                @for rule in &comparison.rules { p.subtitle { (rule) } }
            }
            (conditions::line(view))
            div.cards {
                (card("Points", &view.run.points.len().to_string(), Mark::Neutral))
                (card("Measured", &view.run.measured().to_string(), measured_mark(view)))
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

fn card(title: &str, text: &str, mark: Mark) -> Markup {
    markup! { div.card { div.title { (title) } div class={ "value " (class(mark)) } { (text) } } }
}

fn compared_cards(comparison: &Comparison) -> Markup {
    let counted = Verdict::ALL.into_iter().filter(|verdict| comparison.count(*verdict) > 0);
    markup! {
        @for verdict in counted {
            (card(verdict.as_str(), &comparison.count(verdict).to_string(), verdict.into()))
        }
        @for metric in Metric::JUDGED {
            @if let Some(change) = comparison.overall(metric) {
                (card(&format!("{} overall", super::columns::metric_name(metric, super::sentences::throughput_unit_of(comparison))), &number::signed_percent(change), Mark::Neutral))
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
        li {
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
                        li { span.badge.bad { (failure.class.as_str()) } " " strong { (point.key) } " " span.detail { (failure.reason) } }
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

fn tables(view: &View) -> Markup {
    let columns = view.columns();
    markup! { @for group in &view.groups { (table(group, &columns)) } }
}

fn table(group: &Group, columns: &[Column]) -> Markup {
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
                        @if is_compared(group) { th scope="col" { "Verdict" } }
                        @for (_, column) in &shown { th scope="col" .number[column.is_number()] { (column.title(unit)) } }
                    } }
                    tbody { @for row in &group.rows { (table_row(row, &shown, is_compared(group))) } }
                }
            }
            @for (row, failure) in failures(group) { p.failure { strong { (row.point.key) } ": " (failure) } }
        }
    }
}

fn is_compared(group: &Group) -> bool {
    group.rows.iter().any(|row| row.compared.is_some())
}

fn table_row(row: &TableRow, columns: &[(usize, Column)], compared: bool) -> Markup {
    markup! {
        tr title=[row.point.image.as_deref()] {
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
