//! The steps of the action as values: the command lines that each stands for, and what the workflow stores of it.

use std::path::{Path, PathBuf};

use super::{ARTIFACTS, PLAN_ARTIFACT, PLAN_FILE, ROW_FILE};
use crate::matrix::Row;

/// What the workflow's next step stores.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// A step as values: what to write first, which command lines to run, what to store.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command_lines: Vec<Vec<String>>,
    pub(super) artifact: Option<Artifact>,
}

/// The artifact of the report.
pub(in crate::cli) const RESULTS_ARTIFACT: &str = "results_bmk";

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn plan(folder: &Path, further: Vec<String>) -> Step {
    let out = folder.join(PLAN_ARTIFACT);
    let mut line = words(["plan", "--event", "--plan-file"]);
    line.push(text(&out.join(PLAN_FILE)));
    line.extend(further);
    Step {
        command_lines: vec![line],
        artifact: Some(Artifact {
            name: PLAN_ARTIFACT.to_owned(),
            path: out,
        }),
    }
}

pub(super) fn run_row(folder: &Path, row: &Row, further: Vec<String>) -> Step {
    let name = artifact_name(row);
    let out = folder.join(&name);
    let mut line = words(["run", "--row"]);
    line.push(text(&folder.join(ROW_FILE)));
    line.push("--out".to_owned());
    line.push(text(&out));
    line.extend(further);
    Step {
        command_lines: vec![line],
        artifact: Some(Artifact { name, path: out }),
    }
}

/// How often the comment on a running sweep is brought up to date: seldom enough for the limits of a workflow's token.
const PROGRESS_SECONDS: &str = "60";

pub(super) fn progress(further: Vec<String>) -> Step {
    let plan = format!("{ARTIFACTS}/{PLAN_ARTIFACT}/{PLAN_FILE}");
    let mut line = words(["progress", "--plan", &plan, "--every", PROGRESS_SECONDS]);
    line.extend(further);
    Step {
        command_lines: vec![line],
        artifact: None,
    }
}

/// Only a pull request has a place for the comment.
pub(super) fn is_pull_request() -> bool {
    std::env::var("GITHUB_EVENT_NAME").is_ok_and(|event| matches!(event.as_str(), "pull_request" | "pull_request_target" | "issue_comment"))
}

/// The arguments for a baseline. That of the event is optional, since nobody asked for it: a token may not be allowed to read it, and a new
/// repository has none.
pub(super) fn baseline(given: &str, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let named = |name| lookup(name).filter(|value| !value.is_empty());
    match given {
        "none" => Vec::new(),
        "" => {
            let of_push = || named("GITHUB_REF_NAME").filter(|_| named("GITHUB_REF_TYPE").as_deref() == Some("branch"));
            match named("GITHUB_BASE_REF").or_else(of_push) {
                Some(branch) => words(["--baseline", &format!("branch:{branch}"), "--baseline-optional"]),
                None => Vec::new(),
            }
        }
        given => words(["--baseline", given]),
    }
}

/// Whom a report is told to, besides the job summary, and what it is compared with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tells<'a> {
    /// The arguments for it.
    pub(super) baseline: &'a [String],
    /// The pull request.
    pub(super) comments: bool,
    /// The commit.
    pub(super) check_run: bool,
    /// Chats and webhooks, and when.
    pub(super) notify: Option<&'a str>,
}

pub(super) fn report(folder: &Path, further: &[String], tells: Tells) -> Step {
    let out = folder.join(RESULTS_ARTIFACT);
    let results = text(&out);
    let plan = format!("{ARTIFACTS}/{PLAN_ARTIFACT}/{PLAN_FILE}");
    let collect = words(["collect", ARTIFACTS, "--plan", &plan, "--out", &results]);
    let show = |format: &str, file: &str| {
        let mut line = words(["report", &results, "--format", format, "--out"]);
        line.push(text(&out.join(file)));
        // Who names one for the report alone means it.
        let named = further
            .iter()
            .any(|word| word.starts_with("--baseline") || word.starts_with("--compare"));
        line.extend(tells.baseline.iter().filter(|_| !named).cloned());
        line.extend(further.iter().cloned());
        line
    };
    let mut summary = show("markdown", "summary.md");
    summary.push("--job-summary".to_owned());
    let page = show("html", "report.html");
    let mut command_lines = vec![collect, summary, page];
    // Also a push has a commit for the check run; the comment is then left out by the command itself.
    if tells.comments || tells.check_run {
        let mut line = words(["comment", &results, "--plan", &plan]);
        line.extend(tells.baseline.iter().cloned());
        if tells.check_run {
            line.push("--check-run".to_owned());
        }
        command_lines.push(line);
    }
    if let Some(on) = tells.notify {
        let mut line = words(["notify", &results, "--on", on]);
        line.extend(tells.baseline.iter().cloned());
        command_lines.push(line);
    }
    Step {
        command_lines,
        artifact: Some(Artifact {
            name: RESULTS_ARTIFACT.to_owned(),
            path: out,
        }),
    }
}

