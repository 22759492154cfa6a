//! One master config entry: `<model>-<precision>-<gpu>-<framework>` with its search space.

use std::num::NonZeroU32;

use crate::model::{ConfigKey, Framework, Image, ModelName, ModelPrefix, Place, Precision, RunnerLabel, SeqLens};
use crate::yaml::{Node, Object, Reader, Value};

use super::Conventions;
use super::offload::{self, Share, Version};
use super::search_space::{self, AgenticCandidate, Candidate, Defaults};
use super::variables;

/// A master config entry, in either dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: ConfigKey,
    pub image: Image,
    pub model: ModelName,
    pub model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    pub precision: Precision,
    pub framework: Framework,
    /// The label of the runners it runs on.
    pub runner: RunnerLabel,
    /// Whether its deployments span nodes.
    pub multinode: bool,
    pub disagg: bool,
    /// The scenarios, in the order in which rows are made.
    pub blocks: Vec<ScenarioBlock>,
    /// Rules that follow from its dialect.
    pub conventions: Conventions,
    /// Where its key is written.
    pub place: Place,
    /// Where its image is written.
    pub image_place: Place,
    /// Where its runner is written.
    pub runner_place: Place,
}

/// One scenario with its search space.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenarioBlock {
    /// Requests of fixed lengths.
    FixedSeqLen {
        /// Input and output tokens.
        lens: SeqLens,
        /// The search space, in order.
        candidates: Vec<Candidate>,
    },
    AgenticCoding {
        /// Duration of the load, seconds.
        duration_s: u64,
        /// The search space, in order.
        candidates: Vec<AgenticCandidate>,
    },
}

/// The image of rows whose entry names none.
pub const NO_IMAGE: &str = "none";

/// Duration of the agentic load, seconds. The format has no field for it.
const AGENTIC_DURATION_S: u64 = 3600;

/// Prefix of labels of clusters; agentic scenarios only run there.
const CLUSTER: &str = "cluster:";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Scenarios,
    SeqLenConfigs,
}

const FIELDS: [&str; 10] = [
    "image",
    "model",
    "model-prefix",
    "precision",
    "framework",
    "runner",
    "multinode",
    "disagg",
    "router",
    "environment",
];

/// Fields of `scenarios`.
pub(super) const SCENARIO_FIELDS: [&str; 2] = ["fixed-seq-len", "agentic-coding"];
/// Fields of a block of fixed lengths.
pub(super) const FIXED_BLOCK_FIELDS: [&str; 3] = ["isl", "osl", "search-space"];
/// Fields of an agentic block.
pub(super) const AGENTIC_BLOCK_FIELDS: [&str; 2] = ["dram-utilization", "search-space"];

/// Fields of an entry without its search space.
pub(super) fn fields(multinode: bool) -> Vec<&'static str> {
    let mut fields = FIELDS.to_vec();
    if multinode {
        fields.push("kv-p2p-transfer");
    }
    fields
}

