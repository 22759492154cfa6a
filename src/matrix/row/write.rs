//! Serialises a row directly from its parts: a sweep has thousands of rows, and none of them is copied. The order of the
//! keys is that of InferenceX's generator; a key without a value is omitted.

use std::num::NonZeroU32;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{AGENTIC, Concurrencies, EvalMark, Row, Scenario};
use crate::model::{Layout, Parallelism, WorkerGroup};

/// The destructuring names every field, so that a new one is not forgotten here.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            image,
            model,
            model_prefix,
            precision,
            framework,
            runner,
            spec_decoding,
            disagg,
            exp_name,
            router,
            kv_p2p_transfer,
            environment,
            scenario,
            layout,
            conc,
            eval,
            recipe_fingerprint,
            config_key,
            profile,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("image", image)?;
        map.serialize_entry("model", model)?;
        map.serialize_entry("model-prefix", model_prefix)?;
        map.serialize_entry("precision", precision)?;
        map.serialize_entry("framework", framework)?;
        map.serialize_entry("runner", runner)?;
        if let Scenario::FixedSeqLen { lens, .. } = scenario {
            map.serialize_entry("isl", &lens.isl)?;
            map.serialize_entry("osl", &lens.osl)?;
        }
        if let Layout::SingleNode(parallelism) = layout {
            split(&mut map, parallelism)?;
        }
        map.serialize_entry("spec-decoding", spec_decoding)?;
        if let Layout::MultiNode { prefill, decode } = layout {
            map.serialize_entry("prefill", &Workers(prefill))?;
            map.serialize_entry("decode", &Workers(decode))?;
        }
        match conc {
            Concurrencies::One(conc) => map.serialize_entry("conc", conc)?,
            Concurrencies::Several(list) => map.serialize_entry("conc", list)?,
        }
        load(&mut map, scenario)?;
        map.serialize_entry("exp-name", exp_name)?;
        present(&mut map, "disagg", disagg.as_ref())?;
        if let Scenario::AgenticCoding { .. } = scenario {
            map.serialize_entry("scenario-type", AGENTIC)?;
        }
        present(&mut map, "router", router.as_ref())?;
        present(&mut map, "kv-p2p-transfer", kv_p2p_transfer.as_ref())?;
        if !environment.is_empty() {
            map.serialize_entry("environment", environment)?;
        }
        mark(&mut map, eval)?;
        present(&mut map, "recipe-fingerprint", recipe_fingerprint.as_ref())?;
        present(&mut map, "config-key", config_key.as_ref())?;
        if *profile {
            map.serialize_entry("profile", profile)?;
        }
        map.end()
    }
}

fn present<M: SerializeMap>(map: &mut M, key: &'static str, value: Option<&impl Serialize>) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, value),
        None => Ok(()),
    }
}

fn split<M: SerializeMap>(map: &mut M, parallelism: &Parallelism) -> Result<(), M::Error> {
    let Parallelism {
        tp,
        pp,
        dcp_size,
        pcp_size,
        ep,
        dp_attn,
        dp_size,
    } = parallelism;
    map.serialize_entry("tp", tp)?;
    map.serialize_entry("pp", pp)?;
    map.serialize_entry("dcp-size", dcp_size)?;
    map.serialize_entry("pcp-size", pcp_size)?;
    map.serialize_entry("ep", ep)?;
    // The generator of InferenceX does not know the key.
    if *dp_size != NonZeroU32::MIN {
        map.serialize_entry("dp-size", dp_size)?;
    }
    map.serialize_entry("dp-attn", dp_attn)
}

fn load<M: SerializeMap>(map: &mut M, scenario: &Scenario) -> Result<(), M::Error> {
    match scenario {
        Scenario::FixedSeqLen { max_model_len, .. } => map.serialize_entry("max-model-len", max_model_len),
        Scenario::AgenticCoding {
            kv_offloading,
            kv_offload_backend,
            total_cpu_dram_gb,
            duration_s,
        } => {
            map.serialize_entry("kv-offloading", kv_offloading)?;
            present(map, "kv-offload-backend", kv_offload_backend.as_ref())?;
            map.serialize_entry("total-cpu-dram-gb", total_cpu_dram_gb)?;
            map.serialize_entry("duration", duration_s)
        }
    }
}

fn mark<M: SerializeMap>(map: &mut M, eval: &EvalMark) -> Result<(), M::Error> {
    let EvalMark {
        run,
        only,
        conc,
        all_concs,
    } = eval;
    present(map, "run-eval", run.as_ref())?;
    present(map, "eval-only", only.as_ref())?;
    present(map, "eval-conc", conc.as_ref())?;
    present(map, "eval-all-concs", all_concs.as_ref())
}

struct Workers<'a>(&'a WorkerGroup);

impl Serialize for Workers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let WorkerGroup {
            num_worker,
            parallelism,
            hardware,
            additional_settings,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("num-worker", num_worker)?;
        split(&mut map, parallelism)?;
        present(&mut map, "hardware", hardware.as_ref())?;
        present(&mut map, "additional-settings", additional_settings.as_ref())?;
        map.end()
    }
}
