//! Git: reads a repository at a commit, finds the commit of a job's checkout, and makes the demo's commits.

pub mod checkout;
pub mod commit;
mod repository;

pub use repository::{Commit, Conflict, GitError, Repository, is_null_revision, merge_lines};
