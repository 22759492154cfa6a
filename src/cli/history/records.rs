//! `imax history records`: the jobs of a run, the verdicts that were given, and how the values of its points were distributed.

use clap::Args;
use serde_json::{Value, json};

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::ReadArgs;
use super::list::one_line;
use crate::analysis::{Filter, GivenVerdict, JobSummary, PointDistributions, RunRecord, Sketch, is_selected};
use crate::report::{Rank, TextTable};
use crate::store::database::AsOf;

/// Show the jobs of a run, the verdicts that were given, and how the values of its points were distributed: lengths, latencies, the load over time.
///
/// Distributions are kept of results with arrays (imax bench --save-detailed) or seconds (every imax bench); quantiles
/// are within 1 %.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history records 12 --history history.db\n  \
        imax history records 12 --history history.db --filter conc=64 --json")]
pub(super) struct RecordsArgs {
    /// Id of the run in imax history list.
    run: i64,
    #[command(flatten)]
    source: ReadArgs,
    /// Only points that match, as in imax history series.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// Print JSON, with the time slices.
    #[arg(long)]
    json: bool,
}

/// The shares whose values are shown.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

pub(super) async fn run(args: RecordsArgs) -> Result<Exit, Failure> {
    let RecordsArgs {
        run: id,
        source,
        filters,
        json,
    } = args;
    let (_, run) = source.history.run(id, AsOf::Now).await?;
    let mut jobs = Vec::new();
    let mut distributions = Vec::new();
    let mut verdicts = Vec::new();
    let mut changelog = Vec::new();
    let mut plan = None;
    for record in &run.run.records {
        match record {
            RunRecord::Job(job) => jobs.push(job),
            RunRecord::Distributions(found) if is_selected(&found.point, &filters) => distributions.push(found),
            RunRecord::Verdict(given) if is_selected(&given.comparison.point, &filters) => verdicts.push(given),
            RunRecord::Changelog(change) => changelog.push(change),
            RunRecord::Plan(planned) => plan = Some(planned),
            RunRecord::Distributions(_) | RunRecord::Verdict(_) => {}
        }
    }
    distributions.sort_by(|left, right| left.point.cmp(&right.point));
    verdicts.sort_by(|left, right| left.comparison.point.cmp(&right.comparison.point));
    if json {
        let distributions: Vec<Value> = distributions.into_iter().map(json_of).collect();
        output::emit_json(&json!({
            "jobs": jobs, "distributions": distributions, "verdicts": verdicts, "changelog": changelog, "plan": plan,
        }))?;
    } else if jobs.is_empty() && distributions.is_empty() && verdicts.is_empty() {
        output::emit("no records: the run was stored without job records, distributions and verdicts\n")?;
    } else {
        let tables = [
            table_of_jobs(&jobs),
            table_of_distributions(&distributions),
            table_of_verdicts(&verdicts),
        ];
        output::emit(&tables.into_iter().flatten().collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Exit::Success)
}

fn table_of_jobs(jobs: &[&JobSummary]) -> Option<String> {
    if jobs.is_empty() {
        return None;
    }
    let mut table = TextTable::default();
    for (title, rank) in [
        ("job", Rank::Optional(1)),
        ("curve", Rank::Identity),
        ("outcome", Rank::Always),
        ("node", Rank::Optional(2)),
    ] {
        table.add_column(title, rank);
    }
    table.add_number("seconds", Rank::Always);
    table.add_number("attempts", Rank::Optional(3));
    table.add_column("reason", Rank::Optional(0));
    for job in jobs {
        table.add_row([
            one_line(&job.job_id),
            one_line(&job.curve.to_string()),
            one_line(&job.outcome),
            one_line(job.node.as_deref().unwrap_or_default()),
            job.seconds.map_or_else(String::new, |seconds| format!("{seconds:.0}")),
            job.attempts.to_string(),
            one_line(job.reason.as_deref().unwrap_or_default()),
        ]);
    }
    Some(table.render(stdout_style()))
}

fn table_of_distributions(distributions: &[&PointDistributions]) -> Option<String> {
    if distributions.is_empty() {
        return None;
    }
    let mut table = TextTable::default();
    table.add_column("point", Rank::Identity);
    for (title, rank) in [
        ("requests", Rank::Always),
        ("ISL p50", Rank::Optional(2)),
        ("OSL p50", Rank::Optional(2)),
        ("TTFT p50 ms", Rank::Always),
        ("TTFT p99 ms", Rank::Always),
        ("TPOT p50 ms", Rank::Optional(1)),
        ("TPOT p99 ms", Rank::Optional(1)),
        ("slices", Rank::Optional(3)),
    ] {
        table.add_number(title, rank);
    }
    for found in distributions {
        let milliseconds = |sketch: &Sketch, share| shown(sketch.quantile(share).map(|seconds| seconds * 1e3));
        table.add_row([
            one_line(&found.point.to_string()),
            found.ttft.count().to_string(),
            shown(found.input_lengths.quantile(0.5)),
            shown(found.output_lengths.quantile(0.5)),
            milliseconds(&found.ttft, 0.5),
            milliseconds(&found.ttft, 0.99),
            milliseconds(&found.tpot, 0.5),
            milliseconds(&found.tpot, 0.99),
            found.slices.len().to_string(),
        ]);
    }
    Some(table.render(stdout_style()))
}

fn table_of_verdicts(verdicts: &[&GivenVerdict]) -> Option<String> {
    if verdicts.is_empty() {
        return None;
    }
    let mut table = TextTable::default();
    table.add_column("point", Rank::Identity);
    table.add_column("verdict", Rank::Always);
    table.add_column("compared with", Rank::Optional(0));
    for given in verdicts {
        table.add_row([
            one_line(&given.comparison.point.to_string()),
            given.comparison.verdict.as_str().to_owned(),
            one_line(&given.base),
        ]);
    }
    Some(table.render(stdout_style()))
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| {
        format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
    })
}

/// Quantiles of every distribution, in the units of the record.
fn json_of(found: &PointDistributions) -> Value {
    let sketches = [
        ("input_lengths", &found.input_lengths),
        ("output_lengths", &found.output_lengths),
        ("ttft", &found.ttft),
        ("itl", &found.itl),
        ("tpot", &found.tpot),
        ("e2el", &found.e2el),
    ];
    let mut document = json!({ "point": found.point, "slices": found.slices });
    for (name, sketch) in sketches {
        let mut quantiles = json!({ "count": sketch.count() });
        for (word, share) in SHARES {
            quantiles[word] = json!(sketch.quantile(share));
        }
        document[name] = quantiles;
    }
    document
}
