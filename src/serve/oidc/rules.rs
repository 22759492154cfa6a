//! Which workflows may write what.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use super::Claims;
use crate::analysis::DEFAULT_PROJECT;
use crate::store::database::Scope;

/// The events of a rule that names none. Runs of pull requests are not among them: their code is not reviewed.
const USUAL_EVENTS: [&str; 5] = ["push", "schedule", "workflow_dispatch", "release", "merge_group"];
/// As the branch of a rule: all branches.
const ANY: &str = "*";

/// A name with wildcards: `*` within a part between slashes, `**` over several.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(GlobMatcher);

/// Workflows that may write. What is absent is not looked at, but for `events` and `branch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OidcRule {
    /// `owner/name`.
    pub repository: Pattern,
    /// The number of the repository, which another one of the same name does not have.
    pub repository_id: Option<u64>,
    /// Such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: Option<Pattern>,
    /// The workflow that was started, such as `octo/bench/.github/workflows/nightly.yml@refs/heads/main`.
    pub workflow: Option<Pattern>,
    /// The workflow that has the job, if it is a reusable one.
    pub job_workflow: Option<Pattern>,
    /// [default: push, schedule, workflow_dispatch, release, merge_group].
    pub events: Option<Vec<String>>,
    pub environment: Option<Pattern>,
    /// [default: ingest].
    #[serde(default = "ingest")]
    pub scopes: Vec<Scope>,
    /// The project that it may write to.
    #[serde(default = "default_project")]
    pub project: String,
    /// The branch whose runs it may write, `*` for all [default: the one of the token's `ref`].
    pub branch: Option<String>,
}

fn ingest() -> Vec<Scope> {
    vec![Scope::Ingest]
}

fn default_project() -> String {
    DEFAULT_PROJECT.to_owned()
}

impl FromStr for Pattern {
    type Err = globset::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let glob = GlobBuilder::new(text).literal_separator(true).build()?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = globset::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Pattern {
    fn has(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A claim that a rule does not name may be anything; one that it names must be there.
fn is_met(pattern: Option<&Pattern>, claim: Option<&str>) -> bool {
    pattern.is_none_or(|pattern| claim.is_some_and(|claim| pattern.has(claim)))
}

impl OidcRule {
    /// Whether the rule is about a workflow.
    pub(super) fn is_about(&self, claims: &Claims) -> bool {
        let Self {
            repository,
            repository_id,
            reference,
            workflow,
            job_workflow,
            events,
            environment,
            scopes: _,
            project: _,
            branch: _,
        } = self;
        let is_event = match events {
            Some(events) => events.contains(&claims.event_name),
            None => USUAL_EVENTS.contains(&claims.event_name.as_str()),
        };
        is_event
            && repository.has(&claims.repository)
            && repository_id.is_none_or(|id| claims.repository_id == Some(id.to_string()))
            && is_met(reference.as_ref(), Some(&claims.reference))
            && is_met(workflow.as_ref(), Some(&claims.workflow_ref))
            && is_met(job_workflow.as_ref(), claims.job_workflow_ref.as_deref())
            && is_met(environment.as_ref(), claims.environment.as_deref())
    }

    /// The branch whose runs the workflow may write; `None` for all.
    pub(super) fn branch_of(&self, claims: &Claims) -> Option<String> {
        match self.branch.as_deref() {
            Some(ANY) => None,
            Some(branch) => Some(branch.to_owned()),
            None => Some(claims.branch().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::{Value, json};

    use super::super::claims::tests::claims;
    use super::*;

    fn is_about(rule: Value, changes: &Value) -> bool {
        serde_json::from_value::<OidcRule>(rule)
            .unwrap()
            .is_about(&claims(changes).unwrap())
    }

    #[test]
    fn rule_is_about_what_it_names() {
        let main =
            json!({ "repository": "octo/bench", "ref": "refs/heads/main", "workflow": "octo/bench/.github/workflows/*@refs/heads/main" });
        for (rule, changes, expected) in [
            (main.clone(), json!({}), true),
            (main.clone(), json!({ "repository": "evil/bench" }), false),
            (main.clone(), json!({ "repository": "octo/bench2" }), false),
            (main.clone(), json!({ "ref": "refs/heads/feature" }), false),
            (main.clone(), json!({ "ref": "refs/pull/7/merge" }), false),
            (
                main.clone(),
                json!({ "workflow_ref": "octo/bench/.github/workflows/x.yml@refs/heads/x" }),
                false,
            ),
            (main.clone(), json!({ "event_name": "pull_request" }), false),
            (main.clone(), json!({ "event_name": "pull_request_target" }), false),
            (main, json!({ "event_name": "issue_comment" }), false),
            (json!({ "repository": "octo/*" }), json!({}), true),
            (json!({ "repository": "octo/*" }), json!({ "repository": "octo/x/y" }), false),
            (json!({ "repository": "octo/bench", "repository-id": 7 }), json!({}), true),
            (json!({ "repository": "octo/bench", "repository-id": 8 }), json!({}), false),
            (json!({ "repository": "octo/bench", "environment": "bench" }), json!({}), false),
            (
                json!({ "repository": "octo/bench", "environment": "bench" }),
                json!({ "environment": "bench" }),
                true,
            ),
            (json!({ "repository": "octo/bench", "job-workflow": "**" }), json!({}), false),
            (
                json!({ "repository": "octo/bench", "events": ["pull_request"] }),
                json!({ "event_name": "pull_request" }),
                true,
            ),
        ] {
            assert_eq!(is_about(rule.clone(), &changes), expected, "{rule} {changes}");
        }
    }

    #[test]
    fn branch_is_the_one_of_the_token_unless_the_rule_names_one() {
        for (rule, reference, branch) in [
            (json!({ "repository": "octo/bench" }), "refs/heads/release/1.2", Some("release/1.2")),
            (json!({ "repository": "octo/bench" }), "refs/tags/v1", Some("v1")),
            (
                json!({ "repository": "octo/bench", "branch": "main" }),
                "refs/heads/x",
                Some("main"),
            ),
            (json!({ "repository": "octo/bench", "branch": "*" }), "refs/heads/x", None),
        ] {
            let rule: OidcRule = serde_json::from_value(rule).unwrap();
            let claims = claims(&json!({ "ref": reference })).unwrap();
            assert_eq!(rule.branch_of(&claims).as_deref(), branch);
        }
    }
}
