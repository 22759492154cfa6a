//! A multi-node row of recorded sessions through a launch script and a real Slurm: the script submits a job over two nodes and waits for it
//! to leave the queue, as those that hand a recipe to srt-slurm do.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::agentic_upstream::over_several_nodes;
use super::super::fixture::Fixture;
use super::cluster::Cluster;
use crate::harness::wait_until;

/// The script's half: submit, follow the log, wait for the queue, take the results and the logs.
const SCRIPT: &str = r#"
set -e
[ "$IS_AGENTIC" = 1 ] && [ "$IS_MULTINODE" = true ] && [ "$CONFIG_FILE" = recipes/sim/1p1d.yaml ]
export PREFILL_GPUS=$PREFILL_TP DECODE_GPUS=$DECODE_TP
job=$(sbatch --parsable --partition=main --nodes=2 --ntasks-per-node=1 --time=10 --job-name="$RUNNER_NAME" --output=sweep.log deploy.sh)
while squeue --jobs="$job" --noheader --format=%T 2>/dev/null | grep -q .; do sleep 0.2; done
cat sweep.log
[ -e finished ] || { echo "job $job has no result" >&2; exit 1; }
mkdir -p LOGS/agentic
cp sweep.log LOGS/sweep_$job.log
cp -r replayed/. LOGS/agentic/
tar czf multinode_server_logs.tar.gz -C LOGS .
for conc in $CONC_LIST; do cp "replayed/conc_$conc/aggregate.json" "${RESULT_FILENAME}_conc$conc.json"; done
"#;

/// The job's half, on its first node: a worker on each node, then a replay for each concurrency.
const DEPLOY: &str = r#"#!/usr/bin/env bash
set -e
srun bash -c 'echo "worker on $SLURMD_NODENAME is up"; touch "up-$SLURMD_NODENAME"; exec sleep @MARK@' &
until [ "$(find . -maxdepth 1 -name 'up-*' | wc -l)" = 2 ]; do sleep 0.1; done
touch held
[ ! -e hold ] || wait
for conc in $CONC_LIST; do
    mkdir -p "replayed/conc_$conc/aiperf_artifacts"
    cp summary.json "replayed/conc_$conc/aiperf_artifacts/profile_export_aiperf.json"
    sed "s/\"conc\":4/\"conc\":$conc/" aggregate.json > "replayed/conc_$conc/aggregate.json"
done
touch finished
"#;

fn fixture() -> Fixture {
    let fixture = over_several_nodes(SCRIPT).environment("SLURM_CONF", &Cluster::get().configuration());
    fixture.write("deploy.sh", DEPLOY);
    fixture
}

fn assert_measured(fixture: &Fixture) {
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    let points = job["points"].as_array().unwrap();
    let measured: Vec<Value> = points
        .iter()
        .map(|point| {
            let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point["normalised"].as_str().unwrap()))).unwrap();
            assert!(agg["tput_per_gpu"].as_f64().unwrap() > 0.0, "{agg:#}");
            assert_eq!(agg["imax"]["point"]["curve"]["workload"], json!("agentic-coding"), "{agg:#}");
            agg["conc"].clone()
        })
        .collect();
    assert_eq!(measured, [json!(4), json!(8)]);
    assert!(
        fixture.read("out/server.log").matches("is up").count() >= 2,
        "{}",
        fixture.read("out/server.log")
    );
}

#[test]
#[ignore = "needs Slurm"]
fn sessions_are_replayed_over_two_nodes_and_a_cancel_leaves_no_allocation() {
    let _alone = Cluster::runner();
    let cluster = Cluster::get();
    let runner = "h100-a_0";
    assert_measured(&fixture());
    wait_until("the job has ended", || cluster.queued(runner).is_empty());

    let cancelled = fixture();
    cancelled.write("hold", "");
    let mut run = cancelled.start();
    run.await_line("phase ready");
    cancelled.await_file("held");
    assert_eq!(cluster.queued(runner).len(), 1);
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    wait_until("the allocation has ended", || cluster.queued(runner).is_empty());
    cancelled.assert_nothing_runs();
}
