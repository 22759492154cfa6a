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
mod job_pages;
mod jobs;
mod label;
mod limit;
mod planned_jobs;
mod progress;
mod run;
mod step;
mod verdict;
pub mod workflow;
mod workflow_command;

pub use access::{permission_of, pull_request};
pub use artifact::{Artifact, DownloadError, Downloaded, download_run};
pub use check::{Annotation, AnnotationLevel, CheckRun, CheckState, Conclusion, LONGEST_CHECK_SUMMARY, put_check};
pub(crate) use client::connect;
pub use client::{Client, Repository, Settings};
pub use comment::{CommentChange, Marker, commented_run, put_comment, put_comment_over, run_line};
pub use error::GithubError;
pub(crate) use job_pages::job_pages;
pub use jobs::{WorkflowJob, jobs_of_run};
pub use label::{add_label, labels, remove_label};
pub(crate) use planned_jobs::{PlanFileError, planned_jobs};
pub(crate) use progress::{ProgressInput, show_progress};
pub use run::{WorkflowRun, newest_run, runs_of_branch};
pub(crate) use step::{EventFileError, event_pull_request, head_sha, run_id, run_url};
pub(crate) use verdict::{VerdictInput, verdict_check};
pub use workflow_command::{annotations, workflow_command};
