//! Profiled rows: the engine's profiler runs during the load, and its traces are among the results.

use std::io::Read as _;

use serde_json::{Value, json};

use super::fixture::Fixture;
use super::success::ENGINE;

fn profiled(recipe: &str) -> Fixture {
    Fixture::with_recipe(recipe).arguments(&["--profile-engine"])
}

/// The requests that a trace of the simulated engine has.
fn requests_in(fixture: &Fixture, file: &str) -> usize {
    let packed = std::fs::File::open(fixture.path(&format!("out/{file}"))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let trace: Value = serde_json::from_str(&text).unwrap();
    trace["traceEvents"].as_array().unwrap().len()
}

fn files(job: &Value) -> Vec<&str> {
    let traces = job["traces"].as_array().map(Vec::as_slice).unwrap_or_default();
    traces.iter().map(|trace| trace["file"].as_str().unwrap()).collect()
}

#[test]
fn each_point_has_a_trace_of_its_load_and_marked_figures() {
    let fixture = profiled(ENGINE);
    fixture.change_row(|row| row["conc"] = json!([2, 3]));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    assert_eq!(job["row"]["profile"], json!(true));
    for (at, conc) in [(0, 2), (1, 3)] {
        let point = &job["points"][at];
        let name = point["result_filename"].as_str().unwrap();
        let file = files(&job)[at];
        assert_eq!(file, format!("profile_{name}.trace.json.gz"));
        // Neither the probe nor the warm-up is in the trace.
        assert_eq!(requests_in(&fixture, file), 2 * conc);
        let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{}", point["normalised"].as_str().unwrap()))).unwrap();
        assert_eq!(agg["imax"]["point"]["curve"]["variant"], json!({ "profiled": "true" }));
        assert_eq!(agg["imax"]["doubts"], json!(["profiled"]));
    }
    assert!(!fixture.path("out/.imax-traces").exists());
    assert_eq!(job["provenance"]["environment"]["PROFILE"], json!("1"));
    fixture.assert_nothing_runs();
}

#[test]
fn engines_without_profiler_and_without_trace_fail_with_the_remedy() {
    let serve = ENGINE.replace(" sim ", " sim --no-profiler ");
    let silent = format!("unset VLLM_TORCH_PROFILER_DIR SGLANG_TORCH_PROFILER_DIR\n{ENGINE}");
    for (recipe, reason) in [
        (serve.as_str(), "cannot profile the server: "),
        (silent.as_str(), "the row was profiled, but no trace was written"),
    ] {
        let fixture = profiled(recipe);
        let ended = fixture.run();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let outcome = fixture.job()["outcome"].to_string();
        assert!(outcome.contains(reason) && outcome.contains("VLLM_TORCH_PROFILER_DIR"), "{outcome}");
        assert_eq!(files(&fixture.job()), Vec::<&str>::new());
        fixture.assert_nothing_runs();
    }
}

#[test]
fn recipe_that_measures_itself_leaves_its_traces_in_the_workspace() {
    let fixture = profiled(
        r#"source benchmarks/benchmark_lib.sh
        echo '{}' | gzip > "profile_$RESULT_FILENAME.trace.json.gz"
        mkdir -p profiles && echo '{"traceEvents": [1]}' | gzip > profiles/9-TP-0.trace.json.gz
        ln -s /etc/passwd "$VLLM_TORCH_PROFILER_DIR/link.trace.json"
        echo '{"secret": "hidden-token-1"}' > "$SGLANG_TORCH_PROFILER_DIR/9-TP-1.trace.json"
        echo "{\"max_concurrency\": 2, \"model_id\": \"m\", \"completed\": 2, \"num_prompts\": 2, \"total_input_tokens\": 64, \"total_output_tokens\": 48,
              \"duration\": 1.0, \"total_token_throughput\": 112.0, \"output_throughput\": 48.0, \"request_throughput\": 2.0,
              \"mean_tpot_ms\": 10.0, \"median_tpot_ms\": 10.0}" > "$RESULT_FILENAME.json"
        "#,
    )
    .environment("HF_TOKEN", "hidden-token-1");
    fixture.write("benchmarks/benchmark_lib.sh", "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    let name = job["points"][0]["result_filename"].as_str().unwrap();
    let expected = [".trace.json.gz", "_9-TP-0.trace.json.gz", "_9-TP-1.trace.json"];
    let expected: Vec<String> = expected.iter().map(|end| format!("profile_{name}{end}")).collect();
    let mut found = files(&job);
    found.sort_unstable();
    assert_eq!(found, expected);
    let text = fixture.read(&format!("out/{}", expected[2]));
    assert!(text.contains("secret") && !text.contains("hidden-token-1"), "{text}");
}

#[test]
fn traces_of_an_earlier_job_are_removed() {
    let fixture = Fixture::with_recipe(ENGINE);
    for file in ["profile_old.trace.json.gz", ".imax-traces/left.trace.json", "profile_notes.txt"] {
        fixture.write(&format!("out/{file}"), "old");
    }
    assert_eq!(fixture.run().code, Some(0));
    assert!(!fixture.path("out/profile_old.trace.json.gz").exists() && !fixture.path("out/.imax-traces").exists());
    assert_eq!(fixture.read("out/profile_notes.txt"), "old");
}

#[test]
fn nsys_starts_the_recipe_and_takes_no_secrets_with_it() {
    let fixture = profiled(ENGINE);
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nprofiler: { tool: nsys, arguments: [--trace=cuda] }\n",
    );
    // Stands for Nsight Systems: notes its arguments, starts the program, and writes a report at the end.
    fixture.write(
        "bin/nsys",
        "#!/usr/bin/env bash\necho \"$@\" > nsys-arguments\ntrap 'echo report > \"$IMAX_OUT/.imax-traces/nsys-1.nsys-rep\"; kill $!' TERM\n\
         while [[ \"$1\" == -* || \"$1\" == profile ]]; do shift; done\n\"$@\" &\nwait\n",
    );
    let path = format!("{}:{}", fixture.path("bin").display(), std::env::var("PATH").unwrap());
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(fixture.path("bin/nsys"))
        .status()
        .unwrap();
    let fixture = fixture.environment("PATH", &path);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let arguments = fixture.read("nsys-arguments");
    assert!(
        arguments.starts_with("profile --output=%q{IMAX_OUT}/.imax-traces/nsys-%p") && arguments.contains(" --trace=cuda bash "),
        "{arguments}"
    );
    let job = fixture.job();
    let name = job["points"][0]["result_filename"].as_str().unwrap();
    assert_eq!(files(&job), [format!("profile_{name}.nsys-rep")]);
    let fixture = fixture.environment("HF_TOKEN", "hidden-token-1");
    assert_eq!(fixture.run().code, Some(3));
    let outcome = fixture.job()["outcome"].to_string();
    assert!(outcome.contains("the secrets HF_TOKEN") && outcome.contains("h100-a"), "{outcome}");
}
