//! The final table of a measurement, for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use crate::load::Measured;
use crate::load::settings::MetricName;
use crate::load::{statistics, validity};

/// The table, with what failed below it.
#[must_use]
pub fn table(measured: &Measured) -> String {
    let throughput = measured.throughput();
    let mut text = String::new();
    let settings = &measured.settings;
    // With a duration the number of requests is unknown.
    let asked = match settings.duration {
        Some(_) => 0,
        None => usize::try_from(settings.num_prompts.get()).unwrap_or(usize::MAX),
    };
    let concurrency = settings
        .arrival
        .max_concurrency
        .map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    let _ = writeln!(
        text,
        "{} of {} requests in {:.2} s at concurrency {concurrency}: {:.2} req/s, {:.1} output tok/s, {:.1} tok/s in all",
        measured.completed(),
        measured.run.records.len().max(asked),
        measured.duration_s(),
        throughput.requests,
        throughput.output_tokens,
        throughput.tokens,
    );
    let mut has_unknown = false;
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    let mut header = vec!["ms".to_owned(), "mean".to_owned(), "median".to_owned(), "std".to_owned()];
    header.extend(settings.metric_percentiles.iter().map(|p| format!("p{p}")));
    table.set_header(header);
    for metric in MetricName::ALL {
        let summary = measured.summary(metric);
        if summary.count == 0 {
            continue;
        }
        let mut row = vec![metric.as_str().to_uppercase()];
        row.extend([summary.mean, summary.median, summary.std].map(|ms| format!("{ms:.2}")));
        let values = statistics::count(summary.count);
        for (p, ms) in &summary.percentiles {
            let is_known = values >= statistics::values_needed(*p);
            row.push(if is_known { format!("{ms:.2}") } else { "-".to_owned() });
            has_unknown |= !is_known;
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let _ = writeln!(text, "{table}");
    if has_unknown {
        let _ = writeln!(text, "-: too few values, p99 needs 100 and p99.9 needs 1000");
    }
    for (code, (count, example)) in validity::failures(&measured.run.records) {
        let _ = writeln!(text, "{count} failed with {code}: {example}");
    }
    text
}

/// How much several runs of one load differ.
#[must_use]
pub fn spread_table(runs: &[Measured]) -> String {
    let spread = crate::load::spread::spread(runs);
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header(["run to run", "mean", "std", "cv", "min", "max"]);
    let figures = [
        "output_throughput",
        "mean_ttft_ms",
        "mean_tpot_ms",
        "mean_e2el_ms",
        "median_ttft_ms",
        "p99_ttft_ms",
        "median_tpot_ms",
        "median_itl_ms",
        "median_e2el_ms",
    ];
    for name in figures {
        let Some(figure) = spread["figures"].get(name) else { continue };
        let number = |key: &str| figure[key].as_f64().map_or_else(String::new, |value| format!("{value:.2}"));
        let percent = figure["cv"].as_f64().map_or_else(String::new, |cv| format!("{:.1}%", cv * 100.0));
        table.add_row([
            name.to_owned(),
            number("mean"),
            number("std"),
            percent,
            number("min"),
            number("max"),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{} runs\n{table}\n", runs.len())
}
