//! Points of llm-d Prism: a list of objects, latencies in milliseconds, rates of the whole server. A percentile of 0 was not measured.
//! Source: <https://github.com/llm-d/llm-d-prism/tree/main/public/data>.

use super::collector::{Collector, Measured, Numbers, RowProblem};
use super::facts::{Fact, Facts};
use super::{ImportFormat, ImportHints, Imported};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    let metrics = document.get("metrics");
    metrics.is_some_and(|metrics| metrics.get("throughput").is_some()) && document.contains_key("workload")
}

pub(super) fn read(documents: &[Json], hints: &ImportHints) -> Imported {
    let mut collector = Collector::new(ImportFormat::Prism, hints);
    for (index, document) in documents.iter().enumerate() {
        collector.add_document(&format!("[{index}]"), document, read_one(document));
    }
    collector.finish()
}

fn read_one(document: &Json) -> Result<Measured, RowProblem> {
    Ok(Measured {
        facts: facts(document),
        numbers: Numbers::Server(numbers(document)?),
        conversions: vec![
            "times of milliseconds".to_owned(),
            "output and input throughput by the share of their lengths".to_owned(),
        ],
    })
}

/// A number above zero; 0 means that it was not measured.
fn measured(document: &Json, path: &[&str]) -> Option<f64> {
    document.at(path)?.as_number().filter(|number| number.is_finite() && *number > 0.0)
}

fn required(document: &Json, path: &[&str]) -> Result<f64, RowProblem> {
    measured(document, path).ok_or_else(|| {
        let found = document.at(path).map_or_else(|| "absent".to_owned(), Json::to_pretty);
        RowProblem::Other(format!("`{}` is {found}, expected a number above zero", path.join(".")))
    })
}

fn size(document: &Json, path: &[&str]) -> Option<i64> {
    match document.at(path) {
        Some(Json::Integer(size)) if *size > 0 => Some(*size),
        _ => None,
    }
}

fn facts(document: &Json) -> Facts {
    const TEXTS: [(Fact, &[&str]); 7] = [
        (Fact::Model, &["model"]),
        (Fact::Hardware, &["hardware"]),
        (Fact::Framework, &["metadata", "backend"]),
        (Fact::Precision, &["metadata", "precision"]),
        (Fact::Date, &["timestamp"]),
        (Fact::RunId, &["source_info", "origin"]),
        (Fact::Commit, &["source_info", "origin"]),
    ];
    const SIZES: [(Fact, &[&str]); 3] = [
        (Fact::Isl, &["workload", "input_tokens"]),
        (Fact::Osl, &["workload", "output_tokens"]),
        (Fact::Concurrency, &["workload", "concurrency"]),
    ];
    const APART: [(Fact, &[&str]); 4] = [
        (Fact::PrefillWorkers, &["prefill_node_count"]),
        (Fact::DecodeWorkers, &["decode_node_count"]),
        (Fact::PrefillTp, &["prefill_tp"]),
        (Fact::DecodeTp, &["decode_tp"]),
    ];
    let mut facts = Facts::default();
    for (fact, path) in TEXTS {
        let text = document
            .at(path)
            .and_then(Json::as_text)
            .filter(|text| !text.eq_ignore_ascii_case("unknown"));
        if let Some(text) = text {
            facts.say(fact, text, path.join("."));
        }
    }
    let is_apart = document.at(&["architecture"]).and_then(Json::as_text) == Some("disaggregated");
    let apart = if is_apart { APART.as_slice() } else { &[] };
    for (fact, path) in SIZES.iter().chain(apart) {
        if let Some(Json::Integer(size)) = document.at(path) {
            facts.say(*fact, &size.to_string(), path.join("."));
        }
    }
    if !is_apart {
        say_replicas(&mut facts, document);
    }
    facts
}

/// An aggregated deployment is engines of one TP on all accelerators.
fn say_replicas(facts: &mut Facts, document: &Json) {
    let (Some(tp), Some(gpus)) = (
        size(document, &["metadata", "tensor_parallelism"]),
        size(document, &["accelerator_count"]),
    ) else {
        return;
    };
    facts.say(Fact::Tp, &tp.to_string(), "metadata.tensor_parallelism");
    if gpus % tp == 0 {
        facts.say(Fact::Dp, &(gpus / tp).to_string(), "accelerator_count");
    } else {
        // Refused as a size, with both numbers in its message.
        facts.say(Fact::Dp, &format!("{gpus}/{tp}"), "accelerator_count");
    }
}

fn numbers(document: &Json) -> Result<Vec<(&'static str, f64)>, RowProblem> {
    const TIMES: [(&str, &[&str]); 5] = [
        ("mean_ttft", &["metrics", "ttft", "mean"]),
        ("median_ttft", &["metrics", "ttft", "p50"]),
        ("mean_e2el", &["metrics", "latency", "mean"]),
        ("median_e2el", &["metrics", "latency", "p50"]),
        ("p99_e2el", &["metrics", "latency", "p99"]),
    ];
    let total = required(document, &["metrics", "throughput"])?;
    let input = required(document, &["workload", "input_tokens"])?;
    let output = required(document, &["workload", "output_tokens"])?;
    let mut numbers = vec![
        ("tput_per_gpu", total),
        ("output_tput_per_gpu", total * output / (input + output)),
        ("input_tput_per_gpu", total * input / (input + output)),
    ];
    for (name, path) in TIMES {
        if let Some(milliseconds) = measured(document, path) {
            numbers.push((name, milliseconds / 1000.0));
        }
    }
    if let Some(milliseconds) = measured(document, &["metrics", "time_per_output_token"]) {
        numbers.push(("mean_tpot", milliseconds / 1000.0));
        numbers.push(("mean_intvty", 1000.0 / milliseconds));
    }
    Ok(numbers)
}
