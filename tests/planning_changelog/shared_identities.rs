//! Config entries whose rows would be the same points: the plan's jobs tell them apart, the document for InferenceX's tools does not.

use std::collections::HashSet;

use serde_json::Value;

use crate::repository::{Ran, Repository};

/// The kinds that InferenceX's configs have: another image, another recipe, a synthetic acceptance length, the same twice.
const CONFIGS: &str = "\
nodes-fp4-sim:
  { image: 'example/sim:1', model: org/nodes, model-prefix: nodes, precision: fp4, framework: sim, runner: h100, multinode: true, disagg: true, kv-p2p-transfer: nixl,
    scenarios: { fixed-seq-len: [{ isl: 8192, osl: 1024, search-space: [
      { conc-list: [1, 2], prefill: { num-worker: 1, tp: 8, ep: 1, dp-attn: false }, decode: { num-worker: 1, tp: 8, ep: 1, dp-attn: false } },
      { conc-list: [64], prefill: { num-worker: 2, tp: 8, ep: 8, dp-attn: true }, decode: { num-worker: 1, tp: 8, ep: 8, dp-attn: true } } ] }] } }
nodes-fp4-sim-other-image:
  { image: 'example/sim:2', model: org/nodes, model-prefix: nodes, precision: fp4, framework: sim, runner: h100, multinode: true, disagg: true, kv-p2p-transfer: nixl,
    scenarios: { fixed-seq-len: [{ isl: 8192, osl: 1024, search-space: [
      { conc-list: [2, 4], prefill: { num-worker: 1, tp: 8, ep: 1, dp-attn: false }, decode: { num-worker: 1, tp: 8, ep: 1, dp-attn: false } } ] }] } }
sessions-fp8-sim:
  { image: 'example/sim:1', model: org/sessions, model-prefix: sessions, precision: fp8, framework: sim, runner: 'cluster:h100', multinode: false,
    scenarios: { agentic-coding: [{ search-space: [{ tp: 2, ep: 2, kv-offloading: none, spec-decoding: mtp, conc-list: [16, 32] }] }] } }
sessions-fp8-sim-again:
  { image: 'example/sim:1', model: org/sessions, model-prefix: sessions, precision: fp8, framework: sim, runner: 'cluster:h100', multinode: false,
    scenarios: { agentic-coding: [{ search-space: [{ tp: 2, ep: 2, kv-offloading: none, spec-decoding: mtp, conc-list: [32] }] }] } }
worker-fp8-sim:
  { image: 'example/sim:1', model: org/worker, model-prefix: worker, precision: fp8, framework: sim, runner: h100, multinode: true, disagg: true, kv-p2p-transfer: nixl,
    scenarios: { fixed-seq-len: [{ isl: 8192, osl: 1024, search-space: [
      { conc-list: [16], prefill: { num-worker: 1, tp: 8, ep: 1, dp-attn: false, additional-settings: ['ACCEPTANCE=2.5'] },
        decode: { num-worker: 1, tp: 8, ep: 1, dp-attn: false } } ] }] } }
worker-fp8-sim-real:
  { image: 'example/sim:1', model: org/worker, model-prefix: worker, precision: fp8, framework: sim, runner: h100, multinode: true, disagg: true, kv-p2p-transfer: nixl,
    scenarios: { fixed-seq-len: [{ isl: 8192, osl: 1024, search-space: [
      { conc-list: [16], prefill: { num-worker: 1, tp: 8, ep: 1, dp-attn: false }, decode: { num-worker: 1, tp: 8, ep: 1, dp-attn: false } } ] }] } }
halves-fp8-sim-low:
  { image: 'example/sim:1', model: org/halves, model-prefix: halves, precision: fp8, framework: sim, runner: h100, multinode: false,
    scenarios: { fixed-seq-len: [{ isl: 1024, osl: 1024, search-space: [{ tp: 1, conc-list: [1, 2] }] }] } }
