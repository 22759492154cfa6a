//! `imax import`: stores the runs of other histories.

use std::path::PathBuf;

use clap::Args;

use super::publish::{Stored, TO_HELP, TargetArgs};
use super::{Exit, Failure, output};
use crate::result::{Facts, ImportHints, Mapping};
use crate::store::artifacts;
use crate::store::history::HistoryTarget;
use crate::store::publish::Sources;
use crate::store::remote_files::{FetchedFiles, ImportFile, dashboard_tables, fetch};

/// Store histories and results of other tools in a history.
///
/// The format is known by the content: histories of imax; CSV tables of the RHAIIS and llm-d dashboards, of GuideLLM and MLPerf; points of
/// llm-d Prism and InferenceX (artifacts, or a folder with a dump of its database); MLPerf's summary_results.json; PyTorch's records; results of
/// load generators (GuideLLM, AIPerf, vLLM, SGLang, llm-d, inference-perf); Parquet files of runs. A row that is not understood is named with its place.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax import history/ --to history.db\n  \
        imax export --history history.db --format json > runs.json; imax import runs.json --to team.db --project team\n  \
        S3_BUCKET=team-dashboard imax import --to history.db --partial\n  \
        imax import consolidated_dashboard.csv --to history.db --set precision=fp8 --partial\n  \
        imax import benchmarks.json --to history.db --set hardware=h200 --set tp=8 --mapping names.yaml --dry-run")]
pub struct ImportArgs {
    /// Files, folders of a history or of InferenceX's tables, or objects, s3://BUCKET/KEY (gs://, az://). Importing the same content again changes
    /// nothing [default: the tables S3_KEY and S3_KEY_LLMD of the bucket S3_BUCKET in S3_REGION, as the RHAIIS dashboard reads them].
    #[arg(value_name = "FILES")]
    files: Vec<ImportFile>,
    /// Say what a file does not: model, hardware, precision, framework, version, image, tp, dp, ep, isl, osl, conc, date, commit, branch and
    /// others. It counts more than what the file says. Repeat it.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    facts: Vec<String>,
    /// A mapping file, YAML: `set` as --set, `columns` with their names of columns, `values` with their words for a key of --set.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    #[arg(long, value_name = "HISTORY", help = TO_HELP)]
    to: HistoryTarget,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs the command.
///
/// # Errors
/// As [`TargetArgs::publish`]; usage for an unknown key, invalid input for an invalid mapping file.
pub async fn run(args: ImportArgs) -> Result<Exit, Failure> {
    let ImportArgs {
        files,
        facts,
        mapping,
        to,
        target,
    } = args;
    let mapping = match mapping {
        None => Mapping::default(),
        Some(path) => {
            let text = artifacts::read_text(&path)?;
            Mapping::parse(&text)?
        }
    };
    let facts = Facts::of_arguments(facts.iter().map(String::as_str))?;
    let files = if files.is_empty() { dashboard_tables()? } else { files };
    let FetchedFiles { paths, names, remarks } = fetch(&files).await?;
    for remark in &remarks {
        output::say(remark);
    }
    let sources = Sources::Foreign {
        paths,
        names,
        project: target.project(),
        hints: Box::new(ImportHints { facts, mapping }),
    };
    target.publish(to, sources).await.map(Stored::exit)
}
