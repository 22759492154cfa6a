//! Which event leads to which plan. A workflow hands every event to the binary, and the decision is made here, in one
//! place that can be read and tested: run or not, in which mode, and why, in a sentence for people.

mod command;
mod decide;
mod event;

pub use command::Command;
pub use decide::{Decision, Facts, Permission, Scope, decide};
pub use event::{Event, EventError, PullRequest};
