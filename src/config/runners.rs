//! The runner file: the nodes of each label, and the hardware of a cluster's nodes. Two forms:
//! `labels:` with `hardware:`, and, older, a flat mapping of label to node names.

use std::collections::HashSet;
use std::num::NonZeroU32;

use indexmap::IndexMap;
use schemars::JsonSchema;

use crate::model::{Place, RunnerLabel, RunnerName};
use crate::yaml::{KeyValue, Node, Reader, Value};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runners {
    /// Labels with their nodes, in the order of the file; no list is empty.
    pub labels: IndexMap<RunnerLabel, Vec<RunnerName>>,
    /// Hardware of labels, if known.
    pub hardware: IndexMap<RunnerLabel, Hardware>,
    /// Where the labels are written.
    pub places: IndexMap<RunnerLabel, Place>,
}

/// Hardware of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hardware {
    /// Host memory for offloaded KV blocks, MiB.
    #[schemars(range(min = 1))]
    pub available_cpu_dram_mib: u64,
    /// Number of GPUs.
    pub gpus_per_node: NonZeroU32,
}

/// Fields of a runner file.
pub(super) const FIELDS: [&str; 2] = ["labels", "hardware"];

/// Fields of a label's hardware.
pub(super) const HARDWARE_FIELDS: [&str; 2] = ["available-cpu-dram-mib", "gpus-per-node"];

/// Reads a runner file.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Runners> {
    let mapping = reader.mapping(root, "runner file")?;
    let flat = mapping
        .iter()
        .all(|entry| entry.name() != Some("labels") && matches!(entry.value.value, Value::Sequence(_)));
    if flat && !mapping.is_empty() {
        return Some(Runners {
            labels: read_labels(reader, root)?,
            hardware: IndexMap::new(),
            places: places(reader, root),
        });
    }
    let object = reader.object(root, "runner file", &FIELDS)?;
    let labels = reader
        .required(&object, "labels", "runner file")
        .and_then(|node| read_labels(reader, node));
    let hardware = match object.written("hardware") {
        Some(node) => read_hardware(reader, node),
        None => Some(IndexMap::new()),
    };
    Some(Runners {
        labels: labels?,
        hardware: hardware?,
        places: object.get("labels").map(|node| places(reader, node)).unwrap_or_default(),
    })
}

/// The places of a mapping's keys.
fn places(reader: &Reader<'_>, node: &Node) -> IndexMap<RunnerLabel, Place> {
    let Value::Mapping(mapping) = &node.value else {
        return IndexMap::new();
    };
    mapping
        .iter()
        .filter_map(|entry| Some((entry.name()?.parse().ok()?, reader.place(entry.key.span))))
        .collect()
}

fn label(reader: &mut Reader<'_>, entry: &KeyValue) -> Option<RunnerLabel> {
    reader.name(&entry.key, "label")
}

fn read_labels(reader: &mut Reader<'_>, node: &Node) -> Option<IndexMap<RunnerLabel, Vec<RunnerName>>> {
    let mapping = reader.mapping(node, "labels")?;
    let read: Vec<_> = mapping
        .iter()
        .map(|entry| {
            let label = label(reader, entry);
            let nodes = read_nodes(reader, entry);
            Some((label?, nodes?))
        })
        .collect();
    read.into_iter().collect()
}

fn read_nodes(reader: &mut Reader<'_>, entry: &KeyValue) -> Option<Vec<RunnerName>> {
    let what = entry.name().unwrap_or("label");
    let items = reader.list(&entry.value, what)?;
    if items.is_empty() {
        reader.error(
            entry.key.span,
            "empty",
            format!("the label `{what}` has no nodes, expected at least one"),
        );
        return None;
    }
    let mut seen = HashSet::new();
    for item in items {
        if let Value::Text(name) = &item.value
            && !seen.insert(name)
        {
            let message = format!("the label `{what}` has the node {name:?} more than once");
            reader.warning(item.span, "repeated-node", message, "remove the repetition");
        }
    }
    let names: Vec<Option<RunnerName>> = items.iter().map(|item| reader.name(item, what)).collect();
    names.into_iter().collect()
}

fn read_hardware(reader: &mut Reader<'_>, node: &Node) -> Option<IndexMap<RunnerLabel, Hardware>> {
    let mapping = reader.mapping(node, "hardware")?;
    let read: Vec<_> = mapping
        .iter()
        .map(|entry| {
            let label = label(reader, entry);
            let what = entry.name().unwrap_or("hardware").to_owned();
            let object = reader.object(&entry.value, &what, &HARDWARE_FIELDS)?;
            let dram = reader
                .required(&object, "available-cpu-dram-mib", &what)
                .and_then(|node| read_memory(reader, node));
            let gpus = reader
                .required(&object, "gpus-per-node", &what)
                .and_then(|node| reader.positive(node, "gpus-per-node"));
            let hardware = Hardware {
                available_cpu_dram_mib: dram?,
                gpus_per_node: gpus?,
            };
            Some((label?, hardware))
        })
        .collect();
    read.into_iter().collect()
}

fn read_memory(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let number = reader.integer(node, "available-cpu-dram-mib")?;
    let memory = u64::try_from(number).ok().filter(|mib| *mib > 0);
    if memory.is_none() {
        let message = format!("`available-cpu-dram-mib` is {number}, expected a whole number from 1");
        reader.error(node.span, "range", message);
    }
    memory
}
