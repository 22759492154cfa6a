//! `imax action`: the program behind the composite action. It reads the action's inputs from the environment, turns them into command
//! lines (`steps`) and runs these in this process, so that the signal of a cancelled step reaches the command that has to stop.

mod job_environment;
mod steps;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize as _;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::settings::SettingsArgs;
use super::{Exit, Failure, OrExit as _, dispatch, output};
use crate::github::workflow::WorkflowFiles;
use crate::github::{self, WorkflowRun, annotations};
use crate::matrix::Row;
use crate::planning::{PLAN_ARTIFACT, PLAN_FILE, SettingsFile};
use crate::settings::{HistoryAddress, Settings};
use crate::system::{files, untrusted};
pub(super) use job_environment::{JobEnvironment, JobEnvironmentError};
use steps::{Artifact, PublishedChange, ReportOptions, Step, Upload};

/// Run a step of the composite action; its inputs come through the environment.
#[derive(Debug, Args)]
pub(super) struct ActionArgs {
    /// The step
    #[arg(long, env = "IMAX_ACTION_COMMAND", value_enum)]
    command: ActionCommand,
    /// For `run`: the row as JSON, or its id in the plan file
    #[arg(long, env = "IMAX_ACTION_ROW", default_value = "", hide_env_values = true)]
    row: String,
    /// Additional arguments, quoted as in a shell
    #[arg(long, env = "IMAX_ACTION_ARGS", default_value = "", hide_env_values = true)]
    args: String,
    /// For `report`: whether the commit gets a check run
    #[arg(long, env = "IMAX_ACTION_CHECK_RUN", default_value = "")]
    check_run: String,
    /// For `report`: when to notify (failure, regression, always); empty for never
    #[arg(long, env = "IMAX_ACTION_NOTIFY", default_value = "")]
    notify: String,
    /// For `report`: what to compare with; empty for the event's target branch, `none` for no comparison
    #[arg(long, env = "IMAX_ACTION_BASELINE", default_value = "")]
    baseline: String,
    /// For `approve`: the file of the workflow to dispatch
    #[arg(long, env = "IMAX_ACTION_WORKFLOW", default_value = "")]
    workflow: String,
    /// For `report`: whether the run is added to the history that imax.yaml names
    #[arg(long, env = "IMAX_ACTION_PUBLISH", default_value = "")]
    publish: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActionCommand {
    Plan,
    Approve,
    Run,
    Progress,
    Report,
    Publish,
    Check,
}

impl ActionArgs {
    /// Whether the step starts a recipe.
    pub(super) fn runs_row(&self) -> bool {
        self.command == ActionCommand::Run
    }

