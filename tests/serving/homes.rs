//! The same answers from every home of a history, and several servers in front of one.

use serde_json::Value;

use crate::client::{Served, sqlite, ten_nights};
use crate::fixture::{Fixture, row};
use crate::github::{Github, REPOSITORY, TOKEN};
use crate::harness::imax;
use crate::postgres::Server;

/// Paths whose answers do not depend on how a home numbers its rows.
const PATHS: [&str; 13] = [
    "/api/v1/points?fields=run,commit,conc,hardware,tput_per_gpu,mean_ttft,disagg,variant,digest&sort=-started",
    "/api/v1/curves?fields=conc,tput_per_gpu",
    "/api/v1/series?filter=conc=64&branch=main&metric=interactivity",
    "/api/v1/compare?base=run:1&head=branch:main",
    "/api/v1/frontier?at=100&at=1000",
    "/api/v1/cheapest?slo=ttft:median%3C500&tokens_per_month=1e12",
    "/api/v1/facets?filter=hardware=h*",
    "/api/v1/changes",
    "/api/v1/reliability",
    "/api/v1/costs?slo=ttft:median%3C500",
    "/api/v1/deployments",
    "/api/v1/versions",
    "/api/v1/accuracy",
];

fn answers(served: &Served) -> Vec<Value> {
    PATHS.iter().map(|path| served.json(path)).collect()
}

#[test]
fn folder_and_sqlite_answer_alike() {
    let fixture = Fixture::new();
    let database = Served::start(&sqlite(&fixture), &[]);
    let folder = Served::start(ten_nights().to_str().unwrap(), &[]);
    let expected = answers(&database);
    assert!(
        expected.iter().all(|answer| answer.to_string().len() > 60),
        "the answers have content"
    );
    for ((path, folder), database) in PATHS.iter().zip(answers(&folder)).zip(expected) {
        assert_eq!(folder, database, "{path}");
    }
}

#[test]
fn branch_answers_as_its_runs_in_a_database() {
    let fixture = Fixture::new();
    let github = Github::start();
    let cache = fixture.path("cache");
    let environment = [
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_TOKEN", TOKEN.to_owned()),
        ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
        ("XDG_CACHE_HOME", cache.to_str().unwrap().to_owned()),
    ];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (run, throughput) in [("1", 4000.0), ("2", 5000.0)] {
        let folder = format!("run{run}");
        fixture.measured(&format!("{folder}/4"), &row(4), throughput);
        let date = format!("2026-10-0{run}T05:00:00Z");
        for home in ["branch", "history.db"] {
            let publish = [
                "publish",
                &folder,
                "--to",
                home,
                "--commit",
                "abc123",
                "--branch",
                "main",
                "--run-id",
                run,
                "--attempt",
                "1",
                "--date",
                &date,
                "--kind",
                "main",
            ];
            let published = fixture.imax(&publish, &environment);
            assert_eq!(published.code, 0, "{}", published.stderr);
        }
    }
    let database = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let mut command = imax();
    command
        .args(["serve", "--history", "branch", "--listen", "127.0.0.1:0"])
        .envs(environment);
    let branch = Served::of(&mut command);
    for path in PATHS.iter().filter(|path| !path.contains("run:10")) {
        let path = path.replace("run:1&", "run:2&").replace("conc=64", "conc=4");
        assert_eq!(branch.json(&path), database.json(&path), "{path}");
    }
    assert_eq!(branch.json("/api/v1/points?fields=conc")["data"].as_array().unwrap().len(), 2);
    let digest = branch.json("/api/v1/runs/2")["files"][0].as_str().unwrap().to_owned();
    let file = branch.json(&format!("/api/v1/files/{digest}"));
    let path = file["content"].as_str().unwrap();
    let content = branch.get(path);
    assert_eq!(content.status, 200, "{file}");
    assert!(content.json()["schema"].as_str().unwrap().starts_with("imax-history/"), "{file}");
    assert_eq!(
        github.state().git.bytes("imax-history", file["name"].as_str().unwrap()),
        content.body
    );
    let refused = branch.send("POST", "/api/v1/ingest", &[], b"{}");
    assert_eq!(refused.status, 403, "{}", refused.text());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_servers_in_front_of_one_postgresql_are_as_one() {
    let fixture = Fixture::new();
    let server = Server::start();
    let address = server.database("serving");
    let nights = ten_nights();
    let imported = fixture.imax(&["import", nights.to_str().unwrap(), "--to", &address], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let (one, other) = (Served::start(&address, &[]), Served::start(&address, &[]));
    let sqlite = Served::start(&sqlite(&fixture), &[]);
    for path in PATHS {
        let (left, right) = (one.get(path), other.get(path));
        assert_eq!((left.status, &left.body), (200, &right.body), "{path}");
        assert_eq!(left.header("etag"), right.header("etag"), "{path}");
        assert_eq!(left.json(), sqlite.json(path), "{path}");
    }
    let before = one.get("/api/v1/runs");
    let retracted = fixture.imax(
        &[
            "history",
            "retract",
            "3",
            "--history",
            &address,
            "--reason",
            "throttled",
            "--author",
            "jane",
        ],
        &[],
    );
    assert_eq!(retracted.code, 0, "{}", retracted.stderr);
    for served in [&one, &other] {
        let after = served.send("GET", "/api/v1/runs", &[("If-None-Match", before.header("etag").unwrap())], b"");
        assert_eq!(after.status, 200);
        assert_eq!(after.json()["data"].as_array().unwrap().len(), 9);
    }
}

#[test]
fn folder_of_artifacts_is_enough() {
    let fixture = Fixture::new();
    for conc in [4, 8] {
        fixture.measured(&format!("results/{conc}"), &row(conc), 4000.0);
    }
    let folder = fixture.path("results");
    let served = Served::of(imax().arg("serve").arg(&folder).args(["--listen", "127.0.0.1:0"]));
    let runs = served.json("/api/v1/runs");
    assert_eq!(
        (&runs["data"][0]["measured"], &runs["data"][0]["commit"]),
        (&2.into(), &"unknown".into())
    );
    assert_eq!(
        served.json("/api/v1/points?fields=conc&sort=conc")["data"].to_string(),
        r#"[{"conc":4},{"conc":8}]"#
    );
}

#[test]
fn files_are_read_again_when_they_change() {
    let fixture = Fixture::new();
    fixture.measured("results/4", &row(4), 4000.0);
    let folder = fixture.path("results");
    let served = Served::start(folder.to_str().unwrap(), &["--refresh", "1"]);
    let before = served.get("/api/v1/points?fields=conc");
    assert_eq!(before.json()["data"].as_array().unwrap().len(), 1);
    fixture.measured("results/8", &row(8), 4000.0);
    crate::harness::wait_until("the new point is served", || {
        let tag = before.header("etag").unwrap();
        let answer = served.send("GET", "/api/v1/points?fields=conc", &[("If-None-Match", tag)], b"");
        answer.status == 200 && answer.json()["data"].as_array().unwrap().len() == 2
    });
}

#[test]
fn history_that_is_not_there_is_named() {
    let fixture = Fixture::new();
    for (history, code, words) in [
        ("none.db", 3, "none.db: no such history"),
        ("nowhere", 3, "nowhere: no such history"),
    ] {
        let ended = fixture.imax(&["serve", "--history", history, "--listen", "127.0.0.1:0"], &[]);
        assert_eq!(ended.code, code, "{history}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{history}: {}", ended.stderr);
    }
}
