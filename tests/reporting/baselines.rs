//! What a run is compared with: a history, a branch, a workflow run; and what `imax.yaml` says about the verdict.

use serde_json::{Value, json};

use crate::fixture::{Ended, Fixture, failed_job, imax_in, row};
use crate::github::{Github, REPOSITORY, TOKEN, WorkflowRun};
use crate::harness::Repository;

/// Noise without a generator of random numbers: within half a percent, and not in any order.
fn wiggle(run: u32) -> f64 {
    1.0 + f64::from(run * run * 7 % 11) / 1000.0
}

/// A history of `runs` runs, one a day, of a point at about this throughput.
fn remember(fixture: &Fixture, runs: u32, throughput: f64) {
    for run in 1..=runs {
        fixture.measured("run/a", &row(4), throughput * wiggle(run));
        let date = format!("2026-10-{run:02}T05:00:00Z");
        let commit = format!("{run:040}");
        let ended = fixture.imax(
            &[
                "collect",
                "run",
                "--out",
                "out",
                "--history",
                "history",
                "--commit",
                &commit,
                "--branch",
                "main",
                "--date",
                &date,
                "--history-keep",
                "12",
            ],
            &[],
        );
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("added to the history: history/2026"), "{}", ended.stderr);
    }
}

fn comparison(ended: &Ended) -> Value {
    serde_json::from_str::<Value>(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))["comparison"].clone()
}

#[test]
fn history_supplies_noise_and_baseline() {
    let fixture = Fixture::new();
    remember(&fixture, 14, 4000.0);
    let files = std::fs::read_dir(fixture.path("history")).unwrap().count();
    assert_eq!(files, 12, "the oldest are removed");

    // Four percent is within what is assumed without a history, and far outside of what this one shows.
    fixture.measured("head/a", &row(4), 3860.0);
    fixture.measured("base/a", &row(4), 4020.0);
    let alone = fixture.imax(&["compare", "base", "head", "--fail-on", "regression"], &[]);
    assert_eq!(alone.code, 0, "{}", alone.stdout);
    let known = ["report", "head", "--baseline", "history:history", "--fail-on", "regression"];
    let ended = fixture.imax(&known, &[]);
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert!(ended.stdout.contains("noise from 12 earlier runs"), "{}", ended.stdout);
    let change = comparison(&fixture.imax(&["report", "head", "--baseline", "history:history", "--format", "json"], &[]));
    let change = &change["points"][0]["changes"][0];
    assert_eq!(change["basis"], json!({ "history": { "runs": 12 } }));
    assert!(
        change["noise"].as_f64().unwrap() < 0.015 && change["high"].as_f64().unwrap() < -0.01,
        "{change}"
    );

    let with_file = fixture.imax(&["compare", "base", "head", "--history", "history", "--fail-on", "regression"], &[]);
    assert_eq!(
        with_file.code, 5,
        "a file as the base, its noise from the history: {}",
        with_file.stdout
    );
}

#[test]
fn run_is_added_to_the_history_once_and_needs_a_commit() {
    let fixture = Fixture::new();
    fixture.measured("run/a", &row(4), 4000.0);
    let collect = [
        "collect",
        "run",
        "--out",
        "out",
        "--history",
        "history",
        "--date",
        "2026-10-01T05:00:00Z",
    ];
    let unknown = fixture.imax(&collect, &[]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("from --commit or GITHUB_SHA"), "{}", unknown.stderr);
    let environment = [("GITHUB_SHA", "abc123"), ("GITHUB_REF_NAME", "main"), ("GITHUB_RUN_ID", "77")];
    for _ in 0..2 {
        assert_eq!(fixture.imax(&collect, &environment).code, 0);
    }
    let entry = fixture.json("history/20261001T050000Z-abc123.json");
    assert_eq!(
        (&entry["branch"], &entry["run_id"], &entry["schema"]),
        (&json!("main"), &json!("77"), &json!("imax-history/1"))
    );
    fixture.measured("run/a", &row(4), 4100.0);
    let other = fixture.imax(&collect, &environment);
    assert_eq!(other.code, 4);
    assert!(other.stderr.contains("a history are never changed"), "{}", other.stderr);

    fixture.write("failed/job.json", &failed_job(&row(4), "server", "it died").to_string());
    let failed = fixture.imax(&["collect", "failed", "--out", "out", "--history", "empty", "--commit", "a"], &[]);
    assert_eq!((failed.code, fixture.path("empty").exists()), (0, false), "{}", failed.stderr);
}

