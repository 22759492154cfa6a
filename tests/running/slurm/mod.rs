//! The slurm launcher against a real Slurm. The tests start a cluster of their own (`tests/slurm/start.sh`), so they need
//! root and the Debian packages `slurm-wlm`, `slurm-client` and `munge`; they run with `--ignored`.

mod cluster;
mod containers;
mod endings;
mod images;
mod launch_script;
mod launch_script_agentic;
mod leftovers;
mod measured;
mod shards;
mod stopping;

use serde_json::{Value, json};

use super::fixture::Fixture;
use cluster::Cluster;

const ENGINE: &str = "exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 2 --served-model-name \"$MODEL\" --host 0.0.0.0 --port \"$PORT\"";

/// A fixture whose jobs go to a partition; `more` are further keys of the profile.
fn fixture(recipe: &str, partition: &str, more: &str) -> Fixture {
    let fixture = Fixture::with_recipe(recipe);
    let secrets = fixture.path("secrets").display().to_string();
    fixture.write(
        "runners/h100-a.yaml",
        &format!("launcher: slurm\nslurm: {{partition: {partition}, gpus-option: '--gres=gpu:{{gpus}}', gpus-per-node: 4, secrets-folder: {secrets}}}\n{more}"),
    );
    fixture.environment("SLURM_CONF", &Cluster::get().configuration())
}

/// Makes the row one of two nodes, one for each role; its recipe is that of `benchmarks/multi_node`.
fn on_two_nodes(fixture: &Fixture, recipe: &str) {
    let worker = |tp: u32| json!({ "num-worker": 1, "tp": tp, "ep": 1, "dp-attn": false });
    fixture.row(|row| {
        let row = row.as_object_mut().unwrap();
        for key in ["tp", "ep", "dp-attn"] {
            row.remove(key);
        }
        row.insert("prefill".to_owned(), worker(4));
        row.insert("decode".to_owned(), worker(2));
        row.insert("conc".to_owned(), json!([1, 2]));
        row.insert("disagg".to_owned(), json!(true));
        row.insert("kv-p2p-transfer".to_owned(), json!("nixl"));
    });
    fixture.write("benchmarks/multi_node/demo_fp8_h100_sim.sh", recipe);
}

fn phase(job: &Value, name: &str) -> Value {
    let phases = job["phases"].as_array().unwrap();
    phases
        .iter()
        .find(|phase| phase["phase"] == json!(name))
        .unwrap_or_else(|| panic!("{job:#}"))
        .clone()
}

/// The one state file of a fixture, which names the job.
fn id_of(fixture: &Fixture) -> String {
    let entry = std::fs::read_dir(fixture.path("state")).unwrap().next().unwrap().unwrap();
    entry.path().file_stem().unwrap().to_str().unwrap().to_owned()
}
