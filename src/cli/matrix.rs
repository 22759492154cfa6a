//! `imax matrix`: expands config entries to rows and prints them as a JSON array.

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::configs::ConfigArgs;
use super::{Exit, Failure, output};
use crate::matrix::evals::Evals;
use crate::matrix::filters::{Nodes, ScenarioKind};
use crate::matrix::{Bounds, FullSweep, NodeSweep, RowSelection, Step, TestConfig};
use crate::model::Concurrency;
use crate::planning::GeneratorRequest;

/// Expand configs to rows, one per job, and print them as JSON.
#[derive(Debug, Args)]
#[command(
    infer_long_args = true,
    after_help = "Example:\n  imax matrix full-sweep --config-dir configs --runner-type h200 --max-conc 64"
)]
pub(super) struct MatrixArgs {
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
    /// Every row of the given config keys
    #[command(
        infer_long_args = true,
        after_help = "Example:\n  imax matrix test-config --config-keys 'dsr1-fp8-*' --conc 4 64"
    )]
    TestConfig(TestConfigArgs),
    /// Every config of a runner label on every node of the label
    #[command(
        infer_long_args = true,
        after_help = "Example:\n  imax matrix runner-model-sweep --runner-type h200 --single-node"
    )]
    RunnerModelSweep(RunnerModelSweepArgs),
}

#[derive(Debug, Args)]
struct FullSweepArgs {
    #[command(flatten)]
    configs: ConfigArgs,
    #[command(flatten)]
    evals: EvalArgs,
    /// Prefixes of config keys
    #[arg(long, value_name = "PREFIX", num_args = 1..)]
    model_prefix: Vec<String>,
    /// Precisions
    #[arg(long, value_name = "NAME", num_args = 1..)]
    precision: Vec<String>,
    /// Engines
    #[arg(long, value_name = "NAME", num_args = 1..)]
    framework: Vec<String>,
    /// Runner labels
    #[arg(long, value_name = "LABEL", num_args = 1.., alias = "runner")]
    runner_type: Vec<String>,
    /// Sequence lengths, such as 1k1k or 8k1k
    #[arg(long, value_name = "LENGTHS", num_args = 1..)]
    seq_lens: Vec<String>,
    /// Factor from one concurrency of a range to the next, at least 2
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = step, allow_negative_numbers = true)]
    step_size: Step,
    /// Lowest concurrency
    #[arg(long, value_name = "CONC", allow_negative_numbers = true)]
    min_conc: Option<i64>,
    /// Highest concurrency; fixed-length rows above it are measured at it
    #[arg(long, value_name = "CONC", allow_negative_numbers = true)]
    max_conc: Option<i64>,
    /// Highest TP on one node
    #[arg(long, value_name = "TP", allow_negative_numbers = true)]
    max_tp: Option<i64>,
    /// Highest EP on one node; a higher one is lowered to it
    #[arg(long, value_name = "EP", allow_negative_numbers = true)]
    max_ep: Option<i64>,
    /// Single-node rows
    #[arg(long)]
    single_node: bool,
    /// Multi-node rows
    #[arg(long)]
    multi_node: bool,
    /// Kinds of scenario
    #[arg(long, value_name = "KIND", num_args = 1..)]
    scenario_type: Vec<ScenarioName>,
    /// A substring of node names: one row per matching node of the row's label
    #[arg(long, value_name = "SUBSTRING")]
    runner_node_filter: Option<String>,
}

#[derive(Debug, Args)]
struct TestConfigArgs {
    #[command(flatten)]
    configs: ConfigArgs,
    #[command(flatten)]
    evals: EvalArgs,
    /// Config keys, or globs over them such as `dsr1-*`
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
    /// A substring of node names or of the label: one row per matching node
    #[arg(long, value_name = "SUBSTRING")]
    runner_node_filter: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("nodes").required(true).multiple(false).args(["single_node", "multi_node"]))]
struct RunnerModelSweepArgs {
    #[command(flatten)]
    configs: ConfigArgs,
    #[command(flatten)]
    evals: EvalArgs,
    /// The runner label
    #[arg(long, value_name = "LABEL", alias = "runner")]
    runner_type: String,
    /// Prefixes of config keys
    #[arg(long, value_name = "PREFIX", num_args = 1..)]
    model_prefix: Vec<String>,
    /// Precisions
    #[arg(long, value_name = "NAME", num_args = 1..)]
    precision: Vec<String>,
    /// Engines
    #[arg(long, value_name = "NAME", num_args = 1..)]
    framework: Vec<String>,
    /// The concurrency of every row [default: the lowest of the config]
    #[arg(long, value_name = "CONC")]
    conc: Option<Concurrency>,
    /// Single-node configs
    #[arg(long)]
    single_node: bool,
    /// Multi-node configs
    #[arg(long)]
    multi_node: bool,
    /// A substring of node names
    #[arg(long, value_name = "SUBSTRING")]
    runner_node_filter: Option<String>,
}

/// Which rows are evaluated for accuracy.
#[derive(Debug, Clone, Copy, Args)]
struct EvalArgs {
    /// Mark rows for evaluation (the default with `scenarios:` configs)
    #[arg(long, conflicts_with_all = ["no_evals", "evals_only"])]
    run_evals: bool,
    /// Mark no rows for evaluation (the default with `seq-len-configs:` configs)
    #[arg(long, conflicts_with_all = ["evals_only", "all_evals"])]
    no_evals: bool,
    /// Only the rows marked for evaluation, without measuring them
    #[arg(long)]
    evals_only: bool,
    /// Every row that can be evaluated, without measuring it
    #[arg(long)]
    all_evals: bool,
}

