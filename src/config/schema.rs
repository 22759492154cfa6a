//! JSON Schemas of master configs and runner files. The types here mirror what the readers accept, and a test compares their keys.
//! What a schema cannot say (a range and a list exclude each other, an agentic runner is a cluster) is checked by `imax check`.

#![expect(
    dead_code,
    reason = "only their schemas are used: the readers work on YAML nodes, because every finding needs a place"
)]

use std::num::NonZeroU32;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::Hardware;
use crate::model::{Component, Framework, Image, KvOffloading, ModelName, ModelPrefix, Nullable, Precision, RunnerLabel, RunnerName};
use crate::model::{SpecDecoding, json_schema};

/// The schema of a master config file.
#[must_use]
pub fn config_schema() -> Value {
    json_schema::<ConfigDocument>()
}

/// The schema of a runner file, in either form.
#[must_use]
pub fn runners_schema() -> Value {
    json_schema::<RunnersDocument>()
}

#[derive(JsonSchema)]
#[schemars(title = "imax master config", extend("propertyNames" = { "pattern": "^[^*]+$" }))]
struct ConfigDocument(IndexMap<String, EntryDocument>);

/// The dialects of an entry are one type in `config`, so that their alternatives are listed here.
struct EntryDocument;

impl JsonSchema for EntryDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Entry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "What is measured of one `<model>-<precision>-<gpu>-<framework>`.",
            "oneOf": [
                generator.subschema_for::<EntryOf<SingleNode, Scenarios<Candidate<Split>, Agentic<Split, Offload>>>>(),
                generator.subschema_for::<EntryOf<MultiNode, Scenarios<Candidate<WorkerGroups>, Agentic<WorkerGroups, OptionalOffload>>>>(),
                generator.subschema_for::<EntryOf<SingleNode, SeqLenConfigs<Candidate<Split>>>>(),
                generator.subschema_for::<EntryOf<MultiNode, SeqLenConfigs<Candidate<WorkerGroups>>>>(),
            ],
        })
    }
}

#[derive(JsonSchema)]
#[schemars(rename = "{Nodes}{Search}Entry", rename_all = "kebab-case", deny_unknown_fields)]
struct EntryOf<Nodes, Search> {
    /// Container image of the engine, with its tag or digest; needed where a launcher starts containers.
    image: Option<Image>,
    /// The model to load, as its hub or a folder names it.
    model: ModelName,
    /// The model's short name in file names and tables.
    model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    precision: Precision,
    /// The inference engine.
    framework: Framework,
    /// A label of the runner file.
    runner: RunnerLabel,
    #[schemars(flatten)]
    nodes: Nodes,
    /// Prefill and decode on separate workers.
    disagg: Option<bool>,
    /// The request router in front of several workers.
    #[schemars(default)]
    router: Option<Nullable<Router>>,
    /// Variables of the recipe.
    environment: Option<EnvironmentDocument>,
    #[schemars(flatten)]
    search: Search,
}

#[derive(JsonSchema)]
struct SingleNode {
    /// Whether deployments span nodes.
    #[schemars(extend("const" = false))]
    multinode: bool,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct MultiNode {
    /// Whether deployments span nodes.
    #[schemars(extend("const" = true))]
    multinode: bool,
    /// What moves the KV cache from prefill to decode workers.
    #[schemars(length(min = 1))]
    kv_p2p_transfer: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename = "Scenarios")]
struct Scenarios<C, A> {
    /// The scenarios, at least one.
    scenarios: ScenarioBlocks<C, A>,
}

#[derive(JsonSchema)]
#[schemars(rename = "{C}Scenarios", rename_all = "kebab-case", deny_unknown_fields, extend("minProperties" = 1))]
struct ScenarioBlocks<C, A> {
    /// Requests of fixed lengths.
    fixed_seq_len: Option<Vec<FixedBlock<C>>>,
    /// Recorded sessions of a coding agent.
    agentic_coding: Option<Vec<AgenticBlock<A>>>,
}

