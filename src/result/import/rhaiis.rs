//! The tables of the RHAIIS and llm-d dashboards of openshift-psap/performance-dashboard: one line for each concurrency of a GuideLLM run.
//! Latencies are milliseconds, `request_latency_*` seconds, `*_ms` milliseconds since 1970. `uuid` is that of the GuideLLM run, the same for
//! all its concurrencies. `tpot_*` is GuideLLM's, latency over tokens, so that the field's time per output token is `itl_*`.
//! Source: <https://github.com/openshift-psap/performance-dashboard/tree/main/manual_runs/scripts>.

use super::collector::{Collector, Measured, Numbers, RowProblem};
use super::facts::{Fact, Facts};
use super::subject::date_of_seconds;
use super::table::{self, CellError, Header, Row, TableError, folded};
use super::{ImportError, ImportFormat, ImportHints, Imported};
use crate::result::Object;
use crate::result::json::put;

/// Columns that every generation of the table has.
const REQUIRED: [&str; 6] = [
    "accelerator",
    "model",
    "version",
    "intended concurrency",
    "output_tok/sec",
    "total_tok/sec",
];
/// Facts by their columns. Hand-written tables have underscores, which names are compared without.
const FACTS: [(Fact, &str); 20] = [
    (Fact::Hardware, "accelerator"),
    (Fact::Model, "model"),
    (Fact::Isl, "prompt toks"),
    (Fact::Osl, "output toks"),
    (Fact::Tp, "TP"),
    (Fact::Dp, "DP"),
    (Fact::Ep, "EP"),
    (Fact::Replicas, "replicas"),
    (Fact::Router, "router_config"),
    (Fact::Concurrency, "intended concurrency"),
    (Fact::RuntimeArgs, "runtime_args"),
    (Fact::Image, "image_tag"),
    (Fact::ProducerVersion, "guidellm_version"),
    (Fact::Dataset, "dataset"),
    (Fact::SpecDecoding, "spec_decoding"),
    (Fact::PrefixCaching, "prefix_caching"),
    (Fact::Turns, "turns"),
    (Fact::PrefixTokens, "prefix_tokens"),
    (Fact::PrefixCount, "prefix_count"),
    (Fact::RequestType, "request_type"),
];
/// Pods of the llm-d table, in which 0 means that there is no such split.
const PODS: [(Fact, &str); 2] = [
    (Fact::PrefillWorkers, "prefill_pod_count"),
    (Fact::DecodeWorkers, "decode_pod_count"),
];
/// Their names of latencies, benchmark_serving.py's, and milliseconds in their unit.
const LATENCIES: [(&str, &str, f64); 3] = [("ttft", "ttft", 1.0), ("itl", "tpot", 1.0), ("request_latency", "e2el", 1000.0)];
/// Their names of statistics, and benchmark_serving.py's.
const STATISTICS: [(&[&str], &str); 6] = [
    (&["mean"], "mean"),
    (&["median", "p50"], "median"),
    (&["p1"], "p1"),
    (&["p95"], "p95"),
    (&["p99"], "p99"),
    (&["p999"], "p99.9"),
];
/// A load with a limit far above what was in flight was sent at a rate, and the limit is only its ceiling.
const MAX_IDLE: f64 = 10.0;

/// The format of a table, by its header.
pub(super) fn format_of(text: &str, hints: &ImportHints) -> Option<ImportFormat> {
    let header = text.lines().next()?;
    let record = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(header.as_bytes())
        .records()
        .next()?
        .ok()?;
    let names: Vec<String> = record.iter().map(|name| folded(hints.mapping.column(name.trim()))).collect();
    if !(has(&names, "output_tok/sec") && has(&names, "accelerator")) {
        return None;
    }
    Some(if has(&names, "router_config") || has(&names, "decode_pod_count") {
        ImportFormat::LlmdTable
    } else {
        ImportFormat::Rhaiis
    })
}

fn has(names: &[String], name: &str) -> bool {
    names.contains(&folded(name))
}

pub(super) fn read(text: &str, format: ImportFormat, hints: &ImportHints) -> Result<Imported, ImportError> {
    let mut collector = Collector::new(format, hints);
    table::rows(text, &hints.mapping, &mut collector, check, |collector, row, ragged| {
        let measured = match ragged {
            Some(ragged) => Err(ragged.into()),
            None => read_row(row, hints),
        };
        collector.add_row(row, measured);
    })?;
    Ok(collector.finish())
}

fn check(header: &Header) -> Result<(), TableError> {
    header.require(&REQUIRED)
}

