//! The table of accuracy scores on the page.

use maud::{Markup, html as markup};

use super::class;
use crate::report::evals::ScoreRow;
use crate::report::sentences;
use crate::report::view::{Mark, View};

/// The table; empty without scores.
pub(super) fn table(view: &View) -> Markup {
    let rows = view.scores().rows();
    let compared = rows.iter().any(|row| row.change.is_some());
    markup! {
        @if !rows.is_empty() {
            section {
                h2 { "Accuracy" }
                div.scroll tabindex="0" role="region" aria-label="Accuracy" {
                    table {
                        thead { tr {
                            @if compared { th { "Verdict" } }
                            th { "Task" } th.number { "Score" } th.number { "Questions" }
                            @if compared { th { "Change" } }
                        } }
                        tbody { @for row in &rows { (table_row(row, compared)) } }
                    }
                }
            }
        }
    }
}

fn table_row(row: &ScoreRow, compared: bool) -> Markup {
    markup! {
        tr {
            @if compared {
                td {
                    @if let Some(change) = row.change {
                        span class={ "badge " (class(Mark::from(change.verdict))) } { (sentences::metric_verdict(change.verdict)) }
                    }
                }
            }
            td { (row.what()) }
            td.number { (row.number()) }
            td.number { (row.questions()) }
            @if compared { td.detail { (row.detail().unwrap_or_default()) } }
        }
    }
}