/// Reads one entry. `key` is already checked.
pub(super) fn read(reader: &mut Reader<'_>, key: ConfigKey, key_node: &Node, node: &Node) -> Option<Entry> {
    let dialect = match &node.value {
        Value::Mapping(mapping) if mapping.get("scenarios").is_none() && mapping.get("seq-len-configs").is_some() => Dialect::SeqLenConfigs,
        Value::Mapping(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Date(_)
        | Value::Text(_)
        | Value::Sequence(_) => Dialect::Scenarios,
    };
    let what = key.to_string();
    // The other fields depend on whether the entry is multi-node.
    let multinode = multinode_of(node);
    let mut known = fields(multinode != Some(false));
    known.push(match dialect {
        Dialect::Scenarios => "scenarios",
        Dialect::SeqLenConfigs => "seq-len-configs",
    });
    let object = reader.object(node, &what, &known)?;

    let image_node = object.get("image");
    let image = match image_node {
        Some(node) => reader.name(node, "image"),
        // Launchers without containers use none; those with containers refuse it.
        None => NO_IMAGE.parse().ok(),
    };
    let model = reader.required(&object, "model", &what).and_then(|node| reader.name(node, "model"));
    let model_prefix = reader
        .required(&object, "model-prefix", &what)
        .and_then(|node| reader.name(node, "model-prefix"));
    let precision = reader
        .required(&object, "precision", &what)
        .and_then(|node| reader.name(node, "precision"));
    let framework = reader
        .required(&object, "framework", &what)
        .and_then(|node| reader.name(node, "framework"));
    let runner_node = reader.required(&object, "runner", &what);
    let runner: Option<RunnerLabel> = runner_node.and_then(|node| reader.name(node, "runner"));
    let multinode = reader
        .required(&object, "multinode", &what)
        .and_then(|node| read_multinode(reader, node));
    let disagg = read_disagg(reader, &object, multinode);
    let router = match object.get("router") {
        Some(node) => offload::read_component(reader, node, "router", Version::Required).map(Some),
        None => Some(None),
    };
    let transfer = match object.get("kv-p2p-transfer") {
        Some(node) => reader.text(node, "kv-p2p-transfer").map(|text| Some(text.to_owned())),
        None => Some(None),
    };
    let environment = variables::read(reader, &object);
    // Without these the search space cannot be checked: its errors would only be consequences.
    let defaults = Defaults {
        multinode: multinode?,
        router: router.clone().flatten(),
        kv_p2p_transfer: transfer.clone().flatten(),
        environment: environment.clone().unwrap_or_default(),
        needs_transfer: dialect == Dialect::Scenarios && disagg == Some(true) && multinode == Some(true) && transfer.is_some(),
    };
    let blocks = match dialect {
        Dialect::Scenarios => read_scenarios(reader, &object, &what, &defaults, runner.as_ref()),
        Dialect::SeqLenConfigs => reader
            .required(&object, "seq-len-configs", &what)
            .and_then(|node| read_fixed_blocks(reader, node, "seq-len-configs", &defaults)),
    };
    router?;
    transfer?;
    environment?;
    Some(Entry {
        key,
        image: image?,
        model: model?,
        model_prefix: model_prefix?,
        precision: precision?,
        framework: framework?,
        runner: runner?,
        multinode: multinode?,
        disagg: disagg?,
        blocks: blocks?,
        conventions: match dialect {
            Dialect::Scenarios => Conventions::SCENARIOS,
            Dialect::SeqLenConfigs => Conventions::SEQ_LEN_CONFIGS,
        },
        place: reader.place(key_node.span),
        image_place: reader.place(image_node.map_or(key_node.span, |node| node.span)),
        runner_place: reader.place(runner_node.map_or(key_node.span, |node| node.span)),
    })
}

/// The entry's `multinode`, before anything is reported about it.
fn multinode_of(node: &Node) -> Option<bool> {
    let Value::Mapping(mapping) = &node.value else { return None };
    mapping.get("multinode").and_then(|node| binary(&node.value))
}

/// InferenceX compares this field with True and False, which are equal to 1 and 0; no row contains the number.
fn binary(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Int(0) => Some(false),
        Value::Int(1) => Some(true),
        Value::Null | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn read_multinode(reader: &mut Reader<'_>, node: &Node) -> Option<bool> {
    binary(&node.value).or_else(|| reader.flag(node, "multinode"))
}

fn read_disagg(reader: &mut Reader<'_>, object: &Object<'_>, multinode: Option<bool>) -> Option<bool> {
    let Some(node) = object.written("disagg") else { return Some(false) };
    let disagg = reader.flag(node, "disagg")?;
    if disagg && multinode == Some(false) {
        let message = "`disagg: true` on a single-node entry, expected `multinode: true` or no `disagg`";
        reader.error(object.key_span("disagg"), "disagg", message);
        return None;
    }
    Some(disagg)
}

fn read_scenarios(
    reader: &mut Reader<'_>,
    entry: &Object<'_>,
    what: &str,
    defaults: &Defaults,
    runner: Option<&RunnerLabel>,
) -> Option<Vec<ScenarioBlock>> {
    let node = reader.required(entry, "scenarios", what)?;
    let object = reader.object(node, "scenarios", &SCENARIO_FIELDS)?;
    let fixed = match object.get("fixed-seq-len") {
        Some(node) => read_fixed_blocks(reader, node, "fixed-seq-len", defaults),
        None => Some(Vec::new()),
    };
    let agentic = match object.get("agentic-coding") {
        Some(node) => read_agentic_blocks(reader, node, defaults),
        None => Some(Vec::new()),
    };
    let on_cluster = check_cluster(reader, entry, &object, runner);
    let (fixed, agentic) = (fixed?, agentic?);
    if fixed.is_empty() && agentic.is_empty() {
        let message = "no scenario, expected `fixed-seq-len` or `agentic-coding` with at least one block";
        reader.error(entry.key_span("scenarios"), "no-scenario", message);
        return None;
    }
    on_cluster?;
    Some(fixed.into_iter().chain(agentic).collect())
}

/// Agentic blocks run on clusters only.
fn check_cluster(reader: &mut Reader<'_>, entry: &Object<'_>, scenarios: &Object<'_>, runner: Option<&RunnerLabel>) -> Option<()> {
    let is_agentic = scenarios
        .get("agentic-coding")
        .is_some_and(|node| matches!(&node.value, Value::Sequence(list) if !list.is_empty()));
    let runner = runner.filter(|runner| is_agentic && !runner.as_str().starts_with(CLUSTER));
    let Some(runner) = runner else { return Some(()) };
    let message = format!("the runner of an agentic scenario is `{runner}`, expected a cluster, `{CLUSTER}...`");
    let span = entry.get("runner").map_or(entry.span(), |node| node.span);
    reader.error(span, "runner", message);
    None
}

fn read_fixed_blocks(reader: &mut Reader<'_>, node: &Node, what: &str, defaults: &Defaults) -> Option<Vec<ScenarioBlock>> {
    let items = reader.list(node, what)?;
    let blocks: Vec<_> = items.iter().map(|item| read_fixed_block(reader, item, what, defaults)).collect();
    blocks.into_iter().collect()
}

fn read_fixed_block(reader: &mut Reader<'_>, node: &Node, what: &str, defaults: &Defaults) -> Option<ScenarioBlock> {
    let object = reader.object(node, what, &FIXED_BLOCK_FIELDS)?;
    let (isl, osl) = (read_length(reader, &object, what, "isl"), read_length(reader, &object, what, "osl"));
    let candidates = read_search_space(reader, &object, what, |reader, item| {
        search_space::read_fixed(reader, item, defaults)
    });
    Some(ScenarioBlock::FixedSeqLen {
        lens: SeqLens { isl: isl?, osl: osl? },
        candidates: candidates?,
    })
}

fn read_length(reader: &mut Reader<'_>, object: &Object<'_>, what: &str, name: &str) -> Option<NonZeroU32> {
    let node = reader.required(object, name, what)?;
    reader.positive(node, name)
}

fn read_agentic_blocks(reader: &mut Reader<'_>, node: &Node, defaults: &Defaults) -> Option<Vec<ScenarioBlock>> {
    let items = reader.list(node, "agentic-coding")?;
    let blocks: Vec<_> = items.iter().map(|item| read_agentic_block(reader, item, defaults)).collect();
    blocks.into_iter().collect()
}

fn read_agentic_block(reader: &mut Reader<'_>, node: &Node, defaults: &Defaults) -> Option<ScenarioBlock> {
    let what = "agentic-coding";
    let object = reader.object(node, what, &AGENTIC_BLOCK_FIELDS)?;
    let share = match object.get("dram-utilization") {
        Some(node) => offload::read_utilization(reader, node).map_or(Share::Invalid, Share::Given),
        None => Share::Absent,
    };
    let candidates = read_search_space(reader, &object, what, |reader, item| {
        search_space::read_agentic(reader, item, defaults, share)
    });
    if matches!(share, Share::Invalid) {
        return None;
    }
    Some(ScenarioBlock::AgenticCoding {
        duration_s: AGENTIC_DURATION_S,
        candidates: candidates?,
    })
}

fn read_search_space<T>(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    what: &str,
    mut read: impl FnMut(&mut Reader<'_>, &Node) -> Option<T>,
) -> Option<Vec<T>> {
    let node = reader.required(object, "search-space", what)?;
    let items = reader.list(node, "search-space")?;
    let candidates: Vec<Option<T>> = items.iter().map(|item| read(reader, item)).collect();
    candidates.into_iter().collect()
}
