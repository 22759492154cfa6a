//! `imax export`: writes a history in a format for other tools.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::history::FilterArgs;
use super::work_display::WorkDisplay;
use super::{Exit, Failure, output};
use crate::analysis::Filter;
use crate::notify::exporter::{DEFAULT_EXPERIMENT, Mlflow, Otlp, RunName};
use crate::store::Work;
use crate::store::database::RunSummary;
use crate::store::export::{ExportError, ExportFilter, ExportFormat, ExportedRuns, export};
use crate::store::history::HistoryHome;
use crate::system::files;
use crate::system::runtime::block_on;

/// Write a history as JSON, CSV, Parquet or SQLite database, or send it to MLflow or OpenTelemetry.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax export --history history.db --format csv --out points.csv\n  \
        imax export --history history.db --format json --branch main > runs.json\n  \
        imax export --history postgres://imax@db.example.org/history --format sqlite --out copy.db\n  \
        imax export --history history.db --format mlflow --to http://127.0.0.1:5000 --since 2026-11-01T00:00:00Z")]
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
    /// For mlflow and otlp: the address [default: MLFLOW_TRACKING_URI, OTEL_EXPORTER_OTLP_ENDPOINT]. Secrets come from
    /// MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD, or OTEL_EXPORTER_OTLP_HEADERS.
    #[arg(long, value_name = "URL", conflicts_with = "out")]
    to: Option<String>,
    /// For mlflow: the experiment, which is created if it is missing.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_EXPERIMENT)]
    experiment: String,
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
    /// A run of an MLflow tracking server for each measured point; what is there already is left
    Mlflow,
    /// Gauges to an OpenTelemetry collector, by OTLP over HTTP
    Otlp,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid history; infrastructure if the file cannot be written or the receiver cannot be reached; usage if it refuses.
pub async fn run(args: ExportArgs) -> Result<Exit, Failure> {
    let ExportArgs {
        history,
        format,
        out,
        to,
        experiment,
        filter,
        points,
    } = args;
    let filter = ExportFilter {
        runs: filter.into_filter(),
        points,
    };
    if to.is_some() && !matches!(format, Format::Mlflow | Format::Otlp) {
        return Err(Failure::new(
            Exit::Usage,
            "--to is for --format mlflow and otlp; other formats have --out",
        ));
    }
    let (format, out) = match (format, out) {
        (Format::Mlflow | Format::Otlp, Some(_)) => {
            return Err(Failure::new(Exit::Usage, "--out is for files; mlflow and otlp have --to"));
        }
        (Format::Mlflow, None) => return send_to_mlflow(&history, filter, to.as_deref(), &experiment).await,
        (Format::Otlp, None) => return send_by_otlp(&history, filter, to.as_deref()).await,
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

async fn send_to_mlflow(history: &HistoryHome, filter: ExportFilter, to: Option<&str>, experiment: &str) -> Result<Exit, Failure> {
    let mlflow = Mlflow::connect(to, experiment).await?;
    let mut runs = ExportedRuns::open(history, filter).await?;
    let (mut count, mut points) = (0, 0);
    while let Some((summary, run)) = runs.next().await? {
        points += mlflow.send(&name_of(&summary), &run).await?;
        count += 1;
    }
    output::say(&format!("{count} runs exported to {experiment}, {points} points added"));
    Ok(Exit::Success)
}

async fn send_by_otlp(history: &HistoryHome, filter: ExportFilter, to: Option<&str>) -> Result<Exit, Failure> {
    let collector = Otlp::connect(to)?;
    let mut runs = ExportedRuns::open(history, filter).await?;
    let (mut count, mut numbers) = (0, 0);
    while let Some((summary, run)) = runs.next().await? {
        numbers += collector.send(&name_of(&summary), &run).await?;
        count += 1;
    }
    output::say(&format!("{count} runs exported, {numbers} numbers"));
    Ok(Exit::Success)
}

/// The identity of the run in every history that has it.
fn name_of(summary: &RunSummary) -> RunName {
    let RunSummary {
        project,
        provider,
        repository,
        run_id,
        attempt,
        ..
    } = summary;
    RunName {
        project: project.clone(),
        id: format!("{project}/{provider}/{repository}/{run_id}/{attempt}"),
    }
}
