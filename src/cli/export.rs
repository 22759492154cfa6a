//! `imax export`: writes a history in a format for other tools.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::history::FilterArgs;
use super::work_display::WorkDisplay;
use super::{Exit, Failure, output};
use crate::analysis::Filter;
use crate::store::Work;
use crate::store::export::{ExportError, ExportFilter, ExportFormat, export};
use crate::store::history::HistoryHome;
use crate::system::files;
use crate::system::runtime::block_on;

/// Write a history as JSON, CSV or SQLite database.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax export --history history.db --format csv --out points.csv\n  \
        imax export --history history.db --format json --branch main > runs.json\n  \
        imax export --history postgres://imax@db.example.org/history --format sqlite --out copy.db")]
pub struct ExportArgs {
    /// The history, FILE.db, postgres://USER@HOST/DATABASE, branch, s3://BUCKET/PREFIX, or a folder that imax collect --history wrote.
    #[arg(long, value_name = "HISTORY")]
    history: HistoryHome,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// The output file [default: stdout].
    #[arg(long, value_name = "FILE", required_if_eq_any([("format", "sqlite"), ("format", "parquet")]))]
    out: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only points that match: model, hardware, framework, precision, sequence, layout or conc, = and a glob. Several filters of one key are
    /// alternatives.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    points: Vec<Filter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A list of runs, which imax import can read; the same runs give the same bytes
    Json,
    /// One line per point, with all digits of each number
    Csv,
    /// One line a number, as PyTorch's benchmark dashboard takes them (version 3)
    #[value(name = "pytorch-v3")]
    PytorchV3,
    /// The columns of the CSV as Parquet, for data frames and SQL engines; needs --out
    Parquet,
    /// A new history with the current state of the runs; needs --out
    Sqlite,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid history; infrastructure if the file cannot be written.
pub async fn run(args: ExportArgs) -> Result<Exit, Failure> {
    let ExportArgs {
        history,
        format,
        out,
        filter,
        points,
    } = args;
    let filter = ExportFilter {
        runs: filter.into_filter(),
        points,
    };
    let (format, out) = match (format, out) {
        (Format::Json, out) => (ExportFormat::Json, out),
        (Format::Csv, out) => (ExportFormat::Csv, out),
        (Format::PytorchV3, out) => (ExportFormat::PytorchV3, out),
        // clap has checked that a file is given.
        (Format::Parquet, out) => (ExportFormat::Parquet(out.unwrap_or_default()), None),
        (Format::Sqlite, out) => (ExportFormat::Sqlite(out.unwrap_or_default()), None),
    };
    let work = Arc::new(Work::default());
    let display = WorkDisplay::start("exporting", "runs", work.clone());
    let runs = match out {
        None => export(&history, filter, &format, &mut output::write, &work).await?,
        Some(path) => {
            let mut exported = Err(ExportError::Write(std::io::ErrorKind::Interrupted.into()));
            files::write_with(&path, |file| {
                exported = block_on(export(
                    &history,
                    filter,
                    &format,
                    &mut |text| file.write_all(text.as_bytes()),
                    &work,
                ))?;
                match &exported {
                    Ok(_) => Ok(()),
                    // An error leaves the old file in place; its reason is in `exported`.
                    Err(_) => Err(std::io::ErrorKind::Interrupted.into()),
                }
            })
            .or_else(|error| if exported.is_err() { Ok(()) } else { Err(error) })?;
            exported?
        }
    };
    drop(display);
    output::say(&format!("{runs} runs exported"));
    Ok(Exit::Success)
}
