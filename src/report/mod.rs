//! Runs and verdicts to tables, pages and comments. There is one `View`, which decides what is shown and in which
//! order; each format only writes it down.

mod check;
mod columns;
mod csv;
mod diagnostics;
mod economics;
mod escape;
mod evals;
mod format;
mod html;
mod json;
mod junit;
mod links;
mod markdown;
mod notification;
mod number;
mod parquet;
mod plot;
mod progress;
mod sarif;
mod sentences;
mod side_by_side;
mod table;
mod verdicts;
mod view;

pub use check::{Remark, check};
pub use csv::{csv, csv_of_several};
pub use diagnostics::json_of_diagnostics;
pub use economics::answers;
pub use format::{Format, RenderError};
pub use html::html;
pub use json::{json, json_of_several};
pub use junit::junit;
pub use links::{JobLink, Links};
pub use markdown::{Budget, comment, summary};
pub use notification::Notification;
pub use parquet::parquet;
pub use progress::{JobProgress, Progress, progress};
pub use sarif::{CHANGELOG, sarif, sarif_of_diagnostics};
pub use side_by_side::{Compared, SideBySide};
pub use table::table;
pub use view::{Mark, View};
