//! The table of replayed sessions on the page.

use maud::{Markup, html as markup};

use crate::report::replays::{TITLES, rows};
use crate::report::view::View;

/// The table; empty without replays.
pub(super) fn table(view: &View) -> Markup {
    let rows = rows(view);
    markup! {
        @if !rows.is_empty() {
            section {
                h2 { "Replayed sessions" }
                div.scroll tabindex="0" role="region" aria-label="Replayed sessions" {
                    table {
                        thead { tr { th { "Point" } @for title in TITLES { th.number { (title) } } } }
                        tbody {
                            @for row in &rows {
                                tr { td { (row.point) } @for cell in &row.cells { td.number { (cell) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
