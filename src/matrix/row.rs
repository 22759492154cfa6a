//! A matrix row: one job, everything that GitHub's `matrix` carries, one JSON object. The JSON has the keys of
//! InferenceX's generator (kebab-case, flat), so rows of either tool can be read by the other.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::model::{
    Component, Concurrency, CurveKey, Framework, Image, KvOffloading, Layout, ModelName, ModelPrefix, Parallelism, PointKey, Precision,
    RunnerLabel, SeqLens, SpecDecoding, WorkerGroup, Workload,
};

/// One job of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RowDocument", into = "RowDocument")]
pub struct Row {
    /// Container image of the engine.
    pub image: Image,
    /// The model to load.
    pub model: ModelName,
    /// The model's short name.
    pub model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    pub precision: Precision,
    /// The engine.
    pub framework: Framework,
    /// The runner label, or a node's name where a node is meant.
    pub runner: RunnerLabel,
    /// How tokens are drafted.
    pub spec_decoding: SpecDecoding,
    /// Prefill and decode on separate workers. Absent on rows that are single-node by their nature.
    pub disagg: Option<bool>,
    /// The experiment's name, first part of the result's file name.
    pub exp_name: String,
    /// The request router in front of several workers.
    pub router: Option<Component>,
    /// What moves the KV cache between prefill and decode workers.
    pub kv_p2p_transfer: Option<String>,
    /// What the requests look like.
    pub scenario: Scenario,
    /// The split over GPUs.
    pub layout: Layout,
    /// Requests under way at once, in the order they are measured; one value on a single node.
    pub conc: Concurrencies,
    /// Which accuracy evaluation goes with the row.
    pub eval: EvalMark,
    /// Identity of the curve's configuration, see [`super::fingerprint`].
    pub recipe_fingerprint: Option<String>,
}

/// The concurrencies of a row. The JSON form tells them apart: a number, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concurrencies {
    /// One job measures one concurrency.
    One(Concurrency),
    /// One job starts the engine once and measures these in order; never empty.
    Several(Vec<Concurrency>),
}

impl Concurrencies {
    /// All of them, in the order they are measured.
    #[must_use]
    pub fn as_slice(&self) -> &[Concurrency] {
        match self {
            Self::One(conc) => std::slice::from_ref(conc),
            Self::Several(list) => list,
        }
    }
}

/// What the requests look like, with what an engine must know of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scenario {
    /// Requests of fixed lengths.
    FixedSeqLen {
        /// Input and output tokens.
        lens: SeqLens,
        /// Context length the engine must allow, tokens.
        max_model_len: NonZeroU32,
    },
    /// Recorded coding-agent sessions.
    AgenticCoding {
        /// Where KV blocks go that do not fit on the GPU.
        kv_offloading: KvOffloading,
        /// What manages the offloaded blocks.
        kv_offload_backend: Option<Component>,
        /// Host memory for offloaded blocks, decimal GB.
        total_cpu_dram_gb: u64,
        /// How long the load lasts, seconds.
        duration_s: u64,
    },
}

/// Which accuracy evaluation goes with a row. `None` means that the row's producer said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvalMark {
    /// Evaluate after the load.
    pub run: Option<bool>,
    /// Evaluate and do not measure.
    pub only: Option<bool>,
    /// The concurrency at which a row of several is evaluated.
    pub conc: Option<Concurrency>,
    /// Evaluate at each concurrency of the row.
    pub all_concs: Option<bool>,
}

/// Why a JSON object is not a row, beyond what its types say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A key that this kind of row needs is not there.
    #[error("row has no `{key}`, expected on a {kind} row")]
    Missing {
        /// The absent key.
        key: &'static str,
        /// What kind of row it is by its other keys.
        kind: &'static str,
    },
    /// A key is there that this kind of row does not have.
    #[error("row has `{key}`, which a {kind} row does not have; remove it")]
    Unexpected {
        /// The surplus key.
        key: &'static str,
        /// What kind of row it is by its other keys.
        kind: &'static str,
    },
    /// `conc` is an empty list.
    #[error("row has an empty `conc` list, expected at least one concurrency")]
    NoConcurrency,
    /// `scenario-type` names no known scenario.
    #[error("row has `scenario-type: {0}`, expected `fixed-seq-len` or `agentic-coding`")]
    Scenario(String),
}

impl Row {
    /// The keys of the points that this row measures, in the order of its concurrencies.
    #[must_use]
    pub fn point_keys(&self) -> Vec<PointKey> {
        let curve = self.curve_key();
        let point = |conc: &Concurrency| PointKey {
            curve: curve.clone(),
            conc: *conc,
        };
        self.conc.as_slice().iter().map(point).collect()
    }