halves-fp8-sim-high:
  { image: 'example/sim:2', model: org/halves, model-prefix: halves, precision: fp8, framework: sim, runner: h100, multinode: false,
    scenarios: { fixed-seq-len: [{ isl: 1024, osl: 1024, search-space: [{ tp: 1, conc-list: [64] }] }] } }
";

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("configs/toy-master.yaml", CONFIGS);
    repository.write(
        "configs/runners.yaml",
        "labels:\n  h100: [h100-box_0]\n  'cluster:h100': [h100-box_0]\n",
    );
    repository.commit("entries with the same points");
    repository
}

/// The rows that the jobs of a plan get.
fn job_rows(ran: &Ran) -> Vec<Value> {
    let matrix: Value = serde_json::from_str(ran.output("matrix")).unwrap();
    let jobs = matrix["include"].as_array().unwrap();
    jobs.iter()
        .map(|job| serde_json::from_str(job["row"].as_str().unwrap()).unwrap())
        .collect()
}

/// The config key of each row that has one, with its concurrencies.
fn marks(rows: &[Value]) -> Vec<(String, String)> {
    let marked = rows.iter().filter(|row| row.get("config-key").is_some());
    let mut marks: Vec<_> = marked
        .map(|row| (row["config-key"].as_str().unwrap().to_owned(), row["conc"].to_string()))
        .collect();
    marks.sort();
    marks
}

#[test]
fn jobs_of_a_whole_catalog_measure_each_point_once() {
    let ran = repository().imax(&["plan", "--config-keys", "*"]);
    let rows = job_rows(&ran);
    let expected = [
        ("nodes-fp4-sim", "[1,2]"),
        ("nodes-fp4-sim-other-image", "[2,4]"),
        ("sessions-fp8-sim", "16"),
        ("sessions-fp8-sim", "32"),
        ("sessions-fp8-sim-again", "32"),
        ("worker-fp8-sim", "[16]"),
        ("worker-fp8-sim-real", "[16]"),
    ];
    let measured: Vec<Value> = rows.into_iter().filter(|row| row["eval-only"] != true).collect();
    assert_eq!(marks(&measured), expected.map(|(key, conc)| (key.to_owned(), conc.to_owned())));
    assert_eq!(measured.len(), 11);

    // Job names are the identity, without what makes job ids unique.
    let matrix: Value = serde_json::from_str(ran.output("matrix")).unwrap();
    let names: Vec<&str> = matrix["include"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect();
    let distinct: HashSet<&&str> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:#?}");
}

#[test]
fn identity_is_the_same_in_each_plan_of_the_catalog() {
    let repository = repository();
    let alone = job_rows(&repository.imax(&["plan", "--config-keys", "worker-fp8-sim", "--conc", "16"]));
    let measured: Vec<Value> = alone.into_iter().filter(|row| row["eval-only"] != true).collect();
    assert_eq!(marks(&measured), [("worker-fp8-sim".to_owned(), "[16]".to_owned())]);
}

#[test]
fn documents_of_inferencex_have_no_config_key() {
    let repository = repository();
    let matrix = repository.imax(&["matrix", "full-sweep"]);
    let planned = repository.imax(&["plan", "--config-keys", "*"]);
    assert!(!matrix.json().as_array().unwrap().is_empty());
    for document in [&matrix.stdout, &planned.stdout] {
        assert!(
            document.contains("\"exp-name\"") && !document.contains("config-key\""),
            "{document}"
        );
    }
}

#[test]
fn config_key_is_no_part_of_the_fingerprint() {
    let repository = repository();
    let rows = job_rows(&repository.imax(&["plan", "--config-keys", "worker*"]));
    let (with, without): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| row.get("config-key").is_some());
    assert!(without.is_empty() && with.len() >= 2, "{rows:?}");
    let space = repository.imax(&["plan", "--config-keys", "worker*"]).json();
    let generated = space["multi_node"]["8k1k"].as_array().unwrap();
    let fingerprints = |rows: &[Value]| -> Vec<Value> { rows.iter().map(|row| row["recipe-fingerprint"].clone()).collect() };
    assert_eq!(fingerprints(&rows[..generated.len()]), fingerprints(generated));
}
