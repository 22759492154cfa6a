//! `imax action`: the composite action's side of the binary. It turns the action's inputs, which come through the
//! environment, into command lines that a person could have typed, and runs them in this very process, so that a
//! cancelled step's signal reaches what must stop. `steps` has the command lines.

mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Deserialize as _;
use serde_json::Value;

use super::{Exit, Failure, OrExit as _, dispatch};
use crate::github::workflow::WorkflowFiles;
use crate::matrix::Row;
use crate::report::findings;
use crate::system::files;
pub(super) use steps::RESULTS_ARTIFACT;
use steps::{Artifact, Tells};

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

/// Where [`ActionCommand::Report`] finds the run's artifacts, each in a folder of its name.
const ARTIFACTS: &str = "imax-artifacts";
/// The artifact of the plan.
pub(super) const PLAN_ARTIFACT: &str = "imax-plan";
/// The plan file in it.
pub(super) const PLAN_FILE: &str = "plan.json";
const ROW_FILE: &str = "row.json";
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
        ActionCommand::Plan => steps::plan(&folder, further),
        ActionCommand::Run => {
            let row = row_of(&args.row).or_exit(Exit::InvalidInput)?;
            files::write_json(&folder.join(ROW_FILE), &row).or_exit(Exit::Infrastructure)?;
            steps::run_row(&folder, &row, further)
        }
        ActionCommand::Report => {
            let baseline = steps::baseline(&args.baseline, |name| std::env::var(name).ok());
            let tells = Tells {
                baseline: &baseline,
                comments: steps::is_pull_request(),
                check_run: args.check_run == "true",
                notify: Some(args.notify.as_str()).filter(|on| !on.is_empty()),
            };
            steps::report(&folder, &further, tells)
        }
        ActionCommand::Progress => steps::progress(further),
        ActionCommand::Check => steps::check(further),
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
        if let Err(failure) = &result
            && let Some(found) = failure.findings()
        {
            // GitHub shows them on the line in the pull request.
            super::output::say(findings::github(found).trim_end());
        }
        match (&first, &result) {
            (Ok(Exit::Success), _) => first = result,
            (_, Err(failure)) => failure.tell(),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::steps::tests::row;
    use super::*;

    #[test]
    fn rows_are_found_by_id_in_the_plan_file() {
        let plan = json!({ "jobs": [{ "id": "a", "row": row(1, "a") }, { "id": "b", "row": row(2, "a") }] }).to_string();
        assert_eq!(row_in_plan(&plan, "b").unwrap(), row(2, "a"));
        assert_eq!(row_in_plan(&plan, "c").unwrap_err().to_string(), "no job has the id \"c\"");
    }
}
