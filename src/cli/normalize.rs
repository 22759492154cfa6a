//! `imax normalize`: a raw result and what is known about its job, to `agg_*.json`. Without options it takes the place
//! of process_result.py: everything comes from the environment.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::dialect::DialectArg;
use super::{Exit, Failure, OrExit as _, hardware, output};
use crate::matrix::Row;
use crate::result::{self, Agg, Dialect, Json, NormalizeError, Origin, PointContext, ProducerError, ResultName};
use crate::store::artifacts;
use crate::system::files;

/// Turn the raw result of a load generator into agg_*.json.
///
/// Without --row the environment describes the job, as in InferenceX's workflows: RESULT_FILENAME names the raw result
/// (RESULT_FILENAME.json) and the output (agg_RESULT_FILENAME.json), and RUNNER_TYPE, FRAMEWORK, PRECISION, TP and so on
/// say what was measured.
///
/// Which load generator wrote the result is found from its content: imax, benchmark_serving.py and vllm bench serve,
/// sglang.bench_serving (JSON lines), AIPerf and genai-perf, GuideLLM. A folder is taken for one of srt-slurm's, with a result
/// for each concurrency of the row.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax normalize --row row.json --raw out/result.json\n  imax normalize --row row.json --raw logs/sa-bench_isl_8192_osl_1024"
)]
pub struct NormalizeArgs {
    /// The matrix row of the job, a JSON file.
    #[arg(long, value_name = "FILE", requires = "raw")]
    row: Option<PathBuf>,
    /// The raw result, or a folder of srt-slurm. With --row only; else RESULT_FILENAME names it.
    #[arg(long, value_name = "FILE", requires = "row")]
    raw: Option<PathBuf>,
    /// Which of the row's concurrencies was measured; needed where it has several and the raw result is one file.
    #[arg(long, value_name = "N", requires = "row")]
    conc: Option<NonZeroU32>,
    /// Where the result goes; for a folder, the folder where they go [default: agg_<name of the raw result> beside it].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The hardware facts; a row's hardware must be in them, or a label of the runner file [default: configs/hardware.yaml, else
    /// what imax was built with].
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// The runner file [default: configs/runners.yaml].
    #[arg(long, value_name = "FILE")]
    runner_config: Option<PathBuf>,
    /// Which version of the original the environment is meant for.
    #[arg(long, value_enum, default_value_t = DialectArg::Current)]
    dialect: DialectArg,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for everything that is wrong with row, environment or result; a measurement that failed where nothing
/// was measured.
pub fn run(args: &NormalizeArgs) -> Result<Exit, Failure> {
    if let (Some(row), Some(raw)) = (&args.row, &args.raw)
        && raw.is_dir()
    {
        let row = row_of(row)?;
        check_hardware(args, row.runner.as_str())?;
        return folder(args, &row, raw);
    }
    let (raw, context) = match (&args.row, &args.raw) {
        (Some(row), Some(raw)) => {
            let context = context_of_row(row, args.conc)?;
            check_hardware(args, context.curve.runner.as_str())?;
            (raw.clone(), context)
        }
        (None, _) | (_, None) => {
            let (raw, context) = context_of_environment(args.dialect.into())?;
            if let Some(why) = why_unknown(args, context.curve.runner.as_str())? {
                output::say(&format!("warning[unknown-hardware]: RUNNER_TYPE: {why}"));
            }
            (raw, context)
        }
    };
    let agg = normalize_file(&raw, &context)?;
    let out = args.out.clone().unwrap_or_else(|| beside(&raw));
    give(&agg, &out)?;
    Ok(Exit::Success)
}

fn why_unknown(args: &NormalizeArgs, label: &str) -> Result<Option<String>, Failure> {
    hardware::why_unknown(label, args.hardware.as_deref(), args.runner_config.as_deref())
}

/// A result on hardware that nobody described could never be compared or priced; most likely the name is misspelt.
fn check_hardware(args: &NormalizeArgs, label: &str) -> Result<(), Failure> {
    match why_unknown(args, label)? {
        Some(why) => Err(anyhow!("`runner` of the row: {why}")).or_exit(Exit::InvalidInput),
        None => Ok(()),
    }
}

fn give(agg: &Agg, out: &Path) -> Result<(), Failure> {
    let text = format!("{}\n", agg.to_pretty());
    files::write(out, text.as_bytes()).or_exit(Exit::Infrastructure)?;
    output::emit(&text)
}

/// The results of a folder, one for each concurrency of the row, or for the one that is asked for. None is written unless all
/// are good.
fn folder(args: &NormalizeArgs, row: &Row, folder: &Path) -> Result<Exit, Failure> {
    let wanted: Vec<NonZeroU32> = match args.conc {
        Some(conc) => vec![conc],
        None => row.conc.as_slice().to_vec(),
    };
    let files = artifacts::json_files(folder).or_exit(Exit::InvalidInput)?;
    let named: Vec<(&PathBuf, ResultName)> = files.iter().filter_map(|file| Some((file, name_of(folder, file)?))).collect();
    let mut results = Vec::new();
    for conc in wanted {
        let found: Vec<_> = named.iter().filter(|(_, name)| name.conc == conc).collect();
        let [(file, name)] = found.as_slice() else {
            let error = anyhow!(
                "{}: {} results at concurrency {conc}, expected one named results_concurrency_{conc}_….json",
                folder.display(),
                found.len()
            );
            return Err(error).or_exit(Exit::InvalidInput);
        };
        let context = PointContext::from_row(row, conc).or_exit(Exit::InvalidInput)?;
        name.check(&context)
            .with_context(|| file.display().to_string())
            .or_exit(Exit::InvalidInput)?;
        results.push((*file, normalize_file(file, &context)?));
    }
    for (file, agg) in results {
        let out = beside(file);
        let out = match (&args.out, out.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            (None, _) | (_, None) => out,
        };
        give(&agg, &out)?;
    }
    Ok(Exit::Success)
}

/// What the names of a file and of the folder around it say.
fn name_of(folder: &Path, file: &Path) -> Option<ResultName> {
    let parent = file.parent().unwrap_or(folder);
    let parent = parent.file_name()?.to_string_lossy();
    ResultName::parse(&parent, &file.file_name()?.to_string_lossy())
}

/// Reads a raw result and normalises it; every message names the file.
///
/// # Errors
/// As [`run`].
pub fn normalize_file(raw: &Path, context: &PointContext) -> Result<Agg, Failure> {
    let name = || raw.display().to_string();
    let text = files::read_text(raw).or_exit(Exit::InvalidInput)?;
    let document = document_of(&text, context).with_context(name).or_exit(Exit::InvalidInput)?;
    let agg = result::normalize(&document, context).map_err(|error| {
        let exit = match error {
            NormalizeError::NothingMeasured(_) => Exit::MeasurementFailed,
            NormalizeError::NotAnObject(_)
            | NormalizeError::Missing(_)
            | NormalizeError::Value { .. }
            | NormalizeError::OtherConcurrency { .. } => Exit::InvalidInput,
        };
        Failure {
            exit,
            error: anyhow::Error::new(error).context(name()),
        }
    })?;
    match context.origin {
        Origin::Row(_) => {}
        // Accepted, because the original accepts it, but not without a word.
        Origin::Environment => {
            if let Some(doubt) = result::doubt(&document) {
                output::say(&format!("warning[{}]: {}: {doubt}", doubt.code(), name()));
            }
        }
    }
    Ok(agg)
}

/// A row's result may come from any producer; with the environment everything is as in the original, which reads one.
fn document_of(text: &str, context: &PointContext) -> Result<Json, ProducerError> {
    match context.origin {
        Origin::Row(conc) => Ok(result::read_result(text, conc)?.document),
        Origin::Environment => Ok(Json::parse(text)?),
    }
}

fn row_of(path: &Path) -> Result<Row, Failure> {
    let name = || path.display().to_string();
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    serde_json::from_str(&text).with_context(name).or_exit(Exit::InvalidInput)
}

fn context_of_row(path: &Path, conc: Option<NonZeroU32>) -> Result<PointContext, Failure> {
    let name = || path.display().to_string();
    let row = row_of(path)?;
    let conc = match (conc, row.conc.as_slice()) {
        (Some(conc), _) => conc,
        (None, [conc]) => *conc,
        (None, _) => {
            return Err(anyhow!(
                "{}: the row has several concurrencies; say with --conc which one was measured",
                name()
            ))
            .or_exit(Exit::Usage);
        }
    };
    PointContext::from_row(&row, conc).with_context(name).or_exit(Exit::InvalidInput)
}

fn context_of_environment(dialect: Dialect) -> Result<(PathBuf, PointContext), Failure> {
    let lookup = |name: &str| std::env::var(name).ok();
    let context = PointContext::from_environment(&lookup, dialect).or_exit(Exit::InvalidInput)?;
    // The context has checked that the name is there.
    let name = lookup("RESULT_FILENAME").unwrap_or_default();
    Ok((PathBuf::from(format!("{name}.json")), context))
}

/// `agg_<name>` in the folder of the raw result.
fn beside(raw: &Path) -> PathBuf {
    let name = raw.file_name().unwrap_or_default().to_string_lossy();
    raw.with_file_name(format!("agg_{name}"))
}
