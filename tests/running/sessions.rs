//! Rows of recorded sessions with a recipe that only starts an engine: `imax run` plays the sessions itself.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::agentic::{agentic_row, from};
use super::cancel::cancel_in;
use super::fixture::Fixture;
use super::success::ENGINE;
use crate::harness::wait_until;

const PROFILE: &str = "launcher: local\nload: { sessions: traces, backend: openai-chat }\n";

/// Sessions of an agent: two turns, with a tool's result between them.
fn sessions(names: &[&str]) -> String {
    let session = |name: &&str| {
        json!({ "id": name, "messages": [
            { "role": "system", "content": "you are a careful engineer" },
            { "role": "user", "content": format!("what is in the file {name}") },
            { "role": "assistant", "content": null,
              "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "read", "arguments": "{\"path\":\"a\"}" } }] },
            { "role": "tool", "tool_call_id": "1", "content": "a list of names", "pause_ms": 5 },
            { "role": "assistant", "content": "names", "output_tokens": 6 },
        ] })
        .to_string()
    };
    let lines: Vec<String> = names.iter().map(session).collect();
    lines.join("\n")
}

fn fixture(recipe: &str) -> Fixture {
    let fixture = Fixture::with_recipe("touch wrong");
    fixture.write("benchmarks/agentic/demo_fp8_h100_sim.sh", &format!("touch ran\n{recipe}"));
    fixture.write("runners/h100-a.yaml", PROFILE);
    fixture.write("traces/a.jsonl", &sessions(&["one", "two"]));
    fixture.write("traces/b.jsonl", &sessions(&["three"]));
    agentic_row(&fixture, |_| {});
    fixture
}

fn document(fixture: &Fixture, name: &Value) -> Value {
    serde_json::from_str(&fixture.read(&format!("out/{}", name.as_str().unwrap()))).unwrap()
}

#[test]
fn sessions_are_replayed_at_concurrency_for_duration() {
    let fixture = fixture(ENGINE);
    agentic_row(&fixture, |row| {
        row["conc"] = json!([1, 4]);
        row["duration"] = json!(3);
    });
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    for (at, users) in [(0, 1), (1, 4)] {
        let agg = document(&fixture, &job["points"][at]["normalised"]);
        assert_eq!((&agg["conc"], &agg["scenario_type"]), (&json!(users), &json!("agentic-coding")));
        assert!(agg.get("isl").is_none() && agg["median_ttft"].as_f64().unwrap() > 0.0, "{agg:#}");
        let load = &agg["imax"]["load"];
        assert_eq!((&load["duration_s"], &load["sessions"]["recorded"]), (&json!(3.0), &json!(true)));
        // Six turns in three sessions, which are played again and again; each user begins one at once.
        assert_eq!((&load["sessions"]["turns"], &load["failed"]), (&json!(6), &json!(0)));
        assert!(load["sessions"]["begun"].as_u64().unwrap() >= users, "{load:#}");
        assert!(load["health"]["open_connections"].as_u64().unwrap() <= users, "{load:#}");
        let raw = document(&fixture, &job["points"][at]["raw"]);
        // Played once they take a few tenths of a second. A client that is held up at the end leaves the last second or two unused.
        assert!(raw["duration"].as_f64().unwrap() >= 0.9, "{}", raw["duration"]);
    }
    let phases: Vec<&str> = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases.iter().filter(|phase| **phase == "warm-up").count(), 2, "{phases:?}");
    assert!(job["points"][1]["host_use"].is_object(), "{job:#}");
    fixture.assert_nothing_runs();
}

#[test]
fn command_line_overrides_sessions_of_profile() {
    for other in [
        fixture(ENGINE).arguments(&["--sessions", "mine.jsonl"]),
        fixture(ENGINE).environment("IMAX_SESSIONS", "mine.jsonl"),
    ] {
        other.write("mine.jsonl", &sessions(&["mine"]));
        let ended = other.run();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let agg = document(&other, &other.job()["points"][0]["normalised"]);
        assert_eq!(agg["imax"]["load"]["sessions"]["turns"], json!(2));
    }
}

