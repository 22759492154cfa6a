//! The environment of a recipe: the interface to the scripts in `benchmarks/` and `runners/`, with the names that InferenceX's scripts
//! read. Names are defined here and nowhere else.

use crate::matrix::{Row, Scenario};
use crate::model::{Component, Concurrency, Layout, Parallelism, RunnerName, Variable};

use super::multi_node::worker_variables;
use super::{LoadSettings, NameSubject, common_file_name, result_file_name};

/// The input besides the profile's own variables.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentInput<'a> {
    pub row: &'a Row,
    /// The concurrency that the engine must support: the highest of those measured with this start.
    pub conc: Concurrency,
    pub runner_name: &'a RunnerName,
    /// The port that the engine must listen on.
    pub port: u16,
    pub load: &'a LoadSettings,
}

/// The variables that describe the row, in a stable order.
#[must_use]
pub fn recipe_environment(input: EnvironmentInput<'_>) -> Vec<Variable> {
    let EnvironmentInput {
        row,
        conc,
        runner_name,
        port,
        load,
    } = input;
    let result_filename = match row.layout {
        Layout::SingleNode(_) => result_file_name(NameSubject { row, conc, runner_name }),
        Layout::MultiNode { .. } => common_file_name(row, runner_name),
    };
    let list = [
        ("MODEL", row.model.to_string()),
        ("MODEL_PREFIX", row.model_prefix.to_string()),
        ("CONC", conc.to_string()),
        ("PRECISION", row.precision.to_string()),
        ("FRAMEWORK", row.framework.to_string()),
        ("IMAGE", row.image.to_string()),
        ("RANDOM_RANGE_RATIO", load.random_range_ratio.to_string()),
        ("RESULT_FILENAME", result_filename),
        ("RUN_EVAL", row.is_evaluated().to_string()),
        ("EVAL_ONLY", row.is_evaluated_alone().to_string()),
        ("EVAL_CONC", eval_concurrencies(row)),
        ("SPEC_DECODING", row.spec_decoding.to_string()),
        ("DISAGG", row.disagg.unwrap_or(false).to_string()),
        ("EXP_NAME", row.exp_name.clone()),
        ("RUNNER_TYPE", row.runner.to_string()),
        ("RUNNER_NAME", runner_name.to_string()),
        ("RECIPE_FINGERPRINT", row.recipe_fingerprint.clone().unwrap_or_default()),
        ("ROUTER_METADATA", json_of(row.router.as_ref())),
        ("KV_P2P_TRANSFER", row.kv_p2p_transfer.clone().unwrap_or_default()),
        ("PORT", port.to_string()),
    ];
    let layout = match &row.layout {
        Layout::SingleNode(parallelism) => single_node(*parallelism),
        Layout::MultiNode { prefill, decode } => worker_variables(row, runner_name, prefill, decode),
    };
    // The row's own variables come last, so that a config cannot override them.
    let described = list.into_iter().chain(scenario(row));
    let described = described.map(|(name, value)| (name.to_owned(), value));
    let configured = row.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    configured
        .chain(layout)
        .chain(described)
        .map(|(name, value)| Variable::plain(name, value))
        .collect()
}

