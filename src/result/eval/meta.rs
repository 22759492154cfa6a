//! `meta_env.json` of an evaluation, from its matrix row: what collectors need to know about the job beside the scores.

use crate::matrix::{Row, Scenario};
use crate::model::{Concurrency, Layout};

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
    let mut set = |key: &str, value: Json| meta.insert(key.to_owned(), value);
    let number = |number: u32| Json::Integer(i64::from(number));
    let multi_node = matches!(row.layout, Layout::MultiNode { .. });
    set("is_multinode", multi_node.into());
    set("infmax_model_prefix", row.model_prefix.as_str().into());
    set("model", row.model.as_str().into());
    set("hw", row.runner.as_str().into());
    set("framework", row.framework.as_str().into());
    set("precision", row.precision.as_str().into());
    set("spec_decoding", row.spec_decoding.to_string().as_str().into());
    let (isl, osl) = match &row.scenario {
        Scenario::FixedSeqLen { lens, .. } => (lens.isl.get(), lens.osl.get()),
        Scenario::AgenticCoding { .. } => (0, 0),
    };
    set("isl", number(isl));
    set("osl", number(osl));
    match &row.layout {
        Layout::SingleNode(parallelism) => {
            set("tp", number(parallelism.tp.get()));
            set("ep", number(parallelism.ep.get()));
            set("dp_attention", parallelism.dp_attn.to_string().as_str().into());
        }
        Layout::MultiNode { prefill, decode } => {
            for (name, group) in [("prefill", prefill), ("decode", decode)] {
                set(&format!("{name}_tp"), number(group.parallelism.tp.get()));
                set(&format!("{name}_ep"), number(group.parallelism.ep.get()));
                set(&format!("{name}_num_workers"), number(group.num_worker));
                set(
                    &format!("{name}_dp_attention"),
                    group.parallelism.dp_attn.to_string().as_str().into(),
                );
            }
        }
    }
    let list = |concs: &[Concurrency]| Json::List(concs.iter().map(|conc| number(conc.get())).collect());
    let first = concs.asked.first().or_else(|| row.conc.as_slice().first());
    set("conc", number(first.map_or(0, |conc| conc.get())));
    if concs.asked.len() > 1 {
        set("eval_concs", list(concs.asked));
        set("completed_eval_concs", list(concs.completed));
    }
    meta
}
