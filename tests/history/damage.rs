//! Files that are no history, histories that something else changed, and addresses that lead nowhere.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::engines::{imax_at, ten_nights};
use crate::fixture::{Ended, Fixture};
use crate::harness::Finish as _;

fn with_ten_nights() -> Fixture {
    let fixture = Fixture::new();
    let nights = ten_nights();
    let ended = fixture.imax(&["import", nights.to_str().unwrap(), "--to", "history.db"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    fixture
}

fn sql(fixture: &Fixture, file: &str, statement: &str) {
    let output = Command::new("python3")
        .args([
            "-c",
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()",
        ])
        .arg(fixture.path(file))
        .arg(statement)
        .finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn verify(fixture: &Fixture) -> (i32, Vec<String>) {
    let ended = fixture.imax(&["history", "verify", "--history", "history.db", "--json"], &[]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    assert_eq!(found["ok"], Value::Bool(ended.code == 0));
    let problems = found["problems"].as_array().unwrap();
    (
        ended.code,
        problems.iter().map(|problem| problem.as_str().unwrap().to_owned()).collect(),
    )
}

/// SQLite says of a folder what it says of a file that may not be opened.
#[test]
fn file_that_cannot_be_opened_is_told_what_it_lacks() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("history.db")).unwrap();
    for line in [
        &["history", "list", "--history", "history.db"][..],
        &["import", ten_nights().to_str().unwrap(), "--to", "history.db"],
    ] {
        let ended = fixture.imax(line, &[]);
        assert_eq!(ended.code, 4, "{line:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("history.db: cannot open the file") && ended.stderr.contains("change its permissions"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn verify_names_what_was_changed() {
    for (change, words) in [
        (
            "UPDATE point SET median_tpot = median_tpot * 0.99 WHERE id = 7",
            "run 3: point 7 is not what was stored",
        ),
        ("UPDATE point SET layout = '{' WHERE id = 7", "run 3: a point is unreadable"),
        (
            "UPDATE run_revision SET document = replace(document, '2026', '2027') WHERE run_id = 2",
            "run 2: its data in revision 1 are",
        ),
        (
            "UPDATE curve SET document = replace(document, 'h100', 'h200')",
            "curve 1: its key does not have the hash",
        ),
        (
            "UPDATE curve_latest SET run_id = 1",
            "curve 1: the run that is kept as its newest one is not",
        ),
        (
            "UPDATE run_count SET measured = measured - 1 WHERE run_id = 2",
            "run 2: the number of its points that is kept for lists is wrong",
        ),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM point_key WHERE id = 1",
            "a row of point names a row of point_key that is not there",
        ),
    ] {
        let fixture = with_ten_nights();
        assert_eq!(verify(&fixture), (0, Vec::new()));
        sql(&fixture, "history.db", change);
        let (code, problems) = verify(&fixture);
        assert_eq!(code, 3, "{change}");
        assert!(problems.iter().any(|problem| problem.contains(words)), "{change}: {problems:?}");
    }
}

#[test]
fn overwritten_pages_are_found() {
    let fixture = with_ten_nights();
    let mut bytes = fs::read(fixture.path("history.db")).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    fs::write(fixture.path("history.db"), bytes).unwrap();
    let (code, problems) = verify(&fixture);
    assert_eq!(code, 3);
    assert!(
        problems.iter().all(|problem| problem.contains("restore the file from a backup")),
        "{problems:?}"
    );
}

fn refused(ended: &Ended, code: i32, words: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[test]
fn what_is_not_a_history_is_refused_and_not_changed() {
    let fixture = with_ten_nights();
    let nights = ten_nights();
    let nights = nights.to_str().unwrap();
    refused(
        &fixture.imax(&["history", "list", "--history", "none.db"], &[]),
        3,
        "none.db: no such history",
    );
    assert!(!fixture.path("none.db").exists());
    refused(
        &fixture.imax(&["history", "list", "--history", "folder"], &[]),
        3,
        "folder: no such history",
    );
    refused(
        &fixture.imax(&["history", "series", "--history", "folder"], &[]),
        2,
        "folder is not a database; expected a file such as history.db",
    );

    fixture.write("text.db", "model,tput\n=cmd(),1\n");
    refused(
        &fixture.imax(&["import", nights, "--to", "text.db"], &[]),
        3,
        "text.db is not a SQLite database",
    );
    assert_eq!(fixture.read("text.db"), "model,tput\n=cmd(),1\n");

    sql(&fixture, "other.db", "CREATE TABLE orders (id INTEGER)");
    let before = fs::read(fixture.path("other.db")).unwrap();
    refused(
        &fixture.imax(&["import", nights, "--to", "other.db"], &[]),
        3,
        "other.db is the database of another program",
    );
    assert_eq!(fs::read(fixture.path("other.db")).unwrap(), before);

    sql(
        &fixture,
        "history.db",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)",
    );
    for command in [
        ["history", "list", "--history", "history.db"],
        ["import", nights, "--to", "history.db"],
    ] {
        refused(
            &fixture.imax(&command, &[]),
            3,
            "history.db has schema version 99, this imax knows up to 13",
        );
    }
}

/// The first version had fewer tables.
#[test]
fn history_of_an_older_version_is_upgraded_by_a_writer() {
    let fixture = with_ten_nights();
    sql(
        &fixture,
        "history.db",
        "DROP TABLE run_count; DROP INDEX point_source; DROP TABLE delivery; DROP TABLE watch_state; DROP TABLE submission; DROP TABLE changelog_curve; DROP TABLE price; DROP TABLE run_record; DROP TABLE idempotency; DROP TABLE audit; DROP TABLE token; DROP TABLE level; DROP TABLE annotation; DROP TABLE published_result; DROP INDEX curve_model; DROP INDEX curve_latest_run; DROP INDEX point_of_run; \
         ALTER TABLE point DROP COLUMN mean_qps; ALTER TABLE point DROP COLUMN server_overall_cache_hit_rate; \
         DELETE FROM _sqlx_migrations WHERE version > 1",
    );
    let before = fs::read(fixture.path("history.db")).unwrap();
    refused(
        &fixture.imax(&["history", "list", "--history", "history.db"], &[]),
        3,
        "history.db has schema version 1, expected 13; a command that writes, such as imax publish, upgrades it",
    );
    assert_eq!(fs::read(fixture.path("history.db")).unwrap(), before, "a reader changes nothing");
    let nights = ten_nights();
    let ended = fixture.imax(&["import", nights.to_str().unwrap(), "--to", "history.db", "--json"], &[]);
    assert!(
        ended.stdout.contains(r#""runs":{"new":0,"unchanged":10,"revised":0}"#),
        "{} {}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(verify(&fixture), (0, Vec::new()));
}

#[test]
fn damaged_file_refuses_itself_alone() {
    let fixture = Fixture::new();
    let nights = ten_nights();
    let mut files: Vec<_> = fs::read_dir(&nights).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    fs::create_dir(fixture.path("nights")).unwrap();
    for file in &files {
        fs::copy(file, fixture.path("nights").join(file.file_name().unwrap())).unwrap();
    }
    let truncated = fixture.path("nights").join(files[3].file_name().unwrap());
    let text = fs::read_to_string(&truncated).unwrap();
    fs::write(&truncated, &text[..text.len() / 2]).unwrap();

    refused(
        &fixture.imax(&["import", "nights", "--to", "history.db"], &[]),
        3,
        "invalid history file: EOF while parsing",
    );
    let partial = fixture.imax(&["import", "nights", "--to", "history.db", "--partial"], &[]);
    assert_eq!(partial.code, 0, "{}", partial.stderr);
    assert!(
        partial.stdout.contains("runs 9 new") && partial.stdout.contains("1 quarantined"),
        "{}",
        partial.stdout
    );
    assert!(
        partial.stderr.contains(files[3].file_name().unwrap().to_str().unwrap()),
        "{}",
        partial.stderr
    );
}

#[test]
fn hostile_text_stays_text() {
    let fixture = Fixture::new();
    let nights = ten_nights();
    let file = fs::read_dir(&nights).unwrap().next().unwrap().unwrap().path();
    let mut run: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    run["branch"] = "=cmd|' /C calc'!A0\u{1b}[2J".into();
    run["run"]["points"][0]["image"] = "'; DROP TABLE point; --\u{0}".into();
    fixture.write("run.json", &run.to_string());
    assert_eq!(fixture.imax(&["import", "run.json", "--to", "history.db"], &[]).code, 0);
    assert_eq!(verify(&fixture), (0, Vec::new()));
    let list = fixture.imax(&["history", "list", "--history", "history.db"], &[]);
    assert!(!list.stdout.contains('\u{1b}'), "{:?}", list.stdout);
    let csv = fixture.imax(&["export", "--history", "history.db", "--format", "csv"], &[]).stdout;
    assert!(csv.contains("'=cmd|") && !csv.contains(",=cmd"), "{csv}");
}

#[test]
fn locked_and_read_only_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("history.db")).unwrap();
    let nights = ten_nights();
    let ended = imax_at(folder.path(), &["import", nights.to_str().unwrap(), "--to", "history.db"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("history.db: "), "{}", ended.stderr);
    let ended = imax_at(
        folder.path(),
        &["import", nights.to_str().unwrap(), "--to", "missing/folder/history.db"],
    );
    assert_eq!(ended.code, 4, "{}", ended.stderr);
}
