//! Jobs that end well, on one node and on several.

use serde_json::json;

use super::super::fixture::Fixture;
use super::super::telemetry::serve;
use super::{ENGINE, fixture, on_two_nodes, phase};

fn assert_measured(fixture: &Fixture) -> serde_json::Value {
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert_eq!(fixture.states(), 0);
    fixture.job()
}

#[test]
#[ignore = "needs Slurm"]
fn queue_time_is_a_phase_of_its_own() {
    let recipe = format!("echo \"gpus $CUDA_VISIBLE_DEVICES\"; echo \"job $SLURM_JOB_NAME of $IMAX_JOB_ID\"\n{ENGINE}");
    let fixture = fixture(&recipe, "main", "").environment("CUDA_VISIBLE_DEVICES", "9");
    fixture.row(|row| row["tp"] = json!(2));
    let job = assert_measured(&fixture);
    assert_eq!(phase(&job, "queue")["ending"], json!("done"));
    let facts = &job["provenance"]["engine"];
    assert!(facts["slurm_nodes"].as_str().unwrap().starts_with("node-"), "{facts}");
    assert!(facts["slurm_job_id"].as_str().unwrap().parse::<u64>().is_ok(), "{facts}");
    let log = fixture.read("out/server.log");
    let id = job["job_id"].as_str().unwrap();
    assert!(log.contains(&format!("job {id} of {id}")), "{log}");
    // As many GPUs as the row has, chosen by Slurm.
    let gpus = log.lines().find_map(|line| line.strip_prefix("gpus ")).unwrap();
    assert_eq!(gpus.split(',').count(), 2, "{gpus}");
    assert!(log.contains("simulated engine listening"), "{log}");
}

#[test]
#[ignore = "needs Slurm"]
fn secrets_reach_only_the_recipe() {
    let recipe = "test \"$HF_TOKEN\" = \"hf_very 'secret\" && echo had; scontrol show job \"$SLURM_JOB_ID\"; scontrol write batch_script \"$SLURM_JOB_ID\" -; exit 1";
    let fixture = fixture(recipe, "main", "")
        .environment("HF_TOKEN", "hf_very 'secret")
        .environment("STRAY", "1");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let log = fixture.read("out/server.log");
    assert!(
        log.contains("had\n") && log.contains("JobName=imax-") && log.contains("run bash"),
        "{log}"
    );
    for text in [log, fixture.read("out/job.json"), ended.stderr] {
        assert!(!text.contains("hf_very"), "{text}");
    }
    assert_eq!(std::fs::read_dir(fixture.path("secrets")).unwrap().count(), 0);
}

#[test]
#[ignore = "needs Slurm"]
fn multi_node_row_gets_its_nodes_by_role() {
    let recipe = format!(
        "echo \"roles $PREFILL_NODES x $PREFILL_TP on $IMAX_PREFILL_NODES, $DECODE_NODES x $DECODE_TP on $IMAX_DECODE_NODES, all $IMAX_NODES\"\n\
         srun --nodes=1 --ntasks=1 --nodelist=\"$IMAX_DECODE_NODES\" bash -c 'echo \"decode step on $SLURMD_NODENAME\"'\n{ENGINE}"
    );
    // An exporter for each node, found by the node's name; it calls its host otherwise than Slurm does.
    let exporters = serve(|path| {
        let (gpus, watts) = if path == "/node-0" { (4, 300) } else { (2, 200) };
        let line = |gpu| format!("DCGM_FI_DEV_POWER_USAGE{{gpu=\"{gpu}\",Hostname=\"h{path}\"}} {watts}\n");
        (0..gpus).map(line).collect()
    });
    let fixture = fixture("exit 9", "main", &format!("telemetry: {{dcgm: ['{exporters}/{{node}}']}}\n"));
    on_two_nodes(&fixture, &recipe);
    let job = assert_measured(&fixture);
    let log = fixture.read("out/server.log");
    assert!(
        log.contains("roles 1 x 4 on node-0, 1 x 2 on node-1, all node-0,node-1") && log.contains("decode step on node-1"),
        "{log}"
    );
    assert_eq!(job["provenance"]["engine"]["slurm_nodes"], json!("node-[0-1]"));
    assert_eq!(job["points"].as_array().unwrap().len(), 2);
    let agg: serde_json::Value =
        serde_json::from_str(&fixture.read(&format!("out/{}", job["points"][1]["normalised"].as_str().unwrap()))).unwrap();
    assert_eq!(
        (&agg["is_multinode"], &agg["prefill_tp"], &agg["decode_tp"]),
        (&json!(true), &json!(4), &json!(2))
    );
    // Each role has the energy of its own nodes.
    let number = |key: &str| agg[key].as_f64().unwrap_or_else(|| panic!("{key}: {agg:#}"));
    assert_eq!(agg["power_valid"], json!(1));
    for (key, watts) in [
        ("avg_total_gpu_power_w", 1600.0),
        ("prefill_avg_power_w", 300.0),
        ("decode_avg_power_w", 200.0),
    ] {
        assert!((number(key) - watts).abs() < 0.1, "{key}: {agg:#}");
    }
    let roles = number("prefill_gpu_energy_j") + number("decode_gpu_energy_j");
    assert!((roles - number("total_gpu_energy_j")).abs() < 0.1, "{agg:#}");
    assert_eq!(job["points"][1]["role_energy"]["decode_gpus"], json!(2));
}

