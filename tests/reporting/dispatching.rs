//! `imax dispatch` against a GitHub that keeps state.

use serde_json::json;

use crate::fixture::{Ended, Fixture, row};
use crate::github::{Github, REPOSITORY, TOKEN};

fn dispatch(github: &Github, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let fixture = Fixture::new();
    fixture.measured("run/a", &row(4), 4000.0);
    let api = github.api_url();
    let mut all = vec!["dispatch", "run", "--to", REPOSITORY, "--event-type", "ingest-results"];
    all.extend_from_slice(arguments);
    let mut variables = vec![
        ("GITHUB_API_URL", api.as_str()),
        // The token of the workflow is none of the other repository.
        ("GITHUB_TOKEN", "of-the-workflow"),
        ("GITHUB_REPOSITORY", "octo-org/benchmarks"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_RUN_ID", "77"),
        ("GITHUB_SHA", "0123abc"),
        ("GITHUB_REF_NAME", "main"),
    ];
    variables.extend_from_slice(environment);
    fixture.imax(&all, &variables)
}

#[test]
fn published_run_is_told_with_its_number_and_commit() {
    let github = Github::start();
    let arguments = [
        "--payload",
        "database-target=production",
        "--agentic-event-type",
        "ingest-agentic-results",
    ];
    let ended = dispatch(&github, &arguments, &[("IMAX_INGEST_TOKEN", TOKEN)]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        github.state().dispatches,
        [json!({ "event_type": "ingest-results", "client_payload": {
            "run-id": "77", "source-run-id": "77", "merge-run-id": "77", "commit": "0123abc", "branch": "main",
            "repository": "octo-org/benchmarks", "database-target": "production"
        } })]
    );
}

#[test]
fn only_runs_of_the_branch_are_told_and_only_with_a_token_of_the_receiver() {
    let github = Github::start();
    for (environment, code, said) in [
        (
            &[("GITHUB_EVENT_NAME", "pull_request"), ("IMAX_INGEST_TOKEN", TOKEN)][..],
            0,
            "nothing dispatched",
        ),
        (&[], 2, "IMAX_INGEST_TOKEN is not set"),
        (&[("IMAX_INGEST_TOKEN", "wrong")], 4, "Bad credentials"),
    ] {
        let ended = dispatch(&github, &[], environment);
        assert!(
            ended.code == code && ended.stderr.contains(said),
            "{}: {}",
            ended.code,
            ended.stderr
        );
    }
    github.state().read_only = true;
    let refused = dispatch(&github, &[], &[("IMAX_INGEST_TOKEN", TOKEN)]);
    assert!(
        refused.code == 2 && refused.stderr.contains("contents: write"),
        "{}",
        refused.stderr
    );
    assert_eq!(github.state().dispatches.len(), 0);
    let shown = dispatch(&github, &["--dry-run"], &[]);
    assert!(
        shown.code == 0 && shown.stdout.contains("\"event_type\": \"ingest-results\""),
        "{}",
        shown.stdout
    );
}