#[test]
fn repeated_measurements_reveal_a_small_change() {
    let fixture = Fixture::new();
    for run in 0..5 {
        fixture.measured(&format!("base{run}/a"), &row(4), 4000.0 * wiggle(run));
        fixture.measured(&format!("head{run}/a"), &row(4), 3900.0 * wiggle(run));
    }
    assert_eq!(fixture.imax(&["compare", "base0", "head0", "--fail-on", "regression"], &[]).code, 0);
    let mut arguments = vec!["report", "head0", "--format", "json", "--fail-on", "regression"];
    for base in ["base0", "base1", "base2", "base3", "base4"] {
        arguments.extend(["--baseline", base]);
    }
    for head in ["head1", "head2", "head3", "head4"] {
        arguments.extend(["--repeat", head]);
    }
    let ended = fixture.imax(&arguments, &[]);
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert_eq!(
        comparison(&ended)["points"][0]["changes"][0]["basis"],
        json!({ "repeats": { "measurements": 10 } })
    );
}

#[test]
fn excepted_regression_is_shown_but_does_not_fail_until_it_expires() {
    let fixture = Fixture::new();
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 3000.0);
    let rules = |until: &str| {
        format!("regressions:\n  exceptions:\n    - {{points: 'demo fp8 h100 *', reason: 'kernel <b>X</b>, issue #12', until: {until}}}\n")
    };
    let compare = |format: &str| fixture.imax(&["compare", "base", "head", "--fail-on", "regression", "--format", format], &[]);
    fixture.write("imax.yaml", &rules("2999-12-31"));
    let accepted = compare("markdown");
    assert_eq!(accepted.code, 0, "{}", accepted.stdout);
    assert!(accepted.stdout.contains("1 known regression"), "{}", accepted.stdout);
    assert!(
        accepted.stdout.contains("known until 2999-12-31") && !accepted.stdout.contains("<b>"),
        "{}",
        accepted.stdout
    );
    assert!(compare("junit").stdout.contains("<skipped message=\"throughput per GPU −25 %"));
    let sarif: Value = serde_json::from_str(&compare("sarif").stdout).unwrap();
    let suppressed = &sarif["runs"][0]["results"][0]["suppressions"][0]["justification"];
    assert_eq!(suppressed, "known until 2999-12-31: kernel <b>X</b>, issue #12");

    fixture.write("imax.yaml", &rules("2026-01-01"));
    let ended = compare("table");
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("warning: the exception for") && ended.stderr.contains("ended on 2026-01-01"),
        "{}",
        ended.stderr
    );

    fixture.write("imax.yaml", "regressions:\n  smallest-changes: [{percent: 40}]\n");
    assert_eq!(compare("table").code, 0);
    fixture.write("imax.yaml", "regressions:\n  exceptions: [{points: '*', reason: x}]\n");
    let wrong = compare("table");
    assert_eq!(wrong.code, 3);
    assert!(wrong.stderr.contains("imax.yaml:2:"), "{}", wrong.stderr);
}

