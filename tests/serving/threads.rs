//! Threads of regressions: which runs a bisection lists, which losses are made good, and what was known at an earlier time.

use chrono::Utc;
use serde_json::{Value, json};

use crate::client::{Served, sqlite, ten_nights};
use crate::fixture::Fixture;

/// A night of the ten, from 1.
fn night(number: u32) -> Value {
    let mut nights: Vec<_> = std::fs::read_dir(ten_nights())
        .unwrap()
        .map(|night| night.unwrap().path())
        .collect();
    nights.sort();
    let text = std::fs::read_to_string(&nights[number as usize - 1]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A run of the first night's points at another time.
fn run(branch: &str, date: &str) -> Value {
    let mut run = night(1);
    run["branch"] = json!(branch);
    run["date"] = json!(date);
    run
}

/// Imports runs into history.db.
fn import(fixture: &Fixture, folder: &str, runs: &[Value]) {
    for (at, run) in runs.iter().enumerate() {
        fixture.write(&format!("{folder}/20261101T{at:06}Z-{at:012x}.json"), &run.to_string());
    }
    let imported = fixture.imax(&["import", folder, "--to", "history.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
}

/// The only thread.
fn thread(served: &Served, query: &str) -> Value {
    let found = served.json(&format!("/api/v1/regressions?{query}"));
    let threads = found["data"].as_array().unwrap();
    assert_eq!(threads.len(), 1, "{found}");
    threads[0].clone()
}

#[test]
fn bisection_lists_runs_of_the_branch_and_says_that_there_are_more() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let id = thread(&served, "")["thread"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/bisection?thread={id}");
    // Between the fifth night and the sixth, of other points.
    let between = |branch: &str, at: usize| {
        let mut run = run(branch, &format!("2026-11-05T{:02}:{:02}:00Z", 10 + at / 60, at % 60));
        run["commit"] = json!(format!("{branch}{at}"));
        for point in run["run"]["points"].as_array_mut().unwrap() {
            point["key"]["curve"]["framework"] = json!("other");
        }
        run
    };
    import(&fixture, "few", &[between("main", 1), between("side", 2)]);
    let found = served.json(&path);
    assert_eq!((&found["is_cut"], &found["between"][0]["commit"]), (&json!(false), &json!("main1")));
    assert_eq!((found["between"].as_array().unwrap().len(), &found["middle"]), (1, &json!("main1")));
    let many: Vec<Value> = (3..203).map(|at| between("main", at)).collect();
    import(&fixture, "many", &many);
    let found = served.json(&path);
    assert_eq!((&found["is_cut"], found["between"].as_array().unwrap().len()), (&json!(true), 200));
    assert_eq!((&found["between"][0]["commit"], &found["middle"]), (&json!("main3"), &Value::Null));
}

#[test]
fn runs_of_a_bisection_are_found_behind_any_number_of_others() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let id = thread(&served, "")["thread"].as_str().unwrap().to_owned();
    let mut runs = vec![run(&format!("bisect-{id}"), "2026-11-12T05:00:00Z")];
    runs.extend((0..201).map(|at| run("side", &format!("2026-11-13T{:02}:{:02}:00Z", at / 60, at % 60))));
    import(&fixture, "runs", &runs);
    let found = served.json(&format!("/api/v1/bisection?thread={id}"));
    assert_eq!((&found["tried"][0]["is_good"], &found["is_cut"]), (&json!(true), &json!(false)));
}

#[test]
fn loss_is_made_good_by_the_thresholds_of_the_settings() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    // A third level, 2 % below the first.
    let later: Vec<Value> = (1..=5)
        .map(|at| {
            let mut run = night(at);
            run["date"] = json!(format!("2026-11-{:02}T05:00:00Z", 10 + at));
            let points = run["run"]["points"].as_array_mut().unwrap();
            for (name, factor) in [
                ("tput_per_gpu", 0.98),
                ("output_tput_per_gpu", 0.98),
                ("input_tput_per_gpu", 0.98),
                ("median_intvty", 0.98),
                ("median_tpot", 1.0 / 0.98),
                ("median_e2el", 1.0 / 0.98),
            ] {
                let value = &mut points[2]["outcome"]["measured"][name];
                *value = json!(value.as_f64().unwrap() * factor);
            }
            run
        })
        .collect();
    import(&fixture, "later", &later);
    fixture.write("strict.yaml", "regressions:\n  smallest-changes:\n    - percent: 1\n");
    fixture.write("lax.yaml", "regressions:\n  smallest-changes:\n    - percent: 6\n");
    for (settings, state) in [("strict.yaml", "open"), ("lax.yaml", "fixed")] {
        let settings = fixture.path(settings);
        let served = Served::start(&history, &["--settings", settings.to_str().unwrap()]);
        let found = thread(&served, "");
        assert_eq!(found["state"], state, "{found}");
        assert_eq!(found["largest"]["is_fixed"], state == "fixed");
    }
    let absent = fixture.imax(&["serve", "--history", &history, "--settings", "absent.yaml"], &[]);
    assert!(absent.code != 0 && absent.stderr.contains("absent.yaml"), "{}", absent.stderr);
}

/// The sixth night, whose loss a waiver accepts.
fn waived(commit: &str, reason: &str) -> Value {
    let mut run = night(6);
    let point = run["run"]["points"][2]["key"].clone();
    run["commit"] = json!(commit);
    run["run_id"] = json!("6");
    run["context"] = json!({ "kind": "main", "provider": "github", "repository": "org/name", "attempt": 1 });
    run["run"]["records"] = json!([{
        "record": "verdict",
        "base": "the night before",
        "comparison": {
            "point": point, "verdict": "worse", "changes": [],
            "exception": { "reason": reason, "until": "2026-12-31" }
        }
    }]);
    run
}

#[test]
fn runs_and_waivers_of_a_thread_are_those_of_the_asked_time() {
    let fixture = Fixture::new();
    let nights: Vec<Value> = (1..=10)
        .map(|at| if at == 6 { waived("0ld", "known driver bug") } else { night(at) })
        .collect();
    import(&fixture, "first", &nights);
    let before = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    import(&fixture, "corrected", &[waived("4ew", "accepted for the release")]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let now = thread(&served, "");
    let waiver = |reason: &str| json!([{ "until": "2026-12-31", "reason": reason }]);
    assert_eq!(
        (&now["bad"]["commit"], &now["waivers"]),
        (&json!("4ew"), &waiver("accepted for the release"))
    );
    let then = thread(&served, &format!("as_of={before}"));
    assert_eq!(
        (&then["bad"]["commit"], &then["waivers"]),
        (&json!("0ld"), &waiver("known driver bug"))
    );
}
