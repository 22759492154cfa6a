//! Runs of the community: they wait, a reviewer decides, and the mark stays.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::fixture::row;
use crate::writes::{Written, run_of};

/// The names of the runs that everybody sees.
fn runs(written: &Written, query: &str) -> Vec<Value> {
    written.served.json(&format!("/api/v1/runs{query}"))["data"]
        .as_array()
        .unwrap()
        .clone()
}

fn with_token(written: &Written, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    written.served.send("GET", path, &[("Authorization", &bearer)], b"")
}

#[test]
fn submission_waits_until_a_reviewer_takes_it_and_stays_marked() {
    let written = Written::sqlite();
    let (stranger, reviewer) = (written.token(&["--scope", "submit"]), written.token(&["--scope", "review"]));
    let before = runs(&written, "").len();
    let mut run = run_of("2026-12-01T05:00:00Z", "main");
    run["run_id"] = json!("77");
    run["context"] = json!({ "kind": "main", "provider": "github", "repository": "octo/bench", "attempt": 1 });
    let body = run.to_string();
    let sent = written.post("/api/v1/submissions?note=a+new+card", &stranger, "s1", body.as_bytes());
    assert_eq!(
        (sent.status, sent.json()["state"].clone()),
        (202, json!("waiting")),
        "{}",
        sent.text()
    );
    let again = written.post("/api/v1/submissions?note=a+new+card", &stranger, "s1", body.as_bytes());
    assert_eq!((again.status, again.json()), (202, sent.json()));
    assert_eq!(runs(&written, "").len(), before, "nothing is stored before somebody looked");

    let listed = written.served.json("/api/v1/submissions?state=waiting");
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let (state, note, by) = (&listed["data"][0]["state"], &listed["data"][0]["note"], &listed["data"][0]["by"]);
    assert_eq!((state, note, by), (&json!("waiting"), &json!("a new card"), &json!("jane")));
    assert_eq!(written.served.get("/api/v1/submissions/1").status, 401);
    assert_eq!(with_token(&written, "/api/v1/submissions/1", &stranger).status, 403);
    let shown = with_token(&written, "/api/v1/submissions/1", &reviewer).json();
    assert_eq!(shown["runs"][0]["run_id"], "77");
    assert_eq!(written.post("/api/v1/submissions/1/accept", &stranger, "", b"").status, 403);

    let taken = written.post("/api/v1/submissions/1/accept", &reviewer, "", b"");
    assert_eq!(
        (taken.status, taken.json()["runs"]["new"].clone()),
        (200, json!(1)),
        "{}",
        taken.text()
    );
    assert_eq!(written.post("/api/v1/submissions/1/accept", &reviewer, "", b"").status, 409);
    assert_eq!(
        written
            .post("/api/v1/submissions/1/refuse", &reviewer, "", br#"{"reason":"x"}"#)
            .status,
        409
    );
    let stored = &runs(&written, "?branch=community")[0];
    for member in ["kind", "branch", "provider"] {
        assert_eq!(stored[member], "community", "{member}");
    }
    assert_eq!((&stored["run_id"], &stored["repository"]), (&json!("77"), &json!("octo/bench")));
    let points = written.served.json("/api/v1/points?kind=community&fields=kind,branch,conc");
    let points = points["data"].as_array().unwrap();
    assert!(!points.is_empty() && points.iter().all(|point| point["kind"] == "community"));
    let verified = written.fixture.imax(&["history", "verify", "--history", &written.history], &[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[test]
fn community_is_no_baseline_and_no_run_of_the_project() {
    let written = Written::sqlite();
    let (stranger, reviewer) = (written.token(&["--scope", "submit"]), written.token(&["--scope", "review"]));
    let ingesting = written.token(&["--scope", "ingest"]);
    let identity = json!({ "provider": "github", "repository": "octo/bench", "attempt": 1, "kind": "main" });
    let mut own = run_of("2026-12-01T05:00:00Z", "main");
    own["run_id"] = json!("77");
    own["context"] = identity.clone();
    assert_eq!(
        written.post("/api/v1/ingest", &ingesting, "1", own.to_string().as_bytes()).status,
        200
    );
    let curves = written.served.json("/api/v1/curves");
    let main = runs(&written, "?branch=main");
    // The same number as the project's own run, later, and better.
    let mut other = run_of("2026-12-02T05:00:00Z", "main");
    other["run_id"] = json!("77");
    other["context"] = identity;
    assert_eq!(
        written
            .post("/api/v1/submissions", &stranger, "1", other.to_string().as_bytes())
            .status,
        202
    );
    assert_eq!(
        written
            .post("/api/v1/submissions/1/accept", &reviewer, "", br#"{"reason":"plausible"}"#)
            .status,
        200
    );
    assert_eq!(written.served.json("/api/v1/curves"), curves);
    assert_eq!(runs(&written, "?branch=main"), main);
    assert_eq!(written.served.json("/api/v1/submissions")["data"][0]["reason"], "plausible");

    let number = runs(&written, "?branch=community")[0]["id"].as_i64().unwrap();
    for (member, value) in [("kind", "community"), ("provider", "community")] {
        let mut forged = run_of("2026-12-03T05:00:00Z", "main");
        forged["context"] = json!({ member: value });
        let answer = written.post("/api/v1/ingest", &ingesting, "2", forged.to_string().as_bytes());
        assert_eq!(answer.status, 422, "{member}: {}", answer.text());
    }
    let forged = run_of("2026-12-03T05:00:00Z", "community");
    assert_eq!(
        written
            .post("/api/v1/ingest", &ingesting, "3", forged.to_string().as_bytes())
            .status,
        422
    );
    let still = written.served.json(&format!("/api/v1/runs/{number}"));
    assert_eq!(
        (&still["run"]["kind"], &still["context"]["provider"]),
        (&json!("community"), &json!("community"))
    );
    let exported = written
        .fixture
        .imax(&["export", "--history", &written.history, "--format", "json"], &[]);
    assert_eq!(
        exported.stdout.matches("\"provider\":\"community\"").count() + exported.stdout.matches("\"provider\": \"community\"").count(),
        1
    );
}

#[test]
fn refused_submission_stores_nothing_and_says_why() {
    let written = Written::sqlite();
    let (stranger, reviewer) = (written.token(&["--scope", "submit"]), written.token(&["--scope", "review"]));
    let before = runs(&written, "").len();
    let run = run_of("2026-12-01T05:00:00Z", "main").to_string();
    assert_eq!(written.post("/api/v1/submissions", &stranger, "1", run.as_bytes()).status, 202);
    assert_eq!(
        written.post("/api/v1/submissions/1/refuse", &reviewer, "", b"{}").status,
        422,
        "a reason is needed"
    );
    assert_eq!(
        written
            .post("/api/v1/submissions/1/refuse", &reviewer, "", br#"{"reason":"throttled"}"#)
            .status,
        200
    );
    let listed = written.served.json("/api/v1/submissions?state=refused");
    assert_eq!(
        (&listed["data"][0]["reason"], &listed["data"][0]["decided_by"]),
        (&json!("throttled"), &json!("jane"))
    );
    assert_eq!(
        written
            .post("/api/v1/submissions/9/refuse", &reviewer, "", br#"{"reason":"x"}"#)
            .status,
        404
    );
    let elsewhere = written.token(&["--scope", "review", "--project", "other"]);
    assert_eq!(with_token(&written, "/api/v1/submissions/1", &elsewhere).status, 403);
    let both = written.token(&["--scope", "submit", "--scope", "review"]);
    assert_eq!(written.post("/api/v1/submissions", &both, "2", run.as_bytes()).status, 202);
    let own = written.post("/api/v1/submissions/2/accept", &both, "", b"");
    assert_eq!(own.status, 403, "nobody reviews their own: {}", own.text());
    assert_eq!(written.post("/api/v1/ingest", &stranger, "3", run.as_bytes()).status, 403);
    assert_eq!(runs(&written, "").len(), before);
}

#[test]
fn queue_is_bounded_for_each_token() {
    let written = Written::sqlite();
    let stranger = written.token(&["--scope", "submit"]);
    let run = run_of("2026-12-01T05:00:00Z", "main").to_string();
    for number in 0..50 {
        let sent = written.post("/api/v1/submissions", &stranger, &number.to_string(), run.as_bytes());
        assert_eq!(sent.status, 202, "{}", sent.text());
    }
    assert_eq!(written.post("/api/v1/submissions", &stranger, "50", run.as_bytes()).status, 409);
    let other = written.token(&["--scope", "submit"]);
    assert_eq!(written.post("/api/v1/submissions", &other, "0", run.as_bytes()).status, 202);
    let page = written.served.json("/api/v1/submissions?limit=50");
    let next = page["next"].as_str().unwrap();
    let rest = written.served.json(&format!("/api/v1/submissions?limit=50&cursor={next}"));
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

/// An archive of files with their content.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The files below a folder, by their names in an archive.
fn packed(written: &Written, folder: &str) -> Vec<u8> {
    let root = written.fixture.path("");
    let mut files = Vec::new();
    let mut folders = vec![written.fixture.path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    zip(&files)
}

fn send_archive(written: &Written, path: &str, token: &str, key: &str, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/zip"),
        ("Idempotency-Key", key),
    ];
    written.served.send("POST", path, &headers, body)
}

#[test]
fn artifacts_of_a_run_are_stored_as_publish_stores_them() {
    let written = Written::sqlite();
    written.fixture.measured("run/bmk_4", &row(4), 4000.0);
    written.fixture.measured("run/bmk_8", &row(8), 8000.0);
    let token = written.token(&["--scope", "ingest"]);
    let archive = packed(&written, "run");
    let path = "/api/v1/ingest?commit=abc&branch=main&repository=octo/bench&run_id=9&kind=main&date=2026-12-01T05:00:00Z";
    let dry = send_archive(&written, &format!("{path}&dry_run=true"), &token, "a", &archive);
    assert_eq!((dry.status, dry.json()["points"]["new"].clone()), (200, json!(2)), "{}", dry.text());
    assert!(
        runs(&written, "?branch=main").iter().all(|run| run["commit"] != "abc"),
        "a dry run stores nothing"
    );
    let sent = send_archive(&written, path, &token, "a", &archive);
    assert_eq!(sent.json()["points"], json!({ "new": 2, "unchanged": 0, "revised": 0 }));
    assert_eq!(send_archive(&written, path, &token, "a", &archive).json(), sent.json());
    let other = path.replace("abc", "def");
    assert_eq!(
        send_archive(&written, &other, &token, "a", &archive).status,
        422,
        "the key is of another commit"
    );
    // The same as the command.
    let published = written.fixture.imax(
        &[
            "publish",
            "run",
            "--to",
            &written.history,
            "--commit",
            "abc",
            "--branch",
            "main",
            "--repo",
            "octo/bench",
            "--run-id",
            "9",
            "--attempt",
            "1",
            "--kind",
            "main",
            "--date",
            "2026-12-01T05:00:00Z",
            "--json",
        ],
        &[],
    );
    let counted: Value = serde_json::from_str(&published.stdout).unwrap();
    assert_eq!(
        counted["points"],
        json!({ "new": 0, "unchanged": 2, "revised": 0, "quarantined": 0 }),
        "{}",
        published.stderr
    );
    let submitting = written.token(&["--scope", "submit"]);
    let submitted = send_archive(&written, "/api/v1/submissions?commit=abc", &submitting, "s", &archive);
    assert_eq!(submitted.status, 202, "{}", submitted.text());
}

#[test]
fn hostile_archives_are_refused_without_a_trace() {
    let written = Written::sqlite();
    let token = written.token(&["--scope", "ingest"]);
    let before = runs(&written, "").len();
    let zeros = vec![b' '; 64 << 20];
    let mut link = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    link.add_symlink("agg_x.json", "/etc/passwd", zip::write::SimpleFileOptions::default())
        .unwrap();
    let link = link.finish().unwrap().into_inner();
    let marker = "imax-escaped-from-an-archive.json";
    let outside = format!("../../{marker}");
    for (case, body, words) in [
        ("no archive", b"PK".to_vec(), "ZIP archive"),
        ("a path that leads out", zip(&[(&outside, b"{}")]), "invalid path"),
        ("an absolute path", zip(&[("/etc/imax.json", b"{}")]), "invalid path"),
        ("a bomb", zip(&[("agg_x.json", &zeros)]), "compression ratio too high"),
        ("a link", link, "unsupported file type"),
        ("nothing", zip(&[]), "no results found"),
        (
            "a broken result alone",
            zip(&[("bmk/agg_x.json", b"{\"tput_per_gpu\":")]),
            "no results found",
        ),
    ] {
        let answer = send_archive(&written, "/api/v1/ingest?commit=abc", &token, case, &body);
        assert_eq!(answer.status, 422, "{case}: {}", answer.text());
        assert!(answer.text().contains(words), "{case}: {}", answer.text());
        let temporary = std::env::temp_dir().display().to_string();
        assert!(!answer.text().contains(&format!("{temporary}/")), "{case}: {}", answer.text());
    }
    // A broken result among others: it is named, and all are refused; or it is set aside, and the others are stored.
    written.fixture.measured("run/bmk_4", &row(4), 4000.0);
    written.fixture.write("run/bmk_8/agg_x.json", "{\"tput_per_gpu\":");
    let half = packed(&written, "run");
    let refused = send_archive(&written, "/api/v1/ingest?commit=abc", &token, "half", &half);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(
        refused.text().contains("bmk_8/agg_x.json") && !refused.text().contains("/tmp"),
        "{}",
        refused.text()
    );
    assert_eq!(runs(&written, "").len(), before);
    let partial = send_archive(&written, "/api/v1/ingest?commit=abc&partial=true", &token, "half", &half);
    assert_eq!(
        (&partial.json()["points"]["new"], &partial.json()["quarantined"]),
        (&json!(1), &json!(1)),
        "{}",
        partial.text()
    );
    assert!(!std::env::temp_dir().join(marker).exists());
    assert_eq!(
        send_archive(&written, "/api/v1/ingest", &token, "k", &zip(&[])).status,
        400,
        "the commit is missing"
    );
    for query in [
        "commit=a&kind=odd",
        "commit=a&attempt=0",
        "commit=a&date=yesterday",
        "commit=",
        "commit=a&kind=community",
        "commit=a&x=1",
    ] {
        let answer = send_archive(&written, &format!("/api/v1/ingest?{query}"), &token, "k", &zip(&[]));
        assert!(matches!(answer.status, 400 | 422), "{query}: {}", answer.text());
    }
    assert_eq!(runs(&written, "").len(), before + 1);
}