#[test]
fn several_runs_are_shown_side_by_side() {
    let fixture = Fixture::new();
    for (day, throughputs) in [
        ("monday", [4000.0, 8000.0]),
        ("tuesday", [4020.0, 6000.0]),
        ("wednesday", [5600.0, 8010.0]),
    ] {
        for (conc, throughput) in [4, 8].into_iter().zip(throughputs) {
            fixture.measured(&format!("{day}/{conc}"), &row(conc), throughput);
        }
    }
    fixture.measured("wednesday/16", &row(16), 9000.0);
    let ended = fixture.imax(&["compare", "monday", "tuesday", "wednesday", "--fail-on", "regression"], &[]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    let lines: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .filter(|line| line.contains("conc"))
        .map(|line| line.trim_matches('│').split('┆').map(str::trim).collect())
        .collect();
    assert_eq!(lines[0], ["conc4", "1,000", "1,005 ▲0.5%", "1,400 ▲40%+"]);
    assert_eq!(lines[1], ["conc8", "2,000", "1,500 ▼25%!", "2,002 ▲0.1%"]);
    assert_eq!(lines[2], ["conc16", "–", "–", "2,250"]);
    assert!(
        ended.stdout.starts_with("tuesday compared with monday: 1 worse"),
        "{}",
        ended.stdout
    );
    let several = |arguments: &[&str]| fixture.imax(&[&["compare", "monday", "tuesday", "wednesday"], arguments].concat(), &[]);
    assert!(ended.stdout.contains("\ndemo, fp8, h100, sim, 1k1k, tp4\n"), "{}", ended.stdout);
    let csv = several(&["--format", "csv", "--filter", "conc=8"]).stdout;
    let lines: Vec<_> = csv.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let column = |name: &str| lines[0].iter().position(|heading| *heading == name).unwrap();
    let of = |name: &str| lines[1..].iter().map(|line| line[column(name)]).collect::<Vec<_>>();
    assert_eq!(of("run"), ["monday", "tuesday", "wednesday"]);
    assert_eq!(of("throughput_per_gpu_tok_per_s"), ["2000", "1500", "2002.5"]);
    assert_eq!(of("throughput_per_gpu_tok_per_s_change")[..2], ["", "-0.25"]);
    assert_eq!(of("verdict"), ["", "worse", "same"]);
    let json: serde_json::Value = serde_json::from_str(&several(&["--format", "json"]).stdout).unwrap();
    assert_eq!(
        (&json["schema"], &json["runs"][1]["name"]),
        (&"imax-reports/1".into(), &"tuesday".into())
    );
    assert_eq!(json["runs"][1]["report"]["comparison"]["points"][1]["verdict"], "worse");
    let markdown = several(&["--format", "markdown", "--group-by", "conc"]).stdout;
    assert!(markdown.contains("- tuesday compared with monday: 1 worse"), "{markdown}");
    assert!(
        markdown.contains("| demo fp8 h100 sim 1k1k tp4 conc8 | 2,000 | 1,500 🔴▼25% | 2,002 ▲0.1% |"),
        "{markdown}"
    );
    let html = several(&["--format", "html"]);
    assert_eq!(
        (html.code, html.stderr.contains("table, markdown, csv or json")),
        (2, true),
        "{}",
        html.stderr
    );
}

async fn report(fixture: &Fixture, github: &Github, baseline: &'static str) -> Ended {
    let (folder, api_url) = (fixture.path(""), github.api_url());
    let run = move || {
        let environment = [
            ("GITHUB_API_URL", api_url.as_str()),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_REPOSITORY", REPOSITORY),
        ];
        imax_in(
            &folder,
            &["report", "head", "--baseline", baseline, "--format", "json"],
            &environment,
        )
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Of three runs of main the newest measured nothing, the one before another point, and the first all.
#[tokio::test(flavor = "multi_thread")]
async fn point_is_compared_with_the_newest_run_that_measured_it() {
    let fixture = Fixture::new();
    let github = Github::start();
    for (run, conc, throughput) in [(1, 4, 1000.0), (1, 8, 2000.0), (2, 8, 2100.0)] {
        let folder = format!("made/{run}-{conc}");
        fixture.measured(&folder, &row(conc), throughput);
        let agg = fixture.read(&format!("{folder}/agg_raw.json"));
        github
            .state()
            .upload(run, &format!("bmk_{conc}"), &[("agg_raw.json", agg.as_bytes())]);
    }
    github.state().upload(3, "imax-plan", &[("plan.json", b"{}")]);
    github.state().workflow_runs.extend([1, 2, 3].map(|id| WorkflowRun {
        id,
        branch: "main",
        event: "push",
        conclusion: "success",
        head_repository: REPOSITORY,
    }));
    for conc in [4, 8, 16] {
        fixture.measured(&format!("head/{conc}"), &row(conc), 1500.0);
    }
    let ended = report(&fixture, &github, "branch:main").await;
    let points = comparison(&ended);
    let found: Vec<_> = points["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| {
            (
                point["point"]["conc"].as_u64().unwrap(),
                point["verdict"].as_str().unwrap(),
                point["changes"][0]["base"].as_f64(),
            )
        })
        .collect();
    // Throughput per GPU: four of them.
    assert_eq!(found, [(4, "better", Some(250.0)), (8, "worse", Some(525.0)), (16, "new", None)]);

    let ended = report(&fixture, &github, "run:1").await;
    assert_eq!(comparison(&ended)["points"][1]["changes"][0]["base"].as_f64(), Some(500.0));
    let ended = report(&fixture, &github, "run:3").await;
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("run 3 has no results"), "{}", ended.stderr);
    let ended = report(&fixture, &github, "branch:gone").await;
    assert!(
        ended.stderr.contains("branch gone has no successful run with results yet"),
        "{}",
        ended.stderr
    );
    assert_eq!(comparison(&ended)["points"][0]["verdict"], "new");
}

/// The lines of tables: those with a border.
fn table_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(['┌', '│', '╞', '└'])).collect()
}