#[derive(JsonSchema)]
#[schemars(rename = "SeqLenConfigs", rename_all = "kebab-case")]
struct SeqLenConfigs<C> {
    /// Requests of fixed lengths, in the form used before `scenarios`.
    seq_len_configs: Vec<FixedBlock<C>>,
}

#[derive(JsonSchema)]
#[schemars(rename = "{C}Block", rename_all = "kebab-case", deny_unknown_fields)]
struct FixedBlock<C> {
    /// Input tokens.
    isl: NonZeroU32,
    /// Output tokens.
    osl: NonZeroU32,
    /// The ways to run the engine, each with its concurrencies.
    search_space: Vec<C>,
}

#[derive(JsonSchema)]
#[schemars(rename = "{A}Block", rename_all = "kebab-case", deny_unknown_fields)]
struct AgenticBlock<A> {
    /// The share of a node's memory that offloaded KV blocks may use.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1))]
    dram_utilization: Option<f64>,
    /// The ways to run the engine, each with its concurrencies.
    search_space: Vec<A>,
}

#[derive(JsonSchema)]
#[schemars(rename = "{S}Candidate", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["conc-list"] }, { "required": ["conc-start", "conc-end"] }]))]
struct Candidate<S> {
    #[schemars(flatten)]
    split: S,
    #[schemars(flatten)]
    common: Common,
}

