//! A history in a branch of the repository, on a GitHub whose branch is one of a real repository.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::behaviour;
use crate::engines::Home;
use crate::fixture::{Ended, Fixture, row};
use crate::github::{Fault, Github, REPOSITORY, Race, TOKEN};
use crate::harness::imax;

pub const BRANCH: &str = "imax-history";
/// A day of a month that is not over when this runs.
const LATER: &str = "2999-01-02T05:00:00Z";

/// A GitHub without the branch, and a folder to work in.
pub struct BranchHome {
    pub fixture: Fixture,
    pub github: Github,
}

impl BranchHome {
    pub fn new() -> Self {
        Self {
            fixture: Fixture::new(),
            github: Github::start(),
        }
    }

    pub fn home(&self) -> Home<'_> {
        let cache = self.fixture.path("cache");
        Home {
            fixture: &self.fixture,
            address: "branch".to_owned(),
            environment: vec![
                ("GITHUB_API_URL", self.github.api_url()),
                ("GITHUB_TOKEN", TOKEN.to_owned()),
                ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
                ("XDG_CACHE_HOME", cache.to_str().unwrap().to_owned()),
            ],
        }
    }

    /// Publishes a measured point as a workflow run.
    pub fn publish(&self, run: &str, date: &str, throughput: f64) -> Ended {
        let folder = format!("run{run}");
        self.fixture.measured(&format!("{folder}/a"), &row(4), throughput);
        self.home().imax(&arguments(&folder, run, date))
    }

    pub fn files(&self) -> Vec<String> {
        self.github.state().git.files(BRANCH)
    }

    /// Files of runs and packs.
    fn run_files(&self) -> Vec<String> {
        let files = self.files().into_iter();
        files
            .filter(|file| file.starts_with("runs/") || file.starts_with("pull-requests/"))
            .collect()
    }
}

fn arguments<'a>(folder: &'a str, run: &'a str, date: &'a str) -> Vec<&'a str> {
    vec![
        "publish",
        folder,
        "--to",
        "branch",
        "--commit",
        "abc123",
        "--branch",
        "main",
        "--run-id",
        run,
        "--attempt",
        "1",
        "--date",
        date,
        "--kind",
        "main",
    ]
}

macro_rules! behaves_as_databases_do {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let branch = BranchHome::new();
            behaviour::$name(&branch.home());
        })+
    };
}

behaves_as_databases_do!(
    same_content_is_no_change_and_other_content_a_revision,
    attempts_of_a_workflow_run_are_runs_of_their_own,
    jobs_and_distributions_are_kept,
    verdicts_stay_as_they_were_given,
    report_job_that_runs_again_adds_nothing,
    points_that_attempts_have_in_common_count_once,
    verdicts_of_a_report_in_the_folder_are_kept,
    entries_of_the_changelog_are_tied_to_curves,
    prices_are_kept_with_their_days,
    retracted_run_counts_no_more,
    comparison_is_that_of_a_folder,
    pull_requests_are_no_baseline,
    export_and_import_are_byte_stable,
    failures_and_scores_are_kept,
    dry_run_changes_nothing,
);

#[test]
fn branch_has_nothing_in_common_with_the_code_and_says_what_it_is() {
    let branch = BranchHome::new();
    let ended = branch.publish("77", LATER, 4000.0);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "branch:imax-history: runs 1 new, 0 unchanged, 0 revised; points 1 new, 0 unchanged, 0 revised; 0 quarantined\n"
    );
    let files = branch.files();
    assert_eq!(
        (&files[0], &files[1], files.len()),
        (&"README.md".to_owned(), &"imax-history.json".to_owned(), 3)
    );
    assert!(
        files[2].starts_with("runs/2999-01/29990102T050000Z-abc123-") && files[2].ends_with("-r1.json"),
        "{files:?}"
    );
    let bytes = branch.github.state().git.bytes(BRANCH, &files[2]);
    let run: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&run["schema"], &run["run_id"]), (&json!("imax-history/1"), &json!("77")));
    assert_eq!(branch.github.state().git.commits(BRANCH), 1);
    branch.home().verify();
}

