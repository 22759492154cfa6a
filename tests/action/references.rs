//! Owner and name of the action are one setting, `repository` in Cargo.toml: what names the action agrees with it.

use std::fs;

use crate::harness::project;
use crate::release::SLUG;

const FILES: [&str; 9] = [
    ".github/workflows/fork.yml",
    ".github/workflows/report.yml",
    ".github/workflows/sweep.yml",
    ".github/workflows/rows.yml",
    ".github/zizmor.yml",
    "README.md",
    "dist/Containerfile",
    "examples/vllm-docker/.github/workflows/benchmark.yml",
    "src/cli/demo/benchmark.yml",
];

/// What `uses:` names in the text, also in comments: `owner/name`, without path and reference.
fn used_repositories(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once("uses: "))
        .map(|(_, used)| used.split('@').next().unwrap())
        .filter(|used| !used.starts_with("actions/"))
        .map(|used| used.match_indices('/').nth(1).map_or(used, |(end, _)| &used[..end]))
        .collect()
}

#[test]
fn every_file_that_names_the_action_names_the_repository_of_the_manifest() {
    let mut found = 0;
    for file in FILES {
        let text = fs::read_to_string(project().join(file)).unwrap();
        assert!(text.contains(SLUG), "{file} does not name {SLUG}");
        for used in used_repositories(&text) {
            assert_eq!(used, SLUG, "{file}");
            found += 1;
        }
    }
    assert!(found >= 9, "only {found} uses of the action found");
}
