//! Launch scripts of sites, of the shape that InferenceX's have: over several nodes through srt-slurm or AMD's scripts, on one node in a
//! container that has the workspace only, and with allocations of Slurm that outlive the script.

use serde_json::{Value, json};

use super::fixture::Fixture;

/// A raw result of benchmark_serving.py.
pub fn raw_result(conc: u32) -> String {
    json!({
        "model_id": "demo", "max_concurrency": conc, "total_token_throughput": 1000.0, "output_throughput": 500.0,
        "request_throughput": 1.0, "mean_ttft_ms": 100.0, "median_ttft_ms": 100.0, "p99_ttft_ms": 120.0, "mean_tpot_ms": 10.0,
        "median_tpot_ms": 10.0, "p99_tpot_ms": 11.0, "mean_itl_ms": 10.0, "median_itl_ms": 10.0, "p99_itl_ms": 12.0,
        "mean_e2el_ms": 1000.0, "median_e2el_ms": 1000.0, "p99_e2el_ms": 1200.0, "completed": 40, "num_prompts": 40, "duration": 6.0,
        "total_input_tokens": 40000, "total_output_tokens": 4000, "benchmark_start_time_unix": 1_750_000_000.0,
        "benchmark_end_time_unix": 1_750_000_006.0
    })
    .to_string()
}

/// A fixture without a profile, whose runner has this launch script.
pub fn with_script(script: &str) -> Fixture {
    let fixture = Fixture::with_recipe("touch ran");
    std::fs::remove_file(fixture.path("runners/h100-a.yaml")).unwrap();
    fixture.write("runners/launch_h100-a.sh", script);
    fixture
}

/// Makes the fixture's row one over several nodes, with 4 GPUs for prefill and 8 for decode.
pub fn over_nodes(fixture: &Fixture, settings: &[&str]) {
    fixture.row(|row| {
        let row = row.as_object_mut().unwrap();
        for key in ["tp", "ep", "dp-attn"] {
            row.remove(key);
        }
        let worker =
            |tp: u32, settings: &[&str]| json!({ "num-worker": 1, "tp": tp, "ep": 1, "dp-attn": false, "additional-settings": settings });
        row.insert("prefill".to_owned(), worker(4, settings));
        row.insert("decode".to_owned(), worker(8, &[]));
        row.insert("conc".to_owned(), json!([2, 8]));
        row.insert("disagg".to_owned(), json!(true));
    });
}

/// As the scripts that hand a YAML recipe to srtctl: logs in `LOGS` and an archive, results copied under names with the job's GPUs.
const SRT_SLURM: &str = r#"
set -e
[ "$IS_MULTINODE" = true ] && [ -n "$CONFIG_FILE" ]
echo "$CONFIG_FILE $CONC_LIST $HF_TOKEN" > told
logs=outputs/42/logs; results=$logs/sa-bench_isl_32_osl_24; mkdir -p "$results"
echo "prefill worker 0 got token $HF_TOKEN" > "$logs/sweep_42.log"
for conc in $CONC_LIST; do
    sed "s/\"max_concurrency\":2/\"max_concurrency\":$conc/" raw.json > "$results/results_concurrency_${conc}_gpus_12_ctx_4_gen_8.json"
done
rm -rf LOGS; cp -r "$logs" LOGS
tar czf multinode_server_logs.tar.gz -C "$logs" .
for file in "$results"/*.json; do
    name=${file##*/results_concurrency_}; conc=${name%%_*}
    cp "$file" "${RESULT_FILENAME}_sa-bench_isl_32_osl_24_conc${conc}_gpus_${name#*_gpus_}"
done
"#;

fn agg(fixture: &Fixture, point: usize) -> Value {
    let job = fixture.job();
    let file = job["points"][point]["normalised"].as_str().unwrap().to_owned();
    serde_json::from_str(&fixture.read(&format!("out/{file}"))).unwrap()
}

#[test]
fn row_over_nodes_runs_through_srt_slurm() {
    let fixture = with_script(SRT_SLURM).environment("HF_TOKEN", "hf_secret_token");
    fixture.write("raw.json", &raw_result(2));
    over_nodes(&fixture, &["CONFIG_FILE=recipes/sim/1p1d.yaml"]);
    fixture.write("benchmarks/multi_node/srt-slurm-recipes/sim/1p1d.yaml", "name: demo\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert_eq!(fixture.read("told").trim(), "recipes/sim/1p1d.yaml 2 8 hf_secret_token");
    for (point, conc) in [(0, 2), (1, 8)] {
        let agg = agg(&fixture, point);
        assert_eq!((&agg["conc"], &agg["is_multinode"]), (&json!(conc), &json!(true)));
        assert_eq!((&agg["num_prefill_gpu"], &agg["num_decode_gpu"]), (&json!(4), &json!(8)), "{agg:#}");
    }
    let recipe = &fixture.job()["provenance"]["recipe"];
    assert_eq!(recipe["path"], json!("recipes/sim/1p1d.yaml"));
    assert!(recipe["sha256"].is_string(), "{recipe}");
    // The archive has no secret, and is still one.
    let unpacked = std::process::Command::new("tar")
        .args(["xzOf", "out/multinode_server_logs.tar.gz", "./sweep_42.log"])
        .current_dir(fixture.path(""))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(unpacked.stdout).unwrap(),
        "prefill worker 0 got token ***************\n"
    );
    fixture.assert_nothing_runs();
}

