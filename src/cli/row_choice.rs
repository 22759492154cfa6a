//! Selection of rows on the command line: the row of `imax run`, by file, config key or flags, and the rows of `imax sweep`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::configs::ConfigArgs;
use super::row::read_row;
use super::{Failure, output};
use crate::config::Catalog;
use crate::matrix::evals::Evals;
use crate::matrix::{self, Row, TestConfig};
use crate::model::RunnerName;
use crate::planning::ConfigFiles;
use crate::scaffold::model_prefix;

/// Maximum number of rows listed in an error.
const LISTED: usize = 12;
/// Tokens that InferenceX's generator adds to input and output for the context length.
const CONTEXT_MARGIN: u32 = 256;

/// The row to execute: from a file, from the configs, or described by flags.
#[derive(Debug, Args)]
pub(super) struct RowChoiceArgs {
    /// File with the row, one JSON object; `-` reads stdin [default: the JSON in IMAX_ROW].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config_key", "model"])]
    row: Option<PathBuf>,
    /// Config key of the row; --conc and --seq-lens select among its rows.
    #[arg(long, value_name = "KEY", conflicts_with = "model")]
    config_key: Option<String>,
    #[command(flatten)]
    filters: RowFilterArgs,
    #[command(flatten)]
    flags: RowFlags,
}

/// A row described by flags, for a recipe without a config.
#[derive(Debug, Args)]
#[command(next_help_heading = "A row without a config")]
struct RowFlags {
    /// Model, passed to the recipe.
    #[arg(long, value_name = "NAME", requires_all = ["hardware", "framework"])]
    model: Option<String>,
    /// Label of the runner, part of the recipe's name.
    #[arg(long, value_name = "LABEL", requires = "model")]
    hardware: Option<String>,
    /// Engine, part of the recipe's name.
    #[arg(long, value_name = "NAME", requires = "model")]
    framework: Option<String>,
    /// Short name of the model in the recipe's name [default: derived from --model].
    #[arg(long, value_name = "NAME", requires = "model")]
    model_prefix: Option<String>,
    /// Precision, part of the recipe's name.
    #[arg(long, value_name = "NAME", requires = "model", default_value = "bf16")]
    precision: String,
    /// Container image.
    #[arg(long, value_name = "IMAGE", requires = "model", default_value = "none")]
    image: String,
    /// Tensor parallelism.
    #[arg(long, value_name = "N", requires = "model", default_value = "1")]
    tp: NonZeroU32,
    /// Input tokens per request.
    #[arg(long, value_name = "N", requires = "model", default_value = "1024")]
    input_len: NonZeroU32,
    /// Output tokens per request.
    #[arg(long, value_name = "N", requires = "model", default_value = "1024")]
    output_len: NonZeroU32,
}

/// A row, and the first runner of its label if it comes from the configs.
pub(super) struct ChosenRow {
    pub row: Row,
    pub runner: Option<RunnerName>,
}

impl RowChoiceArgs {
    pub(super) fn row(self) -> Result<ChosenRow, Failure> {
        let Self {
            row,
            config_key,
            filters,
            flags,
        } = self;
        if let Some(key) = config_key {
            let chosen = filters.rows_of(std::slice::from_ref(&key), Some(Evals::Off))?;
            let row = only_row(key, chosen.rows)?;
            let runner = chosen
                .catalog
                .runners
                .labels
                .get(&row.runner)
                .and_then(|runners| runners.first().cloned());
            return Ok(ChosenRow { row, runner });
        }
        let row = match flags.row(&filters.conc)? {
            Some(row) => row,
            None => read_row(row.as_deref())?,
        };
        Ok(ChosenRow { row, runner: None })
    }
}

/// Why the flags select no row.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowChoiceError {
    #[error("no row of {0} has this concurrency and these sequence lengths; `imax matrix test-config --config-keys {0}` prints all rows")]
    NoRow(String),
    #[error("{number} rows of {key} match, expected one; select with --conc and --seq-lens:\n  {}", names.join("\n  "))]
    SeveralRows {
        key: String,
        number: usize,
        /// At most [`LISTED`] and the last one.
        names: Vec<String>,
    },
    #[error("the flags describe no valid row: {0}")]
    Flags(serde_json::Error),
}

fn only_row(key: String, mut rows: Vec<Row>) -> Result<Row, RowChoiceError> {
    match (rows.pop(), rows.len()) {
        (Some(row), 0) => Ok(row),
        (None, _) => Err(RowChoiceError::NoRow(key)),
        (Some(last), others) => Err(RowChoiceError::SeveralRows {
            key,
            number: others + 1,
            names: rows.iter().take(LISTED).chain([&last]).map(named).collect(),
        }),
    }
}

fn named(row: &Row) -> String {
    format!("{} conc {:?}", row.curve_key(), row.conc.as_slice())
}

impl RowFlags {
    /// The row that the flags describe; `None` without --model.
    fn row(self, conc: &[i64]) -> Result<Option<Row>, RowChoiceError> {
        let Self {
            model,
            hardware,
            framework,
            model_prefix: prefix,
            precision,
            image,
            tp,
            input_len,
            output_len,
        } = self;
        let (Some(model), Some(hardware), Some(framework)) = (model, hardware, framework) else {
            return Ok(None);
        };
        let conc = match conc {
            [] => json!(1),
            [one] => json!(one),
            several => json!(several),
        };
        let prefix = prefix.unwrap_or_else(|| model_prefix(&model));
        let row = json!({
            "image": image, "model": model, "model-prefix": prefix, "precision": precision, "framework": framework, "runner": hardware,
            "isl": input_len, "osl": output_len, "tp": tp, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc,
            "max-model-len": input_len.get().saturating_add(output_len.get()).saturating_add(CONTEXT_MARGIN),
            "exp-name": format!("{prefix}_{input_len}_{output_len}"),
        });
        serde_json::from_value(row).map(Some).map_err(RowChoiceError::Flags)
    }
}

/// Filters over the rows of configs.
#[derive(Debug, Args)]
pub(super) struct RowFilterArgs {
    /// Only these concurrencies of the configs.
    #[arg(long, value_name = "CONC", num_args = 1.., value_delimiter = ',')]
    conc: Vec<i64>,
    /// Only these sequence lengths, such as 1k1k or 8k1k.
    #[arg(long, value_name = "LENGTHS", num_args = 1.., value_delimiter = ',')]
    seq_lens: Vec<String>,
    #[command(flatten)]
    configs: ConfigArgs,
}

/// Rows and the catalog that they come from.
pub(super) struct ChosenRows {
    pub catalog: Catalog,
    pub rows: Vec<Row>,
}

impl RowFilterArgs {
    /// The rows of the config keys, which may have wildcards.
    pub(super) fn rows_of(self, keys: &[String], evals: Option<Evals>) -> Result<ChosenRows, Failure> {
        let Self { conc, seq_lens, configs } = self;
        let test = TestConfig {
            conc,
            seq_lens,
            scenarios: Vec::new(),
            node_filter: None,
        };
        let catalog = ConfigFiles::from(configs).load(&output::say)?;
        let rows = matrix::test_config(&catalog, keys, &test, evals)?;
        Ok(ChosenRows { catalog, rows })
    }
}
