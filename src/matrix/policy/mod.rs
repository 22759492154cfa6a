//! Which event triggers which plan. A workflow passes every event to the binary, which decides in this one
//! place: run or not, in which mode, and the reason as a sentence.

mod approval;
mod command;
mod decide;
mod event;
mod reuse_command;
mod run_request;

pub use approval::{Approval, approval};
pub use command::Command;
pub use decide::{Decision, Facts, Permission, Scope, decide};
pub(crate) use decide::{is_reusable, primary};
pub use event::{Event, EventError, PullRequest};
pub use reuse_command::{ReuseCommand, reuse_command};
pub use run_request::{AgenticLoad, EarlierResults, RunRequest};
