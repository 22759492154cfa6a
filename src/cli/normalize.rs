//! `imax normalize`: converts a raw result and the description of its job to `agg_*.json`. Without options it replaces
//! process_result.py and reads its input from the environment.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::dialect::DialectArg;
use super::{Exit, Failure, output};
use crate::planning::ConfigFiles;
use crate::store::hardware::HardwareFiles;
use crate::store::normalize::{self, NormalizeInput};

/// Convert the raw result of a load generator to agg_*.json.
///
/// Without --row the environment describes the job, as in InferenceX's workflows: RESULT_FILENAME names the raw result
/// (RESULT_FILENAME.json) and the output (agg_RESULT_FILENAME.json), and RUNNER_TYPE, FRAMEWORK, PRECISION, TP and others
/// describe what was measured.
///
/// The load generator that wrote the result is detected from its content: imax, benchmark_serving.py and vllm bench serve,
/// sglang.bench_serving (JSON lines), AIPerf and genai-perf, GuideLLM, inference-perf, llm-d's benchmark report (YAML or
/// JSON). A folder must be one of srt-slurm, with a result for each concurrency of the row.
///
/// Impossible figures (below zero, percentiles out of order, seconds instead of milliseconds, most requests failed) are
/// refused; implausible ones are marked with a code. With REQUIRE_POWER=1 a result without power samples is an error.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax normalize --row row.json --raw out/result.json\n  imax normalize --row row.json --raw logs/sa-bench_isl_8192_osl_1024"
)]
pub struct NormalizeArgs {
    /// The matrix row of the job, a JSON file.
    #[arg(long, value_name = "FILE", requires = "raw")]
    row: Option<PathBuf>,
    /// The raw result, or a folder of srt-slurm; needs --row. Without --row, RESULT_FILENAME names it.
    #[arg(long, value_name = "FILE", requires = "row")]
    raw: Option<PathBuf>,
    /// The concurrency that was measured; needed if the row has several and the raw result is one file.
    #[arg(long, value_name = "N", requires = "row")]
    conc: Option<NonZeroU32>,
    /// The table of GPU samples of nvidia-smi or amd-smi that the recipe wrote [default: gpu_metrics.csv beside the raw result]. For
    /// several nodes the folder `power` of srt-slurm is read.
    #[arg(long, value_name = "FILE", requires = "row")]
    gpu_metrics: Option<PathBuf>,
    /// The file for the result or, if --raw is a folder, the folder for the results [default: agg_<name of the raw result> beside it].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The hardware file; a row's hardware must be in it, or be a label of the runner file [default: configs/hardware.yaml, else the
    /// built-in file].
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// The runner file [default: configs/runners.yaml].
    #[arg(long, value_name = "FILE")]
    runner_config: Option<PathBuf>,
    /// The version of process_result.py to replace.
    #[arg(long, value_enum, default_value_t = DialectArg::Current)]
    dialect: DialectArg,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid row, environment or result; a failed measurement if the result has no measurement.
pub fn run(args: NormalizeArgs) -> Result<Exit, Failure> {
    let NormalizeArgs {
        row,
        raw,
        conc,
        gpu_metrics,
        out,
        hardware,
        runner_config,
        dialect,
    } = args;
    let input = match (row, raw) {
        (Some(row), Some(raw)) => NormalizeInput::Row {
            row,
            raw,
            conc,
            gpu_metrics,
        },
        // clap has checked that both or neither are present.
        (None, _) | (_, None) => NormalizeInput::Environment(dialect.into()),
    };
    let config_files = ConfigFiles {
        runner_file: runner_config,
        ..ConfigFiles::default()
    };
    let hardware = HardwareFiles {
        hardware,
        runners: config_files.runner_file(),
    };
    let results = normalize::normalize(&input, &hardware, out.as_deref())?;
    for normalized in &results {
        for warning in &normalized.warnings {
            output::say(warning);
        }
        output::emit(&normalize::write(normalized)?)?;
    }
    results.iter().try_for_each(normalize::Normalized::check_power)?;
    Ok(Exit::Success)
}
