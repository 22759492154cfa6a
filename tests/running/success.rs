//! Rows that are measured: one engine start, results of every kind, nothing left behind.

use std::fs;

use serde_json::{Value, json};

use super::fixture::{Fixture, tokenizer_folder};

/// An engine of fixed speed, and a process in a session of its own.
pub const ENGINE: &str = "(setsid -f sleep @MARK@)\n\
    exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 5 --served-model-name \"$MODEL\" --host 127.0.0.1 --port \"$PORT\" --ground-truth truth-@MARK@";

fn document(fixture: &Fixture, name: &str) -> Value {
    serde_json::from_str(&fixture.read(&format!("out/{name}"))).unwrap()
}

#[test]
fn engine_lends_its_tokenizer_where_the_model_has_none() {
    let engine = "exec \"$IMAX_BIN\" sim --tokenizer \"$DEMO\" --ttft-ms 5 --itl-ms 5 --served-model-name \"$MODEL\" --host 127.0.0.1 --port \"$PORT\"";
    let fixture = Fixture::with_recipe(&engine.replace("$DEMO", &tokenizer_folder()));
    fixture.change_row(|row| row["model"] = json!("model-without-files"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let raw = document(
        &fixture,
        "demo_32_24_fp8_sim_tp1-pp1-dcp1-pcp1-ep1-dpafalse_disagg-false_spec-none_conc2_h100-a_0.json",
    );
    assert_eq!((&raw["completed"], &raw["imax"]["wrong_input_lengths"]), (&json!(4), &json!(0)));
    assert_eq!(raw["imax"]["notices"][0]["code"], json!("server_tokenizer"));

    // Servers of these backends have none to lend, so no engine starts.
    fixture.write("runners/h100-a.yaml", "launcher: local\nload: { backend: tensorrt-llm }\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let job = fixture.job();
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(reason.contains("no tokenizer at model-without-files"), "{reason}");
    assert_eq!(job["phases"].as_array().unwrap().len(), 1, "{job}");
}

#[test]
fn row_produces_raw_and_normalised_result_record_and_log() {
    let fixture = Fixture::with_recipe(ENGINE);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let name = "demo_32_24_fp8_sim_tp1-pp1-dcp1-pcp1-ep1-dpafalse_disagg-false_spec-none_conc2_h100-a_0.json";
    assert_eq!(
        fixture.results(),
        [&format!("agg_{name}"), name, "host_metrics.csv", "job.json", "server.log"]
    );
    let raw = document(&fixture, name);
    assert_eq!(
        (&raw["completed"], &raw["num_prompts"], &raw["max_concurrency"]),
        (&json!(4), &json!(4), &json!(2))
    );
    let agg = document(&fixture, &format!("agg_{name}"));
    assert_eq!((&agg["conc"], &agg["hw"]), (&json!(2), &json!("h100")));
    let job = fixture.job();
    assert_eq!(job["outcome"], json!({ "status": "ok" }));
    assert_eq!(job["points"][0]["normalised"], json!(format!("agg_{name}")));
    let phases: Vec<&str> = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        phases,
        [
            "preflight",
            "clean",
            "launch",
            "ready",
            "warm-up",
            "load",
            "eval",
            "stop",
            "collect"
        ]
    );
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
}

#[test]
fn row_with_several_concurrencies_starts_engine_once() {
    let fixture = Fixture::with_recipe(&format!("echo start >> starts\n{ENGINE}"));
    fixture.row(|row| row["conc"] = json!([1, 3]));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(fixture.read("starts"), "start\n");
    for (at, conc) in [(0, 1), (1, 3)] {
        let job = fixture.job();
        let agg = document(&fixture, job["points"][at]["normalised"].as_str().unwrap());
        assert_eq!(agg["conc"], json!(conc));
    }
}

#[test]
fn points_do_not_share_prefix_cache() {
    let fixture = Fixture::with_recipe(&ENGINE.replace("--ttft-ms 5 --itl-ms 5", "--prefix-cache"));
    fixture.row(|row| {
        row["conc"] = json!([2, 3]);
        row["isl"] = json!(512);
        row["max-model-len"] = json!(1024);
    });
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for point in fixture.job()["points"].as_array().unwrap() {
        let raw = document(&fixture, point["raw"].as_str().unwrap());
        let cache = &raw["imax"]["prefix_cache"];
        assert!(cache.is_null() || cache["cached_tokens"] == json!(0), "{cache}");
    }
}

#[test]
fn engine_exit_during_load_fails_remaining_points_only() {
    // The recipe kills the engine as soon as the first load has a result.
    let recipe = "(until ls out/demo*_conc1_* >/dev/null 2>&1; do sleep 0.05; done; pkill -9 -f truth-@MARK@) &\n".to_owned() + ENGINE;
    let fixture = Fixture::with_recipe(&recipe);
    fixture.row(|row| {
        row["conc"] = json!([1, 2, 3]);
        row["osl"] = json!(400);
        row["max-model-len"] = json!(500);
    });
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    let statuses: Vec<&Value> = job["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| &point["outcome"]["status"])
        .collect();
    assert_eq!(statuses, ["ok", "failed", "failed"]);
    assert_eq!(job["outcome"]["class"], json!("server"));
    assert!(
        job["outcome"]["reason"].as_str().unwrap().contains("killed by SIGKILL"),
        "{}",
        job["outcome"]
    );
    let agg = fs::read_dir(fixture.path("out"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with("agg_"));
    assert_eq!(agg.count(), 1);
    fixture.assert_nothing_runs();
}

#[test]
fn load_is_stopped_at_deadline() {
    let fixture = Fixture::with_recipe(&ENGINE.replace("--itl-ms 5", "--itl-ms 60000"));
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {load: 900ms, stop: 2s}\n");
    let fixture = fixture.arguments(&["--num-warmups-per-conc", "0"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(fixture.job()["outcome"]["class"], json!("timeout"), "{}", fixture.job()["outcome"]);
    fixture.assert_nothing_runs();
}
