//! GuideLLM's `benchmarks.csv`: three lines of headers (group, name, statistic), a line for each benchmark. Percentiles are a list in one cell.
//! Source: <https://github.com/vllm-project/guidellm>, version 0.5.

use super::collector::{Collector, Measured, Numbers, RowProblem};
use super::facts::{Fact, Facts};
use super::mapping::Mapping;
use super::table::{CellError, Header, Row, TableError, csv_error};
use super::{ImportError, ImportFormat, ImportHints, Imported};
use crate::result::json::put;
use crate::result::producer::requested_length;
use crate::result::{Json, Object};

/// Its lines of headers.
const HEADER_LINES: usize = 3;
/// Columns that are read whatever the load.
const REQUIRED: [&str; 4] = [
    "Run Info Run ID",
    "Timings Duration Sec",
    "Request Counts Successful",
    "Token Metrics Successful Output Tokens Mean",
];
/// Its names of latencies, benchmark_serving.py's, and milliseconds in its unit. Its time per output token counts the first one too.
const LATENCIES: [(&str, &str, f64); 3] = [
    ("Time to First Token Successful ms", "ttft", 1.0),
    ("Inter Token Latency Successful ms", "tpot", 1.0),
    ("Request Latency Successful Sec", "e2el", 1000.0),
];
const STATISTICS: [(&str, &str); 3] = [("Mean", "mean"), ("Median", "median"), ("Std Dev", "std")];
/// The places of percentiles in the list p0.1, p1, p5, p10, p25, p50, p75, p90, p95, p99, p99.9.
const PERCENTILES: [(usize, &str); 4] = [(7, "p90"), (8, "p95"), (9, "p99"), (10, "p99.9")];

pub(super) fn wrote(text: &str) -> bool {
    text.starts_with("Run Info,")
}

pub(super) fn read(text: &str, hints: &ImportHints) -> Result<Imported, ImportError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let mut lines = Vec::new();
    for _ in 0..HEADER_LINES {
        let line = records.next().transpose().map_err(|error| csv_error(&error))?;
        lines.push(line.ok_or(TableError::Missing("Run Info Run ID"))?);
    }
    let names: csv::StringRecord = (0..lines[0].len()).map(|at| joined(&lines, at)).collect();
    let header = Header::new(&names, &Mapping::default())?;
    header.require(&REQUIRED)?;
    let mut collector = Collector::new(ImportFormat::GuidellmTable, hints);
    for record in records {
        let record = record.map_err(|error| csv_error(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row::new(&header, &record, line);
        collector.add_row(&row, read_row(&row));
    }
    Ok(collector.finish())
}

/// The name of a column over the lines of headers.
fn joined(lines: &[csv::StringRecord], at: usize) -> String {
    let words: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.get(at))
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn read_row(row: &Row<'_>) -> Result<Measured, RowProblem> {
    Ok(Measured {
        facts: facts(row)?,
        numbers: Numbers::Raw(numbers(row)?),
        conversions: vec![
            "tpot is itl: GuideLLM's own tpot is latency over tokens".to_owned(),
            "the start has no time zone and is taken as UTC".to_owned(),
        ],
    })
}

fn facts(row: &Row<'_>) -> Result<Facts, RowProblem> {
    const RUN: &str = "Run Info Run ID";
    let mut facts = Facts::default();
    if let Some(id) = row.text(&[RUN]) {
        facts.say(Fact::RunId, id, row.place(&[RUN]));
    }
    let backend = cell_json(row, "Run Info Backend")?;
    if let Some(model) = backend.as_ref().and_then(|backend| backend.get("model")?.as_text()) {
        facts.say(Fact::Model, model, row.place(&["Run Info Backend"]));
    }
    if let Some(data) = row.text(&["Run Info Requests"]) {
        for (fact, key) in [(Fact::Isl, "prompt_tokens"), (Fact::Osl, "output_tokens")] {
            if let Some(length) = requested_length(data, key) {
                facts.say(fact, &length.to_string(), row.place(&["Run Info Requests"]));
            }
        }
    }
    say_load(&mut facts, row)?;
    Ok(facts)
}

/// The benchmarks of a run have an index, and the profile a list of concurrencies in the same order.
fn say_load(facts: &mut Facts, row: &Row<'_>) -> Result<(), RowProblem> {
    let index = row.number(&["Run Info Run Index"])?;
    let Some(profile) = cell_json(row, "Run Info Profile")? else {
        return Ok(());
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list; others find nothing"
    )]
    let streams = match (profile.get("streams"), index) {
        (Some(Json::List(streams)), Some(index)) => streams.get(index as usize),
        _ => None,
    };
    match (row.text(&["Benchmark Strategy"]), streams) {
        (Some("synchronous"), _) => facts.say(Fact::Concurrency, "1", row.place(&["Benchmark Strategy"])),
        (Some("concurrent"), Some(Json::Integer(streams))) => {
            facts.say(Fact::Concurrency, &streams.to_string(), row.place(&["Run Info Profile"]));
        }
        _ => {}
    }
    if let Some(start) = row.text(&["Timings Start Time"]) {
        facts.say(Fact::Date, start, row.place(&["Timings Start Time"]));
    }
    Ok(())
}

fn cell_json(row: &Row<'_>, column: &str) -> Result<Option<Json>, CellError> {
    let Some(text) = row.text(&[column]) else { return Ok(None) };
    Json::parse(text).map(Some).map_err(|_| row.wrong(&[column], "JSON"))
}

fn numbers(row: &Row<'_>) -> Result<Object, CellError> {
    let mut raw = Object::new();
    let completed = row.above_zero(&["Request Counts Successful"])?;
    let duration = row.above_zero(&["Timings Duration Sec"])?;
    let input = row.above_zero(&["Token Metrics Successful Input Tokens Mean"])? * completed;
    let output = row.above_zero(&["Token Metrics Successful Output Tokens Mean"])? * completed;
    put(&mut raw, "completed", completed);
    put(&mut raw, "duration", duration);
    put(&mut raw, "total_input_tokens", input);
    put(&mut raw, "total_output_tokens", output);
    put(&mut raw, "request_throughput", completed / duration);
    put(&mut raw, "output_throughput", output / duration);
    put(&mut raw, "total_token_throughput", (input + output) / duration);
    if let Some(failed) = row.number(&["Request Counts Errored"])? {
        put(&mut raw, "failed", failed);
    }
    for (theirs, ours, milliseconds) in LATENCIES {
        for (statistic, name) in STATISTICS {
            if let Some(value) = row.number(&[&format!("{theirs} {statistic}")])? {
                put(&mut raw, &format!("{name}_{ours}_ms"), value * milliseconds);
            }
        }
        let list = cell_json(row, &format!("{theirs} Percentiles"))?;
        for (at, name) in PERCENTILES {
            let value = match &list {
                Some(Json::List(values)) => values.get(at).and_then(Json::as_number),
                _ => None,
            };
            if let Some(value) = value {
                put(&mut raw, &format!("{name}_{ours}_ms"), value * milliseconds);
            }
        }
    }
    Ok(raw)
}
