//! GitHub's REST API: raw routes of octocrab with minimal structs, because octocrab's typed responses fail on missing fields, which
//! occur with older versions of GitHub Enterprise Server. One policy decides what is retried.

mod access;
mod artifact;
mod blob;
mod check;
mod client;
mod comment;
mod dispatch;
mod error;
mod event;
mod git_data;
mod job_pages;
mod jobs;
mod label;
mod limit;
mod merged;
mod planned_jobs;
mod progress;
mod repository_security;
mod run;
mod runners;
mod step;
mod verdict;
pub mod workflow;
mod workflow_command;
mod workflow_security;

pub use access::permission_of;
pub(crate) use access::{pull_request, pull_request_of_run};
pub(crate) use artifact::{DownloadError, Downloaded, artifact_names, download_run};
pub(crate) use check::put_check;
pub use client::{Client, ClientSettings, RepositoryName};
pub(crate) use client::{connect, connect_with_token_in};
pub(crate) use comment::{CommentChange, commented_run, comments, put_comment};
pub use comment::{Marker, run_line};
pub(crate) use dispatch::{dispatch_event, dispatch_workflow};
pub(crate) use error::GithubError;
pub(crate) use git_data::{
    BranchName, MAX_FILE, RefUpdate, Tip, TreeChange, TreeEntry, blob, blob_sha, create_blob, create_commit, create_tree, move_branch, tip,
    tip_at, tree,
};
pub(crate) use job_pages::job_pages;
pub use label::{add_label, labels, remove_label};
pub(crate) use merged::{MergedPullRequest, commits_of, files_of_commit, merged_as, run_by_id, successful_runs_of_branch};
pub(crate) use planned_jobs::{PlanFileError, planned_jobs};
pub(crate) use progress::{ProgressInput, show_progress};
pub(crate) use repository_security::{SecurityFinding, SecurityGrade, examine_repository};
pub use run::newest_run;
pub(crate) use run::{BranchRuns, WorkflowRun, is_on_branch};
pub(crate) use runners::{jobs_by_runner, organisation_runners, runners};
pub(crate) use step::{EventFileError, base_sha, event_pull_request, finished_run, head_sha, measured_fork, run_id, run_url};
pub(crate) use verdict::{VerdictInput, verdict_check};
pub use workflow_command::{annotations, escape_commands, escape_commands_in_json, is_github_actions, workflow_command};
