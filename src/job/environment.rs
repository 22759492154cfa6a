//! The environment that a recipe gets: part of the contract with the scripts in `benchmarks/` and `runners/`, under
//! the names that InferenceX's scripts read. Names are built here and nowhere else.

use crate::matrix::{Row, Scenario};
use crate::model::{Concurrency, Layout, Parallelism, Secret};

use super::multi_node::worker_variables;
use super::{LoadSettings, NameSubject, ResolveError, result_file_name};
use crate::model::RunnerName;

/// A value of the environment: shown, or hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    /// May be shown and recorded.
    Plain(String),
    /// Handed to the process and nowhere else.
    Secret(Secret),
}

/// One variable of a recipe's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: VariableValue,
}

impl Variable {
    /// A variable that may be shown.
    #[must_use]
    pub fn plain(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: VariableValue::Plain(value.into()),
        }
    }

    /// A variable that is hidden.
    #[must_use]
    pub fn secret(name: impl Into<String>, value: Secret) -> Self {
        Self {
            name: name.into(),
            value: VariableValue::Secret(value),
        }
    }
}

/// What the environment is made of, beside the profile's own variables.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentInput<'a> {
    /// The row.
    pub row: &'a Row,
    /// The concurrency that the engine must be able to serve: the highest of those measured on this start.
    pub conc: Concurrency,
    /// Where it runs.
    pub runner_name: &'a RunnerName,
    /// The port that the engine is to listen on.
    pub port: u16,
    /// How it is loaded.
    pub load: &'a LoadSettings,
}

/// The variables that describe the row, in a stable order.
///
/// # Errors
/// For rows that have no such environment yet, see [`ResolveError::Unsupported`].
pub fn recipe_environment(input: EnvironmentInput<'_>) -> Result<Vec<Variable>, ResolveError> {
    let EnvironmentInput {
        row,
        conc,
        runner_name,
        port,
        load,
    } = input;
    let (lens, max_model_len) = fixed_lengths(row)?;
    let result_filename = result_file_name(NameSubject { row, conc, runner_name });
    let list = [
        ("MODEL", row.model.to_string()),
        ("MODEL_PREFIX", row.model_prefix.to_string()),
        ("CONC", conc.to_string()),
        ("ISL", lens.isl.to_string()),
        ("OSL", lens.osl.to_string()),
        ("MAX_MODEL_LEN", max_model_len.to_string()),
        ("PRECISION", row.precision.to_string()),
        ("FRAMEWORK", row.framework.to_string()),
        ("IMAGE", row.image.to_string()),
        ("RANDOM_RANGE_RATIO", load.random_range_ratio.to_string()),
        ("RESULT_FILENAME", result_filename),
        ("RUN_EVAL", (row.eval.run == Some(true) || row.eval.only == Some(true)).to_string()),
        ("EVAL_ONLY", row.eval.only.unwrap_or(false).to_string()),
        ("SPEC_DECODING", row.spec_decoding.to_string()),
        ("DISAGG", row.disagg.unwrap_or(false).to_string()),
        ("EXP_NAME", row.exp_name.clone()),
        ("RUNNER_TYPE", row.runner.to_string()),
        ("RUNNER_NAME", runner_name.to_string()),
        ("PORT", port.to_string()),
    ];
    let layout = match &row.layout {
        Layout::SingleNode(parallelism) => single_node(*parallelism),
        Layout::MultiNode { prefill, decode } => worker_variables(row, runner_name, prefill, decode),
    };
    // What the row says of itself stands last, so that a config's own settings cannot change it.
    let described = list.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(layout
        .into_iter()
        .chain(described)
        .map(|(name, value)| Variable::plain(name, value))
        .collect())
}

fn single_node(parallelism: Parallelism) -> Vec<(String, String)> {
    let Parallelism {
        tp,
        pp,
        dcp_size,
        pcp_size,
        ep,
        dp_attn,
    } = parallelism;
    let list = [
        ("TP", tp.to_string()),
        ("EP_SIZE", ep.to_string()),
        ("PP", pp.to_string()),
        ("DCP_SIZE", dcp_size.to_string()),
        ("PCP_SIZE", pcp_size.to_string()),
        ("DP_ATTENTION", dp_attn.to_string()),
    ];
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fixed_lengths(row: &Row) -> Result<(crate::model::SeqLens, std::num::NonZeroU32), ResolveError> {
    match &row.scenario {
        Scenario::FixedSeqLen { lens, max_model_len } => Ok((*lens, *max_model_len)),
        Scenario::AgenticCoding { .. } => Err(ResolveError::Unsupported {
            what: "the agentic-coding scenario",
        }),
    }
}
