//! `imax matrix`: config entries to rows, as a JSON array on stdout.

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::configs::ConfigFiles;
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::matrix::evals::Evals;
use crate::matrix::filters::{Nodes, ScenarioKind};
use crate::matrix::{self, Bounds, FullSweep, NodeSweep, Row, SelectError, Step, TestConfig};
use crate::model::Concurrency;

/// Expands configs to rows, one a job, and prints them as JSON.
#[derive(Debug, Args)]
#[command(
    infer_long_args = true,
    after_help = "Example:\n  imax matrix full-sweep --config-dir configs --runner-type h200 --max-conc 64"
)]
pub struct MatrixArgs {
    #[command(subcommand)]
    selection: Selection,
}

#[derive(Debug, Subcommand)]
#[command(infer_long_args = true)]
enum Selection {
    /// Every row that passes the filters
    #[command(
        infer_long_args = true,
        after_help = "Example:\n  imax matrix full-sweep --single-node --model-prefix dsr1 --precision fp8 --no-evals"
    )]
    FullSweep(Box<FullSweepArgs>),
    /// Every row of some config keys
    #[command(
        infer_long_args = true,
        after_help = "Example:\n  imax matrix test-config --config-keys 'dsr1-fp8-*' --conc 4 64"
    )]
    TestConfig(TestConfigArgs),
    /// Every config of a runner label on every one of its nodes
    #[command(
        infer_long_args = true,
        after_help = "Example:\n  imax matrix runner-model-sweep --runner-type h200 --single-node"
    )]
    RunnerModelSweep(RunnerModelSweepArgs),
}

#[derive(Debug, Args)]
struct FullSweepArgs {
    #[command(flatten)]
    configs: ConfigFiles,
    #[command(flatten)]
    evals: EvalArgs,
    /// Starts of config keys
    #[arg(long, value_name = "START", num_args = 1..)]
    model_prefix: Vec<String>,
    /// Precisions
    #[arg(long, value_name = "NAME", num_args = 1..)]
    precision: Vec<String>,
    /// Engines
    #[arg(long, value_name = "NAME", num_args = 1..)]
    framework: Vec<String>,
    /// Runner labels
    #[arg(long, value_name = "LABEL", num_args = 1..)]
    runner_type: Vec<String>,
    /// Sequence lengths, such as 1k1k or 8k1k
    #[arg(long, value_name = "LENGTHS", num_args = 1..)]
    seq_lens: Vec<String>,
    /// What a range's concurrencies are multiplied by, from 2
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = step, allow_negative_numbers = true)]
    step_size: Step,
    /// Lowest concurrency
    #[arg(long, value_name = "CONC", allow_negative_numbers = true)]
    min_conc: Option<i64>,
    /// Highest concurrency; fixed-length rows that lie above are measured at it
    #[arg(long, value_name = "CONC", allow_negative_numbers = true)]
    max_conc: Option<i64>,
    /// Highest TP on one node
    #[arg(long, value_name = "TP", allow_negative_numbers = true)]
    max_tp: Option<i64>,
    /// Highest EP on one node; a higher one is lowered to it
    #[arg(long, value_name = "EP", allow_negative_numbers = true)]
    max_ep: Option<i64>,
    /// Rows on one node
    #[arg(long)]
    single_node: bool,
    /// Rows over several nodes
    #[arg(long)]
    multi_node: bool,
    /// Kinds of scenario
    #[arg(long, value_name = "KIND", num_args = 1..)]
    scenario_type: Vec<ScenarioName>,
    /// A part of node names: a row for each node of its label that has it
    #[arg(long, value_name = "PART")]
    runner_node_filter: Option<String>,
}

#[derive(Debug, Args)]
struct TestConfigArgs {
    #[command(flatten)]
    configs: ConfigFiles,
    #[command(flatten)]
    evals: EvalArgs,
    /// Config keys; `*`, `?` and `[]` match as in a shell
    #[arg(long, value_name = "KEY", num_args = 1.., required = true)]
    config_keys: Vec<String>,
    /// Only these concurrencies
    #[arg(long, value_name = "CONC", num_args = 1.., allow_negative_numbers = true)]
    conc: Vec<i64>,
    /// Sequence lengths, such as 1k1k or 8k1k
    #[arg(long, value_name = "LENGTHS", num_args = 1..)]
    seq_lens: Vec<String>,
    /// Kinds of scenario
    #[arg(long, value_name = "KIND", num_args = 1..)]
    scenario_type: Vec<ScenarioName>,
    /// A part of node names or of the label: a row for each node that has it
    #[arg(long, value_name = "PART")]
    runner_node_filter: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("nodes").required(true).multiple(false).args(["single_node", "multi_node"]))]
struct RunnerModelSweepArgs {
    #[command(flatten)]
    configs: ConfigFiles,
    #[command(flatten)]
    evals: EvalArgs,
    /// The label whose nodes are checked
    #[arg(long, value_name = "LABEL")]
    runner_type: String,
    /// Starts of config keys
    #[arg(long, value_name = "START", num_args = 1..)]
    model_prefix: Vec<String>,
    /// Precisions
    #[arg(long, value_name = "NAME", num_args = 1..)]
    precision: Vec<String>,
    /// Engines
    #[arg(long, value_name = "NAME", num_args = 1..)]
    framework: Vec<String>,
    /// The concurrency of every row, instead of the config's lowest
    #[arg(long, value_name = "CONC")]
    conc: Option<Concurrency>,
    /// Configs on one node
    #[arg(long)]
    single_node: bool,
    /// Configs over several nodes
    #[arg(long)]
    multi_node: bool,
    /// A part of node names
    #[arg(long, value_name = "PART")]
    runner_node_filter: Option<String>,
}