#[test]
fn invalid_sessions_are_refused_before_engine_starts() {
    let fixture = fixture(ENGINE);
    let first = sessions(&["one"]);
    for (profile, file, message) in [
        (
            "launcher: local\n",
            first.as_str(),
            "name a file of them in `load.sessions` of runner profile h100-a or with --sessions",
        ),
        (PROFILE, "", "traces/a.jsonl: there is no session in it"),
        (
            PROFILE,
            &format!("{first}\n{{\"messages\": ["),
            "traces/a.jsonl: line 2: EOF while parsing",
        ),
        (
            PROFILE,
            &format!("{first}\n\n{{\"messages\": []}}"),
            "traces/a.jsonl: line 3: `messages` has no answer",
        ),
        (
            "launcher: local\nload: { sessions: absent.jsonl }\n",
            &first,
            "cannot read absent.jsonl: No such file",
        ),
        (
            "launcher: local\nload: { sessions: benchmarks }\n",
            &first,
            "benchmarks: no file of this folder",
        ),
        (
            "launcher: local\ndeadlines: { load: 1s }\nload: { sessions: traces }\n",
            &first,
            "row has `duration: 1`",
        ),
    ] {
        fixture.write("runners/h100-a.yaml", profile);
        fixture.write("traces/a.jsonl", file);
        let ended = fixture.run();
        assert_eq!(ended.code, Some(3), "{message}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{message}: {}", ended.stderr);
        assert_eq!(fixture.job()["outcome"]["class"], json!("invalid"));
        assert!(!fixture.path("ran").exists());
    }
}

#[test]
fn cancelled_load_keeps_partial_result() {
    let fixture = fixture(ENGINE);
    agentic_row(&fixture, |row| row["duration"] = json!(600));
    cancel_in("load", &fixture, Signal::SIGINT, 130, |fixture| {
        let truth = format!("truth-{}", fixture.mark);
        wait_until("the engine served", || {
            std::fs::metadata(fixture.path(&truth)).is_ok_and(|file| file.len() > 20_000)
        });
    });
    let raw = document(&fixture, &fixture.job()["points"][0]["raw"]);
    assert_eq!(raw["imax"]["partial"], json!(true));
    assert!(raw["completed"].as_u64().unwrap() > 0);
    assert!(
        !fixture.results().iter().any(|name| name.starts_with("agg_")),
        "{:?}",
        fixture.results()
    );
}

/// A recipe with the calls that those of InferenceX have.
const REPLAY: &str = r#"source "$(dirname "$0")/../benchmark_lib.sh"
check_env_vars MODEL CONC KV_OFFLOADING RESULT_DIR DURATION
require_agentic_kv_offload_none
resolve_trace_source
install_agentic_deps
imax sim --ttft-ms 5 --itl-ms 5 --served-model-name "$MODEL" --port "$PORT" --ground-truth truth-@MARK@ > engine-@MARK@.log 2>&1 &
wait_for_server_ready --port "$PORT" --server-log engine-@MARK@.log --server-pid "$!"
build_replay_cmd "$RESULT_DIR"
[[ ! -e more-flags ]] || REPLAY_CMD+=" $(cat more-flags)"
run_agentic_replay_and_write_outputs "$RESULT_DIR"
"#;

#[test]
fn library_replay_function_uses_sessions_of_profile() {
    let fixture = fixture(REPLAY);
    fixture.write("benchmarks/benchmark_lib.sh", &from("benchmarks/benchmark_lib.sh"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let agg = document(&fixture, &fixture.job()["points"][0]["normalised"]);
    assert_eq!((&agg["conc"], &agg["imax"]["load"]["sessions"]["turns"]), (&json!(2), &json!(6)));
    fixture.assert_nothing_runs();

    // A flag of another client is not dropped in silence.
    fixture.write("more-flags", "--apply-chat-template");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        fixture
            .read("out/server.log")
            .contains("unexpected argument '--apply-chat-template'")
    );
}
