//! A matrix row: one job of GitHub's `matrix`, as one JSON object. The JSON has the keys of
//! InferenceX's generator (kebab-case, flat), so each tool can read the other's rows. `read` and `write` implement
//! that form.

mod read;
mod schema;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;

pub use schema::row_schema;

use crate::model::{
    Component, Concurrency, ConfigKey, CurveKey, Framework, Image, KvOffloading, Layout, ModelName, ModelPrefix, PointKey, Precision,
    RecipeEnvironment, RunnerLabel, SeqLens, SpecDecoding, VariantText, Workload,
};

/// One job of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "read::RowDocument")]
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
    /// The runner label, or the name of one node.
    pub runner: RunnerLabel,
    /// The kind of speculative decoding.
    pub spec_decoding: SpecDecoding,
    /// Whether prefill and decode run on separate workers. Absent on single-node rows.
    pub disagg: Option<bool>,
    /// The experiment's name, first part of the result's file name.
    pub exp_name: String,
    /// The request router in front of several workers.
    pub router: Option<Component>,
    /// The library that transfers the KV cache between prefill and decode workers.
    pub kv_p2p_transfer: Option<String>,
    /// Variables of the recipe that the config sets.
    pub environment: RecipeEnvironment,
    /// The kind of requests.
    pub scenario: Scenario,
    /// Parallelism over the GPUs.
    pub layout: Layout,
    /// Concurrencies, in order of measurement.
    pub conc: Concurrencies,
    /// The accuracy evaluation of the row.
    pub eval: EvalMark,
    /// Fingerprint of the curve's configuration, see `fingerprint`.
    pub recipe_fingerprint: Option<String>,
    /// The row's config entry, where another entry measures points that have the same identity otherwise; then it is part of the identity.
    pub config_key: Option<ConfigKey>,
    /// Whether the engine's profiler runs during the load. Its cost is part of the figures, so they are another curve's.
    pub profile: bool,
}

impl Row {
    /// Whether its requests are recorded coding-agent sessions.
    #[must_use]
    pub fn is_agentic(&self) -> bool {
        match self.scenario {
            Scenario::FixedSeqLen { .. } => false,
            Scenario::AgenticCoding { .. } => true,
        }
    }

    /// Whether the engine's answers are evaluated.
    #[must_use]
    pub fn is_evaluated(&self) -> bool {
        self.eval.run == Some(true) || self.is_evaluated_alone()
    }

    /// The concurrencies at which the row is evaluated: all, the one that it names, else its highest.
    #[must_use]
    pub fn eval_concurrencies(&self) -> Vec<Concurrency> {
        let all = self.conc.as_slice();
        match (self.eval.all_concs, self.eval.conc) {
            (Some(true), _) => all.to_vec(),
            (Some(false) | None, Some(conc)) => vec![conc],
            (Some(false) | None, None) => all.iter().max().copied().into_iter().collect(),
        }
    }

    /// Whether the row is only evaluated, not measured.
    #[must_use]
    pub fn is_evaluated_alone(&self) -> bool {
        self.eval.only == Some(true)
    }
}

/// The concurrencies of a row: in JSON, a number or a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Concurrencies {
    /// One job measures one concurrency.
    One(Concurrency),
    /// One job starts the engine once and measures these in order; never empty.
    Several(Vec<Concurrency>),
}

impl Concurrencies {
    /// All concurrencies, in order of measurement.
    #[must_use]
    pub fn as_slice(&self) -> &[Concurrency] {
        match self {
            Self::One(conc) => std::slice::from_ref(conc),
            Self::Several(list) => list,
        }
    }
}

/// The requests, with the requirements on the engine that follow from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        /// Where KV blocks that do not fit on the GPU are stored.
        kv_offloading: KvOffloading,
        /// The component that manages offloaded blocks.
        kv_offload_backend: Option<Component>,
        /// Host memory for offloaded blocks, decimal GB.
        total_cpu_dram_gb: u64,
        /// Duration of the load, seconds.
        duration_s: u64,
    },
}

/// The accuracy evaluation of a row. `None` means that the key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EvalMark {
    /// Evaluate after the load.
    pub run: Option<bool>,
    /// Evaluate and do not measure.
    pub only: Option<bool>,
    /// The concurrency for the evaluation of a row with several.
    pub conc: Option<Concurrency>,
    /// Evaluate at each concurrency of the row.
    pub all_concs: Option<bool>,
}