/// Which accuracy evaluations go with the rows.
#[derive(Debug, Clone, Copy, Args)]
struct EvalArgs {
    /// Mark rows for evaluation (the default with `scenarios:` configs)
    #[arg(long, conflicts_with_all = ["no_evals", "evals_only"])]
    run_evals: bool,
    /// Mark no rows for evaluation (the default with `seq-len-configs:` configs)
    #[arg(long, conflicts_with_all = ["evals_only", "all_evals"])]
    no_evals: bool,
    /// Only the rows to be evaluated, without measuring them
    #[arg(long)]
    evals_only: bool,
    /// Every row that can be evaluated, without measuring them
    #[arg(long)]
    all_evals: bool,
}

impl EvalArgs {
    /// The wish; none leaves it to the configs' convention.
    fn wish(self) -> Option<Evals> {
        if self.all_evals {
            Some(Evals::All)
        } else if self.evals_only {
            Some(Evals::Only)
        } else if self.run_evals {
            Some(Evals::Marked)
        } else if self.no_evals {
            Some(Evals::Off)
        } else {
            None
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScenarioName {
    FixedSeqLen,
    AgenticCoding,
}

impl From<ScenarioName> for ScenarioKind {
    fn from(name: ScenarioName) -> Self {
        match name {
            ScenarioName::FixedSeqLen => Self::FixedSeqLen,
            ScenarioName::AgenticCoding => Self::AgenticCoding,
        }
    }
}

fn kinds(names: &[ScenarioName]) -> Vec<ScenarioKind> {
    names.iter().copied().map(Into::into).collect()
}

fn step(text: &str) -> Result<Step, String> {
    let factor: i64 = text.parse().map_err(|error| format!("{error}"))?;
    Step::new(factor).ok_or_else(|| "expected a whole number from 2".to_owned())
}

/// Runs the command.
///
/// # Errors
/// Invalid configs as invalid input, a selection of things that do not exist as usage.
pub fn run(args: &MatrixArgs) -> Result<Exit, Failure> {
    let rows = match &args.selection {
        Selection::FullSweep(args) => full_sweep(args)?,
        Selection::TestConfig(args) => test_config(args)?,
        Selection::RunnerModelSweep(args) => runner_model_sweep(args)?,
    };
    let mut json = serde_json::to_string(&rows).or_exit(Exit::InvalidInput)?;
    json.push('\n');
    output::emit(&json)?;
    Ok(Exit::Success)
}

fn full_sweep(args: &FullSweepArgs) -> Result<Vec<Row>, Failure> {
    if let (Some(min), Some(max)) = (args.min_conc, args.max_conc)
        && min > max
    {
        let message = format!("--min-conc {min} is above --max-conc {max}");
        return Err(anyhow::anyhow!(message)).or_exit(Exit::Usage);
    }
    let sweep = FullSweep {
        key_prefixes: args.model_prefix.clone(),
        precisions: args.precision.clone(),
        frameworks: args.framework.clone(),
        runner_types: args.runner_type.clone(),
        seq_lens: args.seq_lens.clone(),
        step: args.step_size,
        bounds: Bounds {
            min: args.min_conc,
            max: args.max_conc,
        },
        max_tp: args.max_tp,
        max_ep: args.max_ep,
        nodes: Some(Nodes::from_flags(args.single_node, args.multi_node)),
        scenarios: kinds(&args.scenario_type),
        node_filter: args.runner_node_filter.clone(),
    };
    classified(matrix::full_sweep(&args.configs.load()?, &sweep, args.evals.wish()))
}

fn test_config(args: &TestConfigArgs) -> Result<Vec<Row>, Failure> {
    let test = TestConfig {
        conc: args.conc.clone(),
        seq_lens: args.seq_lens.clone(),
        scenarios: kinds(&args.scenario_type),
        node_filter: args.runner_node_filter.clone(),
    };
    let catalog = args.configs.load()?;
    classified(matrix::test_config(&catalog, &args.config_keys, &test, args.evals.wish()))
}

fn runner_model_sweep(args: &RunnerModelSweepArgs) -> Result<Vec<Row>, Failure> {
    let sweep = NodeSweep {
        runner_type: args.runner_type.clone(),
        key_prefixes: args.model_prefix.clone(),
        precisions: args.precision.clone(),
        frameworks: args.framework.clone(),
        conc: args.conc,
        nodes: Nodes {
            single: args.single_node,
            multi: args.multi_node,
        },
        node_filter: args.runner_node_filter.clone(),
    };
    let catalog = args.configs.load()?;
    classified(matrix::runner_model_sweep(&catalog, &sweep, args.evals.wish()))
}

fn classified(rows: Result<Vec<Row>, SelectError>) -> Result<Vec<Row>, Failure> {
    match rows {
        Ok(rows) => Ok(rows),
        Err(SelectError::Config(found)) => Err(found).or_exit(Exit::InvalidInput),
        Err(
            error @ (SelectError::UnknownRunner { .. }
            | SelectError::UnknownKey { .. }
            | SelectError::NoMatch(_)
            | SelectError::NoNode { .. }
            | SelectError::UnknownSeqLens { .. }),
        ) => Err(error).or_exit(Exit::Usage),
    }
}
