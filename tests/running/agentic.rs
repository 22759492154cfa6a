//! Rows of recorded coding-agent sessions: the recipe or the site's script replays them, with what upstream's workflow sets.

use serde_json::{Value, json};

use super::fixture::Fixture;

/// A recipe as InferenceX has them, with a stand-in for the replay: AIPerf's own result, recorded.
const RECIPE: &str = r#"source "$(dirname "$0")/../../benchmark_lib.sh"
check_env_vars MODEL TP CONC KV_OFFLOADING TOTAL_CPU_DRAM_GB RESULT_DIR DURATION EP_SIZE DP_ATTENTION SCENARIO_SUBDIR
imax sim --ttft-ms 5 --itl-ms 5 --served-model-name "$MODEL" --port "$PORT" --ground-truth truth-@MARK@ > engine-@MARK@.log 2>&1 &
wait_for_server_ready --port "$PORT" --server-log engine-@MARK@.log --server-pid "$!"
echo "$IS_AGENTIC $SCENARIO_TYPE $KV_OFFLOADING $KV_OFFLOAD_BACKEND $TOTAL_CPU_DRAM_GB $DURATION $ISL $MAX_MODEL_LEN" > told
mkdir -p "$RESULT_DIR/aiperf_artifacts"
cp aiperf.json "$RESULT_DIR/aiperf_artifacts/profile_export_aiperf.json"
"#;

/// Makes the fixture's row one of recorded sessions, of a second, and changes it as the test needs it.
pub fn agentic_row(fixture: &Fixture, change: impl FnOnce(&mut Value)) {
    fixture.row(|row| {
        let keys = row.as_object_mut().unwrap();
        for key in ["isl", "osl", "max-model-len"] {
            keys.remove(key);
        }
        row["scenario-type"] = json!("agentic-coding");
        row["kv-offloading"] = json!("none");
        row["total-cpu-dram-gb"] = json!(0);
        row["duration"] = json!(1);
        change(row);
    });
}

pub fn from(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What the recorded result says, normalised.
fn recorded() -> Value {
    serde_json::from_str(&from("tests/golden/producers/aiperf/expected.json")).unwrap()
}

fn fixture(name: &str, recipe: &str) -> Fixture {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write("benchmarks/benchmark_lib.sh", &from("benchmarks/benchmark_lib.sh"));
    fixture.write("aiperf.json", &from("tests/golden/producers/aiperf/raw.json"));
    fixture.write(name, recipe);
    agentic_row(&fixture, |row| {
        row["kv-offloading"] = json!("dram");
        row["kv-offload-backend"] = json!({ "name": "lmcache" });
        row["total-cpu-dram-gb"] = json!(1500);
        row["duration"] = json!(1800);
        // As the recorded result says.
        row["conc"] = recorded()["conc"].clone();
    });
    fixture
}

fn assert_replayed(fixture: &Fixture) {
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert_eq!(fixture.read("told").trim(), "1 agentic-coding dram lmcache 1500 1800 0");
    let job = fixture.job();
    let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", job["points"][0]["normalised"].as_str().unwrap()))).unwrap();
    for key in ["conc", "median_ttft"] {
        assert!(!agg[key].is_null() && agg[key] == recorded()[key], "{key}: {agg:#}");
    }
    assert!(!fixture.path("ran").exists());
    fixture.assert_nothing_runs();
}

#[test]
fn recipe_that_replays_sessions_runs_unchanged() {
    let fixture = fixture("benchmarks/single_node/agentic/demo_fp8_h100_sim.sh", RECIPE);
    assert_replayed(&fixture);
    assert_eq!(
        fixture.job()["provenance"]["recipe"]["path"],
        json!("single_node/agentic/demo_fp8_h100_sim.sh")
    );
}

#[test]
fn launch_script_finds_recipe_by_scenario() {
    let fixture = fixture("benchmarks/single_node/agentic/demo_fp8_h100_sim.sh", RECIPE);
    std::fs::remove_file(fixture.path("runners/h100-a.yaml")).unwrap();
    // As a container does, which has the repository at /workspace.
    let script = "export RESULT_DIR=\"$PWD/${RESULT_DIR#/workspace/}\"; bash \"benchmarks/single_node/${SCENARIO_SUBDIR}${EXP_NAME%%_*}_${PRECISION}_h100_${FRAMEWORK}.sh\"";
    fixture.write("runners/launch_h100-a.sh", script);
    assert_replayed(&fixture);
    assert_eq!(fixture.job()["provenance"]["launcher"], json!("script"));
}

#[test]
fn fixed_length_recipe_and_library_without_sessions_are_refused() {
    let fixture = Fixture::with_recipe("touch ran");
    agentic_row(&fixture, |_| {});
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("none of agentic/demo_fp8_h100_sim.sh, "), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());

    let fixture = self::fixture(
        "benchmarks/agentic/demo_fp8_h100.sh",
        "source \"$(dirname \"$0\")/../benchmark_lib.sh\"\nresolve_trace_source",
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = "resolve_trace_source: this library has no recorded sessions of its own";
    assert!(fixture.read("out/server.log").contains(said), "{}", fixture.read("out/server.log"));
}
