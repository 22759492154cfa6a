//! One entry of a search space: parallelism, concurrencies, and the components next to the engine.

use crate::model::{Component, Layout, Place, RecipeEnvironment, SpecDecoding};
use crate::yaml::{Node, Object, Reader, Value};

use super::concurrency::{self, ConcurrencySpec};
use super::offload::{self, Offload, Share, Version};
use super::{variables, worker};

/// One configuration of an engine, with the concurrencies to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub layout: Layout,
    /// How tokens are drafted.
    pub spec_decoding: SpecDecoding,
    pub conc: ConcurrencySpec,
    /// The request router, of this entry or of its config entry.
    pub router: Option<Component>,
    /// The KV cache transfer, of this entry or of its config entry.
    pub kv_p2p_transfer: Option<String>,
    /// Variables of the recipe: those of its config entry, and its own, which take precedence.
    pub environment: RecipeEnvironment,
    /// Where it is written.
    pub place: Place,
}

/// A candidate of the agentic scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct AgenticCandidate {
    /// The fields common to all candidates.
    pub candidate: Candidate,
    /// Offloading of KV blocks that do not fit.
    pub offload: Offload,
}

/// Values of the config entry that apply to all of its candidates.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub multinode: bool,
    pub router: Option<Component>,
    pub kv_p2p_transfer: Option<String>,
    pub environment: RecipeEnvironment,
    /// Whether each candidate must have a `kv-p2p-transfer`.
    pub needs_transfer: bool,
}

const SPEC_WORDS: [(&str, SpecDecoding); 3] = [
    ("none", SpecDecoding::None),
    ("mtp", SpecDecoding::Mtp),
    ("draft_model", SpecDecoding::DraftModel),
];

const COMMON_FIELDS: [&str; 3] = ["spec-decoding", "router", "environment"];
const MULTI_NODE_FIELDS: [&str; 3] = ["prefill", "decode", "kv-p2p-transfer"];

const WHAT: &str = "search-space entry";

/// Reads a candidate of a scenario with fixed lengths.
pub(super) fn read_fixed(reader: &mut Reader<'_>, node: &Node, defaults: &Defaults) -> Option<Candidate> {
    let mut known = known_fields(defaults.multinode);
    known.extend(concurrency::FIELDS);
    let object = reader.object(node, WHAT, &known)?;
    read(reader, &object, defaults)
}

/// Reads a candidate of the agentic scenario.
pub(super) fn read_agentic(reader: &mut Reader<'_>, node: &Node, defaults: &Defaults, share: Share) -> Option<AgenticCandidate> {
    let mut known = known_fields(defaults.multinode);
    known.extend(concurrency::FIELDS);
    known.extend(offload::FIELDS);
    if defaults.multinode {
        known.extend(worker::PARALLELISM_FIELDS);
    }
    let object = reader.object(node, WHAT, &known)?;
    if defaults.multinode {
        refuse_split_beside_workers(reader, &object);
    }
    let candidate = read(reader, &object, defaults);
    let offload = offload::read(reader, &object, share, !defaults.multinode);
    Some(AgenticCandidate {
        candidate: candidate?,
        offload: offload?,
    })
}

/// Fields of every candidate, except for concurrency and offloading.
pub(super) fn known_fields(multinode: bool) -> Vec<&'static str> {
    let mut known = COMMON_FIELDS.to_vec();
    if multinode {
        known.extend(MULTI_NODE_FIELDS);
    } else {
        known.extend(worker::PARALLELISM_FIELDS);
    }
    known
}

/// The parallelism of a multi-node candidate belongs to its workers. InferenceX accepts some of these fields and ignores
/// them, so they are only a warning here.
fn refuse_split_beside_workers(reader: &mut Reader<'_>, object: &Object<'_>) {
    for name in worker::PARALLELISM_FIELDS {
        let Some(value) = object.written(name) else { continue };
        let span = object.key_span(name);
        let ignored = matches!(name, "ep" | "dp-attn") || matches!(value.value, Value::Int(1)) && name != "tp";
        let message = format!("`{name}` has no effect beside `prefill` and `decode`");
        let help = "move it to the worker groups";
        if ignored {
            reader.warning(span, "no-effect", message, help);
        } else {
            reader.error_with_help(span, "unknown-field", message, help);
        }
    }
}

fn read(reader: &mut Reader<'_>, object: &Object<'_>, defaults: &Defaults) -> Option<Candidate> {
    let layout = if defaults.multinode {
        worker::read_worker_groups(reader, object)
    } else {
        worker::read_parallelism(reader, object).map(Layout::SingleNode)
    };
    let spec_decoding = match object.written("spec-decoding") {
        Some(node) => reader.choice(node, "spec-decoding", &SPEC_WORDS),
        None => Some(SpecDecoding::None),
    };
    let conc = concurrency::read(reader, object);
    let router = read_router(reader, object, defaults);
    let kv_p2p_transfer = read_transfer(reader, object, defaults);
    let environment = variables::read(reader, object);
    Some(Candidate {
        layout: layout?,
        spec_decoding: spec_decoding?,
        conc: conc?,
        router: router?,
        kv_p2p_transfer: kv_p2p_transfer?,
        environment: defaults.environment.with(environment?),
        place: reader.place(object.span()),
    })
}

const ONE_LEVEL: &str = "keep it in the config entry, or in each search-space entry";

/// The outer `None` is an error, the inner one means no router.
fn read_router(reader: &mut Reader<'_>, object: &Object<'_>, defaults: &Defaults) -> Option<Option<Component>> {
    match object.written("router") {
        // An explicit `null` means none, whatever the config entry has.
        Some(node) if node.value == Value::Null => Some(None),
        Some(_) if defaults.router.is_some() => {
            let message = "`router` here and in the config entry, expected one of them";
            reader.error_with_help(object.key_span("router"), "two-levels", message, ONE_LEVEL);
            None
        }
        Some(node) => offload::read_component(reader, node, "router", Version::Required).map(Some),
        None => Some(defaults.router.clone()),
    }
}

/// The outer `None` is an error, the inner one means no transfer.
fn read_transfer(reader: &mut Reader<'_>, object: &Object<'_>, defaults: &Defaults) -> Option<Option<String>> {
    match object.get("kv-p2p-transfer") {
        Some(_) if defaults.kv_p2p_transfer.is_some() => {
            let message = "`kv-p2p-transfer` here and in the config entry, expected one of them";
            reader.error_with_help(object.key_span("kv-p2p-transfer"), "two-levels", message, ONE_LEVEL);
            None
        }
        Some(node) => reader.text(node, "kv-p2p-transfer").map(|text| Some(text.to_owned())),
        None if defaults.needs_transfer && defaults.kv_p2p_transfer.is_none() => {
            let message = "no `kv-p2p-transfer`, which `disagg: true` requires here or in the config entry";
            reader.error(offload::head(object), "missing-field", message);
            None
        }
        None => Some(defaults.kv_p2p_transfer.clone()),
    }
}
