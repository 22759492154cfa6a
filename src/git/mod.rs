//! Git: reading a repository at a commit, making commits (the demo's), and the commit that is checked out where a job runs.

pub mod checkout;
pub mod commit;
mod repository;

pub use repository::{Commit, Conflict, GitError, Repository, is_zero, merge_lines};
