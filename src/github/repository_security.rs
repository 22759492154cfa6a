//! The settings of a repository on which the security of its self-hosted runners depends, read through the API. The checklist and its
//! reasons are in docs/operating/security.md.

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use super::workflow_security::{WorkflowFile, problems_of_workflow};
use crate::model::percent_encode_path;

const ADMINISTRATION: &str = "administration: read";
const CONTENTS: &str = "contents: read";
const METADATA: &str = "metadata: read";
const ORGANIZATION: &str = "organization_self_hosted_runners: read";

/// Items on a page, GitHub's maximum; more runners, groups or collaborators are not looked at.
const PAGE: usize = 100;
/// Workflow files that are read.
const MAX_WORKFLOWS: usize = 50;
/// Names in a finding.
const MAX_NAMES: usize = 10;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityGrade {
    Ok,
    /// Something that a stranger, or an earlier job, could use.
    Weak,
    /// The token may not read the setting, or it does not exist here.
    Unknown,
}

/// A setting, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityFinding {
    pub check: &'static str,
    pub grade: SecurityGrade,
    /// What was found, what is expected, and where to change it.
    pub detail: String,
}

impl SecurityFinding {
    fn new(check: &'static str, grade: SecurityGrade, detail: impl Into<String>) -> Self {
        Self {
            check,
            grade,
            detail: detail.into(),
        }
    }

    fn graded(check: &'static str, problem: Option<String>, fine: &str) -> Self {
        match problem {
            Some(problem) => Self::new(check, SecurityGrade::Weak, problem),
            None => Self::new(check, SecurityGrade::Ok, fine),
        }
    }
}

/// Examines a repository. A setting that the token may not read is a finding of its own.
///
/// # Errors
/// [`GithubError`] where GitHub does not answer, or the repository does not exist for this token.
pub async fn examine_repository(client: &Client, repository: &RepositoryName) -> Result<Vec<SecurityFinding>, GithubError> {
    let about: AboutRepository = client.read(Request::get(&format!("/repos/{repository}"), METADATA)).await?;
    let settings = Settings { client, repository };
    Ok(vec![
        settings.fork_approval(&about).await?,
        settings.token_permissions().await?,
        settings.runners(&about).await?,
        settings.runner_groups(&about).await?,
        settings.workflows().await?,
        settings.sha_pinning().await?,
        settings.label_writers().await?,
    ])
}

struct Settings<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
}

#[derive(Deserialize)]
struct AboutRepository {
    private: bool,
    name: String,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ForkApproval {
    approval_policy: String,
}

#[derive(Deserialize)]
struct WorkflowPermissions {
    default_workflow_permissions: String,
    #[serde(default)]
    can_approve_pull_request_reviews: bool,
}

#[derive(Deserialize)]
struct ActionsPermissions {
    allowed_actions: Option<String>,
    #[serde(default)]
    sha_pinning_required: bool,
}

#[derive(Deserialize)]
struct Runners {
    runners: Vec<Runner>,
}

#[derive(Deserialize)]
struct Runner {
    name: String,
    #[serde(default)]
    ephemeral: bool,
}

#[derive(Deserialize)]
struct RunnerGroups {
    runner_groups: Vec<RunnerGroup>,
}

#[derive(Deserialize)]
struct RunnerGroup {
    name: String,
    #[serde(default)]
    visibility: String,
    #[serde(default)]
    allows_public_repositories: bool,
    #[serde(default)]
    restricted_to_workflows: bool,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    path: String,
}

#[derive(Deserialize)]
struct Content {
    /// Base64 with line breaks.
    content: String,
}

#[derive(Deserialize)]
struct Collaborator {
    login: String,
    #[serde(default)]
    role_name: String,
}

impl Settings<'_> {
    /// A setting, or why it is not known.
    async fn setting<T: DeserializeOwned>(
        &self,
        check: &'static str,
        path: &str,
        permission: &'static str,
    ) -> Result<Result<T, SecurityFinding>, GithubError> {
        let unknown = |detail: String| Ok(Err(SecurityFinding::new(check, SecurityGrade::Unknown, detail)));
        match self.client.read(Request::get(path, permission)).await {
            Ok(value) => Ok(Ok(value)),
            Err(error @ GithubError::Forbidden { .. }) => unknown(error.to_string()),
            Err(GithubError::NotFound { .. }) => unknown(format!(
                "GitHub has no such setting here, or the token lacks `{permission}`; a fine-grained token of an administrator has it"
            )),
            Err(error) => Err(error),
        }
    }

