//! A row from JSON. What a kind of row must have and must not have is checked here, so that no other place does.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AGENTIC, Concurrencies, EvalMark, FIXED, Row, RowError, Scenario};
use crate::changelog::ScenarioType;
use crate::model::{
    Component, Concurrency, ConfigKey, Framework, Image, KvOffloading, Layout, ModelName, ModelPrefix, Parallelism, Precision,
    RecipeEnvironment, RunnerLabel, SeqLens, SpecDecoding, WorkerGroup,
};

/// One job of the matrix.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(
    title = "imax matrix row",
    extend(
        "oneOf" = [{ "required": ["tp", "ep", "dp-attn"] }, { "required": ["prefill", "decode"] }],
        "anyOf" = [
            { "required": ["isl", "osl", "max-model-len"] },
            { "required": ["scenario-type", "kv-offloading", "total-cpu-dram-gb", "duration"] },
        ],
    )
)]
pub(super) struct RowDocument {
    /// Container image of the engine.
    image: Image,
    /// The model to load.
    model: ModelName,
    /// The model's short name.
    model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    precision: Precision,
    /// The inference engine.
    framework: Framework,
    /// A label of the runner file, or the name of one node.
    runner: RunnerLabel,
    /// Input tokens of a request.
    isl: Option<NonZeroU32>,
    /// Output tokens of a request.
    osl: Option<NonZeroU32>,
    /// Tensor parallelism.
    tp: Option<NonZeroU32>,
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
    /// How tokens are drafted.
    spec_decoding: SpecDecoding,
    /// The prefill workers of a multi-node row.
    prefill: Option<WorkerDocument>,
    /// The decode workers of a multi-node row.
    decode: Option<WorkerDocument>,
    /// The concurrency, or the concurrencies in the order in which they are measured.
    conc: ConcDocument,
    /// Context length that the engine must allow, tokens.
    max_model_len: Option<NonZeroU32>,
    /// Where KV blocks go that do not fit on the GPU.
    kv_offloading: Option<KvOffloading>,
    /// What manages the offloaded KV blocks.
    kv_offload_backend: Option<Component>,
    /// Host memory for offloaded KV blocks, decimal GB.
    total_cpu_dram_gb: Option<u64>,
    /// Duration of the load, seconds.
    duration: Option<u64>,
    /// The experiment's name, the first part of the result's file name.
    #[schemars(length(min = 1))]
    exp_name: String,
    /// Prefill and decode on separate workers.
    disagg: Option<bool>,
    /// The kind of workload; `fixed-seq-len` where it is absent.
    #[schemars(with = "Option<ScenarioType>")]
    scenario_type: Option<String>,
    /// The request router in front of several workers.
    router: Option<Component>,
    /// What moves the KV cache from prefill to decode workers.
    #[schemars(length(min = 1))]
    kv_p2p_transfer: Option<String>,
    /// Variables of the recipe.
    environment: Option<RecipeEnvironment>,
    /// Evaluate accuracy after the load.
    run_eval: Option<bool>,
    /// Evaluate accuracy and do not measure.
    eval_only: Option<bool>,
    /// The concurrency at which a row with several of them is evaluated.
    eval_conc: Option<Concurrency>,
    /// Evaluate at each concurrency of the row.
    eval_all_concs: Option<bool>,
    /// Identity of the curve's configuration.
    #[schemars(length(min = 1))]
    recipe_fingerprint: Option<String>,
    /// The row's config entry, where another entry measures points that have the same identity otherwise; then part of the identity.
    config_key: Option<ConfigKey>,
    /// Run the engine's profiler during the load. The figures are then those of another curve.
    profile: Option<bool>,
}

/// Equal engine instances that do the prefill or the decode.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Workers")]
struct WorkerDocument {
    /// Number of instances.
    num_worker: u32,
    /// Tensor parallelism.
    tp: NonZeroU32,
    /// Pipeline parallelism.
    #[serde(default = "one")]
    pp: NonZeroU32,
    /// Decode context parallelism; divides `tp`.
    #[serde(default = "one")]
    dcp_size: NonZeroU32,
    /// Prefill context parallelism.
    #[serde(default = "one")]
    pcp_size: NonZeroU32,
    /// Expert parallelism.
    ep: NonZeroU32,
    /// Data-parallel attention.
    dp_attn: bool,
    /// The GPU of these workers, where the groups differ.
    hardware: Option<String>,
    /// `NAME=value` settings for the environment of the recipe.
    additional_settings: Option<Vec<String>>,
}

/// A number or a list: `untagged` would hide which of the two was wrong, so both forms are read by a visitor.
#[derive(Debug, Clone)]
pub(super) enum ConcDocument {
    One(Concurrency),
    Several(Vec<Concurrency>),
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
            environment: document.environment.unwrap_or_default(),
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
            config_key: document.config_key,
            profile: document.profile.unwrap_or(false),
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
            dp_size: document.dp_size.unwrap_or(NonZeroU32::MIN),
        }));
    }
    let sizes = [
        (document.tp, "tp"),
        (document.pp, "pp"),
        (document.dcp_size, "dcp-size"),
        (document.pcp_size, "pcp-size"),
        (document.dp_size, "dp-size"),
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
                // The number of workers counts replicas.
                dp_size: NonZeroU32::MIN,
            },
            hardware: document.hardware,
            additional_settings: document.additional_settings,
        }
    }
}