    /// The key of the curve that this row's points lie on.
    #[must_use]
    pub fn curve_key(&self) -> CurveKey {
        CurveKey {
            model_prefix: self.model_prefix.clone(),
            precision: self.precision.clone(),
            runner: self.runner.clone(),
            framework: self.framework.clone(),
            spec_decoding: self.spec_decoding,
            disagg: self.disagg.unwrap_or(false),
            workload: match self.scenario {
                Scenario::FixedSeqLen { lens, .. } => Workload::FixedSeqLen(lens),
                Scenario::AgenticCoding { .. } => Workload::AgenticCoding,
            },
            layout: self.layout.to_string(),
        }
    }
}

/// The row as JSON has it: flat, every key of every kind of row optional. Known to this module alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RowDocument {
    image: Image,
    model: ModelName,
    model_prefix: ModelPrefix,
    precision: Precision,
    framework: Framework,
    runner: RunnerLabel,
    #[serde(skip_serializing_if = "Option::is_none")]
    isl: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    osl: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tp: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pp: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dcp_size: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcp_size: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ep: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dp_attn: Option<bool>,
    spec_decoding: SpecDecoding,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefill: Option<WorkerDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode: Option<WorkerDocument>,
    conc: ConcDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_model_len: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_offloading: Option<KvOffloading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_offload_backend: Option<Component>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_cpu_dram_gb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    exp_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    disagg: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    router: Option<Component>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_p2p_transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_eval: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_conc: Option<Concurrency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_all_concs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe_fingerprint: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WorkerDocument {
    num_worker: u32,
    tp: NonZeroU32,
    #[serde(default = "one")]
    pp: NonZeroU32,
    #[serde(default = "one")]
    dcp_size: NonZeroU32,
    #[serde(default = "one")]
    pcp_size: NonZeroU32,
    ep: NonZeroU32,
    dp_attn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_settings: Option<Vec<String>>,
}

/// A number or a list: `untagged` would hide which of the two was wrong, so both forms are read by a visitor.
#[derive(Debug, Clone)]
enum ConcDocument {
    One(Concurrency),
    Several(Vec<Concurrency>),
}

impl Serialize for ConcDocument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(conc) => conc.serialize(serializer),
            Self::Several(list) => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ConcDocument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ConcDocument;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a concurrency or a list of them, each a whole number from 1")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
                u32::try_from(value)
                    .ok()
                    .and_then(Concurrency::new)
                    .map(ConcDocument::One)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(conc) = items.next_element()? {
                    list.push(conc);
                }
                Ok(ConcDocument::Several(list))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

const AGENTIC: &str = "agentic-coding";
const FIXED: &str = "fixed-seq-len";

impl TryFrom<RowDocument> for Row {
    type Error = RowError;

    fn try_from(document: RowDocument) -> Result<Self, RowError> {
        let scenario = scenario(&document)?;
        let layout = layout(&document)?;
        let conc = match document.conc {
            ConcDocument::One(conc) => Concurrencies::One(conc),
            ConcDocument::Several(list) if list.is_empty() => return Err(RowError::NoConcurrency),
            ConcDocument::Several(list) => Concurrencies::Several(list),
        };
        Ok(Self {
            image: document.image,
            model: document.model,
            model_prefix: document.model_prefix,
            precision: document.precision,
            framework: document.framework,
            runner: document.runner,
            spec_decoding: document.spec_decoding,
            disagg: document.disagg,
            exp_name: document.exp_name,
            router: document.router,
            kv_p2p_transfer: document.kv_p2p_transfer,
            scenario,
            layout,
            conc,
            eval: EvalMark {
                run: document.run_eval,
                only: document.eval_only,
                conc: document.eval_conc,
                all_concs: document.eval_all_concs,
            },
            recipe_fingerprint: document.recipe_fingerprint,
        })
    }
}

fn required<T>(value: Option<T>, key: &'static str, kind: &'static str) -> Result<T, RowError> {
    value.ok_or(RowError::Missing { key, kind })
}

fn absent<T>(value: Option<&T>, key: &'static str, kind: &'static str) -> Result<(), RowError> {
    match value {
        Some(_) => Err(RowError::Unexpected { key, kind }),
        None => Ok(()),
    }
}

