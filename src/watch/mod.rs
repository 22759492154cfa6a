//! Saved queries over a history: what got worse, failed or is out of date, told once when it opens, again while it goes on, and when it has
//! recovered; and a weekly digest. `imax serve --watches FILE` runs them.

mod check;
mod condition;
mod deliver;
mod digest;
mod document;
mod evaluate;
mod event;
mod run;
mod test_message;
mod transition;

pub(crate) use document::{WatchFileError, Watches, schema};
pub(crate) use event::schema as event_schema;
pub(crate) use run::run;
pub(crate) use test_message::{TestMessage, send_tests};
