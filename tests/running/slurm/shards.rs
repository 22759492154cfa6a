//! One load from the tasks of a Slurm step on two nodes, as the help of `imax bench` shows it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::harness::{Finish as _, Simulator, clean_command, imax, program, project};

/// What each task runs: its number and the number of all tasks are Slurm's.
const TASK: &str = "exec \"$IMAX\" bench --base-url \"$ENGINE\" --model benchmarks/demo --served-model-name demo --random-input-len 16 \
    --random-output-len 4 --ignore-eos --num-prompts 120 --request-rate 60 --allow-saturated-client --shard $((SLURM_PROCID+1))/$SLURM_NTASKS \
    --start-at \"$AT\" --save-result --result-filename load.json --result-dir \"$SHARDS\"";

/// Runs the step. A cluster that is too busy to prepare the load until its start gets more time.
fn run_step(engine: &Simulator, shards: &str) {
    for lead_s in [15, 60, 240] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let output = clean_command("srun")
            .args([
                "--nodes=2",
                "--ntasks=4",
                "--ntasks-per-node=2",
                "--partition=main",
                "sh",
                "-c",
                TASK,
            ])
            .current_dir(project())
            .env("SLURM_CONF", Cluster::get().configuration())
            .env("IMAX", program())
            .env("ENGINE", engine.url())
            .env("AT", (now + lead_s).to_string())
            .env("SHARDS", shards)
            .finish();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("--start-at passed") {
            continue;
        }
        assert!(output.status.success(), "{said}");
        return;
    }
    panic!("the load could not be prepared within minutes");
}

#[test]
#[ignore = "needs Slurm"]
fn tasks_of_two_nodes_send_one_load() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards).unwrap();
    let engine = Simulator::start(&["--ttft-ms", "3", "--itl-ms", "1", "--served-model-name", "demo"]);
    run_step(&engine, shards.to_str().unwrap());
    let output = imax()
        .args(["collect", "--shards", "--out"])
        .args([folder.path(), &shards])
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let whole: Value = serde_json::from_slice(&std::fs::read(folder.path().join("load.json")).unwrap()).unwrap();
    assert_eq!(
        (&whole["completed"], &whole["total_output_tokens"], &whole["imax"]["shards"]["of"]),
        (&json!(120), &json!(480), &json!(4))
    );
    let each = whole["imax"]["shards"]["shards"].as_array().unwrap();
    assert!(each.iter().all(|shard| shard["completed"] == json!(30)), "{each:?}");
    // Each request once, and a probe of each task.
    assert_eq!(engine.requests(), 120 + 4);
}
