//! Where numbers come from: a run with its plan, jobs, verdicts and files, a point with its revisions, and the content of files.

use serde_json::{Value, json};

use crate::client::{Served, publish, sqlite, ten_nights};
use crate::fixture::{Fixture, failed_job, row};
use crate::harness::imax;

/// A history with a run of two points, of which one failed, compared with an earlier run.
fn compared(fixture: &Fixture) -> String {
    fixture.measured("before/4", &row(4), 4000.0);
    fixture.measured("after/4", &row(4), 2000.0);
    fixture.write("after/8/job.json", &failed_job(&row(8), "server", "out of memory").to_string());
    let report = fixture.imax(&["compare", "before", "after", "--format", "json"], &[]);
    fixture.write("verdicts.json", &report.stdout);
    publish(fixture, "before", "2026-10-01T05:00:00Z", &[]);
    publish(fixture, "after", "2026-10-02T05:00:00Z", &["--verdicts", "verdicts.json"]);
    fixture.path("history.db").to_str().unwrap().to_owned()
}

#[test]
fn run_has_plan_jobs_verdicts_and_files() {
    let fixture = Fixture::new();
    let served = Served::start(&compared(&fixture), &[]);
    let run = served.json("/api/v1/runs/2");
    assert_eq!(run["plan"].as_array().unwrap().len(), 1);
    let planned = &run["plan"][0];
    assert_eq!(
        (&planned["concurrencies"], &planned["measured"]),
        (&json!([4, 8]), &json!([4])),
        "{planned}"
    );
    let job = &run["jobs"][0];
    assert_eq!((&job["outcome"], &job["reason"]), (&json!("server"), &json!("out of memory")));
    assert_eq!(planned["jobs"], json!([job["job_id"]]));
    assert_eq!(job["concurrencies"], json!([8]));
    let given: Vec<&Value> = run["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|given| &given["comparison"]["verdict"])
        .collect();
    assert!(!given.is_empty(), "the verdicts that were given");
    assert_eq!(run["sources"][0]["digest"], run["files"][0]);
    assert_eq!(run["sources"][0]["runs"], json!([2]));
    assert!(run["sources"][0]["content"].is_null(), "a database keeps no contents");
}

/// What was planned and left no trace among the artifacts is in no point.
#[test]
fn plan_that_was_published_with_a_run_is_served() {
    let fixture = Fixture::new();
    let mut several = row(4);
    several["conc"] = json!([4, 8, 16]);
    several["run-eval"] = json!(true);
    let mut evaluated = row(32);
    evaluated["eval-only"] = json!(true);
    evaluated["run-eval"] = json!(true);
    let plan = json!({ "search-space": { "single_node": { "1k1k": [several, evaluated] } } });
    fixture.write("raw/imax-plan/plan.json", &plan.to_string());
    fixture.measured("raw/4", &row(4), 4000.0);
    let collected = fixture.imax(&["collect", "raw", "--plan", "raw/imax-plan/plan.json", "--out", "collected"], &[]);
    assert_eq!(collected.code, 0, "{}", collected.stderr);
    for (folder, date) in [("raw", "2026-10-01T05:00:00Z"), ("collected", "2026-10-02T05:00:00Z")] {
        publish(&fixture, folder, date, &[]);
    }
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    for number in [1, 2] {
        let run = served.json(&format!("/api/v1/runs/{number}"));
        let curve = &run["plan"][0];
        assert_eq!(
            (run["plan"].as_array().unwrap().len(), &curve["concurrencies"], &curve["measured"]),
            (1, &json!([4, 8, 16]), &json!([4])),
            "{run}"
        );
        let planned: Vec<(&Value, &Value, &Value)> = run["planned"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (&row["name"], &row["concurrencies"], &row["evaluated"]))
            .collect();
        let name = json!("demo_1k1k");
        let expected = [(&name, &json!([4, 8, 16]), &json!([16])), (&name, &json!([]), &json!([32]))];
        assert_eq!(planned, expected, "{run}");
    }
    let failures = |run: &str| served.json(run)["failures"].as_array().unwrap().len();
    assert_eq!(
        (failures("/api/v1/runs/1"), failures("/api/v1/runs/2")),
        (0, 2),
        "collect names what is missing"
    );

    // A plan of another form keeps no run out.
    fixture.write("raw/imax-plan/plan.json", "{");
    publish(&fixture, "raw", "2026-10-03T05:00:00Z", &[]);
    assert!(served.json("/api/v1/runs/3")["planned"].is_null());
}

#[test]
fn point_tells_its_revisions_and_who_stored_them() {
    let fixture = Fixture::new();
    fixture.measured("run/4", &row(4), 4000.0);
    let publish = |date: &str| {
        let publish = [
            "publish",
            "run",
            "--to",
            "history.db",
            "--commit",
            "abc",
            "--run-id",
            "7",
            "--attempt",
            "1",
            "--date",
            date,
        ];
        assert_eq!(fixture.imax(&publish, &[("GITHUB_REPOSITORY", "octo/bench")]).code, 0);
    };
    publish("2026-10-01T05:00:00Z");
    fixture.measured("run/4", &row(4), 5000.0);
    publish("2026-10-01T05:00:00Z");
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let id = served.json("/api/v1/points?fields=id")["data"][0]["id"].clone();
    let point = served.json(&format!("/api/v1/points/{id}"));
    let revisions = point["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), 2, "{point}");
    assert_eq!(revisions[0]["action"], "publish");
    assert!(revisions[0]["replaced"].is_string() && revisions[1]["replaced"].is_null());
    assert_eq!(point["columns"]["tput_per_gpu"], json!(1250.0));
    assert_eq!(point["columns"]["digest"], revisions[1]["digest"]);
    assert_eq!(point["sources"].as_array().unwrap().len(), 2);
    let replaced = served.json(&format!("/api/v1/points/{}", revisions[0]["id"]));
    assert_eq!(
        replaced["columns"]["tput_per_gpu"],
        json!(1000.0),
        "a replaced revision can be looked at"
    );
    let rows = served.get(&format!("/api/v1/points/{id}.csv")).text();
    assert_eq!(rows.lines().count(), 3, "{rows}");
    for (wrong, status) in [("0", 400), ("x", 400), ("99999", 404), ("1%20or%201=1", 400)] {
        assert_eq!(served.get(&format!("/api/v1/points/{wrong}")).status, status, "{wrong}");
    }
}

#[test]
fn folder_of_a_history_gives_the_content_of_its_files() {
    let served = Served::start(ten_nights().to_str().unwrap(), &[]);
    let source = served.json("/api/v1/points?limit=1&fields=source")["data"][0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = served.json(&format!("/api/v1/files/{source}"));
    let content = served.get(file["content"].as_str().unwrap());
    let kept = std::fs::read(ten_nights().join(file["name"].as_str().unwrap())).unwrap();
    assert!(content.body == kept, "the bytes of the file");
    assert_eq!(file["bytes"], json!(kept.len()));
    assert!(content.header("content-disposition").unwrap().starts_with("attachment; "));
    assert_eq!(content.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn folder_of_artifacts_gives_the_content_of_its_results_and_no_logs() {
    let fixture = Fixture::new();
    fixture.measured("results/4", &row(4), 4000.0);
    fixture.write("results/4/server.log", "a token perhaps");
    let folder = fixture.path("results");
    let served = Served::of(imax().arg("serve").arg(&folder).args(["--listen", "127.0.0.1:0"]));
    let run = served.json("/api/v1/runs/1");
    let sources = run["sources"].as_array().unwrap();
    let named = |end: &str| sources.iter().find(|source| source["name"].as_str().unwrap().ends_with(end));
    let raw = named("4/raw.json").unwrap();
    let content = served.get(raw["content"].as_str().unwrap());
    assert_eq!(content.text(), fixture.read("results/4/raw.json"));
    assert!(
        named("server.log").is_none() && !run.to_string().contains(folder.to_str().unwrap()),
        "{run}"
    );
    // The source of the points is the list of all files.
    let list = served.get(&format!("/api/v1/files/{}/content", run["files"][0].as_str().unwrap()));
    let line = format!("{}  {}", raw["digest"].as_str().unwrap(), raw["name"].as_str().unwrap());
    assert!(list.text().lines().any(|found| found == line), "{}", list.text());
    let normalised = named("4/agg_raw.json").unwrap();
    fixture.write("results/4/agg_raw.json", "{}");
    assert_eq!(
        served.get(normalised["content"].as_str().unwrap()).status,
        404,
        "another content now"
    );
}

#[test]
fn content_of_a_database_is_not_kept() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let source = served.json("/api/v1/points?limit=1&fields=source")["data"][0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(served.json(&format!("/api/v1/files/{source}"))["content"].is_null());
    let refused = served.get(&format!("/api/v1/files/{source}/content"));
    assert_eq!(refused.status, 404);
    assert!(
        refused
            .text()
            .contains("histories in folders, branches and object storage keep their files"),
        "{}",
        refused.text()
    );
}