    /// Whether the step calls GitHub's API. Steps that run code of the commit do not.
    pub(super) fn uses_github(&self) -> bool {
        match self.command {
            ActionCommand::Plan | ActionCommand::Approve | ActionCommand::Progress | ActionCommand::Report | ActionCommand::Publish => true,
            ActionCommand::Run | ActionCommand::Check => false,
        }
    }
}

/// Folder to which the workflow downloads the run's artifacts, each in a folder of its own name.
const ARTIFACTS: &str = "imax-artifacts";
const ROW_FILE: &str = "row.json";

/// Runs the step.
///
/// # Errors
/// The first error of its commands; usage if `args` has an unclosed quote.
pub(super) async fn run(action: ActionArgs) -> Result<Exit, Failure> {
    let ActionArgs {
        command,
        row,
        args,
        check_run,
        notify,
        baseline,
        workflow,
        publish,
    } = action;
    let additional =
        shlex::split(&args).ok_or_else(|| Failure::new(Exit::Usage, format!("the input `args` has an unclosed quote: {args}")))?;
    let folder = step_folder()?;
    let step = match command {
        ActionCommand::Plan => steps::plan(&folder, additional),
        ActionCommand::Approve => steps::approve(&workflow, additional),
        ActionCommand::Run => {
            let row = read_row_input(&row).or_exit(Exit::InvalidInput)?;
            files::write_json(&folder.join(ROW_FILE), &row)?;
            steps::run_row(&folder, &row, additional)
        }
        ActionCommand::Report => {
            let finished = github::finished_run()?;
            // Invalid settings are the finding of the report itself.
            let history = judging_settings().map(|settings| settings.history).unwrap_or_default();
            let history = history.as_ref().map(HistoryAddress::as_str);
            let change = published_change(finished.as_ref())?;
            let baseline = steps::baseline(&baseline, history, |name| std::env::var(name).ok());
            let options = ReportOptions {
                baseline: &baseline,
                finished_run: finished.as_ref().map(|run| run.id),
                comments: steps::is_pull_request(finished.as_ref()),
                check_run: check_run == "true",
                notify: Some(notify.as_str()).filter(|notify| !notify.is_empty()),
                publish: results_api(&publish)
                    .or_else(|| history.filter(|_| publish != "false"))
                    .map(|to| (to, &change)),
            };
            steps::report(&folder, &additional, options)
        }
        ActionCommand::Publish => {
            let settings = judging_settings()?;
            let history = results_api(&publish).or_else(|| settings.history.as_ref().map(HistoryAddress::as_str));
            let ingest = settings.ingest.as_ref();
            if history.is_none() && ingest.is_none() {
                return Err(Failure::new(
                    Exit::Usage,
                    "imax.yaml names neither a history nor a receiver; add `history: branch` or `ingest:` to it, set the input `publish` to the address of a results API, or remove this job",
                ));
            }
            steps::publish(history, ingest, &published_change(github::finished_run()?.as_ref())?, additional)
        }
        ActionCommand::Progress => steps::progress(additional),
        ActionCommand::Check => steps::check(additional),
    };
    let Step { command_lines, upload } = step;
    let reports = command == ActionCommand::Report;
    if let Some(upload) = &upload {
        set_artifact_outputs(upload)?;
        if reports {
            write_changelog_metadata(&upload.folder)?;
        }
    }
    let ended = run_all(command_lines).await;
    if let Some(upload) = upload.filter(|_| reports) {
        withhold_empty_scores(&upload)?;
    }
    ended
}

/// Unnames the artifact of scores where nothing was evaluated, so that it is not uploaded: InferenceX's check of artifacts that are reused
/// takes an empty one for a loss. The last value of an output counts.
fn withhold_empty_scores(upload: &Upload) -> Result<(), Failure> {
    let scores = untrusted::read_text(&upload.folder.join(steps::COLLECTED_SCORES)).ok();
    let are_there = scores.is_some_and(|scores| serde_json::from_str::<Vec<IgnoredAny>>(&scores).is_ok_and(|scores| !scores.is_empty()));
    let at = upload.artifacts.iter().position(|artifact| artifact.name == steps::SCORES_ARTIFACT);
    if let Some(at) = at.filter(|_| !are_there) {
        let name = format!("artifact-{}-name", at + 1);
        WorkflowFiles::from_environment().set_outputs([(name.as_str(), "")])?;
    }
    Ok(())
}

/// The settings of the repository. A pull request does not choose where its results go: its base does.
fn judging_settings() -> Result<Settings, Failure> {
    let judging = SettingsFile::from(SettingsArgs::default()).judging(github::base_sha()?.as_deref(), &|_| {})?;
    Ok(judging.settings)
}

/// The results API that the input `publish` names.
fn results_api(publish: &str) -> Option<&str> {
    publish.starts_with("https://").then_some(publish)
}

/// What was measured, by the plan and the event. GitHub's own commit and branch are those of a merge, or of the default branch where a
/// comment started the sweep.
fn published_change(finished: Option<&WorkflowRun>) -> Result<PublishedChange, Failure> {
    let is_pull_request = steps::is_pull_request(finished);
    let pull_request = if is_pull_request { github::event_pull_request()? } else { None };
    let planned = untrusted::read_text(&Path::new(ARTIFACTS).join(PLAN_ARTIFACT).join(PLAN_FILE)).ok();
    let planned = planned.and_then(|plan| serde_json::from_str::<Value>(&plan).ok());
    let planned = planned.and_then(|plan| Some(plan["head-sha"].as_str()?.to_owned()));
    Ok(PublishedChange {
        commit: planned
            .filter(|commit| !commit.is_empty())
            .or_else(|| finished.map(|run| run.head_sha.clone()))
            .or(github::head_sha()?),
        branch: finished
            .map_or_else(|| std::env::var("GITHUB_HEAD_REF").ok(), |run| run.head_branch.clone())
            .filter(|branch| !branch.is_empty()),
        is_pull_request,
        pull_request,
        run_id: finished.map(|run| run.id),
    })
}

/// Sets the outputs for the workflow's upload steps. This is done before the commands run, so that a job's files are uploaded even if
/// it is killed.
fn set_artifact_outputs(upload: &Upload) -> Result<(), Failure> {
    let Upload { folder, artifacts } = upload;
    files::create_folder(folder)?;
    let folder = folder.to_string_lossy();
    let mut outputs = vec![("artifact-folder".to_owned(), folder.clone().into_owned())];
    for (index, Artifact { name, patterns }) in artifacts.iter().enumerate() {
        let lines: Vec<String> = patterns.iter().map(|pattern| below(&folder, pattern)).collect();
        outputs.push((format!("artifact-{}-name", index + 1), name.clone()));
        outputs.push((format!("artifact-{}-path", index + 1), lines.join("\n")));
    }
    let outputs = outputs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    WorkflowFiles::from_environment().set_outputs(outputs)?;
    Ok(())
}

/// A pattern of upload-artifact below a folder.
fn below(folder: &str, pattern: &str) -> String {
    match (pattern, pattern.strip_prefix('!')) {
        ("", _) => folder.to_owned(),
        (_, Some(left_out)) => format!("!{folder}/{left_out}"),
        (_, None) => format!("{folder}/{pattern}"),
    }
}

/// Writes what the plan says of the changelog, for the artifact `changelog-metadata`. Nothing where the workflow has no plan.
fn write_changelog_metadata(folder: &Path) -> Result<(), Failure> {
    let plan = untrusted::read_text(&Path::new(ARTIFACTS).join(PLAN_ARTIFACT).join(PLAN_FILE)).ok();
    if let Some(metadata) = plan.as_deref().and_then(steps::changelog_metadata) {
        files::write_json(&folder.join(steps::CHANGELOG_METADATA), &metadata)?;
    }
    Ok(())
}

/// Runs all command lines even if one fails, because the report of a failed job must still be posted. Returns the first failure.
async fn run_all(command_lines: Vec<Vec<String>>) -> Result<Exit, Failure> {
    let mut first = Ok(Exit::Success);
    for command_line in command_lines {
        let result = dispatch(std::iter::once("imax".to_owned()).chain(command_line)).await;
        if let Err(failure) = &result
            && let Some(found) = failure.findings()
        {
            // GitHub shows them on the line in the pull request.
            output::say_commands(annotations(found).trim_end());
        }
        match (&first, &result) {
            (Ok(Exit::Success), _) => first = result,
            (_, Err(failure)) => failure.print(),
            (_, Ok(_)) => {}
        }
    }
    first
}

/// Parses the input `row`: a matrix row as JSON, or the id of a row in the plan file.
fn read_row_input(input: &str) -> anyhow::Result<Row> {
    if input.trim_start().starts_with('{') {
        return serde_json::from_str(input).context("invalid input `row`: expected a matrix row, `matrix.row` of the plan");
    }
    let path = Path::new(ARTIFACTS).join(PLAN_ARTIFACT).join(PLAN_FILE);
    let plan = untrusted::read_text(&path).with_context(|| {
        format!("cannot look up the row with the id {input:?} of the input `row`; download the artifact {PLAN_ARTIFACT} first")
    })?;
    row_in_plan(&plan, input).with_context(|| path.display().to_string())
}

fn row_in_plan(plan: &str, id: &str) -> anyhow::Result<Row> {
    let plan: Value = serde_json::from_str(plan)?;
    let jobs = plan["jobs"]
        .as_array()
        .context("missing list `jobs`, expected the plan file of imax plan")?;
    let job = jobs
        .iter()
        .find(|job| job["id"] == id)
        .with_context(|| format!("no job with the id {id:?}"))?;
    Ok(Row::deserialize(&job["row"])?)
}

/// Creates a folder in the runner's temporary directory, which the runner empties after the job.
fn step_folder() -> Result<PathBuf, Failure> {
    let parent = std::env::var_os("RUNNER_TEMP").map_or_else(std::env::temp_dir, PathBuf::from);
    Ok(files::create_unique_folder(&parent, "imax-")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::steps::tests::row;
    use super::*;

    #[test]
    fn rows_are_found_by_id_in_the_plan_file() {
        let plan = json!({ "jobs": [{ "id": "a", "row": row(1, "a") }, { "id": "b", "row": row(2, "a") }] }).to_string();
        assert_eq!(row_in_plan(&plan, "b").unwrap(), row(2, "a"));
        assert_eq!(row_in_plan(&plan, "c").unwrap_err().to_string(), "no job with the id \"c\"");
    }
}
