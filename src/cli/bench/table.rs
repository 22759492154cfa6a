//! Tables of a measurement for the terminal.

use std::fmt::Write as _;

use crate::load::Measured;
use crate::load::settings::MetricName;
use crate::load::{statistics, validity};
use crate::report::{Rank, TextStyle, TextTable};

/// The latencies of a run, followed by its failures.
#[must_use]
pub fn table(measured: &Measured, style: TextStyle) -> String {
    let throughput = measured.throughput();
    let mut text = String::new();
    let settings = &measured.settings;
    // With a duration, the number of requests is not known beforehand.
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
    let mut table = TextTable::default();
    table.add_column("ms", Rank::Always);
    table.add_number("mean", Rank::Always);
    table.add_number("median", Rank::Always);
    table.add_number("std", Rank::Optional(u8::MAX));
    for (rank, p) in (0..u8::MAX).zip(&settings.metric_percentiles) {
        table.add_number(&format!("p{p}"), Rank::Optional(rank));
    }
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
    text.push_str(&table.render(style));
    if has_unknown {
        let _ = writeln!(text, "-: too few values, p99 needs 100 and p99.9 needs 1000");
    }
    for (code, (count, example)) in validity::failures(&measured.run.records) {
        let _ = writeln!(text, "{count} failed with {code}: {example}");
    }
    text
}

/// The spread of several runs of one load.
#[must_use]
pub fn spread_table(runs: &[Measured], style: TextStyle) -> String {
    let spread = crate::load::spread::spread(runs);
    let mut table = TextTable::default();
    table.add_column("run to run", Rank::Always);
    for (rank, name) in (0..).zip(["mean", "std", "cv", "min", "max"]) {
        table.add_number(name, Rank::Optional(rank));
    }
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
    format!("{} runs\n{}", runs.len(), table.render(style))
}