    async fn fork_approval(&self, about: &AboutRepository) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "fork-approval";
        if about.private {
            return Ok(SecurityFinding::new(CHECK, SecurityGrade::Ok, "the repository is private"));
        }
        let path = format!("/repos/{}/actions/permissions/fork-pr-contributor-approval", self.repository);
        let found: ForkApproval = match self.setting(CHECK, &path, ADMINISTRATION).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let policy = found.approval_policy;
        let problem = (policy != "all_external_contributors").then(|| {
            format!(
                "workflows of forks need approval for `{policy}`, expected `all_external_contributors`: on pull_request the fork's own \
                 workflow runs, on any runner that it names (Settings, Actions, General)"
            )
        });
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "workflows of all outside contributors need approval",
        ))
    }

    async fn token_permissions(&self) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "token-permissions";
        let path = format!("/repos/{}/actions/permissions/workflow", self.repository);
        let found: WorkflowPermissions = match self.setting(CHECK, &path, ADMINISTRATION).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let problem = if found.default_workflow_permissions != "read" {
            Some(format!(
                "GITHUB_TOKEN has `{}` by default, expected `read` (Settings, Actions, General, Workflow permissions)",
                found.default_workflow_permissions
            ))
        } else {
            found
                .can_approve_pull_request_reviews
                .then(|| "workflows may approve pull requests; switch that off beside the workflow permissions".to_owned())
        };
        Ok(SecurityFinding::graded(CHECK, problem, "GITHUB_TOKEN is read only by default"))
    }

    async fn runners(&self, about: &AboutRepository) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "runners";
        let path = format!("/repos/{}/actions/runners?per_page={PAGE}", self.repository);
        let found: Runners = match self.setting(CHECK, &path, ADMINISTRATION).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let kept = names(
            found
                .runners
                .iter()
                .filter(|runner| !runner.ephemeral)
                .map(|runner| runner.name.as_str()),
        );
        let problem = (!kept.is_empty() && !about.private).then(|| {
            format!(
                "runners of this public repository that serve several jobs: {kept}; expected ephemeral ones (`config.sh --ephemeral`) in a \
                 runner group that only the pinned rows.yml may use"
            )
        });
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "no runner of the repository itself outlives its job in public",
        ))
    }

    async fn runner_groups(&self, about: &AboutRepository) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "runner-groups";
        if about.owner.kind != "Organization" {
            return Ok(SecurityFinding::new(
                CHECK,
                SecurityGrade::Unknown,
                "only organizations have runner groups",
            ));
        }
        let path = format!(
            "/orgs/{}/actions/runner-groups?visible_to_repository={}&per_page={PAGE}",
            about.owner.login, about.name
        );
        let found: RunnerGroups = match self.setting(CHECK, &path, ORGANIZATION).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let groups = found.runner_groups.iter();
        let open = groups.filter(|group| !group.restricted_to_workflows || (group.allows_public_repositories && group.visibility == "all"));
        let open = names(open.map(|group| group.name.as_str()));
        let problem = (!open.is_empty()).then(|| {
            format!(
                "runner groups that any workflow of this repository, or any repository, can use: {open}; limit each to this repository and to \
                 `rows.yml@<SHA>` of a pinned release"
            )
        });
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "every runner group is limited to workflows",
        ))
    }

    async fn workflows(&self) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "workflows";
        let folder = format!("/repos/{}/contents/.github/workflows", self.repository);
        let listed: Vec<Listed> = match self.setting(CHECK, &folder, CONTENTS).await? {
            Ok(listed) => listed,
            Err(unknown) => return Ok(unknown),
        };
        let is_workflow = |file: &&Listed| file.name.ends_with(".yml") || file.name.ends_with(".yaml");
        let mut problems = Vec::new();
        for file in listed.iter().filter(is_workflow).take(MAX_WORKFLOWS) {
            let path = format!("/repos/{}/contents/{}", self.repository, percent_encode_path(&file.path));
            let content: Content = match self.setting(CHECK, &path, CONTENTS).await? {
                Ok(content) => content,
                Err(unknown) => return Ok(unknown),
            };
            let file = WorkflowFile {
                name: &file.name,
                base64: &content.content,
            };
            problems.extend(problems_of_workflow(file));
        }
        let more = problems.len().saturating_sub(MAX_NAMES);
        problems.truncate(MAX_NAMES);
        if more > 0 {
            problems.push(format!("{more} more"));
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "every action is pinned by a commit, none checks out a head on pull_request_target",
        ))
    }

    async fn sha_pinning(&self) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "sha-pinning";
        let path = format!("/repos/{}/actions/permissions", self.repository);
        let found: ActionsPermissions = match self.setting(CHECK, &path, ADMINISTRATION).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let allowed = found.allowed_actions.unwrap_or_default();
        let problem = (!found.sha_pinning_required).then(|| {
            format!(
                "actions need not be pinned by a commit's SHA, and allowed are `{allowed}`; require it in Settings, Actions, General, so that \
                 a later change cannot bring an action that its owner can exchange"
            )
        });
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "GitHub refuses actions that are not pinned",
        ))
    }

    async fn label_writers(&self) -> Result<SecurityFinding, GithubError> {
        const CHECK: &str = "label-writers";
        let path = format!("/repos/{}/collaborators?permission=triage&per_page={PAGE}", self.repository);
        let found: Vec<Collaborator> = match self.setting(CHECK, &path, METADATA).await? {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let triage = names(found.iter().filter(|one| one.role_name == "triage").map(|one| one.login.as_str()));
        let problem = (!triage.is_empty()).then(|| {
            format!("accounts that may set the label of a sweep without write access: {triage}; each can start jobs on the GPU runners")
        });
        Ok(SecurityFinding::graded(
            CHECK,
            problem,
            "only accounts with write access can set labels",
        ))
    }
}

/// Names in quotes; those beyond the first are counted. They are text of the repository.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = all
        .map(|name| format!("`{}`", name.chars().filter(|c| !c.is_control()).collect::<String>()))
        .collect();
    let more = all.len().saturating_sub(MAX_NAMES);
    let shown = all.get(..MAX_NAMES.min(all.len())).unwrap_or_default().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
