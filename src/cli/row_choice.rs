//! Rows chosen on the command line: the row of `imax run`, by file, config key or flags, and the rows of `imax sweep`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;

use super::configs::ConfigArgs;
use super::row::read_row;
use super::{Exit, Failure, OrExit as _, output};
use crate::config::Catalog;
use crate::matrix::evals::Evals;
use crate::matrix::{self, Row, TestConfig};
use crate::model::RunnerName;
use crate::planning::ConfigFiles;
use crate::scaffold::model_prefix;

/// Most rows that an error lists.
const LISTED: usize = 12;
/// Tokens that a context has beside input and output, as InferenceX's generator adds them.
const CONTEXT_MARGIN: u32 = 256;

/// The row to execute: from a file, from the configs, or from flags alone.
#[derive(Debug, Args)]
pub(super) struct RowChoiceArgs {
    /// File with the row, one JSON object; `-` reads stdin. Without it, IMAX_ROW contains the JSON itself.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config_key", "model"])]
    row: Option<PathBuf>,
    /// Take the row from the configs: a config key; --conc and --seq-lens choose among its rows.
    #[arg(long, value_name = "KEY", conflicts_with = "model")]
    config_key: Option<String>,
    #[command(flatten)]
    filters: RowFilterArgs,
    #[command(flatten)]
    flags: RowFlags,
}

/// A row by flags, for a recipe that no config names.
#[derive(Debug, Args)]
#[command(next_help_heading = "A row without a config")]
struct RowFlags {
    /// Model, as the recipe gets it.
    #[arg(long, value_name = "NAME", requires_all = ["hardware", "framework"])]
    model: Option<String>,
    /// Label of the runner, which is a part of the recipe's name.
    #[arg(long, value_name = "LABEL", requires = "model")]
    hardware: Option<String>,
    /// Engine, which is a part of the recipe's name.
    #[arg(long, value_name = "NAME", requires = "model")]
    framework: Option<String>,
    /// Short name of the model in the recipe's name [default: made of the model's name].
    #[arg(long, value_name = "NAME", requires = "model")]
    model_prefix: Option<String>,
    /// Precision, which is a part of the recipe's name.
    #[arg(long, value_name = "NAME", requires = "model", default_value = "bf16")]
    precision: String,
    /// Container image.
    #[arg(long, value_name = "IMAGE", requires = "model", default_value = "none")]
    image: String,
    /// Tensor parallelism.
    #[arg(long, value_name = "N", requires = "model", default_value = "1")]
    tp: NonZeroU32,
    /// Input tokens of a request.
    #[arg(long, value_name = "N", requires = "model", default_value = "1024")]
    input_len: NonZeroU32,
    /// Output tokens of a request.
    #[arg(long, value_name = "N", requires = "model", default_value = "1024")]
    output_len: NonZeroU32,
}

/// A row, and the first runner of its label where the configs name one.
pub(super) struct ChosenRow {
    pub row: Row,
    pub runner: Option<RunnerName>,
}

impl RowChoiceArgs {
    /// The row.
    pub(super) fn row(self) -> Result<ChosenRow, Failure> {
        let Self {
            row,
            config_key,
            filters,
            flags,
        } = self;
        if let Some(key) = config_key {
            let chosen = filters.rows_of(std::slice::from_ref(&key), Some(Evals::Off))?;
            let row = only_row(&key, chosen.rows).or_exit(Exit::Usage)?;
            let runner = chosen
                .catalog
                .runners
                .labels
                .get(&row.runner)
                .and_then(|runners| runners.first().cloned());
            return Ok(ChosenRow { row, runner });
        }
        let row = match flags.row(&filters.conc).or_exit(Exit::Usage)? {
            Some(row) => row,
            None => read_row(row.as_deref())?,
        };
        Ok(ChosenRow { row, runner: None })
    }
}

fn only_row(key: &str, mut rows: Vec<Row>) -> anyhow::Result<Row> {
    match (rows.pop(), rows.len()) {
        (Some(row), 0) => Ok(row),
        (None, _) => Err(anyhow!(
            "no row of {key} has this concurrency and these lengths; `imax matrix test-config --config-keys {key}` prints all"
        )),
        (Some(last), others) => {
            let names: Vec<String> = rows.iter().take(LISTED).chain([&last]).map(named).collect();
            Err(anyhow!(
                "{} rows of {key} match, expected one; choose by --conc and --seq-lens:\n  {}",
                others + 1,
                names.join("\n  ")
            ))
        }
    }
}

fn named(row: &Row) -> String {
    format!("{} conc {:?}", row.curve_key(), row.conc.as_slice())
}

impl RowFlags {
    /// The row that the flags describe; nothing if no model is given.
    fn row(self, conc: &[i64]) -> anyhow::Result<Option<Row>> {
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
        serde_json::from_value(row).map(Some).context("the flags make no row")
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

/// Rows, with the catalog that they come from.
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
