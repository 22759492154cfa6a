//! `generation_kwargs`: the sampling parameters of requests.

use super::read::{OTHER_ENGINE, any_text, texts};
use super::{Generation, json};
use crate::yaml::{Node, Object, Reader, Value};

const KNOWN: [&str; 5] = ["until", "max_gen_toks", "temperature", "top_p", "do_sample"];

/// The default: greedy decoding, up to the delimiter of examples.
fn usual(delimiter: &str) -> Generation {
    let until = vec![delimiter.to_owned()];
    Generation {
        written: serde_json::Map::from_iter([
            ("until".to_owned(), until.clone().into()),
            ("do_sample".to_owned(), false.into()),
            ("temperature".to_owned(), 0.0.into()),
        ]),
        until,
        max_gen_toks: None,
        temperature: 0.0,
        top_p: None,
    }
}

pub(super) fn read(object: &Object<'_>, reader: &mut Reader<'_>, delimiter: &str) -> Option<Generation> {
    let mut generation = usual(delimiter);
    let Some(node) = object.get("generation_kwargs") else {
        return Some(generation);
    };
    generation.written = json::object(node);
    let map = reader.mapping(node, "generation_kwargs")?;
    for entry in map.iter() {
        let name = entry.name().unwrap_or_default();
        if !KNOWN.contains(&name) {
            let message = format!(
                "`{name}` in generation_kwargs is not supported, expected one of {}",
                KNOWN.join(", ")
            );
            reader.error_with_help(entry.key.span, "unsupported-key", message, OTHER_ENGINE);
        }
    }
    let object = reader.object(
        node,
        "generation_kwargs",
        &map.iter().filter_map(|entry| entry.name()).collect::<Vec<_>>(),
    )?;
    match object.get("until") {
        Some(node) => generation.until = until(node, reader)?,
        None => {
            generation.written.insert("until".to_owned(), generation.until.clone().into());
        }
    }
    if let Some(node) = object.get("max_gen_toks") {
        generation.max_gen_toks = Some(reader.positive(node, "max_gen_toks")?.get());
    }
    if let Some(node) = object.get("temperature") {
        generation.temperature = number(node, reader, "temperature", 0.0..=f64::MAX)?;
    }
    if let Some(node) = object.get("top_p") {
        generation.top_p = Some(number(node, reader, "top_p", 0.0..=1.0)?);
    }
    Some(generation)
}

fn until(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    match &node.value {
        Value::Sequence(_) => texts(node, reader, "until"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Mapping(_) => {
            any_text(node, reader, "until").map(|text| vec![text.to_owned()])
        }
    }
}

fn number(node: &Node, reader: &mut Reader<'_>, what: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    let number = match node.value {
        Value::Float(number) => Some(number),
        Value::Int(number) => format!("{number}").parse().ok(),
        Value::Null | Value::Bool(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        let message = format!("`{what}` is {}, expected a number from {} on", node.value.describe(), range.start());
        reader.error(node.span, "range", message);
    }
    number
}
