//! The steps of the action as values: their command lines, and the artifacts that the workflow stores.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ARTIFACTS, ROW_FILE};
use crate::github::WorkflowRun;
use crate::matrix::Row;
use crate::planning::{
    AGENTIC_PREFIX, COLLECTED_ARTIFACT, EVAL_PREFIX, JOB_PREFIX, PLAN_ARTIFACT, PLAN_FILE, PROFILE_PREFIX, RESULT_PREFIX, RESULTS_ARTIFACT,
};
use crate::settings::Ingest;
use crate::store::publish::REPORT_FILE;

/// An artifact that the next steps of the workflow upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    pub(super) name: String,
    /// Patterns of upload-artifact below the folder of the step, one a line; `!` leaves files out.
    pub(super) patterns: Vec<String>,
}

impl Artifact {
    fn new(name: impl Into<String>, patterns: &[&str]) -> Self {
        Self {
            name: name.into(),
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        }
    }
}

impl Artifact {
    /// Everything that the others do not take.
    fn of_rest(name: String, others: &[Self]) -> Self {
        let left_out = others.iter().flat_map(|other| &other.patterns).map(|pattern| format!("!{pattern}"));
        Self {
            name,
            patterns: std::iter::once(String::new()).chain(left_out).collect(),
        }
    }
}

/// What the workflow uploads of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) folder: PathBuf,
    /// The first one has files in any case.
    pub(super) artifacts: Vec<Artifact>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command_lines: Vec<Vec<String>>,
    pub(super) upload: Option<Upload>,
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn plan(folder: &Path, additional: Vec<String>) -> Step {
    let out = folder.join(PLAN_ARTIFACT);
    let mut line = words(["plan", "--event", "--plan-file"]);
    line.push(text(&out.join(PLAN_FILE)));
    line.extend(additional);
    Step {
        command_lines: vec![line],
        upload: Some(Upload {
            folder: out,
            artifacts: vec![Artifact::new(PLAN_ARTIFACT, &[""])],
        }),
    }
}

/// Files of a job that have an artifact of their own.
const RESULTS: &str = "agg_*.json";
const LOGS: [&str; 2] = ["*.log", "multinode_server_logs.tar.gz"];
/// What a replay of sessions leaves beside its result.
const REPLAY: [&str; 2] = ["results/**", "LOGS/**"];
const TRACES: &str = "profile_*";
const SCORES: [&str; 3] = ["meta_env.json", "results*.json", "sample*.jsonl"];

/// Results, logs, scores and the rest are artifacts of their own, by the names that InferenceX's tools know: what collects results
/// takes every JSON file of `bmk_*` for one, and the dashboard pairs `server_logs_KEY` with `bmk_KEY`.
pub(super) fn run_row(folder: &Path, row: &Row, additional: Vec<String>) -> Step {
    let key = job_key(row);
    let out = folder.join(format!("{JOB_PREFIX}{key}"));
    let mut line = words(["run", "--row"]);
    line.push(text(&folder.join(ROW_FILE)));
    line.push("--out".to_owned());
    line.push(text(&out));
    line.extend(additional);
    let logs = match row.is_evaluated_alone() {
        true => "eval_server_logs_",
        false => "server_logs_",
    };
    let results = match row.is_agentic() {
        true => RESULT_PREFIX.to_owned() + AGENTIC_PREFIX,
        false => RESULT_PREFIX.to_owned(),
    };
    let mut artifacts = vec![
        Artifact::new(format!("{results}{key}"), &[RESULTS]),
        Artifact::new(format!("{logs}{key}"), &LOGS),
        Artifact::new(format!("{EVAL_PREFIX}{key}"), &SCORES),
    ];
    if row.is_agentic() {
        artifacts.push(Artifact::new(format!("{AGENTIC_PREFIX}{key}"), &REPLAY));
    }
    if row.profile {
        artifacts.push(Artifact::new(format!("{PROFILE_PREFIX}{key}"), &[TRACES]));
    }
    artifacts.insert(0, Artifact::of_rest(format!("{JOB_PREFIX}{key}"), &artifacts));
    Step {
        command_lines: vec![line],
        upload: Some(Upload { folder: out, artifacts }),
    }
}

pub(super) fn approve(workflow: &str, additional: Vec<String>) -> Step {
    let mut line = words(["approve", "--workflow", workflow]);
    line.extend(additional);
    Step {
        command_lines: vec![line],
        upload: None,
    }
}

