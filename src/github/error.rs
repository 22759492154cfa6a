//! What can go wrong with GitHub, with the remedy where there is one.

use std::time::Duration;

/// Why GitHub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// The token is not there.
    #[error("neither GITHUB_TOKEN nor GH_TOKEN is set; give the step `env: GITHUB_TOKEN: ${{{{ github.token }}}}`")]
    NoToken,
    /// The repository is not `owner/name`.
    #[error("the repository is {0:?}, expected owner/name, as GITHUB_REPOSITORY has it")]
    Repository(String),
    /// The API's address is none, or TLS cannot be set up.
    #[error("cannot use the API at {url}: {reason}")]
    Setup {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No answer, however often it was asked.
    #[error("no answer from GitHub to {request} after {attempts} attempts: {reason}")]
    Unreachable {
        /// Method and path.
        request: String,
        /// How often.
        attempts: u32,
        /// What happened the last time.
        reason: String,
    },
    /// The limit is used up for longer than it makes sense to wait.
    #[error("GitHub's rate limit is used up for {request}, for another {} s; run the step again then", wait.as_secs())]
    RateLimited {
        /// Method and path.
        request: String,
        /// How long.
        wait: Duration,
    },
    /// The token may not do this.
    #[error(
        "GitHub refused {request} with 403 ({message}); the token needs a permission, add to the job:\n  permissions:\n    \
         contents: read\n    {permission}\nA pull request from a fork never gets it: comment from a workflow on `workflow_run` instead"
    )]
    Forbidden {
        /// Method and path.
        request: String,
        /// GitHub's words.
        message: String,
        /// The line of YAML that is missing.
        permission: &'static str,
    },
    /// There is no such thing, or the token does not see it.
    #[error("GitHub knows nothing at {request} (404); is the number right, and may the token see the repository?")]
    NotFound {
        /// Method and path.
        request: String,
    },
    /// Any other refusal.
    #[error("GitHub refused {request} with {status}: {message}")]
    Refused {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// The answer is not what the API documents.
    #[error("the answer to {request} is not what GitHub's API documents: {reason}")]
    Answer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
}
