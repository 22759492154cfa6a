//! The edits of the log: links, conflicts, fragments.

use git2::IndexEntry;

use crate::repository::{LOG, Repository, entry, with};

fn link(number: u64) -> String {
    format!("https://github.com/org/repo/pull/{number}")
}

#[test]
fn set_pr_replaces_only_placeholder_links_in_log_and_fragments() {
    let repository = Repository::new();
    repository.write("perf-changelog.yaml", &with(LOG, &entry("toy-fp4-h100-sim", "XXX")));
    repository.write("perf-changelog.d/mine.yaml", &entry("toy-fp8-h100-sim", "XXX"));
    let ran = repository.imax(&["changelog", "set-pr", "7", "--base-ref", "HEAD"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        repository.read("perf-changelog.yaml"),
        with(LOG, &entry("toy-fp4-h100-sim", &link(7)))
    );
    assert_eq!(repository.read("perf-changelog.d/mine.yaml"), entry("toy-fp8-h100-sim", &link(7)));
    let again = repository.imax(&["changelog", "set-pr", "--pr-number", "7", "--base-ref", "HEAD"]);
    assert!(again.code == 0 && again.stderr.contains("no placeholder"), "{}", again.stderr);
    let other = repository.imax(&["changelog", "set-pr", "8", "--base-ref", "HEAD"]);
    assert!(other.code == 3 && other.stderr.contains("pull/8"), "{}", other.stderr);
}

#[test]
fn resolve_puts_own_entries_after_those_of_the_other_branch() {
    let repository = Repository::new();
    let ours = with(LOG, &entry("toy-fp4-h100-sim", "XXX"));
    let theirs = with(LOG, &entry("toy-fp8-h100-sim", &link(2)));
    let mut index = repository.git.index().unwrap();
    index.remove_path("perf-changelog.yaml".as_ref()).unwrap();
    for (stage, text) in [(1, LOG), (2, ours.as_str()), (3, theirs.as_str())] {
        index.add(&staged(&repository, text, stage)).unwrap();
    }
    index.write().unwrap();
    let ran = repository.imax(&["changelog", "resolve", "7"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        repository.read("perf-changelog.yaml"),
        with(&theirs, &entry("toy-fp4-h100-sim", &link(7)))
    );
}

fn staged(repository: &Repository, text: &str, stage: u16) -> IndexEntry {
    let time = git2::IndexTime::new(0, 0);
    IndexEntry {
        ctime: time,
        mtime: time,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: repository.git.blob(text.as_bytes()).unwrap(),
        flags: stage << 12,
        flags_extended: 0,
        path: b"perf-changelog.yaml".to_vec(),
    }
}

#[test]
fn resolve_without_a_conflict_is_refused() {
    let ran = Repository::new().imax(&["changelog", "resolve", "7"]);
    assert!(ran.code == 3 && ran.stderr.contains("is not in conflict"), "{}", ran.stderr);
}

#[test]
fn merge_driver_joins_two_appends_and_marks_a_contradiction() {
    let repository = Repository::new();
    let pending = with(LOG, &entry("toy-fp4-h100-sim", "XXX"));
    let published = with(LOG, &entry("toy-fp8-h100-sim", &link(2)));
    let merge = |ours: &str, theirs: &str| {
        for (name, text) in [("O", LOG), ("A", ours), ("B", theirs)] {
            repository.write(name, text);
        }
        let ran = repository.imax(&["changelog", "merge-driver", "O", "A", "B"]);
        (ran.code, repository.read("A"))
    };
    let both = with(&published, &entry("toy-fp4-h100-sim", "XXX"));
    assert_eq!(merge(&pending, &published), (0, both.clone()));
    assert_eq!(merge(&published, &pending), (0, both));
    let (code, marked) = merge(&LOG.replace("first", "one"), &LOG.replace("first", "two"));
    assert!(
        code != 0 && marked.contains("<<<<<<< ours") && marked.contains(">>>>>>> theirs"),
        "{marked}"
    );
}

#[test]
fn fragment_is_planned_once_and_not_again_when_folded() {
    let repository = Repository::new();
    let start = repository.git.head().unwrap().target().unwrap().to_string();
    let arguments = [
        "changelog",
        "new",
        "--config-keys",
        "toy-fp4-*",
        "--description",
        "Faster: 2x \"now\"",
        "--pr",
        "12",
    ];
    let new = repository.imax(&arguments);
    assert_eq!((new.code, new.stdout.trim()), (0, "perf-changelog.d/12.yaml"), "{}", new.stderr);
    let written = repository.commit("fragment");
    let planned = repository.imax(&["plan", "--base-ref", &start, "--head-ref", &written]);
    assert_eq!(
        planned.json()["changelog_metadata"]["entries"][0]["description"][0],
        "Faster: 2x \"now\""
    );

    let folded = repository.imax(&["changelog", "fold"]);
    assert_eq!(folded.code, 0, "{}", folded.stderr);
    assert!(!repository.path("perf-changelog.d/12.yaml").exists());
    assert!(
        repository
            .read("perf-changelog.yaml")
            .starts_with(&format!("{LOG}\n- config-keys:\n    - toy-fp4-*\n"))
    );
    let head = repository.commit("fold");
    let nothing = repository.imax(&["plan", "--base-ref", &written, "--head-ref", &head]);
    assert!(nothing.code == 3 && nothing.stderr.contains("no new entry"), "{}", nothing.stderr);
    let all = repository.imax(&["plan", "--base-ref", &start, "--head-ref", &head]);
    assert_eq!(all.output("count"), "1", "{}", all.stderr);
}

#[test]
fn fragment_is_named_after_the_branch() {
    let repository = Repository::new();
    let start = repository.git.head().unwrap().target().unwrap().to_string();
    repository.branch("Ann/faster_toy", &start);
    let new = repository.imax(&["changelog", "new", "--config-keys", "toy-*", "--description", "d", "--append-only"]);
    assert_eq!(new.stdout.trim(), "perf-changelog.d/ann-faster-toy.yaml", "{}", new.stderr);
    assert!(
        repository
            .read("perf-changelog.d/ann-faster-toy.yaml")
            .ends_with("  pr-link: XXX\n  append-only: true\n")
    );
}

#[test]
fn validate_requires_a_final_line_break() {
    let repository = Repository::new();
    let validate = |repository: &Repository| repository.imax(&["changelog", "validate", "--base-ref", "HEAD~1"]);
    repository.commit_log(&with(LOG, &entry("toy-fp4-h100-sim", "XXX")));
    let good = validate(&repository);
    assert!(good.code == 0 && good.stderr.contains("1 new entries"), "{}", good.stderr);
    repository.commit_log(LOG);
    repository.commit_log(with(LOG, &entry("toy-fp4-h100-sim", "XXX")).trim_end());
    let bad = validate(&repository);
    assert!(
        bad.code == 3 && bad.stderr.contains("does not end with a line break"),
        "{}",
        bad.stderr
    );
}