#[test]
fn tables_fit_the_terminal_and_say_what_they_leave_out() {
    let fixture = Fixture::new();
    for (day, factor) in [("monday", 1.0), ("tuesday", 0.5)] {
        for conc in [4, 8] {
            fixture.measured(&format!("{day}/{conc}"), &row(conc), 1000.0 * f64::from(conc) * factor);
        }
    }
    for arguments in [
        ["report", "monday"].as_slice(),
        &["report", "monday", "--costs"],
        &["compare", "monday", "tuesday"],
        &["compare", "monday", "tuesday", "monday", "tuesday", "monday", "tuesday", "monday"],
    ] {
        for width in [40, 80, 100, 120] {
            let text = fixture.imax(arguments, &[("COLUMNS", &width.to_string())]).stdout;
            let lines = table_lines(&text);
            assert!(lines.len() > 4, "{arguments:?} {width}: {text}");
            for line in &lines {
                assert!(line.chars().count() <= width, "{arguments:?} {width}: {text}");
            }
        }
        let whole = fixture.imax(arguments, &[]).stdout;
        assert!(!whole.contains("not shown"), "{arguments:?}: {whole}");
    }
    let narrow = fixture.imax(&["compare", "monday", "tuesday"], &[("COLUMNS", "60")]).stdout;
    assert!(
        narrow.contains("not shown, for the width:") && narrow.contains("Input tok/s/GPU"),
        "{narrow}"
    );
}

#[test]
fn colours_are_for_terminals() {
    let fixture = Fixture::new();
    fixture.measured("monday/4", &row(4), 4000.0);
    fixture.measured("tuesday/4", &row(4), 2000.0);
    let compare = |variables: &[(&str, &str)]| fixture.imax(&["compare", "monday", "tuesday"], variables).stdout;
    let forced = compare(&[("CLICOLOR_FORCE", "1")]);
    assert!(forced.contains("\u{1b}[31m▼50%!\u{1b}[0m"), "{forced:?}");
    for variables in [
        [("TERM", "xterm")].as_slice(),
        &[("TERM", "dumb")],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
    ] {
        let plain = compare(variables);
        assert!(plain.contains("▼50%!") && !plain.contains('\u{1b}'), "{variables:?}: {plain:?}");
    }
}

/// A fixture with one point, which was measured at this throughput in a run.
fn measured_at(runs: &[(u64, f64)]) -> (Fixture, Vec<(u64, String)>) {
    let fixture = Fixture::new();
    let texts = runs.iter().map(|(run, throughput)| {
        let folder = format!("run{run}");
        fixture.measured(&folder, &row(4), *throughput);
        (*run, fixture.read(&format!("{folder}/agg_raw.json")))
    });
    let texts = texts.collect();
    fixture.measured("head/a", &row(4), 1500.0);
    (fixture, texts)
}