impl EvalArgs {
    /// The selection; `None` for the default of the configs' format.
    fn selection(self) -> Option<Evals> {
        let Self {
            run_evals,
            no_evals,
            evals_only,
            all_evals,
        } = self;
        if all_evals {
            Some(Evals::All)
        } else if evals_only {
            Some(Evals::Only)
        } else if run_evals {
            Some(Evals::Marked)
        } else if no_evals {
            Some(Evals::Off)
        } else {
            None
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ScenarioName {
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

fn kinds(names: Vec<ScenarioName>) -> Vec<ScenarioKind> {
    names.into_iter().map(Into::into).collect()
}

fn step(text: &str) -> Result<Step, String> {
    let factor: i64 = text.parse().map_err(|error| format!("{error}"))?;
    Step::new(factor).ok_or_else(|| "expected an integer of at least 2".to_owned())
}

/// A command line of the generator without the program, as a manual run of a workflow has it.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, infer_long_args = true, disable_help_flag = true)]
struct CommandLine {
    #[command(subcommand)]
    selection: Selection,
}

/// Reads a command line of the generator, `full-sweep --single-node --model-prefix dsr1 --conc 4`.
///
/// # Errors
/// What clap says, or that a quote is not closed.
pub(super) fn generator_request(command_line: &str) -> Result<GeneratorRequest, String> {
    let words = shlex::split(command_line).ok_or("a quote is not closed")?;
    let parsed = CommandLine::try_parse_from(words).map_err(|error| error.render().to_string())?;
    parsed
        .selection
        .try_into()
        .map_err(|failure: Failure| format!("{:#}", failure.error))
}

pub(super) fn run(args: MatrixArgs) -> Result<Exit, Failure> {
    let request = GeneratorRequest::try_from(args.selection)?;
    let mut rows = request.rows(&output::say)?;
    // InferenceX's generator does not know the key.
    rows.iter_mut().for_each(|row| row.config_key = None);
    output::emit_json_line(&rows)?;
    Ok(Exit::Success)
}

impl TryFrom<Selection> for GeneratorRequest {
    type Error = Failure;

    fn try_from(selection: Selection) -> Result<Self, Failure> {
        match selection {
            Selection::FullSweep(args) => full_sweep(*args),
            Selection::TestConfig(args) => Ok(test_config(args)),
            Selection::RunnerModelSweep(args) => Ok(runner_model_sweep(args)),
        }
    }
}

fn full_sweep(args: FullSweepArgs) -> Result<GeneratorRequest, Failure> {
    let FullSweepArgs {
        configs,
        evals,
        model_prefix,
        precision,
        framework,
        runner_type,
        seq_lens,
        step_size,
        min_conc,
        max_conc,
        max_tp,
        max_ep,
        single_node,
        multi_node,
        scenario_type,
        runner_node_filter,
    } = args;
    if let (Some(min), Some(max)) = (min_conc, max_conc)
        && min > max
    {
        let message = format!("--min-conc {min} is greater than --max-conc {max}");
        return Err(Failure::new(Exit::Usage, message));
    }
    let sweep = FullSweep {
        key_prefixes: model_prefix,
        precisions: precision,
        frameworks: framework,
        runner_types: runner_type,
        seq_lens,
        step: step_size,
        bounds: Bounds {
            min: min_conc,
            max: max_conc,
        },
        max_tp,
        max_ep,
        nodes: Some(Nodes::from_flags(single_node, multi_node)),
        scenarios: kinds(scenario_type),
        node_filter: runner_node_filter,
    };
    Ok(GeneratorRequest {
        selection: RowSelection::FullSweep(Box::new(sweep)),
        evals: evals.selection(),
        configs: configs.into(),
    })
}

fn test_config(args: TestConfigArgs) -> GeneratorRequest {
    let TestConfigArgs {
        configs,
        evals,
        config_keys,
        conc,
        seq_lens,
        scenario_type,
        runner_node_filter,
    } = args;
    let test = TestConfig {
        conc,
        seq_lens,
        scenarios: kinds(scenario_type),
        node_filter: runner_node_filter,
    };
    GeneratorRequest {
        selection: RowSelection::TestConfig { keys: config_keys, test },
        evals: evals.selection(),
        configs: configs.into(),
    }
}

fn runner_model_sweep(args: RunnerModelSweepArgs) -> GeneratorRequest {
    let RunnerModelSweepArgs {
        configs,
        evals,
        runner_type,
        model_prefix,
        precision,
        framework,
        conc,
        single_node,
        multi_node,
        runner_node_filter,
    } = args;
    let sweep = NodeSweep {
        runner_type,
        key_prefixes: model_prefix,
        precisions: precision,
        frameworks: framework,
        conc,
        nodes: Nodes {
            single: single_node,
            multi: multi_node,
        },
        node_filter: runner_node_filter,
    };
    GeneratorRequest {
        selection: RowSelection::NodeSweep(sweep),
        evals: evals.selection(),
        configs: configs.into(),
    }
}
