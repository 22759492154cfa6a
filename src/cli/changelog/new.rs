//! `imax changelog new`: writes a new entry to a fragment.

use std::num::NonZeroU32;

use clap::Args;

use super::{ChangelogArgs, RepositoryArgs};
use crate::changelog::ScenarioType;
use crate::cli::{Exit, Failure, output};
use crate::planning::changelog_edit::{NewEntry, add_entry};

/// Write a new entry to a fragment of its own, so that no two pull requests change the same file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog new --config-keys 'dsr1-fp8-*' --description 'Update SGLang to v0.5.9'")]
pub(super) struct NewArgs {
    /// Config keys, or patterns with `*`
    #[arg(long, required = true, num_args = 1.., value_name = "KEY")]
    config_keys: Vec<String>,

    /// What changed, one value per line
    #[arg(long, required = true, num_args = 1.., value_name = "TEXT")]
    description: Vec<String>,

    /// The pull request's number; without it the link is a placeholder
    #[arg(long, value_name = "NUMBER")]
    pr: Option<u64>,

    /// Evaluate accuracy without measuring performance
    #[arg(long)]
    evals_only: bool,

    /// Evaluate accuracy at every point that can be evaluated, without measuring performance
    #[arg(long)]
    all_evals: bool,

    /// Measure only new points on unchanged curves
    #[arg(long, conflicts_with_all = ["evals_only", "all_evals"])]
    append_only: bool,

    /// Leave out multi-node evaluations whose prefill has a lower expert parallelism
    #[arg(long, value_name = "N", conflicts_with = "append_only")]
    eval_min_prefill_ep: Option<NonZeroU32>,

    /// Only these scenarios
    #[arg(long, num_args = 1.., value_name = "TYPE", value_parser = scenario)]
    scenario_type: Vec<ScenarioType>,

    /// The fragment's name without extension [default: the pull request's number, or the branch's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    repository: RepositoryArgs,
}

fn scenario(text: &str) -> Result<ScenarioType, String> {
    let found = ScenarioType::ALL.into_iter().find(|scenario| scenario.as_str() == text);
    found.ok_or_else(|| "expected fixed-seq-len or agentic-coding".to_owned())
}

impl From<NewArgs> for NewEntry {
    fn from(args: NewArgs) -> Self {
        let NewArgs {
            config_keys,
            description,
            pr,
            evals_only,
            all_evals,
            append_only,
            eval_min_prefill_ep,
            scenario_type,
            name,
            changelog,
            repository: RepositoryArgs { repo },
        } = args;
        Self {
            config_keys,
            description,
            pull_request: pr,
            evals_only,
            all_evals,
            append_only,
            eval_min_prefill_ep,
            scenario_types: scenario_type,
            fragment_name: name,
            changelog: changelog.into(),
            repository: repo,
        }
    }
}

pub(super) fn run(args: NewArgs) -> Result<Exit, Failure> {
    let path = add_entry(args.into())?;
    output::emit(&format!("{}\n", path.display()))?;
    Ok(Exit::Success)
}
