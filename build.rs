//! States which commit the program is built from, for `imax --version`. In this order: `IMAX_COMMIT` and `SOURCE_DATE_EPOCH`, which
//! `.ci/release` and packagers set; `dist/commit.txt`, which `git archive` and GitHub's source archives fill in; git. Without any of
//! them the version stands alone.
//!
//! Debug builds do not ask git: every commit would rebuild the library.

#![allow(clippy::print_stdout, reason = "stdout is how a build script talks to cargo")]

use std::path::Path;
use std::process::Command;

const COMMIT_FILE: &str = "dist/commit.txt";
const COMMIT_VARIABLE: &str = "IMAX_COMMIT";
/// Seconds since 1970, <https://reproducible-builds.org/specs/source-date-epoch/>.
const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";
/// Digits of a commit's hash that are shown.
const SHOWN_DIGITS: usize = 12;

struct Commit {
    hash: String,
    /// Seconds since 1970.
    time: i64,
    has_local_changes: bool,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={COMMIT_FILE}");
    println!("cargo::rerun-if-env-changed={COMMIT_VARIABLE}");
    println!("cargo::rerun-if-env-changed={DATE_VARIABLE}");
    let commit = commit_of_environment()
        .or_else(commit_of_archive)
        .or_else(|| (variable("PROFILE")? == "release").then(commit_of_git)?);
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    match commit {
        Some(commit) => println!("cargo::rustc-env=IMAX_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=IMAX_VERSION={version}"),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn commit_of_environment() -> Option<Commit> {
    parse_commit(&format!("{} {}", variable(COMMIT_VARIABLE)?, variable(DATE_VARIABLE)?))
}

/// In a checkout the file holds placeholders, which are no commit.
fn commit_of_archive() -> Option<Commit> {
    parse_commit(&std::fs::read_to_string(COMMIT_FILE).ok()?)
}

fn commit_of_git() -> Option<Commit> {
    // A source archive unpacked inside another repository must not take that one's commit.
    if !Path::new(".git").exists() {
        return None;
    }
    // The log changes with every commit, HEAD only with the branch. Cargo takes a file that does not exist for a changed one.
    let files = ["HEAD", "logs/HEAD"].map(|name| git(&["rev-parse", "--git-path", name]));
    for file in files.into_iter().flatten().filter(|file| Path::new(file).exists()) {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-changed=src");
    let mut commit = parse_commit(&git(&["show", "--no-patch", "--format=%H %ct", "HEAD"])?)?;
    commit.has_local_changes = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(commit)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Reads `<hash> <seconds>`.
fn parse_commit(text: &str) -> Option<Commit> {
    let (hash, time) = text.trim().split_once(' ')?;
    let is_hash = hash.len() >= SHOWN_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(Commit {
        hash: is_hash.then(|| hash[..SHOWN_DIGITS].to_owned())?,
        time: time.parse().ok()?,
        has_local_changes: false,
    })
}

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let changed = if self.has_local_changes { ", modified" } else { "" };
        write!(f, "{}{changed} {}", self.hash, date(self.time))
    }
}

/// The day in UTC, `YYYY-MM-DD`. The algorithm is `civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>; a
/// build script with a crate for dates would make every build wait for that crate.
fn date(seconds: i64) -> String {
    const DAYS_FROM_YEAR_0_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = seconds.div_euclid(86_400) + DAYS_FROM_YEAR_0_TO_1970;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years begin in March here, so that the leap day is the last one.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
