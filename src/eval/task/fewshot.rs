//! `fewshot_split` and `fewshot_config`.

use super::read::{count, form};
use super::{Fewshot, Form, Sampler, json};
use crate::yaml::{Node, Object, Reader, Value};

const KNOWN: [&str; 9] = [
    "sampler",
    "split",
    "samples",
    "fewshot_indices",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "target_delimiter",
    "fewshot_delimiter",
];

pub(super) fn read(object: &Object<'_>, reader: &mut Reader<'_>, general: &Form) -> Option<Fewshot> {
    let split = match object.get("fewshot_split") {
        Some(node) => Some(reader.text(node, "fewshot_split")?.to_owned()),
        None => None,
    };
    let mut fewshot = Fewshot {
        split,
        samples: None,
        indices: None,
        sampler: Sampler::Random,
        form: general.clone(),
    };
    let Some(node) = object.get("fewshot_config") else {
        return Some(fewshot);
    };
    let own = reader.object(node, "fewshot_config", &KNOWN)?;
    if let Some(node) = own.get("sampler") {
        fewshot.sampler = reader.choice(node, "sampler", &[("default", Sampler::Random), ("first_n", Sampler::FirstN)])?;
    }
    if let Some(node) = own.get("split") {
        fewshot.split = Some(reader.text(node, "split")?.to_owned());
    }
    if let Some(node) = own.get("samples") {
        fewshot.samples = Some(samples(node, reader)?);
    }
    if let Some(node) = own.get("fewshot_indices") {
        let items = reader.list(node, "fewshot_indices")?;
        let indices = items.iter().map(|item| count(item, reader, "fewshot_indices"));
        fewshot.indices = Some(indices.collect::<Option<_>>()?);
    }
    fewshot.form = form(&own, reader, Some(general))?;
    Some(fewshot)
}

fn samples(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<crate::eval::dataset::Document>> {
    let items = reader.list(node, "samples")?;
    let documents = items.iter().map(|item| match item.value {
        Value::Mapping(_) => Some(json::object(item)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) => {
            reader.mapping(item, "samples").and(None)
        }
    });
    documents.collect()
}
