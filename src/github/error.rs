//! Errors of GitHub's API, with remedies.

use std::time::Duration;

/// The lines of a job's permissions. Naming any takes all others away, the checkout's too.
fn yaml_of(permission: &str) -> String {
    let checkout = if permission.starts_with("contents:") {
        ""
    } else {
        "\n    contents: read"
    };
    format!("{checkout}\n    {permission}")
}

#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// There is no token.
    #[error("neither GITHUB_TOKEN nor GH_TOKEN is set; give the step `env: GITHUB_TOKEN: ${{{{ github.token }}}}`")]
    NoToken,
    /// There is no token for another repository.
    #[error("{0} is not set; give the step `env: {0}: ${{{{ secrets.NAME }}}}` with a token that may write to the other repository")]
    NoTokenIn(&'static str),
    /// The repository is not `owner/name`.
    #[error("invalid repository {0:?}, expected owner/name as in GITHUB_REPOSITORY")]
    Repository(String),
    /// The URL of the API is invalid, or TLS cannot be set up.
    #[error("cannot use the API at {url}: {reason}")]
    Setup { url: String, reason: String },
    /// No attempt succeeded.
    #[error("no response from GitHub to {request} after {attempts} attempts: {reason}")]
    Unreachable { request: String, attempts: u32, reason: String },
    /// The rate limit is exceeded for longer than imax waits.
    #[error("GitHub's rate limit is exceeded for {request}, for another {} s; run the step again then", wait.as_secs())]
    RateLimited { request: String, wait: Duration },
    #[error(
        "GitHub refused {request} with 403 ({message}); the token needs a permission, add to the job:\n  permissions:{}\nA pull request from \
         a fork never gets it: write from a workflow on `workflow_run` instead",
        yaml_of(permission)
    )]
    Forbidden {
        request: String,
        message: String,
        /// The missing line of YAML.
        permission: &'static str,
    },
    /// The object does not exist, or the token may not read it.
    #[error("not found: {request} (404); check the number, and that the token may read the repository")]
    NotFound { request: String },
    /// Any other refusal.
    #[error("GitHub refused {request} with {status}: {message}")]
    Refused { request: String, status: u16, message: String },
    /// The response is not what the API documents.
    #[error("unexpected response to {request}: {reason}")]
    Response { request: String, reason: String },
}
