//! The performance changelog: an append-only log whose new entries define what to measure. This room has its entries, the
//! difference between two states of the log, the config keys that an entry selects, and the edits of the log before a pull request
//! is merged.

mod diff;
mod draft;
mod entry;
mod error;
mod fold;
mod lines;
mod prepare;
mod schema;
mod select;
mod state;
mod strict;

pub use diff::additions;
pub use draft::{draft_name, render};
pub use entry::{Entry, LocatedEntry, ScenarioType, check};
pub use error::ChangelogError;
pub use fold::{FoldError, fold};
pub use prepare::{ResolveError, merge, resolve, set_links, set_links_of_fragment};
pub use schema::schema;
pub use select::select;
pub use state::{Fragment, State};
pub use strict::{Links, StrictError};
