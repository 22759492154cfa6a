//! Runs and verdicts to tables, pages and comments. There is one `View`, which decides what is shown and in which
//! order; each format only writes it down.

mod columns;
mod csv;
mod escape;
pub mod findings;
mod html;
mod json;
mod junit;
mod markdown;
mod number;
mod plot;
mod table;
mod view;
mod words;

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use junit::junit;
pub use markdown::{Budget, comment, summary};
pub use table::table;
pub use view::{Cell, Delta, Group, Mark, TableRow, View};
