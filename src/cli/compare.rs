//! `imax compare`: runs to verdicts, for people or for programs, with an exit code for gates.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::baseline::KnowledgeArgs;
use super::fail_on::{self, FailOn};
use super::render::{ReportFormat, render_view};
use super::shown::ShownArgs;
use super::{Exit, Failure, OrExit as _, output};
use crate::analysis::{Comparison, Knowledge, Run};
use crate::report::{self, SideBySide, View};
use crate::store;

/// Compare a run with an earlier one, point by point; or several runs with the first of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax compare base/ head/ --history history/ --fail-on regression\n  \
        imax compare monday.json tuesday.json wednesday.json --format csv --filter 'hardware=h200*'")]
pub struct CompareArgs {
    /// The run to compare with: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    base: PathBuf,
    /// The run to judge, in the same forms; several are shown beside each other.
    #[arg(required = true)]
    heads: Vec<PathBuf>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    shown: ShownArgs,
    /// How the report is written; several runs are a table, markdown, csv or json.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// Exit with 5 where one is found.
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; usage for a format that cannot show several.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let mut base = store::load_run(&args.base)?;
    let knowledge = args.knowledge.load()?;
    let compared = |path: &PathBuf| judged(args, &base, path, &knowledge);
    let compared: Vec<(Run, Comparison)> = args.heads.iter().map(compared).collect::<Result<_, _>>()?;
    args.shown.select(&mut base, None);
    let text = match compared.as_slice() {
        [(head, comparison)] => {
            let view = View::grouped(head, Some(comparison), args.shown.grouping());
            render_view(&view, args.format, "imax compare")?
        }
        several => beside_each_other(args, &base, several)?,
    };
    output::emit(&text)?;
    let exits = compared.iter().map(|(_, comparison)| fail_on::exit(comparison, args.fail_on));
    Ok(exits.fold(Exit::Success, |first, exit| if first == Exit::Success { exit } else { first }))
}

fn judged(args: &CompareArgs, base: &Run, head_path: &Path, knowledge: &Knowledge) -> Result<(Run, Comparison), Failure> {
    let mut head = store::load_run(head_path)?;
    let name = args.base.display().to_string();
    let mut comparison = args.knowledge.compare((&name, vec![base]), (&head, head_path), knowledge)?;
    args.shown.select(&mut head, Some(&mut comparison));
    Ok((head, comparison))
}

fn beside_each_other(args: &CompareArgs, base: &Run, heads: &[(Run, Comparison)]) -> Result<String, Failure> {
    let name = heads.first().map_or("", |(_, comparison)| comparison.base.as_str());
    let others: Vec<report::Compared> = heads.iter().map(|(run, comparison)| (run, comparison)).collect();
    let beside = SideBySide::new((name, base), &others, &args.shown.grouping());
    match args.format {
        ReportFormat::Table => Ok(beside.table()),
        ReportFormat::Markdown => Ok(beside.markdown()),
        ReportFormat::Csv => Ok(report::csv_of_several(&beside.views())),
        ReportFormat::Json => Ok(report::json_of_several(&beside.views()).or_exit(Exit::Infrastructure)? + "\n"),
        ReportFormat::Html | ReportFormat::Junit | ReportFormat::Sarif | ReportFormat::Parquet => {
            let words = anyhow!("several runs can be shown as table, markdown, csv or json; compare two at a time for other formats");
            Err(words).or_exit(Exit::Usage)
        }
    }
}
