//! `imax action`: the composite action's side of the binary. It turns the action's inputs, which come through the
//! environment, into command lines that a person could have typed, and runs them in this very process, so that a
//! cancelled step's signal reaches what must stop.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Deserialize as _;
use serde_json::Value;

use super::{Exit, Failure, OrExit as _, dispatch};
use crate::edge::files;
use crate::edge::workflow::WorkflowFiles;
use crate::matrix::Row;

/// Do a step of the composite action; its inputs come through the environment.
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// What to do.
    #[arg(long, env = "IMAX_ACTION_COMMAND", value_enum)]
    command: ActionCommand,
    /// For `run`, the row as JSON.
    #[arg(long, env = "IMAX_ACTION_ROW", default_value = "", hide_env_values = true)]
    row: String,
    /// Further arguments, quoted as in a shell.
    #[arg(long, env = "IMAX_ACTION_ARGS", default_value = "", hide_env_values = true)]
    args: String,
    /// For `report`, whether the commit gets a check run.
    #[arg(long, env = "IMAX_ACTION_CHECK_RUN", default_value = "")]
    check_run: String,
    /// For `report`, when somebody is notified: failure, regression, always; empty for never.
    #[arg(long, env = "IMAX_ACTION_NOTIFY", default_value = "")]
    notify: String,
    /// For `report`, what to compare with; empty for the branch that the event is about, `none` for nothing.
    #[arg(long, env = "IMAX_ACTION_BASELINE", default_value = "")]
    baseline: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActionCommand {
    Plan,
    Run,
    Progress,
    Report,
    Check,
}

/// What the workflow's next step stores.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    name: String,
    path: PathBuf,
}

/// A step as values: what to write first, which command lines to run, what to store.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command_lines: Vec<Vec<String>>,
    artifact: Option<Artifact>,
}

/// Where [`ActionCommand::Report`] finds the run's artifacts, each in a folder of its name.
const ARTIFACTS: &str = "imax-artifacts";
/// The artifact of the plan.
pub(super) const PLAN_ARTIFACT: &str = "imax-plan";
/// The plan file in it.
pub(super) const PLAN_FILE: &str = "plan.json";
const ROW_FILE: &str = "row.json";
/// The artifact of the report.
pub(super) const RESULTS_ARTIFACT: &str = "results_bmk";

/// Runs the step.
///
/// # Errors
/// As the commands it runs; usage for inputs that are no command line.
pub fn run(args: &ActionArgs) -> Result<Exit, Failure> {
    let further = shlex::split(&args.args)
        .ok_or_else(|| anyhow!("the input `args` has a quote that is not closed: {}", args.args))
        .or_exit(Exit::Usage)?;
    let folder = step_folder()?;
    let step = match args.command {
        ActionCommand::Plan => plan(&folder, further),
        ActionCommand::Run => {
            let row = row_of(&args.row).or_exit(Exit::InvalidInput)?;
            files::write_json(&folder.join(ROW_FILE), &row).or_exit(Exit::Infrastructure)?;
            run_row(&folder, &row, further)
        }
        ActionCommand::Report => {
            let baseline = baseline(&args.baseline, |name| std::env::var(name).ok());
            let tells = Tells {
                baseline: &baseline,
                comments: is_pull_request(),
                check_run: args.check_run == "true",
                notify: Some(args.notify.as_str()).filter(|on| !on.is_empty()),
            };
            report(&folder, &further, tells)
        }
        ActionCommand::Progress => progress(further),
        ActionCommand::Check => check(further),
    };
    if let Some(Artifact { name, path }) = &step.artifact {
        // Said before the work begins: what a job leaves behind is stored however the job ends.
        std::fs::create_dir_all(path).or_exit(Exit::Infrastructure)?;
        let path = path.to_string_lossy();
        let outputs = [("artifact-name", name.as_str()), ("artifact-path", path.as_ref())];
        WorkflowFiles::from_environment()
            .set_outputs(outputs)
            .or_exit(Exit::Infrastructure)?;
    }
    run_all(step.command_lines)
}