pub(super) fn check(further: Vec<String>) -> Step {
    let mut line = words(["check", "--format", "github"]);
    line.extend(further);
    Step {
        command_lines: vec![line],
        artifact: None,
    }
}

/// Unique among a run's rows, since artifacts must be, and without the characters that artifact names may not have.
/// The row's own hash makes it so; the words before it are for people.
fn artifact_name(row: &Row) -> String {
    use sha2::{Digest as _, Sha256};
    let concurrencies: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    let words = format!("{} {} conc{}", row.exp_name, row.curve_key(), concurrencies.join("-"));
    let clean = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let clean: String = words.chars().map(clean).take(120).collect();
    let json = serde_json::to_vec(row).unwrap_or_default();
    let mut hash = hex::encode(Sha256::digest(json));
    hash.truncate(8);
    format!("bmk_{clean}_{hash}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub fn row(conc: u32, model: &str) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": model, "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "cluster:h100", "isl": 64,
            "osl": 16, "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 128, "exp-name": "demo_64_16"
        }))
        .unwrap()
    }

    #[test]
    fn artifact_names_are_unique_and_allowed() {
        let names = [row(1, "a"), row(2, "a"), row(1, "b")].map(|row| artifact_name(&row));
        assert!(names[0] != names[1] && names[0] != names[2], "{names:?}");
        for name in names {
            assert!(!name.contains(['"', ':', '<', '>', '|', '*', '?', '\\', '/', ' ']), "{name}");
        }
    }

    #[test]
    fn further_arguments_stand_behind_our_own() {
        let step = run_row(Path::new("/t"), &row(1, "a"), words(["--seed", "7"]));
        let line = &step.command_lines[0];
        assert_eq!(line[..3], ["run", "--row", "/t/row.json"]);
        assert_eq!(line[line.len() - 2..], ["--seed", "7"]);
        assert_eq!(step.artifact.unwrap().path.parent().unwrap(), Path::new("/t"));
    }

    #[test]
    fn a_report_collects_shows_and_comments_on_pull_requests() {
        let commands = |tells| -> Vec<String> {
            let step = report(Path::new("/t"), &[], tells);
            step.command_lines.iter().map(|line| line[0].clone()).collect()
        };
        let comments = Tells {
            comments: true,
            ..Tells::default()
        };
        assert_eq!(commands(comments), ["collect", "report", "report", "comment"]);
        assert_eq!(commands(Tells::default()), ["collect", "report", "report"]);
        let all = Tells {
            check_run: true,
            notify: Some("regression"),
            ..comments
        };
        let lines = report(Path::new("/t"), &[], all).command_lines;
        assert_eq!(lines[3][2..], ["--plan", "imax-artifacts/imax-plan/plan.json", "--check-run"]);
        assert_eq!(lines[4], ["notify", "/t/results_bmk", "--on", "regression"]);
    }

    #[test]
    fn a_report_is_compared_with_the_branch_of_its_event() {
        let of = |given: &str, environment: &[(&str, &str)]| {
            let lookup = |name: &str| {
                environment
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            baseline(given, lookup).join(" ")
        };
        let pull_request = [
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_REF_NAME", "7/merge"),
            ("GITHUB_REF_TYPE", "branch"),
        ];
        assert_eq!(of("", &pull_request), "--baseline branch:main --baseline-optional");
        let push = [
            ("GITHUB_BASE_REF", ""),
            ("GITHUB_REF_NAME", "release"),
            ("GITHUB_REF_TYPE", "branch"),
        ];
        assert_eq!(of("", &push), "--baseline branch:release --baseline-optional");
        assert_eq!(of("", &[("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")]), "");
        assert_eq!(of("none", &push), "");
        assert_eq!(of("history:h", &push), "--baseline history:h");
        let asked = words(["--baseline", "branch:main"]);
        let tells = Tells {
            comments: true,
            baseline: &asked,
            ..Tells::default()
        };
        let lines = report(Path::new("/t"), &words(["--baseline", "run:1"]), tells).command_lines;
        assert_eq!(lines[1][6..8], ["--baseline", "run:1"]);
        assert_eq!(lines[3][4..], ["--baseline", "branch:main"]);
    }
}