/// Seconds between updates of the progress comment. GitHub limits the write requests of a workflow's token.
const PROGRESS_SECONDS: &str = "60";

pub(super) fn progress(additional: Vec<String>) -> Step {
    let plan = format!("{ARTIFACTS}/{PLAN_ARTIFACT}/{PLAN_FILE}");
    let mut line = words(["progress", "--plan", &plan, "--every", PROGRESS_SECONDS]);
    line.extend(additional);
    Step {
        command_lines: vec![line],
        upload: None,
    }
}

/// Whether the event belongs to a pull request, which can have the comment.
pub(super) fn is_pull_request(finished: Option<&WorkflowRun>) -> bool {
    let is_event_of_one = |event: String| matches!(event.as_str(), "pull_request" | "pull_request_target" | "issue_comment");
    match finished {
        Some(run) => run.is_of_pull_request(),
        None => std::env::var("GITHUB_EVENT_NAME").is_ok_and(is_event_of_one) || is_dispatched_for_one(),
    }
}

/// Whether a run by hand measures the approved commit of a fork.
fn is_dispatched_for_one() -> bool {
    let is_by_hand = std::env::var("GITHUB_EVENT_NAME").is_ok_and(|event| event == "workflow_dispatch");
    is_by_hand && matches!(crate::github::event_pull_request(), Ok(Some(_)))
}

/// The arguments for a baseline. A history of the repository is one, and gives the noise of each point for any other. The event's
/// branch is an optional baseline, since it was not asked for: the token may not be allowed to read its runs, and a new repository has none.
pub(super) fn baseline(given: &str, history: Option<&str>, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    match (given, history) {
        ("none", _) => Vec::new(),
        ("", Some(history)) => words(["--baseline", &format!("history:{history}"), "--baseline-optional"]),
        ("", None) => match branch_of_event(lookup) {
            Some(branch) => words(["--baseline", &format!("branch:{branch}"), "--baseline-optional"]),
            None => Vec::new(),
        },
        (given, None) => words(["--baseline", given]),
        (given, Some(history)) => words(["--baseline", given, "--history", history]),
    }
}

/// What the run that is published measured.
#[derive(Debug, Clone, Default)]
pub(super) struct PublishedChange {
    /// The commit; that of the environment where it is not known.
    pub(super) commit: Option<String>,
    /// The branch of a pull request, whose own reference is a merge.
    pub(super) branch: Option<String>,
    pub(super) is_pull_request: bool,
    pub(super) pull_request: Option<u64>,
    /// The workflow run that measured, where another one reports it.
    pub(super) run_id: Option<u64>,
}

