//! Table of several loads of one server, a row per load, while they are measured and at the end.

use super::live::output_rate;
use crate::load::settings::MetricName;
use crate::load::statistics::{self, Summary};
use crate::load::{BenchmarkSettings, Measured, Progress};
use crate::model::count;
use crate::report::{Rank, TextStyle, TextTable, wrapped_text};

#[derive(Debug, Default)]
pub struct LoadTable {
    rows: Vec<[String; COLUMNS.len()]>,
    failures: Vec<String>,
}

const COLUMNS: [(&str, Rank); 9] = [
    ("conc", Rank::Always),
    ("requests", Rank::Optional(5)),
    ("failed", Rank::Optional(1)),
    ("req/s", Rank::Optional(4)),
    ("tok/s", Rank::Always),
    ("tok/s/user", Rank::Optional(0)),
    ("TTFT\nms", Rank::Optional(2)),
    ("TTFT\np99", Rank::Optional(6)),
    ("E2EL\nms", Rank::Optional(3)),
];

impl LoadTable {
    pub fn add(&mut self, measured: &Measured) {
        let throughput = measured.throughput();
        let [ttft, tpot, e2el] = [MetricName::Ttft, MetricName::Tpot, MetricName::E2el].map(|metric| measured.summary(metric));
        let failed = measured.run.records.len().saturating_sub(measured.completed());
        self.rows.push([
            concurrency(&measured.settings),
            measured.completed().to_string(),
            failed.to_string(),
            format!("{:.2}", throughput.requests),
            format!("{:.0}", throughput.output_tokens),
            if tpot.median > 0.0 {
                format!("{:.1}", 1000.0 / tpot.median)
            } else {
                "-".to_owned()
            },
            median(&ttft),
            p99(&ttft),
            median(&e2el),
        ]);
        let reasons = crate::load::validity::failures(&measured.run.records);
        self.failures.extend(reasons.into_iter().map(|(code, (count, example))| {
            format!(
                "concurrency {}: {count} failed with {code}: {example}",
                concurrency(&measured.settings)
            )
        }));
    }

    /// The loads measured so far and the running one.
    #[must_use]
    pub fn with_running(&self, load: &BenchmarkSettings, progress: &Progress, style: TextStyle) -> String {
        let ttft = progress.mean_ttft.as_secs_f64() * 1e3;
        let running = [
            concurrency(load),
            progress.completed.to_string(),
            progress.failed.to_string(),
            "-".to_owned(),
            format!("{:.0}", output_rate(progress)),
            "-".to_owned(),
            format!("{ttft:.1}"),
            "-".to_owned(),
            "-".to_owned(),
        ];
        let rows = self.rows.iter().chain(std::iter::once(&running));
        format!("{}concurrency {} is running", table(rows, style), concurrency(load))
    }

    /// The measured loads, followed by their failures.
    #[must_use]
    pub fn text(&self, style: TextStyle) -> String {
        let mut text = format!("{}TTFT and E2EL are medians; -: too few values\n", table(self.rows.iter(), style));
        for failure in &self.failures {
            text.push_str(&wrapped_text(failure, 0, style.width));
            text.push('\n');
        }
        text
    }

    /// The last load as a log line.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let [conc, requests, failed, _, tokens, _, ttft, _, _] = self.rows.last()?;
        Some(format!(
            "concurrency {conc}: {requests} requests, {failed} failed, {tokens} tok/s, TTFT {ttft} ms"
        ))
    }
}

pub fn concurrency(load: &BenchmarkSettings) -> String {
    load.arrival
        .max_concurrency
        .map_or_else(|| "unlimited".to_owned(), |number| number.to_string())
}

fn table<'a>(rows: impl Iterator<Item = &'a [String; COLUMNS.len()]>, style: TextStyle) -> String {
    let mut table = TextTable::default();
    for (title, rank) in COLUMNS {
        table.add_number(title, rank);
    }
    rows.for_each(|row| table.add_row(row.iter().cloned()));
    table.render(style)
}

fn median(summary: &Summary) -> String {
    if summary.count == 0 {
        "-".to_owned()
    } else {
        format!("{:.1}", summary.median)
    }
}

/// The 99th percentile, or `-` with too few values.
fn p99(summary: &Summary) -> String {
    let is_known = count(summary.count) >= statistics::values_needed(99.0);
    let found = summary.percentiles.iter().find(|(p, _)| *p == 99.0).filter(|_| is_known);
    found.map_or_else(|| "-".to_owned(), |(_, ms)| format!("{ms:.1}"))
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn large_numbers_and_failures_fit_the_terminal() {
        let row = [
            "1024",
            "1048576",
            "1048576",
            "12345.67",
            "1234567",
            "12345.6",
            "123456.7",
            "1234567.8",
            "12345678.9",
        ];
        let failure = "concurrency 1024: 12 failed with connect: cannot connect to http://engine.example:8000 within 10 s, nothing listens";
        let loads = LoadTable {
            rows: vec![row.map(str::to_owned), row.map(str::to_owned)],
            failures: vec![failure.to_owned()],
        };
        for columns in [80, 100, 120] {
            let text = loads.text(TextStyle {
                width: Some(columns),
                has_colors: false,
            });
            assert!(text.contains("1234567 ") && text.contains("12 failed with connect"), "{text}");
            for line in text.lines() {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
        }
    }
}