fn read_row(row: &Row<'_>, hints: &ImportHints) -> Result<Measured, RowProblem> {
    let facts = facts(row)?;
    let is_said = hints
        .facts
        .text(Fact::Concurrency)
        .or(hints.mapping.facts().text(Fact::Concurrency))
        .is_some();
    if !is_said {
        check_concurrency(row)?;
    }
    Ok(Measured {
        facts,
        numbers: Numbers::Raw(numbers(row)?),
        conversions: vec!["tpot is itl: GuideLLM's own tpot is latency over tokens".to_owned()],
    })
}

fn facts(row: &Row<'_>) -> Result<Facts, RowProblem> {
    let mut facts = Facts::default();
    for (fact, column) in FACTS {
        if let Some(text) = row.text(&[column]) {
            facts.say(fact, text, row.place(&[column]));
        }
    }
    for (fact, column) in PODS {
        if let Some(text) = row.text(&[column]).filter(|text| *text != "0") {
            facts.say(fact, text, row.place(&[column]));
        }
    }
    if let Some(version) = row.text(&["version"]) {
        say_version(&mut facts, version, &row.place(&["version"]));
    }
    // An importer that is run again with another version keeps the uuid.
    if let (Some(uuid), Some(version)) = (row.text(&["uuid"]), row.text(&["version"])) {
        facts.say(Fact::RunId, &format!("{uuid} {version}"), row.place(&["uuid"]));
    }
    let started = row.number(&["guidellm_start_time_ms"])?;
    if let Some(date) = started.and_then(|started| date_of_seconds(started / 1000.0)) {
        facts.say(Fact::Date, &date, row.place(&["guidellm_start_time_ms"]));
    }
    Ok(facts)
}

/// `vLLM-0.13.0`, `TRT-LLM-1.2.0rc2.post1`, `sglang-0.5.5-rerun`: the engine, its version, and what was added.
fn say_version(facts: &mut Facts, text: &str, place: &str) {
    facts.say(Fact::Commit, text, place);
    let (engine, version) = split_version(text);
    facts.say(Fact::Framework, &engine, place);
    if let Some(version) = version {
        facts.say(Fact::Version, version, place);
    }
}

fn split_version(text: &str) -> (String, Option<&str>) {
    let starts = text.match_indices('-').map(|(at, _)| at);
    let mut numbered = starts.filter(|at| text[at + 1..].starts_with(|first: char| first.is_ascii_digit()));
    match numbered.next() {
        Some(at) => {
            let version = text[at + 1..].split('-').next();
            (text[..at].to_lowercase(), version)
        }
        None => (text.to_lowercase(), None),
    }
}

fn check_concurrency(row: &Row<'_>) -> Result<(), CellError> {
    const INTENDED: [&str; 1] = ["intended concurrency"];
    let (Some(intended), Some(measured)) = (row.number(&INTENDED)?, row.number(&["measured concurrency"])?) else {
        return Ok(());
    };
    if intended > MAX_IDLE * measured {
        return Err(row.wrong(
            &INTENDED,
            &format!("about the measured concurrency of {measured}: a load at a rate has only a ceiling; --set conc=… if it is known"),
        ));
    }
    Ok(())
}

fn numbers(row: &Row<'_>) -> Result<Object, CellError> {
    let mut raw = Object::new();
    let completed = row.above_zero(&["successful_requests"])?;
    let rate = row.above_zero(&["measured rps"])?;
    let output = row.above_zero(&["output_tok/sec"])?;
    put(&mut raw, "completed", completed);
    put(&mut raw, "duration", completed / rate);
    put(&mut raw, "request_throughput", rate);
    put(&mut raw, "output_throughput", output);
    put(&mut raw, "total_token_throughput", row.above_zero(&["total_tok/sec"])?);
    put(
        &mut raw,
        "total_input_tokens",
        row.above_zero(&["prompt_token_count_mean"])? * completed,
    );
    put(
        &mut raw,
        "total_output_tokens",
        row.above_zero(&["output_token_count_mean"])? * completed,
    );
    if let Some(failed) = row.number(&["errored_requests"])? {
        put(&mut raw, "failed", failed);
    }
    for (theirs, ours, milliseconds) in LATENCIES {
        for (statistics, name) in STATISTICS {
            let columns: Vec<String> = statistics.iter().map(|statistic| format!("{theirs}_{statistic}")).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            if let Some(value) = row.number(&columns)? {
                put(&mut raw, &format!("{name}_{ours}_ms"), value * milliseconds);
            }
        }
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_split_into_engine_and_version() {
        for (text, engine, version) in [
            ("RHAIIS-3.2.5", "rhaiis", Some("3.2.5")),
            ("vLLM-0.13.0", "vllm", Some("0.13.0")),
            ("sglang-0.5.5-rerun", "sglang", Some("0.5.5")),
            ("TRT-LLM-1.2.0rc2.post1", "trt-llm", Some("1.2.0rc2.post1")),
            ("nightly", "nightly", None),
        ] {
            assert_eq!(split_version(text), (engine.to_owned(), version), "{text}");
        }
    }
}