fn scenario(document: &RowDocument) -> Result<Scenario, RowError> {
    match document.scenario_type.as_deref() {
        None | Some(FIXED) => {
            absent(document.kv_offloading.as_ref(), "kv-offloading", FIXED)?;
            absent(document.kv_offload_backend.as_ref(), "kv-offload-backend", FIXED)?;
            absent(document.total_cpu_dram_gb.as_ref(), "total-cpu-dram-gb", FIXED)?;
            absent(document.duration.as_ref(), "duration", FIXED)?;
            Ok(Scenario::FixedSeqLen {
                lens: SeqLens {
                    isl: required(document.isl, "isl", FIXED)?,
                    osl: required(document.osl, "osl", FIXED)?,
                },
                max_model_len: required(document.max_model_len, "max-model-len", FIXED)?,
            })
        }
        Some(AGENTIC) => {
            absent(document.isl.as_ref(), "isl", AGENTIC)?;
            absent(document.osl.as_ref(), "osl", AGENTIC)?;
            absent(document.max_model_len.as_ref(), "max-model-len", AGENTIC)?;
            Ok(Scenario::AgenticCoding {
                kv_offloading: required(document.kv_offloading, "kv-offloading", AGENTIC)?,
                kv_offload_backend: document.kv_offload_backend.clone(),
                total_cpu_dram_gb: required(document.total_cpu_dram_gb, "total-cpu-dram-gb", AGENTIC)?,
                duration_s: required(document.duration, "duration", AGENTIC)?,
            })
        }
        Some(other) => Err(RowError::Scenario(other.to_owned())),
    }
}

fn layout(document: &RowDocument) -> Result<Layout, RowError> {
    const MULTI: &str = "multi-node";
    const SINGLE: &str = "single-node";
    if document.prefill.is_none() && document.decode.is_none() {
        return Ok(Layout::SingleNode(Parallelism {
            tp: required(document.tp, "tp", SINGLE)?,
            pp: document.pp.unwrap_or(NonZeroU32::MIN),
            dcp_size: document.dcp_size.unwrap_or(NonZeroU32::MIN),
            pcp_size: document.pcp_size.unwrap_or(NonZeroU32::MIN),
            ep: required(document.ep, "ep", SINGLE)?,
            dp_attn: required(document.dp_attn, "dp-attn", SINGLE)?,
        }));
    }
    let sizes = [
        (document.tp, "tp"),
        (document.pp, "pp"),
        (document.dcp_size, "dcp-size"),
        (document.pcp_size, "pcp-size"),
        (document.ep, "ep"),
    ];
    for (value, key) in sizes {
        absent(value.as_ref(), key, MULTI)?;
    }
    absent(document.dp_attn.as_ref(), "dp-attn", MULTI)?;
    Ok(Layout::MultiNode {
        prefill: required(document.prefill.clone(), "prefill", MULTI)?.into(),
        decode: required(document.decode.clone(), "decode", MULTI)?.into(),
    })
}

impl From<WorkerDocument> for WorkerGroup {
    fn from(document: WorkerDocument) -> Self {
        Self {
            num_worker: document.num_worker,
            parallelism: Parallelism {
                tp: document.tp,
                pp: document.pp,
                dcp_size: document.dcp_size,
                pcp_size: document.pcp_size,
                ep: document.ep,
                dp_attn: document.dp_attn,
            },
            hardware: document.hardware,
            additional_settings: document.additional_settings,
        }
    }
}

impl From<WorkerGroup> for WorkerDocument {
    fn from(group: WorkerGroup) -> Self {
        let Parallelism {
            tp,
            pp,
            dcp_size,
            pcp_size,
            ep,
            dp_attn,
        } = group.parallelism;
        Self {
            num_worker: group.num_worker,
            tp,
            pp,
            dcp_size,
            pcp_size,
            ep,
            dp_attn,
            hardware: group.hardware,
            additional_settings: group.additional_settings,
        }
    }
}

