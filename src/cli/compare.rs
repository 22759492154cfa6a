//! `imax compare`: judges runs against a baseline run, with an exit code for workflow gates.

use std::path::PathBuf;

use clap::Args;

use super::baseline::{EvidenceArgs, say_expired};
use super::fail_on::{self, FailOn};
use super::selection::SelectionArgs;
use super::{Exit, Failure, output, terminal};
use crate::analysis::{self, Comparison, Run};
use crate::report::{self, Format, SideBySide, View};
use crate::store;

/// Compare a run with an earlier one, point by point, or several runs with the first of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax compare base/ head/ --history history/ --fail-on regression\n  \
        imax compare before.json after.json\n  \
        imax compare monday.json tuesday.json wednesday.json --format csv --filter 'hardware=h200*'")]
pub struct CompareArgs {
    /// The run to compare with: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json, one result, or raw
    /// results of any load generator, such as those of imax bench, in a file or a folder.
    base: PathBuf,
    /// The run to judge, in the same forms; several runs are shown side by side.
    #[arg(required = true)]
    heads: Vec<PathBuf>,
    #[command(flatten)]
    evidence: EvidenceArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// The format of the report; for several runs: table, markdown, csv or json.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Exit with code 5 on such a finding.
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid run; usage for a format that cannot show several runs.
pub async fn run(args: CompareArgs) -> Result<Exit, Failure> {
    let CompareArgs {
        base: base_path,
        heads,
        evidence,
        selection,
        format,
        fail_on,
    } = args;
    let mut base = store::load_run(&base_path)?;
    let (mut evidence, judging) = evidence.into_evidence()?;
    let knowledge = evidence.knowledge().await?;
    let (filters, grouping) = selection.into_parts();
    let base_name = base_path.display().to_string();
    let mut compared: Vec<(Run, Comparison)> = Vec::new();
    for path in &heads {
        let mut head = store::load_run(path)?;
        analysis::pair_raw_points(&base, &mut head);
        let head_name = path.display().to_string();
        evidence.low_scores = judging.low_scores(&head.evals);
        let mut comparison = evidence.compare((&base_name, vec![&base]), (&head_name, &head), &knowledge)?;
        say_expired(&comparison);
        analysis::select(&mut head, Some(&mut comparison), &filters);
        compared.push((head, comparison));
    }
    analysis::select(&mut base, None, &filters);
    let text = match compared.as_slice() {
        [(head, comparison)] => format.text(
            &View::grouped(head, Some(comparison), grouping),
            "imax compare",
            terminal::stdout_style(),
        )?,
        several => {
            let name = several.first().map_or("", |(_, comparison)| comparison.base.as_str());
            let others: Vec<report::Compared> = several.iter().map(|(run, comparison)| (run, comparison)).collect();
            format.text_of_several(&SideBySide::new((name, &base), &others, &grouping), terminal::stdout_style())?
        }
    };
    output::emit(&text)?;
    let exits = compared.iter().map(|(_, comparison)| fail_on::exit(comparison, fail_on));
    Ok(exits.fold(Exit::Success, |first, exit| if first == Exit::Success { exit } else { first }))
}
