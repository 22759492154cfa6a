//! Rows, recipes and profiles that cannot be used are refused with one sentence and exit code 3, before anything starts.

use serde_json::json;

use super::fixture::Fixture;

const MUST_NOT_RUN: &str = "touch ran; exec sleep @MARK@";

#[test]
fn unsupported_rows_are_refused_and_recorded() {
    for (key, value, sentence) in [
        ("run-eval", json!(true), "the evaluation cannot be prepared"),
        ("spec-decoding", json!("mtp"), "does not use SPEC_DECODING"),
        ("model-prefix", json!("other"), "none of other_fp8_h100_sim.sh"),
        ("framework", json!("../x"), "cannot be part of a recipe's name"),
        ("conc", json!([2, 2]), "concurrency 2 twice"),
    ] {
        // Without a name, gsm8k would be taken, whose questions are on the hub.
        let fixture = Fixture::with_recipe(MUST_NOT_RUN).arguments(&["--eval-tasks", "missing.yaml"]);
        fixture.row(|row| row[key] = value);
        let ended = fixture.run();
        assert_eq!(ended.code, Some(3), "{key}: {}", ended.stderr);
        assert!(ended.stderr.contains(sentence), "{key}: {}", ended.stderr);
        let job = fixture.job();
        assert_eq!((&job["outcome"]["class"], &job["exit_code"]), (&json!("invalid"), &json!(3)));
        assert_eq!(job["points"][0]["outcome"]["class"], json!("invalid"));
        assert!(!fixture.path("ran").exists());
    }
}

#[test]
fn multi_node_rows_are_refused_without_scheduler() {
    let fixture = Fixture::with_recipe(MUST_NOT_RUN);
    let worker = json!({ "num-worker": 1, "tp": 1, "ep": 1, "dp-attn": false });
    fixture.row(|row| {
        let row = row.as_object_mut().unwrap();
        for key in ["tp", "ep", "dp-attn"] {
            row.remove(key);
        }
        row.insert("prefill".to_owned(), worker.clone());
        row.insert("decode".to_owned(), worker);
        row.insert("conc".to_owned(), json!([4]));
    });
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("several nodes"), "{}", ended.stderr);
}

#[test]
fn invalid_row_is_reported_with_place_and_field() {
    let fixture = Fixture::with_recipe(MUST_NOT_RUN);
    fixture.write("row.json", "{\"image\": \"x\",\n \"tpp\": 1}");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3));
    let expected = "row.json is not a matrix row: unknown field `tpp`";
    assert!(
        ended.stderr.contains(expected) && ended.stderr.contains("line 2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn unknown_profile_key_is_reported_with_line() {
    let fixture = Fixture::with_recipe(MUST_NOT_RUN);
    fixture.write("runners/h100-a.yaml", "launcher: local\nlauncer: x\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("h100-a.yaml") && ended.stderr.contains("launcer"),
        "{}",
        ended.stderr
    );
}

#[test]
fn row_is_read_from_environment_and_its_absence_is_usage_error() {
    let fixture = Fixture::with_recipe(MUST_NOT_RUN);
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let fixture = Fixture::with_recipe(MUST_NOT_RUN).environment("IMAX_ROW", "{}");
    fixture.row(|_| {});
    let ended = fixture.run_without_row();
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("IMAX_ROW is not a matrix row"), "{}", ended.stderr);
    assert_eq!(Fixture::with_recipe(MUST_NOT_RUN).run_without_row().code, Some(2));
}
