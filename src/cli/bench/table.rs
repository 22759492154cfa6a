//! Tables of a measurement for the terminal.

use std::fmt::Write as _;

use crate::load::Measured;
use crate::load::server_figures::imbalance;
use crate::load::settings::MetricName;
use crate::load::{statistics, validity};
use crate::model::count;
use crate::model::saturating;
use crate::report::{Rank, TextStyle, TextTable, wrapped_text};

/// The latencies of a run, followed by its failures.
#[must_use]
pub fn table(measured: &Measured, style: TextStyle) -> String {
    let throughput = measured.throughput();
    let mut text = String::new();
    let settings = &measured.settings;
    // With a duration, the number of requests is not known beforehand.
    let asked = match settings.duration {
        Some(_) => 0,
        None => saturating::to_usize(settings.num_prompts.get()),
    };
    let concurrency = settings
        .arrival
        .max_concurrency
        .map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    let totals = format!(
        "{} of {} requests in {:.2} s at concurrency {concurrency}: {:.2} req/s, {:.1} output tok/s, {:.1} tok/s in all",
        measured.completed(),
        measured.run.records.len().max(asked),
        measured.duration_s(),
        throughput.requests,
        throughput.output_tokens,
        throughput.tokens,
    );
    let _ = writeln!(text, "{}", wrapped_text(&totals, 0, style.width));
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
        let values = count(summary.count);
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
    text.push_str(&servers_table(measured, style));
    for (code, (count, example)) in validity::failures(&measured.run.records) {
        let _ = writeln!(
            text,
            "{}",
            wrapped_text(&format!("{count} failed with {code}: {example}"), 0, style.width)
        );
    }
    text
}

/// The part of each server in the load; empty if there is one.
fn servers_table(measured: &Measured, style: TextStyle) -> String {
    if measured.settings.server_count() == 1 {
        return String::new();
    }
    let servers = measured.server_figures();
    let run_s = measured.duration_s();
    let mut table = TextTable::default();
    table.add_column("server", Rank::Always);
    for (rank, name) in (0..).zip(["requests", "failed", "in flight", "output tok/s", "TTFT ms", "TPOT ms", "E2EL ms"]) {
        table.add_number(name, Rank::Optional(rank));
    }
    let mean = |values: &[f64]| match values {
        [] => "-".to_owned(),
        values => format!("{:.2}", statistics::mean(values)),
    };
    for server in &servers {
        let tokens = count(server.output_tokens);
        table.add_row([
            server.url.clone(),
            server.records.len().to_string(),
            server.failed().to_string(),
            format!("{:.1}", server.mean_in_flight(run_s)),
            format!("{:.1}", if run_s > 0.0 { tokens / run_s } else { 0.0 }),
            mean(&server.ttft_ms),
            mean(&server.tpot_ms),
            mean(&server.e2el_ms),
        ]);
    }
    let in_flight: Vec<f64> = servers.iter().map(|server| server.mean_in_flight(run_s)).collect();
    let imbalance = imbalance(&in_flight).map_or_else(String::new, |factor| {
        format!("; the busiest has {factor:.2} times the mean number of requests in flight")
    });
    format!(
        "{} servers, {}{imbalance}\n{}",
        servers.len(),
        measured.settings.balance.as_str(),
        table.render(style)
    )
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
        let [mean, std, min, max] =
            ["mean", "std", "min", "max"].map(|key| figure[key].as_f64().map_or_else(String::new, |value| format!("{value:.2}")));
        let percent = figure["cv"].as_f64().map_or_else(String::new, |cv| format!("{:.1}%", cv * 100.0));
        table.add_row([name.to_owned(), mean, std, percent, min, max]);
    }
    format!("{} runs\n{}", runs.len(), table.render(style))
}
