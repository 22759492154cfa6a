//! Recipes and launch scripts of InferenceX repositories run unchanged.

use serde_json::json;

use super::world::World;

/// A self-contained recipe that uses `benchmark_lib.sh`.
const RECIPE: &str = r#"#!/usr/bin/env bash
source "$(dirname "$0")/benchmark_lib.sh"
check_env_vars MODEL TP CONC ISL OSL RANDOM_RANGE_RATIO RESULT_FILENAME EP_SIZE
SERVER_LOG=engine-@MARK@.log
PORT=${PORT:-8888}
imax sim --ttft-ms 5 --itl-ms 5 --served-model-name "$MODEL" --port "$PORT" --ground-truth truth-@MARK@ > $SERVER_LOG 2>&1 &
SERVER_PID=$!
wait_for_server_ready --port "$PORT" --server-log "$SERVER_LOG" --server-pid "$SERVER_PID" --sleep-interval 5
run_benchmark_serving \
    --model "$MODEL" --port "$PORT" --backend vllm --input-len "$ISL" --output-len "$OSL" \
    --random-range-ratio "$RANDOM_RANGE_RATIO" --num-prompts "$((CONC * 2))" --max-concurrency "$CONC" \
    --result-filename "$RESULT_FILENAME" --result-dir /workspace/ --trust-remote-code --server-pid "$SERVER_PID"
"#;

fn world(recipe: &str) -> World {
    let world = World::with_recipe(recipe);
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/benchmarks/benchmark_lib.sh");
    world.write("benchmarks/benchmark_lib.sh", &std::fs::read_to_string(library).unwrap());
    world
}

fn assert_measured(world: &World) {
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, world.read("out/server.log"));
    let job = world.job();
    assert_eq!(job["outcome"], json!({ "status": "ok" }));
    let agg: serde_json::Value =
        serde_json::from_str(&world.read(&format!("out/{}", job["points"][0]["normalised"].as_str().unwrap()))).unwrap();
    assert_eq!(agg["conc"], json!(2));
    // The recipe exits without stopping its engine; imax stops it.
    world.assert_nothing_runs();
}

#[test]
fn self_contained_recipe_is_measured() {
    assert_measured(&world(RECIPE));
}

#[test]
fn launch_script_of_site_is_measured() {
    let world = world(RECIPE);
    std::fs::remove_file(world.path("runners/h100-a.yaml")).unwrap();
    let script = "touch launched; bash \"$GITHUB_WORKSPACE/benchmarks/${MODEL_PREFIX}_${PRECISION}_${RUNNER_NAME%%-*}_${FRAMEWORK}.sh\"";
    world.write("runners/launch_h100-a.sh", script);
    assert_measured(&world);
    assert!(world.path("launched").exists());
    assert_eq!(world.job()["provenance"]["launcher"], json!("script"));
}

#[test]
fn engine_exit_ends_recipe_with_cause() {
    let recipe = RECIPE.replace("imax sim", "sh -c 'echo \"OSError: [Errno 98] Address already in use\"; exit 1' # ");
    let world = world(&recipe);
    let ended = world.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(world.job()["outcome"]["cause"], json!("port-in-use"), "{}", world.job()["outcome"]);
    world.assert_nothing_runs();
}

#[test]
fn unsupported_flag_is_refused_by_name() {
    let world = world(&RECIPE.replace("--trust-remote-code", "--use-chat-template"));
    let ended = world.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("`--use-chat-template` is not supported"), "{}", ended.stderr);
    world.assert_nothing_runs();
}

#[test]
fn recipe_without_result_fails() {
    let ended = world("source benchmarks/benchmark_lib.sh\ncheck_env_vars TP").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended without its result"), "{}", ended.stderr);
}

#[test]
fn recipe_lists_all_missing_variables() {
    let ended = world("source benchmarks/benchmark_lib.sh\ncheck_env_vars TP NOT_THERE NOR_THAT").run();
    assert!(
        ended.stderr.contains("the environment lacks NOT_THERE NOR_THAT"),
        "{}",
        ended.stderr
    );
}

#[test]
fn eval_context_is_set_and_unknown_library_function_is_named() {
    let recipe = "source benchmarks/benchmark_lib.sh\nsetup_eval_context\nselect_available_server_port\necho \"context $EVAL_MAX_MODEL_LEN, $PORT\"\n\
                  warm_the_caches --twice";
    let world = world(recipe);
    let ended = world.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let log = world.read("out/server.log");
    assert!(
        log.starts_with("context 312, ") && log.contains("warm_the_caches: command not found"),
        "{log}"
    );
    assert_eq!(world.job()["outcome"]["cause"], json!("command-not-found"));
}
