//! What commands say where there is nothing to show.

use crate::engines::ten_nights;
use crate::fixture::Fixture;

fn said(fixture: &Fixture, line: &[&str]) -> String {
    let ended = fixture.imax(&[&["history"], line, &["--history", "history.db"]].concat(), &[]);
    assert_eq!(ended.code, 0, "{line:?}: {}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

#[test]
fn empty_answers_say_what_there_is_instead() {
    let fixture = Fixture::new();
    let ended = fixture.imax(&["import", ten_nights().to_str().unwrap(), "--to", "history.db"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let run = ["retract", "3", "--reason", "throttled", "--author", "jane"];
    said(&fixture, &run);
    for (line, words) in [
        (
            &["list", "--branch", "nope"][..],
            "no run matches; the history has 10, 1 of them retracted (--retracted); branches: main",
        ),
        (&["curves"], "no curves of runs without a branch (--branch NAME); branches: main"),
        (&["curves", "--branch", "nope"], "no curves match; branches: main"),
        (&["series", "--filter", "model=nope"], "no measured points match; branches: main"),
        (&["quarantine"], "nothing in quarantine: all stored input was understood"),
        (&["annotations"], "no annotations"),
        (
            &["changelog"],
            "no entries match; a run has entries if it was collected with its plan (imax collect --plan)",
        ),
        (
            &["records", "2"],
            "no records: the run was stored without job records, distributions and verdicts",
        ),
    ] {
        assert_eq!(said(&fixture, line), words, "{line:?}");
    }
    for line in [
        &["list", "--branch", "nope"][..],
        &["curves"],
        &["series", "--filter", "model=nope"],
    ] {
        assert_eq!(said(&fixture, &[line, &["--json"]].concat()), "[]", "{line:?}");
    }
}

#[test]
fn note_about_everything_says_so() {
    let fixture = Fixture::new();
    let ended = fixture.imax(&["import", ten_nights().to_str().unwrap(), "--to", "history.db"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    said(&fixture, &["annotate", "--text", "new cooling", "--author", "jane"]);
    assert_eq!(said(&fixture, &["annotations"]), "1 note: new cooling (jane; all)");
    let line = [
        "history",
        "annotate",
        "--withdraw",
        "9",
        "--author",
        "jane",
        "--history",
        "history.db",
    ];
    let ended = fixture.imax(&line, &[]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("imax history annotations lists them"), "{}", ended.stderr);
}