async fn github_with(measured: &[(u64, String)], runs: impl Iterator<Item = (u64, &'static str)>) -> Github {
    let github = Github::start();
    for (run, agg) in measured {
        github.state().upload(*run, "bmk_4", &[("agg_raw.json", agg.as_bytes())]);
    }
    github.state().workflow_runs.extend(runs.map(|(id, event)| WorkflowRun {
        id,
        branch: "main",
        event,
        conclusion: "success",
        head_repository: REPOSITORY,
    }));
    github
}

fn base_of(ended: &Ended) -> Option<f64> {
    comparison(ended)["points"][0]["changes"][0]["base"].as_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_neither_hide_nor_replace_the_baseline() {
    // Anybody can comment; what a comment measured is a pull request's.
    let (fixture, measured) = measured_at(&[(1, 2000.0), (900, 400.0)]);
    let comments = (2..=240).chain([900]).map(|id| (id, "issue_comment"));
    let github = github_with(&measured, std::iter::once((1, "push")).chain(comments)).await;
    assert_eq!(base_of(&report(&fixture, &github, "branch:main").await), Some(500.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn older_pages_are_read_until_a_run_with_results_is_found() {
    let (fixture, measured) = measured_at(&[(1, 2000.0)]);
    let github = github_with(&measured, (1..=120).map(|id| (id, "push"))).await;
    assert_eq!(base_of(&report(&fixture, &github, "branch:main").await), Some(500.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatched_run_counts_where_it_measured_a_commit_of_the_branch() {
    let (fixture, measured) = measured_at(&[(1, 2000.0), (2, 400.0)]);
    let planned = "c0ffee0000000000000000000000000000000000";
    let github = github_with(&measured, [(1, "push"), (2, "workflow_dispatch")].into_iter()).await;
    let plan = json!({ "head-sha": planned }).to_string();
    github.state().upload(2, "imax-plan", &[("plan.json", plan.as_bytes())]);
    assert_eq!(base_of(&report(&fixture, &github, "branch:main").await), Some(500.0));
    github.state().on_branch.push(planned.to_owned());
    assert_eq!(base_of(&report(&fixture, &github, "branch:main").await), Some(100.0));
}

const LENIENT: &str = "regressions:\n  smallest-changes:\n  - { points: \"*\", percent: 1000 }\n";

/// A pull request in a real repository, whose base has these settings, with a run that is half as fast.
fn judged(base_settings: Option<&str>, own_settings: Option<&str>) -> Ended {
    let repository = Repository::new();
    let write = |settings: Option<&str>| match settings {
        Some(settings) => repository.write("imax.yaml", settings),
        None => drop(std::fs::remove_file(repository.path("imax.yaml"))),
    };
    write(base_settings);
    repository.write("README.md", "base");
    let base = repository.commit("base");
    write(own_settings);
    repository.write("README.md", "head");
    repository.commit("head");
    let fixture = Fixture::new();
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 2000.0);
    repository.write(
        ".git/event.json",
        &json!({ "pull_request": { "number": 7, "base": { "sha": base } } }).to_string(),
    );
    let (base, head) = (fixture.path("base"), fixture.path("head"));
    let arguments = [
        "report",
        head.to_str().unwrap(),
        "--baseline",
        base.to_str().unwrap(),
        "--format",
        "markdown",
    ];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--fail-on", "regression"]).collect();
    imax_in(repository.folder(), &arguments, &[("GITHUB_EVENT_PATH", ".git/event.json")])
}

#[test]
fn pull_request_is_judged_by_the_settings_of_its_base() {
    let hidden = judged(None, Some(LENIENT));
    assert_eq!(hidden.code, 5, "{}", hidden.stdout);
    assert!(hidden.stdout.contains("This pull request changes the section"), "{}", hidden.stdout);
    assert!(hidden.stdout.contains("counts after the merge"), "{}", hidden.stdout);

    let broken = judged(None, Some("regressions: [\n"));
    assert_eq!(broken.code, 5, "{}", broken.stderr);

    let agreed = judged(Some(LENIENT), Some(LENIENT));
    assert_eq!(agreed.code, 0, "{}", agreed.stdout);
    assert!(!agreed.stdout.contains("This pull request changes"), "{}", agreed.stdout);
    assert!(agreed.stdout.contains("neither as better nor as worse"), "{}", agreed.stdout);

    let removed = judged(Some(LENIENT), None);
    assert_eq!(removed.code, 0, "{}", removed.stdout);
    assert!(
        removed.stdout.contains("This pull request changes the section"),
        "{}",
        removed.stdout
    );
}

#[test]
fn settings_of_a_pull_request_do_not_count_where_its_base_is_not_known() {
    let fixture = Fixture::new();
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 2000.0);
    fixture.write("imax.yaml", LENIENT);
    fixture.write(
        "event.json",
        &json!({ "pull_request": { "number": 7, "base": { "sha": "c0ffee" } } }).to_string(),
    );
    let arguments = [
        "report",
        "head",
        "--baseline",
        "base",
        "--format",
        "markdown",
        "--fail-on",
        "regression",
    ];
    let ended = fixture.imax(&arguments, &[("GITHUB_EVENT_PATH", "event.json")]);
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert!(ended.stdout.contains("is not in the checkout"), "{}", ended.stdout);
}
