//! An evaluation's side of the world: documents from files and from the hub, questions to an engine over HTTP, and the journal
//! of answers by which an interrupted evaluation goes on.

mod ask;
mod data;
mod journal;
#[cfg(test)]
mod tests;

pub use ask::{AskError, AskSettings, Asked, ask_all, client};
pub use data::{DataSourceError, Loaded, load};
pub use journal::{Journal, JournalError};
