//! Power of what a launch script measured over several nodes: from srt-slurm's package, if a known commit of srt-slurm wrote it.

use serde_json::{Value, json};

use super::fixture::Fixture;
use super::launch_scripts::{over_nodes, raw_result, with_script};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Writes the package of a load of 4 prefill GPUs of 400 W and 8 decode GPUs of 300 W.
fn write_package(fixture: &Fixture) {
    let gpus: Vec<(&str, u32, &str, u32)> = (0..4)
        .map(|gpu| ("n1", gpu, "prefill", 400))
        .chain((0..8).map(|gpu| ("n2", gpu, "decode", 300)))
        .collect();
    let devices: Vec<Value> = gpus
        .iter()
        .map(|(host, gpu, role, _)| json!({ "hostname": host, "gpu_index": gpu, "assignments": [{ "worker_role": role }] }))
        .collect();
    let mut samples = "schema_version,timestamp_unix,scrape_seq,hostname,gpu_index,gpu_uuid,power_w\n".to_owned();
    for second in 0..12 {
        for (host, gpu, _, watts) in &gpus {
            let at = 1_749_999_998 + second;
            samples.push_str(&format!("1,{at}.0,{second},{host},{gpu},GPU-{host}-{gpu},{watts}.0\n"));
        }
    }
    let manifest = json!({
        "schema_version": 1, "producer": "srt-slurm.dcgm-power", "producer_git_commit": COMMIT, "unit": "W",
        "source_metric": "DCGM_FI_DEV_POWER_USAGE", "power_scope": "gpu_device_board_as_reported_by_dcgm",
        "timestamp_source": "head_node_unix_clock", "status": "complete", "publication_valid": true,
        "sample_row_count": 12 * gpus.len(), "expected_devices": devices
    });
    fixture.write("package/manifest.json", &manifest.to_string());
    fixture.write("package/samples.csv", &samples);
    for conc in [2, 8] {
        let window = json!({
            "schema_version": 1, "concurrency": conc, "status": "completed", "benchmark_start_time_unix": 1_750_000_000.0,
            "benchmark_end_time_unix": 1_750_000_006.0, "duration": 6.0
        });
        fixture.write(&format!("package/windows/{conc}.json"), &window.to_string());
    }
}

/// A launch script that leaves a result for each concurrency, and the package of their power.
fn fixture(commit: &str) -> Fixture {
    let fixture = with_script(&format!(
        "mkdir -p LOGS; cp -r package LOGS/power; echo {commit} > power-producer-sha.txt\n\
         for conc in $CONC_LIST; do\n\
         sed \"s/\\\"max_concurrency\\\":2/\\\"max_concurrency\\\":$conc/\" raw.json > \"${{RESULT_FILENAME}}_conc${{conc}}_gpus_12_ctx_4_gen_8.json\"\n\
         done"
    ));
    fixture.write("raw.json", &raw_result(2));
    write_package(&fixture);
    over_nodes(&fixture, &["CONFIG_FILE=recipes/a.yaml"]);
    fixture.environment("REQUIRE_POWER", "1")
}

#[test]
fn package_gives_the_energy_of_each_role() {
    let fixture = fixture(COMMIT);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for point in fixture.job()["points"].as_array().unwrap() {
        let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point["normalised"].as_str().unwrap()))).unwrap();
        assert_eq!(agg["power_valid"], json!(1), "{agg:#}");
        // 4 GPUs of 400 W and 8 of 300 W, for 6 s.
        assert_eq!(agg["total_gpu_energy_j"], json!(24_000.0), "{agg:#}");
        let name = format!("out/power_validation_{}", point["raw"].as_str().unwrap());
        let validation: Value = serde_json::from_str(&fixture.read(&name)).unwrap();
        assert_eq!(validation["power_valid"], json!(true));
    }
}

#[test]
fn required_power_of_an_unknown_producer_fails_the_points() {
    let fixture = fixture("another");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let reason = fixture.job()["points"][0]["outcome"]["reason"].as_str().unwrap().to_owned();
    for part in ["REQUIRE_POWER is set", "producer_commit_mismatch", "LOGS/power"] {
        assert!(reason.contains(part), "{reason}");
    }
}
