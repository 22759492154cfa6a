//! `imax changelog new`: writes a new entry to a fragment of its own.

use std::num::NonZeroU32;

use clap::Args;

use super::files::{self, ChangelogFiles, Repo};
use crate::changelog::{Entry, ScenarioType, draft_name, render};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::system;

/// Writes a new entry to a fragment of its own, so that two pull requests never change the same file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog new --config-keys 'dsr1-fp8-*' --description 'Update SGLang to v0.5.9'")]
pub struct NewArgs {
    /// Config keys, or patterns with `*`
    #[arg(long, required = true, num_args = 1.., value_name = "KEY")]
    config_keys: Vec<String>,

    /// What changed, a line each
    #[arg(long, required = true, num_args = 1.., value_name = "TEXT")]
    description: Vec<String>,

    /// The pull request's number; a placeholder is written where it is not known yet
    #[arg(long, value_name = "NUMBER")]
    pr: Option<u64>,

    /// Evaluate accuracy and do not measure
    #[arg(long)]
    evals_only: bool,

    /// Evaluate accuracy at every point that can be evaluated, and do not measure
    #[arg(long)]
    all_evals: bool,

    /// Measure only points that are new on unchanged curves
    #[arg(long, conflicts_with_all = ["evals_only", "all_evals"])]
    append_only: bool,

    /// Leave out multi-node evaluations with a lower expert parallelism of the prefill
    #[arg(long, value_name = "N", conflicts_with = "append_only")]
    eval_min_prefill_ep: Option<NonZeroU32>,

    /// Only these scenarios
    #[arg(long, num_args = 1.., value_name = "TYPE", value_parser = scenario)]
    scenario_type: Vec<ScenarioType>,

    /// The fragment's name without its ending; the pull request's number or the branch's name if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    repo: Repo,
}

fn scenario(text: &str) -> Result<ScenarioType, String> {
    let found = ScenarioType::ALL.into_iter().find(|scenario| scenario.as_str() == text);
    found.ok_or_else(|| "expected fixed-seq-len or agentic-coding".to_owned())
}

pub fn run(args: &NewArgs) -> Result<Exit, Failure> {
    let entry = Entry {
        config_keys: args.config_keys.clone(),
        description: args.description.clone(),
        pr_link: match args.pr {
            Some(number) => format!("https://github.com/{}/pull/{number}", args.repo.repo),
            None => "XXX".to_owned(),
        },
        evals_only: args.evals_only,
        all_evals: args.all_evals,
        append_only: args.append_only,
        eval_min_prefill_ep: args.eval_min_prefill_ep,
        scenario_type: (!args.scenario_type.is_empty()).then(|| args.scenario_type.clone()),
    };
    let path = args.files.fragments_folder().join(format!("{}.yaml", fragment_name(args)?));
    let text = match path.exists() {
        true => {
            let before = system::files::read_text(&path).or_exit(Exit::InvalidInput)?;
            format!("{}\n\n{}", before.trim_end(), render(&entry))
        }
        false => render(&entry),
    };
    system::files::write(&path, text.as_bytes()).or_exit(Exit::Infrastructure)?;
    output::emit(&format!("{}\n", path.display()))?;
    Ok(Exit::Success)
}

fn fragment_name(args: &NewArgs) -> Result<String, Failure> {
    let name = match (&args.name, args.pr) {
        (Some(name), _) => draft_name(name),
        (None, Some(number)) => number.to_string(),
        (None, None) => files::repository()?.branch().map(|branch| draft_name(&branch)).unwrap_or_default(),
    };
    if name.is_empty() {
        return Err(anyhow::anyhow!(
            "there is no branch to name the fragment after; give `--name` or `--pr`"
        ))
        .or_exit(Exit::Usage);
    }
    Ok(name)
}