/// Written in full rather than as a serialisable mirror of [`Row`], so that a new field of either side is noticed here.
impl From<Row> for RowDocument {
    fn from(row: Row) -> Self {
        let conc = match row.conc {
            Concurrencies::One(conc) => ConcDocument::One(conc),
            Concurrencies::Several(list) => ConcDocument::Several(list),
        };
        let (parallelism, prefill, decode) = match row.layout {
            Layout::SingleNode(parallelism) => (Some(parallelism), None, None),
            Layout::MultiNode { prefill, decode } => (None, Some(prefill), Some(decode)),
        };
        let mut document = Self {
            image: row.image,
            model: row.model,
            model_prefix: row.model_prefix,
            precision: row.precision,
            framework: row.framework,
            runner: row.runner,
            isl: None,
            osl: None,
            tp: parallelism.map(|p| p.tp),
            pp: parallelism.map(|p| p.pp),
            dcp_size: parallelism.map(|p| p.dcp_size),
            pcp_size: parallelism.map(|p| p.pcp_size),
            ep: parallelism.map(|p| p.ep),
            dp_attn: parallelism.map(|p| p.dp_attn),
            spec_decoding: row.spec_decoding,
            prefill: prefill.map(Into::into),
            decode: decode.map(Into::into),
            conc,
            max_model_len: None,
            kv_offloading: None,
            kv_offload_backend: None,
            total_cpu_dram_gb: None,
            duration: None,
            exp_name: row.exp_name,
            disagg: row.disagg,
            scenario_type: None,
            router: row.router,
            kv_p2p_transfer: row.kv_p2p_transfer,
            run_eval: row.eval.run,
            eval_only: row.eval.only,
            eval_conc: row.eval.conc,
            eval_all_concs: row.eval.all_concs,
            recipe_fingerprint: row.recipe_fingerprint,
        };
        match row.scenario {
            Scenario::FixedSeqLen { lens, max_model_len } => {
                document.isl = Some(lens.isl);
                document.osl = Some(lens.osl);
                document.max_model_len = Some(max_model_len);
            }
            Scenario::AgenticCoding {
                kv_offloading,
                kv_offload_backend,
                total_cpu_dram_gb,
                duration_s,
            } => {
                document.kv_offloading = Some(kv_offloading);
                document.kv_offload_backend = kv_offload_backend;
                document.total_cpu_dram_gb = Some(total_cpu_dram_gb);
                document.duration = Some(duration_s);
                document.scenario_type = Some(AGENTIC.to_owned());
            }
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn single_node() -> Value {
        json!({
            "image": "example/engine:1", "model": "org/model", "model-prefix": "m", "precision": "fp8", "framework": "sim",
            "runner": "h200", "isl": 1024, "osl": 1024, "tp": 8, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 4, "dp-attn": true,
            "spec-decoding": "mtp", "conc": 16, "max-model-len": 2304, "exp-name": "m_1k1k", "disagg": false, "run-eval": false
        })
    }

    fn multi_node_agentic() -> Value {
        json!({
            "image": "example/engine:1", "model": "org/model", "model-prefix": "m", "precision": "fp4", "framework": "dynamo-vllm",
            "runner": "cluster:gb200-nv", "spec-decoding": "none",
            "prefill": { "num-worker": 1, "tp": 8, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 8, "dp-attn": true,
                         "additional-settings": ["CONFIG_FILE=a.yaml"] },
            "decode": { "num-worker": 2, "tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 4, "dp-attn": false },
            "conc": [48, 16], "kv-offloading": "dram", "kv-offload-backend": { "name": "store" }, "total-cpu-dram-gb": 257,
            "duration": 3600, "exp-name": "m_conc48", "disagg": true, "scenario-type": "agentic-coding",
            "router": { "name": "r", "version": "1" }, "kv-p2p-transfer": "nixl", "run-eval": false
        })
    }

    #[test]
    fn json_round_trips_for_every_kind_of_row() {
        for document in [single_node(), multi_node_agentic()] {
            let row: Row = serde_json::from_value(document.clone()).unwrap();
            assert_eq!(serde_json::to_value(row).unwrap(), document);
        }
    }

    #[test]
    fn point_keys_follow_the_concurrencies() {
        let row: Row = serde_json::from_value(multi_node_agentic()).unwrap();
        let keys: Vec<String> = row.point_keys().iter().map(ToString::to_string).collect();
        let curve = "m fp4 cluster:gb200-nv dynamo-vllm agentic p1xtp8-ep8-dpa_d2xtp4-ep4 disagg";
        assert_eq!(keys, [format!("{curve} conc48"), format!("{curve} conc16")]);
        assert_eq!(row.layout.gpus(), 16);
    }

    #[test]
    fn says_what_is_wrong_with_a_row() {
        for (key, value, message) in [
            ("tp", Value::Null, "row has no `tp`, expected on a single-node row"),
            ("conc", json!([]), "row has an empty `conc` list"),
            ("conc", json!(0), "a whole number from 1"),
            ("scenario-type", json!("chat"), "row has `scenario-type: chat`"),
            ("kv-offloading", json!("dram"), "row has `kv-offloading`"),
            ("tpp", json!(1), "unknown field `tpp`"),
        ] {
            let mut document = single_node();
            document[key] = value;
            let error = serde_json::from_value::<Row>(document).unwrap_err().to_string();
            assert!(error.contains(message), "{key}: {error}");
        }
    }
}