/// A tool that runs on the nodes; those of the tests share one machine, and Slurm names the one that it runs for.
const NVIDIA_SMI: &str = r#"case "$1" in
  --query-gpu=index*) for g in 0 1 2 3; do echo "$g, GPU-$SLURMD_NODENAME-$g, NVIDIA GB200, 580.1, 189471, 4, 2000, 2062, 1200.00, 0x1"; done ;;
  --query-compute-apps=*) ;;
  --query-gpu=*) exec sleep @MARK@ ;;
  *) echo "| CUDA Version: 13.0 |" ;;
esac"#;

#[test]
#[ignore = "needs Slurm"]
fn nodes_report_their_facts_and_an_unfit_node_fails_the_job() {
    let gpus = |name: &str| format!("vendor: nvidia\nretries: {{attempts: 1}}\nnode: {{gpus: 8, gpu-name: {name}}}\n");
    let fit = fixture("exit 9", "main", &gpus("GB200")).tools(&[("nvidia-smi", NVIDIA_SMI)]);
    on_two_nodes(&fit, ENGINE);
    let provenance = assert_measured(&fit)["provenance"].clone();
    let uuids: Vec<_> = provenance["gpus"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gpu| gpu["uuid"].clone())
        .collect();
    let expected = (0..8).map(|gpu| json!(format!("GPU-node-{}-{}", gpu / 4, gpu % 4)));
    assert_eq!(uuids, expected.collect::<Vec<_>>());
    assert_eq!(
        (&provenance["gpu_driver"], &provenance["gpu_toolkit"]),
        (&json!("580.1"), &json!("13.0"))
    );
    let unfit = fixture("touch \"$IMAX_OUT/started\"", "main", &gpus("B300")).tools(&[("nvidia-smi", NVIDIA_SMI)]);
    let ended = unfit.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(unfit.job()["outcome"]["cause"], json!("node-unfit"), "{}", ended.stderr);
    assert!(
        unfit.read("out/server.log").contains("gpu-kind: "),
        "{}",
        unfit.read("out/server.log")
    );
    assert!(!unfit.path("out/started").exists());
}

#[test]
#[ignore = "needs Slurm"]
fn multi_node_recipe_may_generate_its_own_load() {
    let recipe = r#"source "$GITHUB_WORKSPACE/benchmarks/benchmark_lib.sh"
imax sim --ttft-ms 5 --itl-ms 2 --served-model-name "$MODEL" --port "$PORT" &
wait_for_server_ready --port "$PORT" --server-log "$IMAX_OUT/server.log" --server-pid "$!"
names=($RESULT_FILENAMES)
for conc in $CONC_LIST; do
  run_benchmark_serving --model "$MODEL" --port "$PORT" --backend vllm --input-len "$ISL" --output-len "$OSL" \
    --random-range-ratio 1 --num-prompts "$((conc * 2))" --max-concurrency "$conc" --result-filename "${names[0]}" --result-dir "$IMAX_OUT"
  names=("${names[@]:1}")
done
"#;
    let fixture = fixture("exit 9", "main", "");
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/benchmarks/benchmark_lib.sh");
    fixture.write("benchmarks/benchmark_lib.sh", &std::fs::read_to_string(library).unwrap());
    on_two_nodes(&fixture, recipe);
    let job = assert_measured(&fixture);
    for point in job["points"].as_array().unwrap() {
        assert_eq!(point["outcome"]["status"], json!("ok"), "{point}");
        assert!(point["normalised"].is_string(), "{point}");
    }
}

#[test]
#[ignore = "needs Slurm"]
fn prefill_and_decode_of_sglang_run_apart_behind_its_router() {
    let python = "#!/bin/bash\n\
        echo \"$SLURMD_NODENAME: $*\"\n\
        if [ \"$2\" = sglang_router.launch_router ]; then\n\
        exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 5 --served-model-name \"$MODEL\" --host 0.0.0.0 --port \"$PORT\"\n\
        fi\n\
        exec sleep 1000\n";
    let engine = concat!(env!("CARGO_MANIFEST_DIR"), "/benchmarks/engines/sglang_disagg.sh");
    let recipe = "chmod +x bin/python3; PATH=\"$PWD/bin:$PATH\" exec bash \"$(dirname \"$0\")/../engines/sglang_disagg.sh\" --quantization modelopt_fp4";
    let fixture = fixture("exit 9", "main", "");
    fixture.write("bin/python3", python);
    fixture.write("benchmarks/engines/sglang_disagg.sh", &std::fs::read_to_string(engine).unwrap());
    on_two_nodes(&fixture, recipe);
    assert_measured(&fixture);
    let log = fixture.read("out/server.log");
    for said in [
        "node-0: -m sglang.launch_server --node-rank 0 ",
        "--port 30000 --trust-remote-code --tensor-parallel-size 4 ",
        "--disaggregation-mode prefill --disaggregation-transfer-backend nixl --nnodes 1 --dist-init-addr node-0:31000 --quantization modelopt_fp4",
        "node-1: -m sglang.launch_server --node-rank 0 ",
        "--disaggregation-mode decode --disaggregation-transfer-backend nixl --nnodes 1 --dist-init-addr node-1:33000 --quantization modelopt_fp4",
        "--prefill http://node-0:30000 --decode http://node-1:32000",
    ] {
        assert!(log.contains(said), "{said} not in\n{log}");
    }
}
