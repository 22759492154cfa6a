//! `imax collect --run-id` and the newest run of a branch, against a GitHub that keeps state.

use imax::testing::{Client, ClientSettings, RepositoryName, newest_run};
use serde_json::json;

use crate::fixture::{Ended, Fixture, imax_in, row};
use crate::github::{Fault, Github, REPOSITORY, TOKEN, WorkflowRun};

const RUN: u64 = 16_890_123_456;

struct Desk {
    fixture: Fixture,
    github: Github,
}

impl Desk {
    async fn new() -> Self {
        let desk = Self {
            fixture: Fixture::new(),
            github: Github::start(),
        };
        for conc in [4, 8] {
            desk.fixture.measured(&format!("made/{conc}"), &row(conc), 1000.0 * f64::from(conc));
            let agg = desk.fixture.read(&format!("made/{conc}/agg_raw.json"));
            let name = format!("bmk_{conc}");
            desk.github
                .state()
                .upload(RUN, &name, &[("agg_raw.json", agg.as_bytes()), ("server.log", b"ready\n")]);
        }
        desk
    }

    async fn collect(&self, arguments: &[&str]) -> Ended {
        let folder = self.fixture.path("");
        let api_url = self.github.api_url();
        let run = RUN.to_string();
        let mut all = vec![
            "collect".to_owned(),
            "--run-id".to_owned(),
            run,
            "--out".to_owned(),
            "results".to_owned(),
        ];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let run = move || {
            let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
            let environment = [
                ("GITHUB_API_URL", api_url.as_str()),
                ("GITHUB_TOKEN", TOKEN),
                ("GITHUB_REPOSITORY", REPOSITORY),
            ];
            imax_in(&folder, &arguments, &environment)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    fn measured(&self) -> usize {
        self.fixture.json("results/agg_bmk.json").as_array().unwrap().len()
    }
}

fn fault(status: u16, headers: &[(&'static str, &'static str)]) -> Fault {
    Fault {
        status,
        headers: headers.to_vec(),
        message: "for the test",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_of_a_workflow_run_are_collected() {
    let desk = Desk::new().await;
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("artifacts: 2 downloaded, 0 already present"),
        "{}",
        ended.stderr
    );
    assert_eq!(desk.measured(), 2);
    assert_eq!(desk.fixture.read(&format!("imax-artifacts/{RUN}/bmk_4/server.log")), "ready\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_sent_to_github_only() {
    let desk = Desk::new().await;
    assert_eq!(desk.collect(&[]).await.code, 0);
    assert_eq!(desk.github.state().tokens_leaked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_downloads_and_unchanged_lists_are_reused() {
    let desk = Desk::new().await;
    assert_eq!(desk.collect(&[]).await.code, 0);
    let agg = desk.fixture.read("made/4/agg_raw.json").replace("\"conc\": 4", "\"conc\": 16");
    desk.github.state().upload(RUN, "bmk_16", &[("agg_raw.json", agg.as_bytes())]);
    let ended = desk.collect(&[]).await;
    assert!(
        ended.stderr.contains("artifacts: 1 downloaded, 2 already present"),
        "{}",
        ended.stderr
    );
    let ended = desk.collect(&[]).await;
    assert!(
        ended.stderr.contains("artifacts: 0 downloaded, 3 already present"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_download_resumes() {
    let desk = Desk::new().await;
    // The archive of the second one is broken: the first one is whole and stays.
    desk.github.state().artifacts[1].bytes = b"not a zip".to_vec();
    assert_eq!(desk.collect(&[]).await.code, 3);
    let whole = desk.fixture.json(&format!("imax-artifacts/{RUN}/.imax-download.json"))["whole"].clone();
    let bytes = desk.github.state().artifacts[0].bytes.clone();
    desk.github.state().artifacts[1].bytes = bytes;
    let ended = desk.collect(&[]).await;
    let kept = whole.as_object().unwrap().len();
    let expected = format!("artifacts: {} downloaded, {kept} already present", 2 - kept);
    assert!(ended.stderr.contains(&expected), "{expected}: {}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn artifact_list_is_read_over_all_pages() {
    let desk = Desk::new().await;
    for number in 0..120 {
        desk.github.state().upload(RUN, &format!("logs_{number}"), &[("server.log", b"x")]);
    }
    let ended = desk.collect(&["--artifact", "bmk_*", "--artifact", "logs_11?"]).await;
    assert!(ended.stderr.contains("artifacts: 12 downloaded"), "{}", ended.stderr);
    assert_eq!(desk.measured(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_of_equal_names_wins_and_expired_artifacts_are_named() {
    let desk = Desk::new().await;
    let agg = desk.fixture.read("made/8/agg_raw.json");
    desk.github.state().upload(RUN, "bmk_4", &[("agg_other.json", agg.as_bytes())]);
    desk.github.state().artifacts[1].expired = true;
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("artifact bmk_8 has expired"), "{}", ended.stderr);
    assert!(desk.fixture.path(&format!("imax-artifacts/{RUN}/bmk_4/agg_other.json")).is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_download_errors_are_retried() {
    let desk = Desk::new().await;
    desk.github
        .state()
        .faults
        .extend([fault(502, &[("retry-after", "0")]), fault(429, &[("retry-after", "0")])]);
    desk.github.state().failing_downloads = 1;
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(desk.measured(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn checksum_mismatch_is_refused() {
    let desk = Desk::new().await;
    desk.github.state().artifacts[0].digest = Some(format!("sha256:{}", "0".repeat(64)));
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 4);
    assert!(
        ended.stderr.contains("artifact bmk_4: digest mismatch: found sha256:"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archive_writes_nothing_outside_its_folder() {
    let desk = Desk::new().await;
    let mut bytes = desk.github.state().artifacts[0].bytes.clone();
    // A name of the same length, in both places where the archive has it.
    let (honest, hostile) = (b"agg_raw.json", b"../evil.json");
    while let Some(at) = bytes.windows(honest.len()).position(|window| window == honest) {
        bytes[at..at + honest.len()].copy_from_slice(hostile);
    }
    desk.github.state().upload_bytes(RUN, "hostile", bytes);
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .stderr
            .contains("artifact hostile: invalid archive: `../evil.json`: invalid path"),
        "{}",
        ended.stderr
    );
    assert!(!desk.fixture.path(&format!("imax-artifacts/{RUN}/evil.json")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_named_like_a_path_is_refused() {
    let desk = Desk::new().await;
    desk.github.state().upload(RUN, "../elsewhere", &[("a", b"1")]);
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("invalid folder name"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_of_another_run_is_refused() {
    let desk = Desk::new().await;
    assert_eq!(desk.collect(&["here"]).await.code, 0);
    let state = desk.fixture.read("here/.imax-download.json").replace(&RUN.to_string(), "1");
    desk.fixture.write("here/.imax-download.json", &state);
    let ended = desk.collect(&["here"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("holds the artifacts of run 1"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_run_of_a_branch_skips_failures_and_forks() {
    let github = Github::start();
    let run = |id, event, conclusion, head_repository, branch| WorkflowRun {
        id,
        branch,
        event,
        conclusion,
        head_repository,
    };
    github.state().workflow_runs.extend([
        run(1, "push", "success", REPOSITORY, "main"),
        run(2, "workflow_dispatch", "success", REPOSITORY, "main"),
        run(3, "push", "failure", REPOSITORY, "main"),
        run(4, "pull_request", "success", REPOSITORY, "main"),
        run(5, "push", "success", "stranger/octo-repo", "main"),
        run(6, "push", "success", REPOSITORY, "feat/x"),
    ]);
    let settings = ClientSettings::from_environment(|name| match name {
        "GITHUB_API_URL" => Some(github.api_url()),
        "GITHUB_TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    });
    let client = Client::new(&settings.unwrap()).unwrap();
    let repository = RepositoryName::parse(REPOSITORY).unwrap();
    let newest = async |branch| {
        newest_run(&client, &repository, Some("sweep.yml"), branch)
            .await
            .unwrap()
            .map(|run| run.id)
    };
    assert_eq!(newest("main").await, Some(2));
    assert_eq!(newest("feat/x").await, Some(6));
    assert_eq!(newest("gone").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_artifact_does_not_keep_the_others_away_where_the_plan_names_its_points() {
    let desk = Desk::new().await;
    let plan = json!({ "single_node": { "1k1k": [row(4), row(8)] }, "multi_node": {}, "evals": [] }).to_string();
    {
        let mut state = desk.github.state();
        state.artifacts[0].digest = Some(format!("sha256:{}", "0".repeat(64)));
        state.upload(RUN, "imax-plan", &[("plan.json", plan.as_bytes())]);
    }
    let ended = desk.collect(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: artifact bmk_4: digest mismatch"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("1 of 2 points measured"), "{}", ended.stderr);
    assert_eq!(desk.collect(&["--complete"]).await.code, 1);
}
