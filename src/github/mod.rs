//! GitHub's REST API: raw routes of octocrab and our own minimal structs, because its typed responses break where a field
//! is missing, which a GitHub Enterprise Server of another age does. One policy decides what is tried again.

mod access;
mod artifact;
mod blob;
mod check;
mod client;
mod comment;
mod error;
mod event;
mod jobs;
mod label;
mod limit;
mod run;
pub mod workflow;

pub use access::{permission_of, pull_request};
pub use artifact::{Artifact, DownloadError, Downloaded, download_run};
pub use check::{Annotation, AnnotationLevel, CheckRun, CheckState, Conclusion, LONGEST_CHECK_SUMMARY, put_check};
pub(crate) use client::connect;
pub use client::{Client, Repository, Settings};
pub use comment::{CommentChange, Marker, commented_run, put_comment, put_comment_over, run_line};
pub use error::GithubError;
pub use event::{EventError, head_sha_of_event, pull_request_of_event};
pub use jobs::{WorkflowJob, jobs_of_run};
pub use label::{add_label, labels, remove_label};
pub use run::{WorkflowRun, newest_run, runs_of_branch};
