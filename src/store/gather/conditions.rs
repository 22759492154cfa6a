//! The conditions of a job, from its record. Whatever is missing or has another form is left out: a report without a driver's version is
//! better than none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::analysis::Conditions;

/// The conditions that a job record states; `engine` is the row's.
pub(super) fn conditions_of(record: &Value) -> Conditions {
    let provenance = &record["provenance"];
    Conditions {
        started: text(&record["started"]),
        ended: text(&record["ended"]),
        commits: one(&provenance["commit"]),
        engines: engine(record),
        imax: one(&provenance["imax_version"]),
        gpus: gpus(&provenance["gpus"]),
        drivers: one(&provenance["gpu_driver"]),
        toolkits: one(&provenance["gpu_toolkit"]),
        runners: one(&provenance["runner_name"]),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn one(value: &Value) -> BTreeSet<String> {
    text(value).into_iter().collect()
}

/// `vllm 0.13.0`, where the engine reported its version.
fn engine(record: &Value) -> BTreeSet<String> {
    let version = text(&record["provenance"]["engine"]["engine_version"]);
    let name = text(&record["row"]["framework"]);
    name.zip(version)
        .map(|(name, version)| format!("{name} {version}"))
        .into_iter()
        .collect()
}

/// `8 x NVIDIA H200`, for each kind of GPU.
fn gpus(gpus: &Value) -> BTreeSet<String> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for name in gpus.as_array().into_iter().flatten().filter_map(|gpu| gpu["name"].as_str()) {
        *kinds.entry(name).or_default() += 1;
    }
    kinds.into_iter().map(|(name, number)| format!("{number} x {name}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn record_states_versions_and_gpus() {
        let record = json!({
            "started": "2026-11-30T10:00:00.000Z", "ended": "", "row": { "framework": "vllm" },
            "provenance": {
                "imax_version": "0.2.0", "commit": "0123", "gpu_driver": "570.86", "gpu_toolkit": "12.8", "runner_name": "h200_0",
                "engine": { "engine_version": "0.13.0" }, "gpus": [{ "name": "NVIDIA H200" }, { "name": "NVIDIA H200" }, { "index": 3 }]
            }
        });
        let conditions = conditions_of(&record);
        assert_eq!(conditions.started.as_deref(), Some("2026-11-30T10:00:00.000Z"));
        assert_eq!(conditions.ended, None);
        for (values, expected) in [
            (&conditions.engines, "vllm 0.13.0"),
            (&conditions.gpus, "2 x NVIDIA H200"),
            (&conditions.drivers, "570.86"),
            (&conditions.toolkits, "12.8"),
            (&conditions.commits, "0123"),
            (&conditions.imax, "0.2.0"),
            (&conditions.runners, "h200_0"),
        ] {
            assert_eq!(values, &BTreeSet::from([expected.to_owned()]));
        }
    }

    #[test]
    fn records_of_other_forms_state_nothing() {
        for record in [
            json!(null),
            json!([]),
            json!({ "provenance": 3 }),
            json!({ "provenance": { "gpus": {}, "engine": [] } }),
        ] {
            assert!(conditions_of(&record).is_empty(), "{record}");
        }
    }
}
