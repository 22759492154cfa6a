//! `imax doctor --repository` against settings of a repository as GitHub's API gives them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Finish as _, HttpResponse, HttpServer, imax};

const PINNED: &str = "08c6903cd8c0fde910a37f88322edcfb5dd907a8";

/// A server of a public repository, safe or not.
fn github(is_safe: bool) -> HttpServer {
    HttpServer::start(move |_, request| {
        let path = request.path().strip_prefix("/repos/octo-org/benchmarks").unwrap_or(request.path());
        let workflow = match is_safe {
            true => format!("steps:\n- uses: actions/checkout@{PINNED} # v5\n- uses: ./local\n"),
            false => {
                "on: pull_request_target\nsteps:\n- uses: actions/checkout@v5\n  with: {ref: '${{ github.event.pull_request.head.sha }}'}\n"
                    .to_owned()
            }
        };
        Some(HttpResponse::json(match path {
            "" => json!({ "private": false, "name": "benchmarks", "owner": { "login": "octo-org", "type": "Organization" } }),
            "/actions/permissions/fork-pr-contributor-approval" => {
                json!({ "approval_policy": if is_safe { "all_external_contributors" } else { "first_time_contributors" } })
            }
            "/actions/permissions/workflow" => json!({
                "default_workflow_permissions": if is_safe { "read" } else { "write" }, "can_approve_pull_request_reviews": false
            }),
            "/actions/permissions" => json!({ "enabled": true, "allowed_actions": "selected", "sha_pinning_required": is_safe }),
            "/actions/runners" => json!({ "runners": [{ "name": "h100-a_0", "ephemeral": is_safe }] }),
            "/orgs/octo-org/actions/runner-groups" => json!({ "runner_groups": [{
                "name": "gpus", "visibility": "selected", "allows_public_repositories": true, "restricted_to_workflows": is_safe
            }] }),
            "/contents/.github/workflows" => json!([{ "name": "sweep.yml", "path": ".github/workflows/sweep.yml" }]),
            "/contents/.github/workflows/sweep.yml" => json!({ "content": STANDARD.encode(workflow) }),
            "/collaborators" => json!([{ "login": "helper", "role_name": if is_safe { "write" } else { "triage" } }]),
            _ => return Some(HttpResponse::json(json!({ "message": "Not Found" })).status(404)),
        }))
    })
}

fn examined(server: &HttpServer) -> Vec<(String, String, String)> {
    let output = imax()
        .args(["doctor", "--repository", "octo-org/benchmarks", "--format", "json"])
        .env("GITHUB_API_URL", &server.url)
        .env("GITHUB_TOKEN", "ghs_secret")
        .finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|finding| (text(finding, "check"), text(finding, "grade"), text(finding, "detail")))
        .collect()
}

#[test]
fn every_weak_setting_is_named() {
    let found = examined(&github(false));
    let expected = [
        ("fork-approval", "first_time_contributors"),
        ("token-permissions", "`write` by default"),
        ("runners", "h100-a_0"),
        ("runner-groups", "gpus"),
        ("workflows", "actions/checkout@v5"),
        ("sha-pinning", "selected"),
        ("label-writers", "helper"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((check, grade, detail), (name, part)) in found.iter().zip(expected) {
        assert_eq!((check.as_str(), grade.as_str()), (name, "weak"), "{detail}");
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert!(found[4].2.contains("pull_request_target"), "{}", found[4].2);
}

#[test]
fn safe_settings_are_ok() {
    let found = examined(&github(true));
    assert!(found.iter().all(|(_, grade, _)| grade == "ok"), "{found:?}");
}

#[test]
fn what_the_token_may_not_read_is_unknown() {
    let server = HttpServer::start(|_, request| {
        Some(match request.path() {
            "/repos/octo-org/benchmarks" => HttpResponse::json(
                json!({ "private": false, "name": "benchmarks", "owner": { "login": "octo-org", "type": "Organization" } }),
            ),
            _ => HttpResponse::json(json!({ "message": "Resource not accessible by personal access token" })).status(403),
        })
    });
    let found = examined(&server);
    assert_eq!(found.len(), 7, "{found:?}");
    assert!(found.iter().all(|(_, grade, _)| grade == "unknown"), "{found:?}");
    assert!(found[0].2.contains("administration: read"), "{}", found[0].2);
}
