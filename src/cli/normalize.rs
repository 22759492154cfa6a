//! `imax normalize`: a raw result and what is known about its job, to `agg_*.json`. Without options it takes the place
//! of process_result.py: everything comes from the environment.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::dialect::DialectArg;
use super::{Exit, Failure, OrExit as _, output};
use crate::edge::files;
use crate::matrix::Row;
use crate::result::{self, Agg, Dialect, Json, NormalizeError, PointContext};

/// Turn the raw result of a load generator into agg_*.json.
///
/// Without --row the environment describes the job, as in InferenceX's workflows: RESULT_FILENAME names the raw result
/// (RESULT_FILENAME.json) and the output (agg_RESULT_FILENAME.json), and RUNNER_TYPE, FRAMEWORK, PRECISION, TP and so on
/// say what was measured.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax normalize --row row.json --raw out/result.json")]
pub struct NormalizeArgs {
    /// The matrix row of the job, a JSON file.
    #[arg(long, value_name = "FILE", requires = "raw")]
    row: Option<PathBuf>,
    /// The raw result. With --row only; else RESULT_FILENAME names it.
    #[arg(long, value_name = "FILE", requires = "row")]
    raw: Option<PathBuf>,
    /// Which of the row's concurrencies was measured; needed where it has several.
    #[arg(long, value_name = "N", requires = "row")]
    conc: Option<NonZeroU32>,
    /// Where the result goes [default: agg_<name of the raw result> beside it].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    let (raw, context) = match (&args.row, &args.raw) {
        (Some(row), Some(raw)) => (raw.clone(), context_of_row(row, args.conc)?),
        (None, _) | (_, None) => context_of_environment(args.dialect.into())?,
    };
    let agg = normalize_file(&raw, &context)?;
    let out = args.out.clone().unwrap_or_else(|| beside(&raw));
    let mut text = agg.to_pretty();
    text.push('\n');
    files::write(&out, text.as_bytes()).or_exit(Exit::Infrastructure)?;
    output::emit(&text)?;
    Ok(Exit::Success)
}

/// Reads a raw result and normalises it; every message names the file.
///
/// # Errors
/// As [`run`].
pub fn normalize_file(raw: &Path, context: &PointContext) -> Result<Agg, Failure> {
    let name = || raw.display().to_string();
    let text = files::read_text(raw).or_exit(Exit::InvalidInput)?;
    let document = Json::parse(&text).with_context(name).or_exit(Exit::InvalidInput)?;
    result::normalize(&document, context).map_err(|error| {
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
    })
}

fn context_of_row(path: &Path, conc: Option<NonZeroU32>) -> Result<PointContext, Failure> {
    let name = || path.display().to_string();
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    let row: Row = serde_json::from_str(&text).with_context(name).or_exit(Exit::InvalidInput)?;
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
