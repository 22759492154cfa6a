//! `meta_env.json` of an evaluation, from its matrix row: what collectors need to know about the job beside the scores.

use crate::matrix::{Row, Scenario};
use crate::model::{Concurrency, Layout};

use super::super::json::put;
use super::super::{Json, Object};

/// Which concurrencies an evaluation was asked for, and which of them are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalConcs<'a> {
    pub asked: &'a [Concurrency],
    pub completed: &'a [Concurrency],
}

/// The keys that InferenceX's `run_eval` writes.
#[must_use]
pub fn eval_meta(row: &Row, concs: EvalConcs<'_>) -> Object {
    let mut meta = Object::new();
    let multi_node = matches!(row.layout, Layout::MultiNode { .. });
    put(&mut meta, "is_multinode", multi_node);
    put(&mut meta, "infmax_model_prefix", row.model_prefix.as_str());
    put(&mut meta, "model", row.model.as_str());
    put(&mut meta, "hw", row.runner.as_str());
    put(&mut meta, "framework", row.framework.as_str());
    put(&mut meta, "precision", row.precision.as_str());
    put(&mut meta, "spec_decoding", row.spec_decoding.to_string().as_str());
    let (isl, osl) = match &row.scenario {
        Scenario::FixedSeqLen { lens, .. } => (lens.isl.get(), lens.osl.get()),
        Scenario::AgenticCoding { .. } => (0, 0),
    };
    put(&mut meta, "isl", isl);
    put(&mut meta, "osl", osl);
    match &row.layout {
        Layout::SingleNode(parallelism) => {
            put(&mut meta, "tp", parallelism.tp.get());
            put(&mut meta, "ep", parallelism.ep.get());
            put(&mut meta, "dp_attention", parallelism.dp_attn.to_string().as_str());
        }
        Layout::MultiNode { prefill, decode } => {
            for (name, group) in [("prefill", prefill), ("decode", decode)] {
                put(&mut meta, &format!("{name}_tp"), group.parallelism.tp.get());
                put(&mut meta, &format!("{name}_ep"), group.parallelism.ep.get());
                put(&mut meta, &format!("{name}_num_workers"), group.num_worker);
                put(
                    &mut meta,
                    &format!("{name}_dp_attention"),
                    group.parallelism.dp_attn.to_string().as_str(),
                );
            }
        }
    }
    let first = concs.asked.first().or_else(|| row.conc.as_slice().first());
    put(&mut meta, "conc", first.map_or(0, |conc| conc.get()));
    if concs.asked.len() > 1 {
        put(&mut meta, "eval_concs", list(concs.asked));
        put(&mut meta, "completed_eval_concs", list(concs.completed));
    }
    meta
}

fn list(concs: &[Concurrency]) -> Json {
    Json::List(concs.iter().map(|conc| conc.get().into()).collect())
}
