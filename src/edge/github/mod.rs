//! GitHub's REST API: raw routes of octocrab and our own minimal structs, because its typed responses break where a field
//! is missing, which a GitHub Enterprise Server of another age does. One policy decides what is tried again.

mod access;
mod client;
mod comment;
mod error;
mod event;
mod retry;

pub use access::{permission_of, pull_request};
pub use client::{Client, Repository, Settings};
pub use comment::{CommentChange, Marker, put_comment};
pub use error::GithubError;
pub use event::{EventError, pull_request_of_event};
pub use retry::RetryPolicy;