#[derive(JsonSchema)]
#[schemars(rename = "Agentic{S}Candidate", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["conc-list"] }, { "required": ["conc-start", "conc-end"] }]))]
struct Agentic<S, O> {
    #[schemars(flatten)]
    split: S,
    #[schemars(flatten)]
    common: Common,
    #[schemars(flatten)]
    offload: O,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct Common {
    /// How tokens are drafted.
    spec_decoding: Option<SpecDecoding>,
    /// The request router; `null` removes the entry's.
    #[schemars(default)]
    router: Option<Nullable<Router>>,
    /// Variables of the recipe, which take precedence over the entry's.
    environment: Option<EnvironmentDocument>,
    /// Lowest concurrency of a range.
    conc_start: Option<NonZeroU32>,
    /// Highest concurrency of a range.
    conc_end: Option<NonZeroU32>,
    /// Concurrencies, in the order in which they are measured.
    conc_list: Option<Vec<NonZeroU32>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct Split {
    /// Tensor parallelism.
    tp: NonZeroU32,
    /// Pipeline parallelism.
    pp: Option<NonZeroU32>,
    /// Decode context parallelism; divides `tp`.
    dcp_size: Option<NonZeroU32>,
    /// Prefill context parallelism.
    pcp_size: Option<NonZeroU32>,
    /// Data-parallel replicas of the engine, each with its own GPUs.
    dp_size: Option<NonZeroU32>,
    /// Expert parallelism.
    ep: Option<NonZeroU32>,
    /// Data-parallel attention.
    dp_attn: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct WorkerGroups {
    /// The prefill workers.
    prefill: Workers,
    /// The decode workers.
    decode: Workers,
    /// What moves the KV cache from prefill to decode workers.
    #[schemars(length(min = 1))]
    kv_p2p_transfer: Option<String>,
}

/// Equal engine instances that do the prefill or the decode.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Workers {
    /// Number of instances; 0 if the other group does the work of both.
    num_worker: u32,
    /// Tensor parallelism.
    tp: NonZeroU32,
    /// Pipeline parallelism.
    pp: Option<NonZeroU32>,
    /// Decode context parallelism; divides `tp`.
    dcp_size: Option<NonZeroU32>,
    /// Prefill context parallelism.
    pcp_size: Option<NonZeroU32>,
    /// Expert parallelism.
    ep: NonZeroU32,
    /// Data-parallel attention.
    dp_attn: bool,
    /// The GPU of these workers, where the groups differ.
    #[schemars(length(min = 1))]
    hardware: Option<String>,
    /// `NAME=value` settings for the environment of the recipe.
    #[schemars(inner(length(min = 1)))]
    additional_settings: Option<Vec<String>>,
}

/// Names and values of variables.
#[derive(JsonSchema)]
#[schemars(inline, extend("propertyNames" = { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }))]
struct EnvironmentDocument(IndexMap<String, VariableDocument>);

/// A text, or a whole number.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
enum VariableDocument {
    Text(String),
    Number(i64),
}

/// A request router in front of several workers.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Router {
    /// Its name.
    #[schemars(length(min = 1))]
    name: String,
    /// Its release or commit.
    #[schemars(length(min = 1))]
    version: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct Offload {
    /// Where KV blocks go that do not fit on the GPU.
    kv_offloading: KvOffloading,
    /// What manages the offloaded KV blocks.
    kv_offload_backend: Option<Component>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
struct OptionalOffload {
    /// Where KV blocks go that do not fit on the GPU.
    kv_offloading: Option<KvOffloading>,
    /// What manages the offloaded KV blocks.
    kv_offload_backend: Option<Component>,
}

/// Both forms of a runner file are one type in `config`, so that their alternatives are listed here.
struct RunnersDocument;

impl JsonSchema for RunnersDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Runners".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut labels_alone = generator.subschema_for::<Labels>();
        labels_alone.insert(
            "propertyNames".to_owned(),
            serde_json::json!({ "not": { "enum": super::runners::FIELDS } }),
        );
        schemars::json_schema!({
            "title": "imax runner file",
            "oneOf": [generator.subschema_for::<LabelsWithHardware>(), labels_alone],
        })
    }
}

/// Labels with the names of their runners, `<profile>_<n>`.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Labels(IndexMap<RunnerLabel, Nodes>);

#[derive(JsonSchema)]
#[schemars(inline)]
struct Nodes(#[schemars(length(min = 1))] Vec<RunnerName>);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LabelsWithHardware {
    labels: Labels,
    /// The hardware behind a label.
    hardware: Option<IndexMap<RunnerLabel, Hardware>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{concurrency, entry, offload, runners, search_space, worker};
    use super::*;

    fn definition<'a>(schema: &'a Value, name: &str) -> &'a Value {
        schema["$defs"].get(name).unwrap_or_else(|| {
            let names: Vec<_> = schema["$defs"].as_object().unwrap().keys().collect();
            panic!("no {name} in {names:?}")
        })
    }

    fn assert_keys(schema: &Value, name: &str, fields: &[&str]) {
        let object = definition(schema, name);
        let keys: BTreeSet<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, fields.iter().copied().collect(), "{name}");
        assert_eq!(object["additionalProperties"], false, "{name}");
    }

    #[test]
    fn config_schema_has_the_keys_of_the_readers() {
        let schema = config_schema();
        for (nodes, split, multinode) in [("SingleNode", "Split", false), ("MultiNode", "WorkerGroups", true)] {
            for (search, key) in [("Scenarios", "scenarios"), ("SeqLenConfigs", "seq-len-configs")] {
                let fields = [entry::fields(multinode), vec![key]].concat();
                assert_keys(&schema, &format!("{nodes}{search}Entry"), &fields);
            }
            let fixed = [search_space::known_fields(multinode), concurrency::FIELDS.to_vec()].concat();
            assert_keys(&schema, &format!("{split}Candidate"), &fixed);
            let agentic = [fixed, offload::FIELDS.to_vec()].concat();
            assert_keys(&schema, &format!("Agentic{split}Candidate"), &agentic);
            assert_keys(&schema, &format!("{split}CandidateScenarios"), &entry::SCENARIO_FIELDS);
            assert_keys(&schema, &format!("{split}CandidateBlock"), &entry::FIXED_BLOCK_FIELDS);
            assert_keys(&schema, &format!("Agentic{split}CandidateBlock"), &entry::AGENTIC_BLOCK_FIELDS);
        }
        assert_keys(&schema, "Workers", &worker::WORKER_FIELDS);
        assert_keys(&schema, "Router", &offload::COMPONENT_FIELDS);
        assert_keys(&schema, "Component", &offload::COMPONENT_FIELDS);
    }

    #[test]
    fn runners_schema_has_the_keys_of_the_reader() {
        let schema = runners_schema();
        assert_keys(&schema, "LabelsWithHardware", &runners::FIELDS);
        assert_keys(&schema, "Hardware", &runners::HARDWARE_FIELDS);
    }
}
