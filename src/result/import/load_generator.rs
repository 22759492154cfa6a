//! Results of load generators, in all formats that `imax normalize` reads. What a result does not say (hardware, TP) must be said by a person.

use super::collector::{Collector, Measured, Numbers, RowProblem};
use super::deployment::say_deployment;
use super::facts::{Fact, Facts};
use super::subject::date_of_seconds;
use super::{ImportError, ImportFormat, ImportHints, Imported};
use crate::result::producer::{Producer, ProducerError, documents, requested_length};
use crate::result::{Json, Object, number};

pub(super) fn read(text: &str, hints: &ImportHints) -> Result<Imported, ImportError> {
    let documents = match documents(text) {
        Ok(documents) => documents,
        Err(ProducerError::Line { line, error }) => return Err(ImportError::JsonLine { line, source: error }),
        // A text that does not begin as JSON was meant as something else.
        Err(ProducerError::Json(error)) if text.trim_start().starts_with(['{', '[']) => return Err(error.into()),
        Err(error) => return Err(ImportError::Unknown(error.to_string())),
    };
    let mut collector = Collector::new(ImportFormat::LoadGenerator, hints);
    let mut read = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let place = if documents.len() == 1 {
            String::new()
        } else {
            format!("[{index}]")
        };
        read.push((place, document, results(document)?));
    }
    let date = read
        .iter()
        .flat_map(|(_, _, results)| results.iter().flatten())
        .filter_map(started)
        .reduce(f64::min);
    for (place, document, results) in read {
        match results {
            Err(error) => collector.add_document(&place, document, Err(RowProblem::Other(error.to_string()))),
            Ok(results) => {
                for (index, raw) in results.into_iter().enumerate() {
                    let measured = measured(document, raw, date);
                    collector.add_document(&format!("{place}benchmark {}", index + 1), document, Ok(measured));
                }
            }
        }
    }
    Ok(collector.finish())
}

/// The results of a document of a known producer.
fn results(document: &Json) -> Result<Result<Vec<Object>, ProducerError>, ImportError> {
    let producer = document.as_object().and_then(Producer::of);
    match (document.as_object(), producer) {
        (Some(object), Some(producer)) => Ok(producer.read(object)),
        _ => Err(ImportError::Unknown(ProducerError::Unknown.to_string())),
    }
}

/// When a load began, seconds since 1970.
fn started(raw: &Object) -> Option<f64> {
    raw.get("benchmark_start_time_unix").and_then(Json::as_number)
}

fn measured(document: &Json, raw: Object, date: Option<f64>) -> Measured {
    let mut facts = Facts::default();
    for (fact, key) in [(Fact::Model, "model_id"), (Fact::Date, "date")] {
        if let Some(text) = raw.get(key).and_then(Json::as_text) {
            facts.say(fact, text, key);
        }
    }
    if let Some(date) = date.and_then(date_of_seconds) {
        facts.say(Fact::Date, &date, "benchmark_start_time_unix");
    }
    say_producer(&mut facts, document);
    say_lengths(&mut facts, &raw);
    say_load(&mut facts, &raw);
    say_deployment(&mut facts, document);
    Measured {
        facts,
        numbers: Numbers::Raw(raw),
        conversions: Vec::new(),
    }
}

/// GuideLLM's version, and the lengths that were asked for, which are not those of every answer.
fn say_producer(facts: &mut Facts, document: &Json) {
    if let Some(version) = document.at(&["metadata", "guidellm_version"]).and_then(Json::as_text) {
        facts.say(Fact::ProducerVersion, version, "metadata.guidellm_version");
    }
    let data = [document.at(&["config", "spec", "data"]), document.at(&["args", "data"])];
    let first = match document.get("benchmarks") {
        Some(Json::List(benchmarks)) => benchmarks
            .first()
            .and_then(|benchmark| benchmark.get("request_loader")?.get("data")),
        Some(Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) | None => None,
    };
    for data in data.into_iter().flatten().chain(first) {
        let text = data.to_pretty();
        for (fact, key) in [(Fact::Isl, "prompt_tokens"), (Fact::Osl, "output_tokens")] {
            if let Some(length) = requested_length(&text, key) {
                facts.say(fact, &length.to_string(), key);
            }
        }
    }
}

/// Where no lengths were asked for: the means of the measured ones, rounded.
fn say_lengths(facts: &mut Facts, raw: &Object) {
    for (fact, key) in [(Fact::Isl, "total_input_tokens"), (Fact::Osl, "total_output_tokens")] {
        if let (Some(total), Some(completed)) = (amount(raw, key), amount(raw, "completed")) {
            facts.say_default(fact, &format!("{:.0}", (total / completed).max(1.0)), key);
        }
    }
}

/// A finite number above zero.
fn amount(raw: &Object, key: &str) -> Option<f64> {
    let value = raw.get(key).and_then(number::float);
    value.filter(|value| value.is_finite() && *value > 0.0)
}

/// Mean requests in flight by Little's law.
fn mean_in_flight(raw: &Object) -> Option<f64> {
    let latency_s = amount(raw, "mean_e2el_ms").or_else(|| amount(raw, "median_e2el_ms"))? / 1000.0;
    Some((amount(raw, "completed")? * latency_s / amount(raw, "duration")?).max(1.0))
}

/// The load: concurrent requests, or requests at a rate with the mean number in flight by Little's law.
fn say_load(facts: &mut Facts, raw: &Object) {
    if let Some(rate) = amount(raw, "request_rate") {
        facts.say(Fact::RequestRate, &rate.to_string(), "request_rate");
    }
    let conc = amount(raw, "max_concurrency").or_else(|| amount(raw, "request_rate").and_then(|_| mean_in_flight(raw)));
    if let Some(conc) = conc {
        facts.say(Fact::Concurrency, &format!("{conc:.0}"), "max_concurrency");
    }
}