/// All of them are run, also behind one that failed: a report of failed jobs is still to be posted. The first failure
/// is the step's.
fn run_all(command_lines: Vec<Vec<String>>) -> Result<Exit, Failure> {
    let mut first = Ok(Exit::Success);
    for command_line in command_lines {
        let result = dispatch(std::iter::once("imax".to_owned()).chain(command_line));
        match (&first, &result) {
            (Ok(Exit::Success), _) => first = result,
            (_, Err(failure)) => super::output::say(&format!("error: {:#}", failure.error)),
            (_, Ok(_)) => {}
        }
    }
    first
}

/// The row of the input: the row itself, or the id of a row in the plan file.
fn row_of(input: &str) -> anyhow::Result<Row> {
    if input.trim_start().starts_with('{') {
        return serde_json::from_str(input).context("the input `row` is not a matrix row; pass `matrix.row` of the plan");
    }
    let path = Path::new(ARTIFACTS).join(PLAN_ARTIFACT).join(PLAN_FILE);
    let plan = files::read_text(&path)
        .with_context(|| format!("the input `row` is {input:?}, the id of a row: download the artifact {PLAN_ARTIFACT} first"))?;
    row_in_plan(&plan, input).with_context(|| path.display().to_string())
}

fn row_in_plan(plan: &str, id: &str) -> anyhow::Result<Row> {
    let plan: Value = serde_json::from_str(plan)?;
    let jobs = plan["jobs"]
        .as_array()
        .context("found no list `jobs`, expected the plan file of imax plan")?;
    let job = jobs
        .iter()
        .find(|job| job["id"] == id)
        .with_context(|| format!("no job has the id {id:?}"))?;
    Ok(Row::deserialize(&job["row"])?)
}

/// A fresh folder below the runner's temporary one, which the runner empties after the job.
fn step_folder() -> Result<PathBuf, Failure> {
    let parent = std::env::var_os("RUNNER_TEMP").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::Builder::new()
        .prefix("imax-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
        .or_exit(Exit::Infrastructure)?;
    Ok(folder.keep())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn plan(folder: &Path, further: Vec<String>) -> Step {
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

fn run_row(folder: &Path, row: &Row, further: Vec<String>) -> Step {
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

fn progress(further: Vec<String>) -> Step {
    let plan = format!("{ARTIFACTS}/{PLAN_ARTIFACT}/{PLAN_FILE}");
    let mut line = words(["progress", "--plan", &plan, "--every", PROGRESS_SECONDS]);
    line.extend(further);
    Step {
        command_lines: vec![line],
        artifact: None,
    }
}

/// Only a pull request has a place for the comment.
fn is_pull_request() -> bool {
    std::env::var("GITHUB_EVENT_NAME").is_ok_and(|event| matches!(event.as_str(), "pull_request" | "pull_request_target" | "issue_comment"))
}

/// The arguments for a baseline. That of the event is optional, since nobody asked for it: a token may not be allowed to read it, and a new
/// repository has none.
fn baseline(given: &str, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
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
struct Tells<'a> {
    /// The arguments for it.
    baseline: &'a [String],
    /// The pull request.
    comments: bool,
    /// The commit.
    check_run: bool,
    /// Chats and webhooks, and when.
    notify: Option<&'a str>,
}

fn report(folder: &Path, further: &[String], tells: Tells) -> Step {
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

fn check(further: Vec<String>) -> Step {
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
mod tests {
    use super::*;
    use serde_json::json;

    fn row(conc: u32, model: &str) -> Row {
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
    fn rows_are_found_by_id_in_the_plan_file() {
        let plan = json!({ "jobs": [{ "id": "a", "row": row(1, "a") }, { "id": "b", "row": row(2, "a") }] }).to_string();
        assert_eq!(row_in_plan(&plan, "b").unwrap(), row(2, "a"));
        assert_eq!(row_in_plan(&plan, "c").unwrap_err().to_string(), "no job has the id \"c\"");
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