#[test]
fn numbers_per_gpu_are_of_the_gpus_that_the_job_had() {
    let script = r#"for conc in $CONC_LIST; do
        sed "s/\"max_concurrency\":2/\"max_concurrency\":$conc/" raw.json > "${RESULT_FILENAME}_isl_32_osl_24_concurrency_${conc}_req_rate_inf_gpus_20_ctx_4_gen_16.json"
    done"#;
    let fixture = with_script(script);
    fixture.write("raw.json", &raw_result(2));
    over_nodes(&fixture, &["PREFILL_NODES=1"]);
    // AMD's scripts have a recipe of the repository; it sources no library, and measures all the same.
    fixture.write("benchmarks/multi_node/demo_fp8_h100_sim.sh", "exit 1");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("is of 4 prefill and 16 decode GPUs, the row has 4 prefill and 8 decode GPUs"),
        "{}",
        ended.stderr
    );
    let agg = agg(&fixture, 0);
    assert_eq!(agg["num_decode_gpu"], json!(16));
    assert_eq!(agg["tput_per_gpu"], json!(50.0), "{agg:#}");
}

#[test]
fn each_concurrency_needs_one_result() {
    let one = "cp raw.json \"${RESULT_FILENAME}_conc2_gpus_12.json\"";
    let fixture = with_script(one);
    fixture.write("raw.json", &raw_result(2));
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["points"][0]["outcome"]["status"], json!("ok"));
    let reason = job["points"][1]["outcome"]["reason"].as_str().unwrap();
    assert!(reason.contains("without its result for concurrency 8, "), "{reason}");

    let fixture = with_script(&format!("{one}\ncp raw.json \"${{RESULT_FILENAME}}_again_gpus_12.json\""));
    fixture.write("raw.json", &raw_result(2));
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 results at concurrency 2, expected one"),
        "{}",
        ended.stderr
    );
}

#[test]
fn earlier_result_in_the_workspace_is_of_another_job() {
    let fixture = with_script("true");
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    let name = fixture.path("old");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    // The name is learnt from a first run, as the script gets it.
    fixture.write("runners/launch_h100-a.sh", "echo \"$RESULT_FILENAME\" > old");
    fixture.run();
    let stale = format!("{}_conc2_gpus_12.json", std::fs::read_to_string(name).unwrap().trim());
    fixture.write(&stale, &raw_result(2));
    std::fs::File::options()
        .write(true)
        .open(fixture.path(&stale))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_ne!(fixture.job()["points"][0]["outcome"]["status"], json!("ok"));
}

#[test]
fn row_that_names_no_recipe_or_has_no_nodes_is_refused() {
    let fixture = with_script("touch ran");
    over_nodes(&fixture, &[]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("add CONFIG_FILE=recipes/... to `additional-settings`"),
        "{}",
        ended.stderr
    );

    let fixture = Fixture::with_recipe("touch ran");
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("use one that has nodes: `launcher: script`, `launcher: slurm`"),
        "{}",
        ended.stderr
    );

    let fixture = Fixture::with_recipe("touch ran");
    fixture.write("runners/h100-a.yaml", "launcher: slurm\nslurm: {gpus-per-node: 8}\n");
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("recipe recipes/a.yaml is one of srt-slurm"),
        "{}",
        ended.stderr
    );
    assert!(!fixture.path("ran").exists());
}

#[test]
fn script_that_ends_well_after_a_failed_step_says_why_there_is_no_result() {
    let fixture = with_script("set -x\necho \"srun: error: n7: task 0: Exited with exit code 1\" >&2\necho fine\ntrue");
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "source benchmark_lib.sh");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let reason = fixture.job()["outcome"]["reason"].as_str().unwrap().to_owned();
    for part in [
        "the recipe ended without its result",
        "its exit status was 0",
        "the last errors in its output: srun: error: n7: task 0: Exited with exit code 1",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn log_of_the_engine_in_the_workspace_is_kept_and_diagnosed() {
    let script = "echo \"torch.OutOfMemoryError: CUDA out of memory. $HF_TOKEN\" > server.log\necho 'srun: error: n7: task 0: Killed' >&2";
    let fixture = with_script(script).environment("HF_TOKEN", "hf_secret_token");
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "source benchmark_lib.sh");
    fixture.write("server.log", "an earlier engine: Address already in use\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let outcome = &fixture.job()["outcome"];
    assert_eq!(outcome["cause"], json!("gpu-out-of-memory"), "{outcome}");
    assert_eq!(fixture.read("out/engine.log"), "torch.OutOfMemoryError: CUDA out of memory. ***\n");
    assert!(fixture.read("out/server.log").contains("srun: error"));
}
