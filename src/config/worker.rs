//! How an engine is spread over GPUs: the parallelism of a single-node entry, and the worker groups of a multi-node
//! one.

use std::num::NonZeroU32;

use crate::model::{Layout, Parallelism, WorkerGroup};
use crate::yaml::{Node, Object, Reader, Value};

/// Fields of a group of workers.
pub(super) const WORKER_FIELDS: [&str; 9] = [
    "num-worker",
    "tp",
    "pp",
    "dcp-size",
    "pcp-size",
    "ep",
    "dp-attn",
    "hardware",
    "additional-settings",
];

/// Fields of a search-space entry for the parallelism of one instance.
pub(super) const PARALLELISM_FIELDS: [&str; 7] = ["tp", "pp", "dcp-size", "pcp-size", "dp-size", "ep", "dp-attn"];

/// The parallelism of a single-node entry: `tp` is required, everything else is 1 or off by default.
pub(super) fn read_parallelism(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Parallelism> {
    let tp = reader
        .required(object, "tp", "search-space entry")
        .and_then(|node| reader.positive(node, "tp"));
    let ep = optional_size(reader, object.get("ep"), "ep");
    let dp_attn = match object.get("dp-attn") {
        Some(node) => reader.flag(node, "dp-attn"),
        None => Some(false),
    };
    assemble(reader, object, tp, ep, dp_attn)
}

/// Prefill and decode of a multi-node entry.
pub(super) fn read_worker_groups(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Layout> {
    let (prefill, decode) = (
        read_required_group(reader, object, "prefill"),
        read_required_group(reader, object, "decode"),
    );
    let (prefill, decode) = (prefill?, decode?);
    if prefill.hardware.is_some() != decode.hardware.is_some() {
        let named = if prefill.hardware.is_some() { "prefill" } else { "decode" };
        let message = format!("`hardware` only in `{named}`, expected in both worker groups or in none");
        reader.error(object.key_span(named), "hardware", message);
        return None;
    }
    Some(Layout::MultiNode { prefill, decode })
}

fn read_required_group(reader: &mut Reader<'_>, object: &Object<'_>, name: &'static str) -> Option<WorkerGroup> {
    let node = reader.required(object, name, "search-space entry")?;
    read_worker_group(reader, node, name)
}

fn read_worker_group(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<WorkerGroup> {
    let object = reader.object(node, what, &WORKER_FIELDS)?;
    let num_worker = reader
        .required(&object, "num-worker", what)
        .and_then(|node| read_count(reader, node));
    let tp = reader.required(&object, "tp", what).and_then(|node| reader.positive(node, "tp"));
    let ep = reader.required(&object, "ep", what).and_then(|node| reader.positive(node, "ep"));
    let dp_attn = reader
        .required(&object, "dp-attn", what)
        .and_then(|node| reader.flag(node, "dp-attn"));
    let parallelism = assemble(reader, &object, tp, ep, dp_attn);
    let hardware = match object.get("hardware") {
        Some(node) => Some(reader.text(node, "hardware")?.to_owned()),
        None => None,
    };
    let additional_settings = match object.get("additional-settings") {
        Some(node) => Some(read_settings(reader, node)?),
        None => None,
    };
    Some(WorkerGroup {
        num_worker: num_worker?,
        parallelism: parallelism?,
        hardware,
        additional_settings,
    })
}

/// 0 workers are allowed: the other group then does the work of both.
fn read_count(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let number = reader.integer(node, "num-worker")?;
    let count = u32::try_from(number).ok();
    if count.is_none() {
        reader.error(
            node.span,
            "range",
            format!("`num-worker` is {number}, expected a whole number from 0"),
        );
    }
    count
}

fn read_settings(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let items = reader.list(node, "additional-settings")?;
    let texts: Vec<Option<&str>> = items.iter().map(|item| reader.text(item, "additional-settings")).collect();
    texts.into_iter().map(|text| text.map(str::to_owned)).collect()
}

fn optional_size(reader: &mut Reader<'_>, node: Option<&Node>, name: &str) -> Option<NonZeroU32> {
    match node {
        Some(node) => reader.positive(node, name),
        None => Some(NonZeroU32::MIN),
    }
}

/// A size of the newer kind, which InferenceX reads strictly: no `2.0`, no `null`.
fn strict_size(reader: &mut Reader<'_>, object: &Object<'_>, name: &str) -> Option<NonZeroU32> {
    match object.written(name) {
        None => Some(NonZeroU32::MIN),
        Some(node) if matches!(node.value, Value::Float(_)) => {
            let message = format!("`{name}` is {}, expected a whole number", node.value.describe());
            reader.error(node.span, "type", message);
            None
        }
        Some(node) => reader.positive(node, name),
    }
}

fn assemble(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    tp: Option<NonZeroU32>,
    ep: Option<NonZeroU32>,
    dp_attn: Option<bool>,
) -> Option<Parallelism> {
    let pp = strict_size(reader, object, "pp");
    let dcp_size = strict_size(reader, object, "dcp-size");
    let pcp_size = strict_size(reader, object, "pcp-size");
    // Workers of several nodes do not have the field: their number counts replicas.
    let dp_size = strict_size(reader, object, "dp-size");
    let parallelism = Parallelism {
        tp: tp?,
        pp: pp?,
        dcp_size: dcp_size?,
        pcp_size: pcp_size?,
        ep: ep?,
        dp_attn: dp_attn?,
        dp_size: dp_size?,
    };
    if !parallelism.tp.get().is_multiple_of(parallelism.dcp_size.get()) {
        let message = format!(
            "`dcp-size` is {}, expected a divisor of `tp`, which is {}",
            parallelism.dcp_size, parallelism.tp
        );
        reader.error(object.key_span("dcp-size"), "parallelism", message);
        return None;
    }
    Some(parallelism)
}