fn single_node(parallelism: Parallelism) -> Vec<(String, String)> {
    let Parallelism {
        tp,
        pp,
        dcp_size,
        pcp_size,
        ep,
        dp_attn,
        dp_size,
    } = parallelism;
    let list = [
        ("TP", tp.to_string()),
        ("EP_SIZE", ep.to_string()),
        ("PP", pp.to_string()),
        ("PP_SIZE", pp.to_string()),
        ("GPU_COUNT", parallelism.gpus().to_string()),
        ("DCP_SIZE", dcp_size.to_string()),
        ("PCP_SIZE", pcp_size.to_string()),
        ("DP_ATTENTION", dp_attn.to_string()),
        ("DP_SIZE", dp_size.to_string()),
    ];
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Variables that describe the requests. Rows of recorded sessions have no lengths; InferenceX's workflows set zeros.
fn scenario(row: &Row) -> Vec<(&'static str, String)> {
    match &row.scenario {
        Scenario::FixedSeqLen { lens, max_model_len } => vec![
            ("ISL", lens.isl.to_string()),
            ("OSL", lens.osl.to_string()),
            ("MAX_MODEL_LEN", max_model_len.to_string()),
            ("SCENARIO_TYPE", "fixed-seq-len".to_owned()),
            ("SCENARIO_SUBDIR", "fixed_seq_len/".to_owned()),
            ("IS_AGENTIC", "0".to_owned()),
        ],
        Scenario::AgenticCoding {
            kv_offloading,
            kv_offload_backend,
            total_cpu_dram_gb,
            duration_s,
        } => vec![
            ("ISL", "0".to_owned()),
            ("OSL", "0".to_owned()),
            ("MAX_MODEL_LEN", "0".to_owned()),
            ("SCENARIO_TYPE", "agentic-coding".to_owned()),
            ("SCENARIO_SUBDIR", "agentic/".to_owned()),
            ("IS_AGENTIC", "1".to_owned()),
            ("KV_OFFLOADING", kv_offloading.as_str().to_owned()),
            ("KV_OFFLOAD_BACKEND", name_of(kv_offload_backend.as_ref())),
            ("KV_OFFLOAD_BACKEND_METADATA", json_of(kv_offload_backend.as_ref())),
            ("TOTAL_CPU_DRAM_GB", total_cpu_dram_gb.to_string()),
            ("DURATION", duration_s.to_string()),
        ],
    }
}

/// The concurrencies of the evaluation, separated by spaces; empty if there is none.
fn eval_concurrencies(row: &Row) -> String {
    if !row.is_evaluated() {
        return String::new();
    }
    let concs: Vec<String> = row.eval_concurrencies().iter().map(ToString::to_string).collect();
    concs.join(" ")
}

fn name_of(component: Option<&Component>) -> String {
    component.map(|component| component.name.clone()).unwrap_or_default()
}

fn json_of(component: Option<&Component>) -> String {
    component
        .and_then(|component| serde_json::to_string(component).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VariableValue;
    use serde_json::json;

    fn environment(row: serde_json::Value) -> Vec<(String, String)> {
        let row: Row = serde_json::from_value(row).unwrap();
        let list = recipe_environment(EnvironmentInput {
            row: &row,
            conc: Concurrency::MIN,
            runner_name: &"h200_0".parse().unwrap(),
            port: 8888,
            load: &LoadSettings::default(),
        });
        let shown = list.into_iter().map(|variable| match variable.value {
            VariableValue::Plain(text) => (variable.name, text),
            VariableValue::Secret(_) => (variable.name, String::new()),
        });
        shown.collect()
    }

    #[test]
    fn a_row_of_recorded_sessions_has_what_upstreams_workflow_sets() {
        let list = environment(json!({
            "image": "i", "model": "m", "model-prefix": "dsr1", "precision": "fp8", "framework": "vllm", "runner": "h200", "tp": 8, "pp": 2,
            "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 4, "kv-offloading": "dram", "duration": 1800, "exp-name": "e",
            "kv-offload-backend": { "name": "lmcache", "version": "0.4" }, "total-cpu-dram-gb": 1500, "scenario-type": "agentic-coding",
            "recipe-fingerprint": "0123", "environment": { "VLLM_USE_V2": "1" }, "run-eval": true
        }));
        for (name, value) in [
            ("SCENARIO_TYPE", "agentic-coding"),
            ("SCENARIO_SUBDIR", "agentic/"),
            ("IS_AGENTIC", "1"),
            ("KV_OFFLOADING", "dram"),
            ("KV_OFFLOAD_BACKEND", "lmcache"),
            ("KV_OFFLOAD_BACKEND_METADATA", r#"{"name":"lmcache","version":"0.4"}"#),
            ("TOTAL_CPU_DRAM_GB", "1500"),
            ("DURATION", "1800"),
            ("ISL", "0"),
            ("MAX_MODEL_LEN", "0"),
            ("DISAGG", "false"),
            ("PP_SIZE", "2"),
            ("GPU_COUNT", "16"),
            ("RECIPE_FINGERPRINT", "0123"),
            ("ROUTER_METADATA", ""),
            ("KV_P2P_TRANSFER", ""),
            ("EVAL_CONC", "4"),
            ("VLLM_USE_V2", "1"),
        ] {
            assert!(list.contains(&(name.to_owned(), value.to_owned())), "{name}: {list:?}");
        }
        for (name, _) in list.iter().filter(|(name, _)| name != "VLLM_USE_V2") {
            let set: std::collections::BTreeMap<String, String> = [(name.clone(), String::new())].into();
            let refused = crate::model::RecipeEnvironment::try_from(set).is_err();
            assert!(refused, "a config could set {name}");
        }
    }
}
