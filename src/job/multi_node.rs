//! Recipe variables that describe the workers of a row over several nodes. The names are those of InferenceX's multi-node workflows.
//! The nodes of each role are known only on the nodes and are added there.

use crate::matrix::Row;
use crate::model::{RunnerName, WorkerGroup};

use super::{NameSubject, result_file_name};

/// The variables of both groups, in a stable order.
pub(super) fn worker_variables(row: &Row, runner_name: &RunnerName, prefill: &WorkerGroup, decode: &WorkerGroup) -> Vec<(String, String)> {
    let mut list = Vec::new();
    // First, so that a config cannot override the row's own variables.
    for group in [prefill, decode] {
        let settings = group.additional_settings.as_deref().unwrap_or_default();
        let named = settings.iter().filter_map(|setting| setting.split_once('='));
        list.extend(named.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    list.extend(of_group("PREFILL", prefill));
    list.extend(of_group("DECODE", decode));
    let concs: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    let names = row.conc.as_slice().iter().map(|conc| {
        result_file_name(NameSubject {
            row,
            conc: *conc,
            runner_name,
        })
    });
    let names: Vec<String> = names.collect();
    list.push(("IS_MULTINODE".to_owned(), "true".to_owned()));
    list.push(("CONC_LIST".to_owned(), concs.join(" ")));
    list.push(("RESULT_FILENAMES".to_owned(), names.join(" ")));
    if let Some(router) = &row.router {
        list.push(("ROUTER_NAME".to_owned(), router.name.clone()));
        list.push(("ROUTER_VERSION".to_owned(), router.version.clone().unwrap_or_default()));
    }
    list
}

fn of_group(role: &str, group: &WorkerGroup) -> Vec<(String, String)> {
    let split = &group.parallelism;
    let list = [
        ("NUM_WORKERS", group.num_worker.to_string()),
        ("GPUS", group.gpus().to_string()),
        ("TP", split.tp.to_string()),
        ("EP", split.ep.to_string()),
        ("DP_ATTN", split.dp_attn.to_string()),
        ("PP_SIZE", split.pp.to_string()),
        ("DCP_SIZE", split.dcp_size.to_string()),
        ("PCP_SIZE", split.pcp_size.to_string()),
        ("HARDWARE", group.hardware.clone().unwrap_or_default()),
    ];
    list.into_iter().map(|(name, value)| (format!("{role}_{name}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{EnvironmentInput, LoadSettings, recipe_environment};
    use crate::model::VariableValue;
    use serde_json::json;

    #[test]
    fn recipe_gets_its_workers_and_settings_cannot_override_the_row() {
        let worker = |number: u32, tp: u32, settings: serde_json::Value| json!({ "num-worker": number, "tp": tp, "ep": tp, "dp-attn": tp > 4, "additional-settings": settings });
        let row: Row = serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "p", "precision": "fp8", "framework": "f", "runner": "gb200", "isl": 64, "osl": 16,
            "prefill": worker(5, 4, json!(["CONFIG_FILE=a=b.yaml", "DECODE_TP=99"])), "decode": worker(1, 8, json!([])),
            "spec-decoding": "none", "conc": [4, 64], "max-model-len": 128, "exp-name": "e", "disagg": true,
            "router": { "name": "sgl-router", "version": "1" }
        }))
        .unwrap();
        let variables = recipe_environment(EnvironmentInput {
            row: &row,
            conc: *row.conc.as_slice().last().unwrap(),
            runner_name: &"gb200_0".parse().unwrap(),
            port: 8888,
            load: &LoadSettings::default(),
        });
        let value = |name: &str| {
            let found = variables.iter().rev().find(|variable| variable.name == name);
            found.map(|variable| match &variable.value {
                VariableValue::Plain(text) => text.as_str(),
                VariableValue::Secret(_) => "",
            })
        };
        for (name, expected) in [
            ("IS_MULTINODE", "true"),
            ("CONC_LIST", "4 64"),
            ("CONC", "64"),
            ("CONFIG_FILE", "a=b.yaml"),
            ("PREFILL_NUM_WORKERS", "5"),
            ("PREFILL_TP", "4"),
            ("PREFILL_DP_ATTN", "false"),
            ("PREFILL_GPUS", "20"),
            ("DECODE_TP", "8"),
            ("DECODE_EP", "8"),
            ("DECODE_DP_ATTN", "true"),
            ("ROUTER_NAME", "sgl-router"),
            ("DISAGG", "true"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert_eq!(value("RESULT_FILENAMES").unwrap().split(' ').count(), 2);
        assert_eq!(value("TP"), None);
    }
}