#[test]
fn missing_branch_is_an_empty_history_and_a_missing_repository_an_error() {
    let branch = BranchHome::new();
    branch.fixture.measured("head/a", &row(4), 4000.0);
    let report = ["report", "head", "--baseline", "history:branch", "--format", "json"];
    let ended = branch.home().imax(&report);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let listed = branch.home().imax(&["history", "list", "--history", "branch"]);
    assert_eq!(listed.code, 3, "{}", listed.stdout);
    assert!(listed.stderr.contains("branch:imax-history: no such history"), "{}", listed.stderr);
    let mut home = branch.home();
    home.environment.push(("GITHUB_REPOSITORY", "octo-org/none".to_owned()));
    let ended = home.imax(&report);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("not found: GET /repos/octo-org/none"), "{}", ended.stderr);
    home.environment.retain(|(name, _)| *name != "GITHUB_TOKEN");
    assert!(home.imax(&report).stderr.contains("neither GITHUB_TOKEN nor GH_TOKEN is set"));
}

/// Starts publishing several runs at once, of which each believes to be the first, and waits for all of them.
fn publish_at_once(branch: &BranchHome, runs: std::ops::Range<u32>) {
    for run in runs.clone() {
        branch.fixture.measured(&format!("run{run}/a"), &row(4), 4000.0);
    }
    branch.github.state().git.stale_reads = runs.len();
    let jobs: Vec<_> = runs
        .map(|run| {
            let (folder, run) = (format!("run{run}"), run.to_string());
            let mut command = imax();
            command
                .current_dir(branch.fixture.path(""))
                .args(arguments(&folder, &run, LATER))
                .envs(branch.home().environment)
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for job in jobs {
        let output = job.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn jobs_that_add_at_once_lose_nothing() {
    let branch = BranchHome::new();
    publish_at_once(&branch, 1..3);
    assert_eq!(branch.github.state().git.refusals, 1, "both created the branch, one was refused");
    {
        let state = branch.github.state();
        let repository = state.git.open();
        let tip = repository.find_reference("refs/heads/imax-history").unwrap().target().unwrap();
        repository.reference("refs/initial", tip, true, "").unwrap();
    }
    publish_at_once(&branch, 3..7);
    assert!(branch.github.state().git.refusals >= 4, "four saw the same commit, one of them won");
    let mut runs: Vec<String> = branch
        .home()
        .list(&[])
        .iter()
        .map(|run| run["run_id"].as_str().unwrap().to_owned())
        .collect();
    runs.sort();
    assert_eq!(runs, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(branch.github.state().git.commits(BRANCH), 6);
    branch.home().verify();
}

#[test]
fn run_is_added_to_what_somebody_pushed_in_the_meantime() {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    branch.github.state().git.races = vec![Race::Push; 3];
    let ended = branch.publish("2", LATER, 4000.0);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(branch.home().list(&[]).len(), 2);
    assert!(
        ["notes/0.txt", "notes/1.txt", "notes/2.txt"]
            .iter()
            .all(|note| branch.files().contains(&(*note).to_owned()))
    );

    branch.github.state().git.races = vec![Race::ForcePush];
    let ended = branch.publish("3", LATER, 4000.0);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let runs = branch.home().list(&[]);
    assert_eq!(
        (runs.len(), &runs[0]["run_id"]),
        (1, &json!("3")),
        "the others were removed by the one who forced"
    );
    assert!(branch.files().contains(&"notes/0.txt".to_owned()), "what was pushed by force stays");
    branch.home().verify();
}

#[test]
fn publish_gives_up_after_twenty_conflicts() {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    let pushed = 100;
    branch.github.state().git.races = vec![Race::Push; pushed];
    let ended = branch.publish("2", LATER, 4000.0);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("branch:imax-history was updated by other jobs 20 times while this run was added; nothing was stored"),
        "{}",
        ended.stderr
    );
    assert_eq!(branch.github.state().git.races.len(), pushed - 20);
    branch.github.state().git.races.clear();
    assert_eq!(branch.home().list(&[]).len(), 1);
}

#[test]
fn rule_that_forbids_the_update_is_reported() {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    branch.github.state().git.forbidden = true;
    let ended = branch.publish("2", LATER, 4000.0);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("GitHub refuses to update branch:imax-history: Repository rule violations found"),
        "{}",
        ended.stderr
    );
    assert_eq!(branch.github.state().git.commits(BRANCH), 1);
}

#[test]
fn token_that_may_only_read_is_told_what_it_lacks() {
    let branch = BranchHome::new();
    branch.github.state().read_only = true;
    let ended = branch.publish("1", LATER, 4000.0);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("contents: write"), "{}", ended.stderr);
    let mut home = branch.home();
    home.environment.push(("GITHUB_ACTIONS", "true".to_owned()));
    let ended = home.imax(&arguments("run1", "1", LATER));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        said.contains("::notice title=imax::the run was not added to branch:imax-history"),
        "{said}"
    );
}

#[test]
fn errors_of_the_network_are_retried() {
    let branch = BranchHome::new();
    branch.github.state().faults.push_back(Fault {
        status: 502,
        headers: vec![("retry-after", "0")],
        message: "Bad gateway",
    });
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    assert_eq!(branch.home().list(&[]).len(), 1);
}

#[test]
fn full_and_past_months_are_packed_and_read_as_before() {
    let branch = BranchHome::new();
    let dates: Vec<String> = (1..=33).map(|second| format!("2999-01-02T05:00:{second:02}Z")).collect();
    for (index, date) in dates.iter().enumerate().take(32) {
        assert_eq!(branch.publish(&index.to_string(), date, 4000.0).code, 0);
    }
    assert_eq!(branch.run_files().len(), 32);
    let export = ["export", "--history", "branch", "--format", "json"];
    let before = branch.home().output(&export);
    assert_eq!(branch.publish("32", &dates[32], 4000.0).code, 0);
    let files = branch.run_files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(
        files[0].starts_with("runs/2999-01/pack-") && files[0].ends_with(".parquet"),
        "{files:?}"
    );
    let after = branch.home().output(&export);
    assert!(
        after.starts_with(before.trim_end_matches("\n]\n")),
        "the packed runs are those that were there"
    );
    assert_eq!(branch.home().list(&[]).len(), 33);

    // A packed run is known, and can be corrected.
    let again = branch.publish("5", &dates[5], 4000.0);
    assert!(again.stdout.contains("runs 0 new, 1 unchanged, 0 revised"), "{}", again.stdout);
    let corrected = branch.publish("5", &dates[5], 4100.0);
    assert!(
        corrected.stdout.contains("runs 0 new, 0 unchanged, 1 revised"),
        "{}",
        corrected.stdout
    );
    assert_eq!(branch.run_files().len(), 2);
    assert_eq!(branch.home().list(&[]).len(), 33);
    branch.home().verify();

    // A month that is over is packed at once; what comes in later waits beside the pack.
    for run in ["past1", "past2"] {
        assert_eq!(branch.publish(run, "2020-01-02T05:00:00Z", 4000.0).code, 0);
    }
    let files: Vec<String> = branch
        .run_files()
        .into_iter()
        .filter(|file| file.starts_with("runs/2020-01/"))
        .collect();
    assert!(files.len() == 2 && files[1].starts_with("runs/2020-01/pack-"), "{files:?}");
    assert_eq!(branch.home().list(&[]).len(), 35);
    branch.home().verify();
}

#[test]
fn runs_are_fetched_once_and_only_those_that_are_needed() {
    let branch = BranchHome::new();
    for run in 1..=5 {
        assert_eq!(
            branch.publish(&run.to_string(), &format!("2999-01-0{run}T05:00:00Z"), 4000.0).code,
            0
        );
    }
    std::fs::remove_dir_all(branch.fixture.path("cache")).unwrap();
    let report = |runs: &str| {
        branch.github.state().requests.clear();
        branch
            .home()
            .output(&["report", "run5", "--baseline", "history:branch", "--history-runs", runs]);
        let state = branch.github.state();
        state.requests.iter().filter(|request| request.contains("/git/blobs/")).count()
    };
    assert_eq!(report("3"), 3);
    assert_eq!(report("3"), 0, "the second step of the report has them");
    assert_eq!(report("60"), 2);
}

#[test]
fn earlier_state_is_that_of_the_commit() {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    assert_eq!(branch.home().list(&["--as-of", "2020-01-01T00:00:00Z"]), Vec::<Value>::new());
    assert_eq!(branch.home().list(&["--as-of", "2999-12-31T00:00:00Z"]).len(), 1);
}