/// Why a JSON object with values of the right types is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A key that this kind of row requires is missing.
    #[error("row has no `{key}`, expected on a {kind} row")]
    Missing {
        /// The absent key.
        key: &'static str,
        /// The kind of row according to its other keys.
        kind: &'static str,
    },
    /// A key is present that this kind of row does not have.
    #[error("row has `{key}`, which a {kind} row does not have; remove it")]
    Unexpected {
        /// The surplus key.
        key: &'static str,
        /// The kind of row according to its other keys.
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
        self.conc
            .as_slice()
            .iter()
            .map(|conc| PointKey {
                curve: curve.clone(),
                conc: *conc,
            })
            .collect()
    }

    /// The key of the curve of this row's points.
    #[must_use]
    pub fn curve_key(&self) -> CurveKey {
        let mut curve = CurveKey {
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
            variant: self.variant(),
        };
        if self.profile {
            curve.set_profiled();
        }
        curve
    }

    /// What distinguishes rows with the same layout: where KV blocks are offloaded to, variables that the config sets, and the config entry
    /// where nothing else does.
    fn variant(&self) -> BTreeMap<VariantText, VariantText> {
        let offload = match &self.scenario {
            Scenario::FixedSeqLen { .. } => None,
            Scenario::AgenticCoding {
                kv_offloading,
                kv_offload_backend,
                ..
            } => offload_text(*kv_offloading, kv_offload_backend.as_ref()),
        };
        let offload = offload.map(|text| (KV_OFFLOAD, text));
        let variables: Vec<String> = self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let variables = (!variables.is_empty()).then(|| ("environment", variables.join(" ")));
        let config_key = self.config_key.as_ref().map(|key| (CONFIG_KEY, key.to_string()));
        let entries = offload.into_iter().chain(variables).chain(config_key);
        entries
            .filter_map(|(name, text)| Some((name.parse().ok()?, text.parse().ok()?)))
            .collect()
    }
}

/// The dimension of curves that tells apart config entries whose rows would be the same points.
const CONFIG_KEY: &str = "config-key";
/// The dimension of curves that says where KV blocks are offloaded to.
pub(crate) const KV_OFFLOAD: &str = "kv-offload";

/// The value of [`KV_OFFLOAD`]: `dram` or `dram-lmcache`; none without offloading.
pub(crate) fn offload_text(kv_offloading: KvOffloading, backend: Option<&Component>) -> Option<String> {
    match (kv_offloading, backend) {
        (KvOffloading::None, _) => None,
        (KvOffloading::Dram, None) => Some("dram".to_owned()),
        (KvOffloading::Dram, Some(backend)) => Some(format!("dram-{}", backend.name)),
    }
}

/// The value of `scenario-type` on agentic rows; the others have none.
const AGENTIC: &str = "agentic-coding";
const FIXED: &str = "fixed-seq-len";

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
            "router": { "name": "r", "version": "1" }, "kv-p2p-transfer": "nixl", "environment": { "VLLM_USE_V2": "1" }, "run-eval": false
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
        let curve =
            "m fp4 cluster:gb200-nv dynamo-vllm agentic p1xtp8-ep8-dpa_d2xtp4-ep4 disagg environment=VLLM_USE_V2=1 kv-offload=dram-store";
        assert_eq!(keys, [format!("{curve} conc48"), format!("{curve} conc16")]);
        assert_eq!(row.layout.gpus(), 16);
    }

    #[test]
    fn config_key_tells_points_apart() {
        let mut document = single_node();
        let plain: Row = serde_json::from_value(document.clone()).unwrap();
        document["config-key"] = json!("m-fp8-h200-sim");
        let marked: Row = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(&marked).unwrap(), document);
        assert_eq!(
            marked.curve_key().to_string(),
            format!("{} config-key=m-fp8-h200-sim", plain.curve_key())
        );
    }

    #[test]
    fn profiled_rows_are_another_curve() {
        let mut document = single_node();
        let plain: Row = serde_json::from_value(document.clone()).unwrap();
        document["profile"] = json!(true);
        let profiled: Row = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(&profiled).unwrap(), document);
        assert_ne!(profiled.curve_key(), plain.curve_key());
        assert_eq!(profiled.curve_key().to_string(), format!("{} profiled=true", plain.curve_key()));
    }

    #[test]
    fn invalid_rows_are_refused_with_reason() {
        for (key, value, message) in [
            ("profile", json!("yes"), "invalid type: string"),
            ("tp", Value::Null, "row has no `tp`, expected on a single-node row"),
            ("conc", json!([]), "row has an empty `conc` list"),
            ("conc", json!(0), "a whole number from 1"),
            ("scenario-type", json!("chat"), "row has `scenario-type: chat`"),
            ("kv-offloading", json!("dram"), "row has `kv-offloading`"),
            ("environment", json!({ "TP": "4" }), "`TP` is set by imax"),
            ("tpp", json!(1), "unknown field `tpp`"),
        ] {
            let mut document = single_node();
            document[key] = value;
            let error = serde_json::from_value::<Row>(document).unwrap_err().to_string();
            assert!(error.contains(message), "{key}: {error}");
        }
    }

    #[test]
    fn row_selects_concurrencies_for_evaluation() {
        let base = json!({
            "image": "sim:1", "model": "org/m", "model-prefix": "m", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 32, "osl": 8,
            "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": [4, 16, 8], "max-model-len": 64, "exp-name": "m", "run-eval": true
        });
        for (key, value, expected) in [
            ("run-eval", json!(true), &[16][..]),
            ("eval-conc", json!(8), &[8]),
            ("eval-all-concs", json!(true), &[4, 16, 8]),
            ("conc", json!(2), &[2]),
        ] {
            let mut row = base.clone();
            row[key] = value;
            let row: Row = serde_json::from_value(row).unwrap();
            let found: Vec<u32> = row.eval_concurrencies().iter().map(|conc| conc.get()).collect();
            assert_eq!(found, expected, "{key}");
        }
    }
}
