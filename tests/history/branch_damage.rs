//! A branch that somebody pushed to by hand: each damage has an error that names it, and a run that is added is not lost.

use crate::branch::{BRANCH, BranchHome};
use crate::github::File;

const LATER: &str = "2999-01-02T05:00:00Z";
const RUN: &str = "20261122T050000Z-0123456789ab-1a2b3c4d5e6f7081-r1.json";

/// Pushes a file to a branch with one run, and checks that every reader names what is wrong with it.
fn pushed(path: &str, mode: i32, bytes: &[u8], words: &str) {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    branch.github.state().git.push(BRANCH, &[File { path, mode, bytes }], false);
    for command in [
        vec!["history", "list", "--history", "branch"],
        vec!["export", "--history", "branch", "--format", "csv"],
        vec!["history", "verify", "--history", "branch"],
    ] {
        let ended = branch.home().imax(&command);
        assert_eq!(ended.code, 3, "{path}: {command:?}: {}", ended.stderr);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            said.contains(words) && said.contains("move the branch back"),
            "{path}: {command:?}: {said}"
        );
    }
    let ended = branch.publish("2", LATER, 4000.0);
    assert_eq!(ended.code, 0, "{path}: {}", ended.stderr);
    let files = branch.files();
    assert!(files.contains(&path.to_owned()), "nothing is removed: {files:?}");
    assert_eq!(
        files.iter().filter(|file| file.starts_with("runs/2999-01/29990102T")).count(),
        2,
        "{files:?}"
    );
}

#[test]
fn symbolic_link_is_not_followed() {
    pushed(
        &format!("runs/2999-01/{RUN}"),
        0o120_000,
        b"../../../etc/passwd",
        "is a symbolic link, which is not followed",
    );
}

#[test]
fn names_with_dots_are_refused() {
    pushed(
        "runs/2999-01/..a..json",
        0o100_644,
        b"{}",
        "runs/2999-01/..a..json: expected a name such as",
    );
    pushed(
        "runs/.../x.json",
        0o100_644,
        b"{}",
        "runs/.../x.json: is not in a folder of a month",
    );
}

#[test]
fn huge_file_is_not_fetched() {
    let huge = vec![b' '; 20_000_001];
    pushed(
        &format!("runs/2026-11/{RUN}"),
        0o100_644,
        &huge,
        "has 20000001 bytes, more than the limit of 20000000",
    );
}

#[test]
fn file_that_is_no_run_is_named() {
    pushed(
        &format!("runs/2026-11/{RUN}"),
        0o100_644,
        b"{\"schema\":",
        "1a2b3c4d5e6f7081-r1.json is not a run: invalid history file",
    );
    pushed(
        &format!("runs/2026-11/{RUN}"),
        0o100_644,
        b"\xff\xfe",
        "1a2b3c4d5e6f7081-r1.json is not UTF-8",
    );
    pushed(
        "runs/2026-11/pack-9f86d081884c7d65.parquet",
        0o100_644,
        b"PAR1 cut",
        "runs/2026-11/pack-9f86d081884c7d65.parquet is damaged: not a whole Parquet file",
    );
}

#[test]
fn branch_of_something_else_is_neither_read_nor_written() {
    let branch = BranchHome::new();
    let code = File {
        path: "src/main.rs",
        mode: 0o100_644,
        bytes: b"fn main() {}\n",
    };
    branch.github.state().git.push(BRANCH, &[code], false);
    for ended in [
        branch.publish("1", LATER, 4000.0),
        branch.home().imax(&["history", "list", "--history", "branch"]),
        branch.home().imax(&["history", "verify", "--history", "branch"]),
    ] {
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("is not an imax history: imax-history.json is missing"), "{said}");
    }
    assert_eq!(branch.files(), ["src/main.rs"]);

    let newer = File {
        path: "imax-history.json",
        mode: 0o100_644,
        bytes: b"{\"schema\":\"imax-history-branch/2\"}\n",
    };
    branch.github.state().git.push(BRANCH, &[newer], false);
    let ended = branch.publish("1", LATER, 4000.0);
    assert_eq!(ended.code, 3);
    assert!(
        ended.stderr.contains("has an unsupported history version in imax-history.json"),
        "{}",
        ended.stderr
    );
}

#[test]
fn content_of_another_run_is_found() {
    let branch = BranchHome::new();
    assert_eq!(branch.publish("1", LATER, 4000.0).code, 0);
    let files = branch.files();
    let path = files.last().unwrap();
    let bytes = branch.github.state().git.bytes(BRANCH, path);
    let other = String::from_utf8(bytes).unwrap().replace("\"run_id\":\"1\"", "\"run_id\":\"2\"");
    let changed = File {
        path,
        mode: 0o100_644,
        bytes: other.as_bytes(),
    };
    branch.github.state().git.push(BRANCH, &[changed], false);
    let ended = branch.home().imax(&["history", "verify", "--history", "branch"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("the content is not that of run 29990102T050000Z-abc123-"),
        "{}",
        ended.stdout
    );
}