/// The command line that adds a run to a history. The rest comes from GitHub's environment.
pub(super) fn publish_line(results: &str, history: &str, change: &PublishedChange) -> Vec<String> {
    let PublishedChange {
        commit,
        branch,
        is_pull_request,
        pull_request,
        run_id,
    } = change;
    let mut line = words(["publish", results, "--to", history]);
    for (flag, value) in [("--commit", commit), ("--branch", branch)] {
        line.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    if *is_pull_request {
        line.extend(words(["--kind", "pull-request"]));
    }
    for (flag, number) in [("--pull-request", pull_request), ("--run-id", run_id)] {
        line.extend(number.iter().flat_map(|number| [flag.to_owned(), number.to_string()]));
    }
    line
}

/// The command line that tells a repository about the run. The artifacts must be stored by then, so it is not part of the report.
fn dispatch_line(results: &str, ingest: &Ingest, change: &PublishedChange) -> Vec<String> {
    let Ingest {
        repository,
        event_type,
        agentic_event_type,
        payload,
    } = ingest;
    let mut line = words(["dispatch", results, "--to", repository, "--event-type", event_type]);
    for (flag, value) in [
        ("--agentic-event-type", agentic_event_type),
        ("--commit", &change.commit),
        ("--branch", &change.branch),
    ] {
        line.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    line.extend(change.run_id.iter().flat_map(|id| ["--run-id".to_owned(), id.to_string()]));
    line.extend(
        payload
            .iter()
            .flat_map(|(name, value)| ["--payload".to_owned(), format!("{name}={value}")]),
    );
    line
}

/// The step of a job of its own: the results are those that the report stored.
pub(super) fn publish(history: Option<&str>, ingest: Option<&Ingest>, change: &PublishedChange, additional: Vec<String>) -> Step {
    let results = format!("{ARTIFACTS}/{COLLECTED_ARTIFACT}");
    let published = history.map(|history| {
        let mut line = publish_line(&results, history, change);
        line.extend(additional);
        line
    });
    let told = ingest
        .filter(|_| !change.is_pull_request)
        .map(|ingest| dispatch_line(&results, ingest, change));
    Step {
        command_lines: published.into_iter().chain(told).collect(),
        upload: None,
    }
}

/// The target branch of a pull request, or the branch of a push.
fn branch_of_event(lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    let [base, name, kind] =
        ["GITHUB_BASE_REF", "GITHUB_REF_NAME", "GITHUB_REF_TYPE"].map(|variable| lookup(variable).filter(|value| !value.is_empty()));
    base.or_else(|| name.filter(|_| kind.as_deref() == Some("branch")))
}

/// Baseline of a report, and the places besides the job summary to which it is posted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReportOptions<'a> {
    pub(super) baseline: &'a [String],
    /// The finished run whose artifacts are downloaded and reported; `None` where the workflow has downloaded its own.
    pub(super) finished_run: Option<u64>,
    /// Whether the pull request gets a comment.
    pub(super) comments: bool,
    /// Whether the commit gets a check run.
    pub(super) check_run: bool,
    /// Value of `imax notify --on`.
    pub(super) notify: Option<&'a str>,
    /// The history that the run is added to after the report, and what it measured.
    pub(super) publish: Option<(&'a str, &'a PublishedChange)>,
}

pub(super) fn report(folder: &Path, additional: &[String], options: ReportOptions) -> Step {
    let out = folder.join(COLLECTED_ARTIFACT);
    let results = text(&out);
    let plan = format!("{ARTIFACTS}/{PLAN_ARTIFACT}/{PLAN_FILE}");
    let mut collect = words(["collect", ARTIFACTS, "--out", &results]);
    match options.finished_run {
        // The plan is among the artifacts.
        Some(run) => collect.extend(["--run-id".to_owned(), run.to_string()]),
        None => collect.extend(words(["--plan", &plan])),
    }
    let mut summary = report_line(&out, "markdown", "summary.md");
    let mut page = report_line(&out, "html", "report.html");
    // For programs, and for `imax publish`, which keeps its verdicts with the run.
    let mut document = report_line(&out, "json", REPORT_FILE);
    for line in [&mut summary, &mut page, &mut document] {
        // A baseline among the additional arguments replaces the default one.
        let has_baseline = additional
            .iter()
            .any(|word| word.starts_with("--baseline") || word.starts_with("--compare"));
        line.extend(options.baseline.iter().filter(|_| !has_baseline).cloned());
        line.extend(additional.iter().cloned());
    }
    summary.push("--job-summary".to_owned());
    let mut command_lines = vec![collect, summary, page, document];
    // A push has a commit for the check run, too; `imax comment` then leaves out the comment.
    if options.comments || options.check_run {
        let mut line = words(["comment", &results, "--plan", &plan]);
        line.extend(options.baseline.iter().cloned());
        if options.check_run {
            line.push("--check-run".to_owned());
        }
        command_lines.push(line);
    }
    if let Some(on) = options.notify {
        let mut line = words(["notify", &results, "--on", on]);
        line.extend(options.baseline.iter().cloned());
        command_lines.push(line);
    }
    // Last, because a run that is part of its own baseline differs from it by less.
    if let Some((history, change)) = options.publish {
        command_lines.push(publish_line(&results, history, change));
    }
    Step {
        command_lines,
        // Besides everything that was collected, the four artifacts that InferenceX's dashboard reads.
        upload: Some(Upload {
            folder: out,
            artifacts: vec![
                Artifact::new(COLLECTED_ARTIFACT, &[""]),
                Artifact::new(RESULTS_ARTIFACT, &["agg_bmk.json"]),
                Artifact::new(SCORES_ARTIFACT, &[COLLECTED_SCORES]),
                Artifact::new("run-stats", &["run_stats.json"]),
                Artifact::new("changelog-metadata", &[CHANGELOG_METADATA]),
            ],
        }),
    }
}

/// The artifact with the scores of a run, and its file.
pub(super) const SCORES_ARTIFACT: &str = "eval_results_all";
pub(super) const COLLECTED_SCORES: &str = "agg_eval_all.json";

/// The file of the artifact `changelog-metadata`: what the plan says of the changelog.
pub(super) const CHANGELOG_METADATA: &str = "changelog_metadata.json";

/// The changelog's metadata in a plan file; `None` where it has none.
pub(super) fn changelog_metadata(plan: &str) -> Option<Value> {
    let mut plan: Value = serde_json::from_str(plan).ok()?;
    Some(plan.pointer_mut("/search-space/changelog_metadata")?.take())
}

fn report_line(out: &Path, format: &str, file: &str) -> Vec<String> {
    words(["report", &text(out), "--format", format, "--out", &text(&out.join(file))])
}

pub(super) fn check(additional: Vec<String>) -> Step {
    let mut line = words(["check", "--format", "github"]);
    line.extend(additional);
    Step {
        command_lines: vec![line],
        upload: None,
    }
}

/// The key of a row's artifacts: a readable part, in which characters that GitHub does not allow are replaced, and a hash of the row,
/// because names must be unique within a workflow run.
fn job_key(row: &Row) -> String {
    use sha2::{Digest as _, Sha256};
    let concurrencies: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    let words = format!("{} {} conc{}", row.exp_name, row.curve_key(), concurrencies.join("-"));
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let readable: String = words.chars().map(|c| if is_allowed(c) { c } else { '_' }).take(120).collect();
    let json = serde_json::to_vec(row).unwrap_or_default();
    let mut hash = hex::encode(Sha256::digest(json));
    hash.truncate(8);
    format!("{readable}_{hash}")
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
    fn artifact_names_are_unique_and_valid() {
        let names = [row(1, "a"), row(2, "a"), row(1, "b")].map(|row| job_key(&row));
        assert!(names[0] != names[1] && names[0] != names[2], "{names:?}");
        for name in names {
            assert!(!name.contains(['"', ':', '<', '>', '|', '*', '?', '\\', '/', ' ']), "{name}");
        }
    }

    #[test]
    fn additional_arguments_follow_those_of_the_step() {
        let step = run_row(Path::new("/t"), &row(1, "a"), words(["--seed", "7"]));
        let line = &step.command_lines[0];
        assert_eq!(line[..3], ["run", "--row", "/t/row.json"]);
        assert_eq!(line[line.len() - 2..], ["--seed", "7"]);
        let upload = step.upload.unwrap();
        assert_eq!(upload.folder.parent().unwrap(), Path::new("/t"));
        let key = job_key(&row(1, "a"));
        let names: Vec<&str> = upload.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(
            names,
            ["job_", "bmk_", "server_logs_", "eval_"].map(|prefix| format!("{prefix}{key}"))
        );
    }

    /// What is not of the first artifact is of another one.
    #[test]
    fn every_file_of_a_job_is_in_an_artifact() {
        let plain = row(1, "a");
        let profiled = Row {
            profile: true,
            ..plain.clone()
        };
        let agentic: Row = serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "tp": 8, "ep": 1,
            "dp-attn": false, "spec-decoding": "none", "conc": 4, "exp-name": "e", "scenario-type": "agentic-coding", "kv-offloading": "none",
            "total-cpu-dram-gb": 0, "duration": 60
        }))
        .unwrap();
        let usual = ["job_", "bmk_", "server_logs_", "eval_"];
        for (row, prefixes) in [
            (plain, usual.to_vec()),
            (profiled, [&usual[..], &["profile_"]].concat()),
            (agentic, vec!["job_", "bmk_agentic_", "server_logs_", "eval_", "agentic_"]),
        ] {
            let artifacts = run_row(Path::new("/t"), &row, Vec::new()).upload.unwrap().artifacts;
            let names: Vec<&str> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
            let key = job_key(&row);
            assert_eq!(names, prefixes.iter().map(|prefix| format!("{prefix}{key}")).collect::<Vec<_>>());
            let left_out: Vec<&str> = artifacts[0]
                .patterns
                .iter()
                .filter_map(|pattern| pattern.strip_prefix('!'))
                .collect();
            let stored: Vec<&String> = artifacts[1..].iter().flat_map(|artifact| &artifact.patterns).collect();
            assert_eq!(left_out, stored);
        }
    }

    #[test]
    fn published_runs_of_the_branch_are_told_about() {
        let ingest = Ingest {
            repository: "org/app".to_owned(),
            event_type: "ingest-results".to_owned(),
            agentic_event_type: None,
            payload: [("target".to_owned(), "production".to_owned())].into(),
        };
        let change = PublishedChange {
            commit: Some("c".to_owned()),
            ..PublishedChange::default()
        };
        let lines = publish(None, Some(&ingest), &change, Vec::new()).command_lines;
        let expected =
            "dispatch imax-artifacts/imax-results --to org/app --event-type ingest-results --commit c --payload target=production";
        assert_eq!(lines.iter().map(|line| line.join(" ")).collect::<Vec<_>>(), [expected]);
        let of_pull_request = PublishedChange {
            is_pull_request: true,
            ..change
        };
        let lines = publish(Some("branch"), Some(&ingest), &of_pull_request, Vec::new()).command_lines;
        assert_eq!(lines.iter().map(|line| line[0].as_str()).collect::<Vec<_>>(), ["publish"]);
    }

    #[test]
    fn report_comments_only_where_it_is_asked_to() {
        let commands = |options| -> Vec<String> {
            let step = report(Path::new("/t"), &[], options);
            step.command_lines.iter().map(|line| line[0].clone()).collect()
        };
        let comments = ReportOptions {
            comments: true,
            ..ReportOptions::default()
        };
        assert_eq!(commands(comments), ["collect", "report", "report", "report", "comment"]);
        assert_eq!(commands(ReportOptions::default()), ["collect", "report", "report", "report"]);
        let all = ReportOptions {
            check_run: true,
            notify: Some("regression"),
            ..comments
        };
        let lines = report(Path::new("/t"), &[], all).command_lines;
        assert_eq!(lines[4][2..], ["--plan", "imax-artifacts/imax-plan/plan.json", "--check-run"]);
        assert_eq!(lines[5], ["notify", "/t/imax-results", "--on", "regression"]);
    }

    #[test]
    fn baseline_defaults_to_the_branch_of_the_event() {
        let arguments = |given: &str, environment: &[(&str, &str)]| {
            baseline(given, None, |name: &str| {
                environment
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
            .join(" ")
        };
        let pull_request = [
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_REF_NAME", "7/merge"),
            ("GITHUB_REF_TYPE", "branch"),
        ];
        assert_eq!(arguments("", &pull_request), "--baseline branch:main --baseline-optional");
        let push = [
            ("GITHUB_BASE_REF", ""),
            ("GITHUB_REF_NAME", "release"),
            ("GITHUB_REF_TYPE", "branch"),
        ];
        assert_eq!(arguments("", &push), "--baseline branch:release --baseline-optional");
        assert_eq!(arguments("", &[("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")]), "");
        assert_eq!(arguments("none", &push), "");
        assert_eq!(arguments("history:h", &push), "--baseline history:h");
        let with_history = |given| baseline(given, Some("branch"), |_| None).join(" ");
        assert_eq!(with_history(""), "--baseline history:branch --baseline-optional");
        assert_eq!(with_history("branch:main"), "--baseline branch:main --history branch");
        assert_eq!(with_history("none"), "");
        let asked = words(["--baseline", "branch:main"]);
        let options = ReportOptions {
            comments: true,
            baseline: &asked,
            ..ReportOptions::default()
        };
        let lines = report(Path::new("/t"), &words(["--baseline", "run:1"]), options).command_lines;
        assert_eq!(lines[1][6..8], ["--baseline", "run:1"]);
        assert_eq!(lines[4][4..], ["--baseline", "branch:main"]);
    }

    #[test]
    fn run_is_published_last_and_as_what_it_is() {
        let change = PublishedChange {
            commit: Some("abc".to_owned()),
            branch: Some("faster".to_owned()),
            is_pull_request: true,
            pull_request: Some(7),
            run_id: None,
        };
        let options = ReportOptions {
            comments: true,
            publish: Some(("branch", &change)),
            ..ReportOptions::default()
        };
        let lines = report(Path::new("/t"), &[], options).command_lines;
        assert_eq!(
            lines.last().unwrap().join(" "),
            "publish /t/imax-results --to branch --commit abc --branch faster --kind pull-request --pull-request 7"
        );
        let step = publish(Some("branch"), None, &PublishedChange::default(), words(["--partial"]));
        assert_eq!(
            step.command_lines[0].join(" "),
            "publish imax-artifacts/imax-results --to branch --partial"
        );
    }
}
