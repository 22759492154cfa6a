//! Agentic rows with a library that works as InferenceX's does: it knows nothing of imax. It runs in a container that has only the
//! workspace, replays sessions into `RESULT_DIR`, and leaves the aggregate in the workspace.

use serde_json::{Value, json};

use super::agentic::{agentic_row, from};
use super::fixture::Fixture;
use super::launch_scripts::{over_nodes, with_script};

/// A launch script whose container sees the workspace and nothing else: what it writes below `/workspace` is in the repository.
const SCRIPT: &str = r#"
[[ "$RESULT_DIR" == /workspace/* ]] || { echo "RESULT_DIR is $RESULT_DIR, which no container has" >&2; exit 1; }
export RESULT_DIR="$GITHUB_WORKSPACE/${RESULT_DIR#/workspace/}"
bash "benchmarks/single_node/${SCENARIO_SUBDIR}${EXP_NAME%%_*}_${PRECISION}_h100_${FRAMEWORK}.sh"
"#;

/// Replays, summarises, and writes the aggregate whatever became of the requests.
const RECIPE: &str = r#"source "$(dirname "$0")/../../benchmark_lib.sh"
mkdir -p "$RESULT_DIR/aiperf_artifacts"
cp summary.json "$RESULT_DIR/aiperf_artifacts/profile_export_aiperf.json"
echo '{}' > "$RESULT_DIR/aiperf_artifacts/inputs.json"
echo 'engine is up' > "$RESULT_DIR/server.log"
cp aggregate.json "$RESULT_FILENAME.json"
"#;

fn summary(failed: u32) -> String {
    json!({ "request_count": { "unit": "requests", "avg": 21.0 }, "error_request_count": { "unit": "requests", "avg": failed } })
        .to_string()
}

/// The aggregate that was recorded, for the fixture's row, with what the test changes.
fn aggregate(change: impl FnOnce(&mut Value)) -> String {
    let mut aggregate: Value = serde_json::from_str(&from("tests/golden/producers/sample-agentx/raw.json")).unwrap();
    aggregate["framework"] = json!("sim");
    change(&mut aggregate);
    aggregate.to_string()
}

fn fixture() -> Fixture {
    let fixture = Fixture::with_recipe("touch ran");
    std::fs::remove_file(fixture.path("runners/h100-a.yaml")).unwrap();
    fixture.write("runners/launch_h100-a.sh", SCRIPT);
    fixture.write("benchmarks/benchmark_lib.sh", "");
    fixture.write("benchmarks/single_node/agentic/demo_fp8_h100_sim.sh", RECIPE);
    fixture.write("summary.json", &summary(1));
    fixture.write("aggregate.json", &aggregate(|_| {}));
    agentic_row(&fixture, |row| {
        row["conc"] = json!(4);
        row["tp"] = json!(2);
        row["spec-decoding"] = json!("mtp");
        row["kv-offloading"] = json!("dram");
        row["kv-offload-backend"] = json!({ "name": "lmcache", "version": "0.4" });
        row["total-cpu-dram-gb"] = json!(1500);
    });
    // imax wants a recipe that knows of the row's speculative decoding; the script starts the one above.
    fixture.write("benchmarks/single_node/agentic/demo_fp8_h100_sim_mtp.sh", RECIPE);
    fixture
}

fn point(fixture: &Fixture) -> Value {
    fixture.job()["points"][0].clone()
}

#[test]
fn aggregate_of_upstreams_library_is_the_result() {
    let fixture = fixture();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let point = point(&fixture);
    assert_eq!(
        fixture.read(&format!("out/{}", point["raw"].as_str().unwrap())),
        fixture.read("aggregate.json"),
        "the artifact has the aggregate as it was written"
    );
    let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point["normalised"].as_str().unwrap()))).unwrap();
    let expected: Value = serde_json::from_str(&fixture.read("aggregate.json")).unwrap();
    for key in [
        "request_metrics",
        "server_metrics",
        "kv_cache_pool_tokens",
        "kv_offload_backend",
        "dataset",
        "request_accounting",
    ] {
        assert_eq!(agg[key], expected[key], "{key}");
    }
    for (flat, nested) in [
        ("tput_per_gpu", "/request_metrics/throughput/per_gpu/total_tput_tps"),
        ("median_ttft", "/request_metrics/latency/ttft/p50"),
        ("std_intvty", "/request_metrics/latency/intvty/std"),
        ("mean_e2e_norm_intvty", "/request_metrics/latency/e2e_norm_intvty/mean"),
        ("mean_qps", "/request_metrics/qps/mean"),
        ("server_gpu_cache_hit_rate", "/server_metrics/cache/gpu_cache_hit_rate"),
        (
            "kv_offload_bandwidth_cpu_to_gpu_bytes_per_second",
            "/server_metrics/kv_offload/bandwidth_cpu_to_gpu_bytes_per_second",
        ),
    ] {
        assert!(
            agg[flat].is_number() && agg.get(flat) == expected.pointer(nested),
            "{flat}: {}",
            agg[flat]
        );
    }
    assert_eq!(agg["imax"]["point"]["curve"]["variant"], json!({ "kv-offload": "dram-lmcache" }));
}

#[test]
fn result_folder_is_kept_without_prompts() {
    let fixture = fixture();
    assert_eq!(fixture.run().code, Some(0));
    assert_eq!(fixture.read("out/results/server.log"), "engine is up\n");
    assert!(fixture.path("out/results/aiperf_artifacts/profile_export_aiperf.json").exists());
    assert!(!fixture.path("out/results/aiperf_artifacts/inputs.json").exists());
    // It is not mixed with that of the next job in the folder; a folder that the job did not make stays.
    fixture.write("out/results/of-first.json", "{}");
    fixture.write("out/notes/of-a-person.json", "{}");
    assert_eq!(fixture.run().code, Some(0));
    assert!(!fixture.path("out/results/of-first.json").exists() && fixture.path("out/notes/of-a-person.json").exists());
    assert!(fixture.path("out/results/aiperf_artifacts/profile_export_aiperf.json").exists());
}

#[test]
fn replay_with_too_many_failed_requests_is_no_result() {
    let fixture = fixture();
    // 3 of 24 are more than a tenth.
    fixture.write("summary.json", &summary(3));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let outcome = point(&fixture)["outcome"].clone();
    assert_eq!(outcome["class"], json!("client"), "{outcome}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.contains("3 of 24 requests failed (12.5 %), more than the accepted 10.0 %"),
        "{reason}"
    );
    // What there is of it can be looked at.
    assert_eq!(fixture.read("out/results/server.log"), "engine is up\n");

    let fixture = self::fixture().environment("AIPERF_FAILED_REQUEST_THRESHOLD", "0.2");
    fixture.write("summary.json", &summary(3));
    assert_eq!(fixture.run().code, Some(0));
    let fixture = self::fixture().environment("AIPERF_FAILED_REQUEST_THRESHOLD", "some");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("expected a share from 0 to 1"), "{}", ended.stderr);
}

#[test]
fn replay_without_summary_or_without_requests_is_no_result() {
    for (recipe, aggregate, said) in [
        (
            RECIPE.replace("cp summary.json", ": "),
            aggregate(|_| {}),
            "but not AIPerf's summary",
        ),
        (
            RECIPE.to_owned(),
            aggregate(|aggregate| {
                aggregate["num_requests_successful"] = json!(0);
                aggregate["request_metrics"] = json!({ "qps": {}, "latency": {}, "tokens": {}, "throughput": {}, "cache": {} });
            }),
            "no completed request",
        ),
        (
            RECIPE.to_owned(),
            aggregate(|aggregate| aggregate["conc"] = json!(8)),
            "measured at concurrency 8, expected 4",
        ),
        (
            RECIPE.to_owned(),
            aggregate(|aggregate| drop(aggregate["request_metrics"]["throughput"]["output"].take())),
            "`request_metrics.throughput.output.tokens_per_second` of the AgentX aggregate",
        ),
    ] {
        let fixture = fixture();
        fixture.write("benchmarks/single_node/agentic/demo_fp8_h100_sim.sh", &recipe);
        fixture.write("aggregate.json", &aggregate);
        let ended = fixture.run();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

#[test]
fn power_of_the_aggregate_counts_as_power() {
    let fixture = fixture().environment("REQUIRE_POWER", "1");
    assert_eq!(fixture.run().code, Some(1), "the aggregate has no power");
    let fixture = self::fixture().environment("REQUIRE_POWER", "1");
    fixture.write(
        "aggregate.json",
        &aggregate(|aggregate| {
            aggregate["power_valid"] = json!(1);
            aggregate["avg_power_w"] = json!(612.5);
        }),
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point(&fixture)["normalised"].as_str().unwrap()))).unwrap();
    assert_eq!((&agg["power_valid"], &agg["avg_power_w"]), (&json!(1), &json!(612.5)));
}

/// Over several nodes the job replays once for each concurrency, into folders of their own, and one aggregate is written for each.
const OVER_NODES: &str = r#"
set -e
[ "$IS_AGENTIC" = 1 ] && [ "$IS_MULTINODE" = true ] && [ "$CONFIG_FILE" = recipes/sim/1p1d.yaml ]
logs=outputs/42/logs
for conc in $CONC_LIST; do
    mkdir -p "$logs/agentic/conc_$conc/aiperf_artifacts"
    cp summary.json "$logs/agentic/conc_$conc/aiperf_artifacts/profile_export_aiperf.json"
    sed "s/\"conc\":4/\"conc\":$conc/" aggregate.json > "${RESULT_FILENAME}_conc$conc.json"
done
echo "worker of conc $CONC_LIST is up" > "$logs/sweep_42.log"
rm -rf LOGS; cp -r "$logs" LOGS
tar czf multinode_server_logs.tar.gz -C "$logs" .
"#;

pub fn over_several_nodes(script: &str) -> Fixture {
    let fixture = with_script(script);
    over_nodes(&fixture, &["CONFIG_FILE=recipes/sim/1p1d.yaml"]);
    fixture.change_row(|row| {
        for key in ["isl", "osl", "max-model-len"] {
            row.as_object_mut().unwrap().remove(key);
        }
        row["scenario-type"] = json!("agentic-coding");
        row["kv-offloading"] = json!("none");
        row["total-cpu-dram-gb"] = json!(0);
        row["duration"] = json!(1);
        row["conc"] = json!([4, 8]);
    });
    fixture.write("benchmarks/multi_node/srt-slurm-recipes/sim/1p1d.yaml", "name: demo\n");
    fixture.write("summary.json", &summary(1));
    let worker = |prefix: &str, tp: u32| {
        json!({ (format!("{prefix}_tp")): tp, (format!("{prefix}_ep")): 1, (format!("{prefix}_dp_attention")): "false",
                (format!("{prefix}_num_workers")): 1, (format!("num_{prefix}_gpu")): tp })
    };
    let aggregate = aggregate(|aggregate| {
        let aggregate = aggregate.as_object_mut().unwrap();
        for key in ["tp", "ep", "dp_attention", "pp", "dcp_size", "pcp_size", "kv_offload_backend"] {
            aggregate.remove(key);
        }
        for workers in [worker("prefill", 4), worker("decode", 8)] {
            aggregate.extend(workers.as_object().unwrap().clone());
        }
        aggregate.extend(
            json!({ "is_multinode": true, "disagg": true, "spec_decoding": "none", "kv_offloading": "none" })
                .as_object()
                .unwrap()
                .clone(),
        );
    });
    fixture.write("aggregate.json", &aggregate);
    fixture
}

#[test]
fn replay_over_nodes_has_an_aggregate_for_each_concurrency() {
    let fixture = over_several_nodes(OVER_NODES);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    for (at, conc) in [(0, 4), (1, 8)] {
        let point = fixture.job()["points"][at].clone();
        let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point["normalised"].as_str().unwrap()))).unwrap();
        assert_eq!((&agg["conc"], &agg["is_multinode"]), (&json!(conc), &json!(true)), "{agg:#}");
        assert_eq!((&agg["num_prefill_gpu"], &agg["num_decode_gpu"]), (&json!(4), &json!(8)));
        assert_eq!(agg["imax"]["point"]["curve"]["layout"], json!("p1xtp4_d1xtp8"));
        // The aggregate's own number, which it divided by the GPUs that its job had.
        let written: Value = serde_json::from_str(&fixture.read("aggregate.json")).unwrap();
        assert_eq!(
            agg["tput_per_gpu"],
            written["request_metrics"]["throughput"]["per_gpu"]["total_tput_tps"]
        );
        assert_eq!(agg["mean_qps"], written["request_metrics"]["qps"]["mean"]);
        assert!(fixture.path(&format!("out/LOGS/agentic/conc_{conc}/aiperf_artifacts")).is_dir());
    }
    assert!(fixture.path("out/multinode_server_logs.tar.gz").is_file());
    fixture.assert_nothing_runs();
}

#[test]
fn replay_over_nodes_without_one_of_its_aggregates_keeps_the_other() {
    let fixture = over_several_nodes(&OVER_NODES.replace("rm -rf LOGS", "rm -f \"${RESULT_FILENAME}_conc8.json\"; rm -rf LOGS"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let points = fixture.job()["points"].clone();
    assert!(points[0]["normalised"].is_string(), "{points:#}");
    assert!(points[1]["normalised"].is_null(), "{points:#}");
    assert!(
        ended.stderr.contains("conc8") || ended.stderr.contains("concurrency 8"),
        "{}",
        ended.stderr
    );
}
