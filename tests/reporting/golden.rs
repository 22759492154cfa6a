//! The reports of a small run and of its comparison, word for word: `tests/golden/report/<case>/` holds the runs and what
//! each format makes of them. `IMAX_UPDATE_GOLDEN=1 cargo test --test reporting` writes the files anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::imax_in;

/// Format and file.
const FORMATS: [(&str, &str); 6] = [
    ("table", "expected.txt"),
    ("markdown", "expected.md"),
    ("csv", "expected.csv"),
    ("json", "expected.json"),
    ("junit", "expected.xml"),
    ("sarif", "expected.sarif"),
];

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_format_matches_its_golden_file() {
    let rewrite = std::env::var_os("IMAX_UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for case in cases() {
        for (format, file) in FORMATS {
            let mut arguments = vec!["report", "head", "--format", format];
            if case.join("base").is_dir() {
                arguments.extend(["--compare", "base", "--base-name", "main", "--head-name", "this pull request"]);
            }
            if case.join("history").is_dir() {
                arguments.extend([
                    "--baseline",
                    "history:history",
                    "--base-name",
                    "main",
                    "--head-name",
                    "this pull request",
                ]);
            }
            let ended = imax_in(&case, &arguments, &[]);
            assert_eq!(ended.code, 0, "{}: {}", case.display(), ended.stderr);
            let expected = case.join(file);
            if rewrite {
                fs::write(&expected, &ended.stdout).unwrap();
            } else if fs::read_to_string(&expected).unwrap_or_default() != ended.stdout {
                different.push(expected.display().to_string());
            }
        }
    }
    assert!(different.is_empty(), "differ from what imax writes now: {different:#?}");
}
