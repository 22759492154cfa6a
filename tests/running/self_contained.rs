//! Recipes and launch scripts of InferenceX repositories run unchanged.

use serde_json::json;

use super::fixture::Fixture;

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

fn fixture(recipe: &str) -> Fixture {
    let fixture = Fixture::with_recipe(recipe);
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/benchmarks/benchmark_lib.sh");
    fixture.write("benchmarks/benchmark_lib.sh", &std::fs::read_to_string(library).unwrap());
    fixture
}

fn assert_measured(fixture: &Fixture) {
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    assert_eq!(job["outcome"], json!({ "status": "ok" }));
    let agg: serde_json::Value =
        serde_json::from_str(&fixture.read(&format!("out/{}", job["points"][0]["normalised"].as_str().unwrap()))).unwrap();
    assert_eq!(agg["conc"], json!(2));
    // The recipe exits without stopping its engine; imax stops it.
    fixture.assert_nothing_runs();
}

#[test]
fn self_contained_recipe_is_measured() {
    assert_measured(&fixture(RECIPE));
}

#[test]
fn launch_script_of_site_is_measured() {
    let fixture = fixture(RECIPE);
    std::fs::remove_file(fixture.path("runners/h100-a.yaml")).unwrap();
    let script = "touch launched; bash \"$GITHUB_WORKSPACE/benchmarks/${MODEL_PREFIX}_${PRECISION}_${RUNNER_NAME%%-*}_${FRAMEWORK}.sh\"";
    fixture.write("runners/launch_h100-a.sh", script);
    assert_measured(&fixture);
    assert!(fixture.path("launched").exists());
    assert_eq!(fixture.job()["provenance"]["launcher"], json!("script"));
}

#[test]
fn engine_exit_ends_recipe_with_cause() {
    let recipe = RECIPE.replace("imax sim", "sh -c 'echo \"OSError: [Errno 98] Address already in use\"; exit 1' # ");
    let fixture = fixture(&recipe);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(
        fixture.job()["outcome"]["cause"],
        json!("port-in-use"),
        "{}",
        fixture.job()["outcome"]
    );
    fixture.assert_nothing_runs();
}

#[test]
fn unsupported_flag_is_refused_by_name() {
    let fixture = fixture(&RECIPE.replace("--trust-remote-code", "--lora-path x"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("`--lora-path` is not supported"), "{}", ended.stderr);
    fixture.assert_nothing_runs();
}

#[test]
fn recipe_without_result_fails() {
    let ended = fixture("source benchmarks/benchmark_lib.sh\ncheck_env_vars TP").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended without its result"), "{}", ended.stderr);
}

#[test]
fn recipe_lists_all_missing_variables() {
    let ended = fixture("source benchmarks/benchmark_lib.sh\ncheck_env_vars TP NOT_THERE NOR_THAT").run();
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
    let fixture = fixture(recipe);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let log = fixture.read("out/server.log");
    assert!(
        log.starts_with("context 312, ") && log.contains("warm_the_caches: command not found"),
        "{log}"
    );
    assert_eq!(fixture.job()["outcome"]["cause"], json!("command-not-found"));
}

#[test]
fn prompts_are_rendered_with_a_template() {
    let with_template = r#"{ "chat_template": "<|q|>{{ messages[0].content }}<|a|>" }"#;
    for (flags, config, problem) in [
        ("--use-chat-template", with_template, None),
        ("--use-chat-template", "{}", Some("it has no chat_template")),
        // Its encoding is not in the tokenizer's files.
        ("--dsv4 --tokenizer-mode deepseek_v4", "{}", None),
    ] {
        let model = "cp -r \"$MODEL\" model; cp template.json model/tokenizer_config.json; MODEL=\"$PWD/model\"\n";
        let (head, rest) = RECIPE.split_once("SERVER_LOG").unwrap();
        let recipe = format!("{head}{model}SERVER_LOG{rest}").replace("--trust-remote-code", flags);
        let fixture = fixture(&recipe);
        fixture.write("template.json", config);
        match problem {
            None => assert_measured(&fixture),
            Some(problem) => {
                let ended = fixture.run();
                assert_eq!(ended.code, Some(1), "{flags}: {}", ended.stderr);
                assert!(fixture.read("out/server.log").contains(problem), "{flags}: {}", ended.stderr);
            }
        }
    }
}

#[test]
fn library_waits_for_and_stops_what_a_recipe_starts() {
    let recipe = r#"set -eu
source "$(dirname "$0")/benchmark_lib.sh"
imax sim --ttft-ms 5 --itl-ms 5 --served-model-name "$MODEL" --port "$PORT" --ground-truth truth-@MARK@ > engine.log 2>&1 &
wait_for_ready --endpoint "http://127.0.0.1:$PORT/health" --log engine.log --pid "$!" --sleep-interval 1 --timeout 600
echo "router is ready"
bash -c 'trap "" TERM; sleep @MARK@ & wait' &
stop_background_process_tree "$!" workers 1
write_command command.txt serve --name "a b"
append_command command.txt --more
mkdir model; echo '{ "max_position_embeddings": 4096 }' > model/config.json
echo "contexts $(compute_eval_context_length "$PWD/model" 9000) $(compute_eval_context_length "$PWD/model" 100)"
sleep 0 &
wait_for_ready --endpoint http://127.0.0.1:1/ --log engine.log --pid "$!"
"#;
    let fixture = fixture(recipe);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let log = fixture.read("out/server.log");
    for said in [
        "router is ready",
        "stopping workers",
        "contexts 4096 100",
        "ended before http://127.0.0.1:1/ answered",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(fixture.read("command.txt"), "serve --name a\\ b \n--more \n");
    fixture.assert_nothing_runs();
}

/// A container of a launch script has the repository, and of imax only what is in it.
#[test]
fn library_finds_imax_in_the_repository() {
    let fixture = fixture(&RECIPE.replace("imax sim", "\"$IMAX_BIN\" sim"));
    std::fs::remove_file(fixture.path("runners/h100-a.yaml")).unwrap();
    let script = "git check-ignore -q .imax/imax && touch ignored; \
                  env -u IMAX_BIN -u IMAX_OUT PATH=/usr/bin:/bin bash \"benchmarks/${MODEL_PREFIX}_${PRECISION}_h100_${FRAMEWORK}.sh\"";
    fixture.write("runners/launch_h100-a.sh", script);
    let made = std::process::Command::new("git")
        .args(["init", "-q"])
        .arg(fixture.path(""))
        .status()
        .unwrap();
    assert!(made.success());
    assert_measured(&fixture);
    assert!(fixture.path("ignored").exists(), "the checkout is dirty");
    assert!(!fixture.path(".imax").exists(), "the program is still in the repository");
}
