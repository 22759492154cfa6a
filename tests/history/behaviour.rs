//! What a history in a database does, whatever the engine.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::engines::{Home, ten_nights};
use crate::fixture::{failed_job, row};

/// Publishes a folder of artifacts as a workflow run.
fn publish(home: &Home, folder: &str, run: &str, attempt: &str, date: &str) -> Value {
    home.json(&[
        "publish",
        folder,
        "--to",
        &home.address,
        "--json",
        "--commit",
        "abc123",
        "--branch",
        "main",
        "--repo",
        "octo/bench",
        "--run-id",
        run,
        "--attempt",
        attempt,
        "--date",
        date,
        "--kind",
        "main",
    ])
}

fn counts(runs: [u64; 3], points: [u64; 3]) -> Value {
    json!({
        "runs": { "new": runs[0], "unchanged": runs[1], "revised": runs[2] },
        "points": { "new": points[0], "unchanged": points[1], "revised": points[2], "quarantined": 0 },
        "published": { "new": 0, "unchanged": 0, "revised": 0 },
    })
}

const DAY: &str = "2026-10-01T05:00:00Z";

pub fn same_content_is_no_change_and_other_content_a_revision(home: &Home) {
    for conc in [4, 8] {
        home.fixture.measured(&format!("run/{conc}"), &row(conc), 4000.0);
    }
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([1, 0, 0], [2, 0, 0]));
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([0, 1, 0], [0, 2, 0]));
    home.fixture.measured("run/8", &row(8), 4100.0);
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([0, 0, 1], [0, 1, 1]));
    let shown = home.json(&["history", "show", "1", "--history", &home.address, "--format", "json"]);
    assert_eq!(shown["run"]["points"][1]["outcome"]["measured"]["tput_per_gpu"], json!(1025.0));

    // A part of the run that was measured elsewhere adds to it; what the part lacks stays.
    home.fixture.measured("part/16", &row(16), 4200.0);
    assert_eq!(publish(home, "part", "77", "1", DAY), counts([0, 0, 1], [1, 0, 0]));
    assert_eq!(home.list(&[])[0]["points"], json!(3));
    home.verify();
}

pub fn table_of_a_run_says_how_power_was_measured(home: &Home) {
    for conc in [4, 8, 16] {
        home.fixture.measured(&format!("run/{conc}"), &row(conc), 4000.0);
    }
    for (conc, power) in [
        (4, json!({ "source": "imax", "kind": "sampled-and-counted", "scope": "gpus" })),
        (8, json!({ "source": "recipe", "kind": "sampled", "scope": "gpus" })),
    ] {
        let mut document = home.fixture.json(&format!("run/{conc}/agg_raw.json"));
        document["avg_power_w"] = json!(600.0);
        document["imax"]["provenance"] = json!({ "imax_version": "1.0.0", "power": power });
        home.fixture.write(&format!("run/{conc}/agg_raw.json"), &document.to_string());
    }
    publish(home, "run", "77", "1", DAY);
    let table = home.output(&["history", "show", "1", "--history", &home.address]);
    let cells = |words: &str| {
        let line = table.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{table}"));
        let cells = line.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty());
        cells.take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cells("power measured by"), ["power measured by", "kind", "scope", "points"]);
    assert_eq!(cells("sampled-and-counted"), ["imax", "sampled-and-counted", "gpus", "1"]);
    assert_eq!(cells("recipe"), ["recipe", "sampled", "gpus", "1"]);
}

pub fn earlier_state_is_read_byte_for_byte(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    publish(home, "run", "77", "1", DAY);
    let export = ["export", "--history", &home.address, "--format", "json"];
    let before = home.output(&export);
    let then = Utc::now();
    while Utc::now().timestamp_millis() <= then.timestamp_millis() {
        std::thread::yield_now();
    }
    home.fixture.measured("run/4", &row(4), 4400.0);
    publish(home, "run", "77", "1", DAY);
    publish(home, "run", "78", "1", "2026-10-02T05:00:00Z");
    home.output(&[
        "history",
        "retract",
        "1",
        "--history",
        &home.address,
        "--reason",
        "throttled",
        "--author",
        "jane",
    ]);
    assert_ne!(home.output(&export), before);

    let then = then.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut as_of = export.to_vec();
    as_of.extend(["--as-of", &then]);
    assert_eq!(home.output(&as_of), before);
    assert_eq!(home.list(&["--as-of", "2026-01-01T00:00:00Z"]), Vec::<Value>::new());
    home.verify();
}

pub fn attempts_of_a_workflow_run_are_runs_of_their_own(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    publish(home, "run", "77", "1", DAY);
    home.fixture.measured("run/4", &row(4), 4100.0);
    assert_eq!(publish(home, "run", "77", "2", DAY), counts([1, 0, 0], [1, 0, 0]));
    let attempts: Vec<_> = home.list(&[]).iter().map(|run| run["attempt"].clone()).collect();
    assert_eq!(attempts, [json!(2), json!(1)]);
}

pub fn report_job_that_runs_again_adds_nothing(home: &Home) {
    for conc in [4, 8] {
        home.fixture.measured(&format!("run/{conc}"), &row(conc), 4000.0);
    }
    publish(home, "run", "77", "1", DAY);
    assert_eq!(
        publish(home, "run", "77", "3", "2026-10-01T06:00:00Z"),
        counts([0, 1, 0], [0, 2, 0])
    );
    // One point was measured again.
    home.fixture.measured("run/8", &row(8), 4100.0);
    assert_eq!(publish(home, "run", "77", "4", DAY), counts([1, 0, 0], [1, 1, 0]));
    assert_eq!(home.list(&[]).len(), 2);
    home.verify();
}

/// A database of the history, which some commands need: itself, or a copy under a name.
fn database(home: &Home, copy: &str) -> String {
    if home.address.ends_with(".db") || home.address.starts_with("postgres") {
        return home.address.clone();
    }
    home.output(&["export", "--history", &home.address, "--format", "sqlite", "--out", copy]);
    copy.to_owned()
}

/// The values of the point at a concurrency, and the runs that have them.
fn values(home: &Home, database: &str, point: &str) -> Vec<(Value, Value)> {
    let series = home.json(&["history", "series", "--history", database, "--filter", point, "--json"]);
    let values = series[0]["values"].as_array().unwrap();
    values.iter().map(|value| (value["run"].clone(), value["value"].clone())).collect()
}

/// GitHub runs the failed rows of a workflow run again; the new attempt collects what the first one measured beside its own.
pub fn points_that_attempts_have_in_common_count_once(home: &Home) {
    for conc in [4, 8, 16] {
        home.fixture.measured(&format!("first/{conc}"), &row(conc), 4000.0);
        home.fixture.measured(&format!("second/{conc}"), &row(conc), 4000.0);
    }
    home.fixture.measured("second/8", &row(8), 4100.0);
    assert_eq!(publish(home, "first", "77", "1", DAY), counts([1, 0, 0], [3, 0, 0]));
    assert_eq!(
        publish(home, "second", "77", "2", "2026-10-01T06:00:00Z"),
        counts([1, 0, 0], [1, 2, 0])
    );
    let local = database(home, "attempts.db");
    assert_eq!(values(home, &local, "conc=4"), [(json!(2), json!(1000.0))]);
    assert_eq!(
        values(home, &local, "conc=8"),
        [(json!(1), json!(1000.0)), (json!(2), json!(1025.0))]
    );
    let curves = home.json(&["history", "curves", "--history", &local, "--branch", "main", "--json"]);
    let points = curves[0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 3, "the curve of the new attempt is whole");
    assert!(points.iter().all(|point| point.get("borrowed_from").is_none()), "{curves}");

    // Each of them again changes nothing, and the order in which they come makes no difference.
    assert_eq!(publish(home, "first", "77", "1", DAY), counts([0, 1, 0], [0, 3, 0]));
    assert_eq!(
        publish(home, "second", "77", "2", "2026-10-01T06:00:00Z"),
        counts([0, 1, 0], [0, 3, 0])
    );
    home.verify();
    let in_turn = home.output(&["export", "--history", &home.address, "--format", "json"]);
    let reversed = Home {
        fixture: home.fixture,
        address: "reversed.db".to_owned(),
        environment: Vec::new(),
    };
    publish(&reversed, "second", "77", "2", "2026-10-01T06:00:00Z");
    publish(&reversed, "first", "77", "1", DAY);
    assert_eq!(
        reversed.output(&["export", "--history", "reversed.db", "--format", "json"]),
        in_turn
    );
    reversed.verify();
}

/// What was withdrawn does not come back because a later attempt reports it.
pub fn retracted_attempt_keeps_its_points(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    publish(home, "run", "77", "1", DAY);
    home.output(&[
        "history",
        "retract",
        "1",
        "--history",
        &home.address,
        "--reason",
        "throttled",
        "--author",
        "jane",
    ]);
    home.fixture.measured("run/8", &row(8), 4000.0);
    assert_eq!(publish(home, "run", "77", "2", DAY), counts([1, 0, 0], [1, 1, 0]));
    let series = home.json(&["history", "series", "--history", &home.address, "--json"]);
    assert_eq!(series.as_array().unwrap().len(), 1, "{series}");
    home.verify();
}

/// The report that `imax action` writes beside what it collected.
pub fn verdicts_of_a_report_in_the_folder_are_kept(home: &Home) {
    home.fixture.measured("run/4", &row(4), 3000.0);
    home.fixture.measured("base/4", &row(4), 4000.0);
    home.output(&["collect", "run", "--out", "out"]);
    let publish = |id: &str| {
        let line = ["publish", "out", "--to", &home.address, "--commit", "a", "--repo", "o/b"];
        let date = format!("2026-10-0{id}T05:00:00Z");
        let numbers = ["--date", &date, "--run-id", id, "--attempt", "1", "--json"];
        home.output(&[&line[..], &numbers].concat());
        let newest = home.list(&["--newest", "1"])[0]["id"].to_string();
        home.json(&["history", "records", &newest, "--history", &home.address, "--json"])["verdicts"].clone()
    };
    home.output(&["report", "out", "--format", "json", "--out", "out/report.json"]);
    assert_eq!(publish("1"), json!([]), "without a baseline there are no verdicts");
    home.output(&[
        "report",
        "out",
        "--baseline",
        "base",
        "--format",
        "json",
        "--out",
        "out/report.json",
    ]);
    let verdicts = publish("2");
    assert_eq!(
        (&verdicts[0]["comparison"]["verdict"], verdicts.as_array().unwrap().len()),
        (&json!("worse"), 1)
    );
    // A report that is left of other numbers says nothing about these.
    home.fixture.measured("run/4", &row(4), 4000.0);
    home.output(&["collect", "run", "--out", "out"]);
    assert!(home.fixture.path("out/report.json").exists());
    assert_eq!(publish("3"), json!([]));
    home.fixture.write("out/report.json", "{");
    assert_eq!(publish("4"), json!([]), "a damaged report keeps no run out");
}

pub fn jobs_and_distributions_are_kept(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    let mut raw = home.fixture.json("run/4/raw.json");
    raw["input_lens"] = json!([1000, 1000]);
    raw["output_lens"] = json!([3, 3]);
    raw["ttfts"] = json!([0.1, 0.2]);
    raw["itls"] = json!([[0.01, 0.01], [0.02, 0.02]]);
    let seconds = (0..1500).map(|second| json!({ "second": second, "completed": 1, "chunks": 2, "in_flight": 4 }));
    raw["imax"] = json!({ "seconds": seconds.collect::<Vec<_>>() });
    home.fixture.write("run/4/raw.json", &raw.to_string());
    home.fixture
        .write("run/8/job.json", &failed_job(&row(8), "server", "it died").to_string());
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([1, 0, 0], [2, 0, 0]));
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([0, 1, 0], [0, 2, 0]));

    let show = ["history", "records", "1", "--history", &home.address, "--json"];
    let records = home.json(&show);
    let job = &records["jobs"][0];
    assert_eq!(
        (&job["outcome"], &job["reason"], &job["concurrencies"]),
        (&json!("server"), &json!("it died"), &json!([8]))
    );
    let found = &records["distributions"][0];
    assert_eq!(
        (&found["point"]["conc"], &found["ttft"]["count"], &found["itl"]["count"]),
        (&json!(4), &json!(2), &json!(4))
    );
    let p99 = found["ttft"]["p99"].as_f64().unwrap();
    assert!((0.098..0.102).contains(&p99), "{p99}");
    let slices = found["slices"].as_array().unwrap();
    assert_eq!(
        (slices.len(), &slices[0]["seconds"], &slices[0]["completed"]),
        (500, &json!(3), &json!(3))
    );
    let filtered = [&show[..], &["--filter", "conc=16"]].concat();
    assert_eq!(home.json(&filtered)["distributions"], json!([]));
    let table = home.output(&show[..5]);
    assert!(table.contains("it died") && table.contains("TTFT p50 ms"), "{table}");

    // They are part of what is exported, and a correction of them is one of the run.
    let export = home.output(&["export", "--history", &home.address, "--format", "json"]);
    home.fixture.write("export.json", &export);
    home.output(&["import", "export.json", "--to", "copy.db"]);
    assert_eq!(home.output(&["export", "--history", "copy.db", "--format", "json"]), export);
    raw["ttfts"] = json!([0.1, 0.3]);
    home.fixture.write("run/4/raw.json", &raw.to_string());
    assert_eq!(publish(home, "run", "77", "1", DAY), counts([0, 0, 1], [0, 2, 0]));
    home.verify();
}

pub fn verdicts_stay_as_they_were_given(home: &Home) {
    home.fixture.measured("run/4", &row(4), 3000.0);
    home.fixture.measured("base/4", &row(4), 4000.0);
    home.fixture.measured("slow/4", &row(4), 2000.0);
    let given = |base: &str| {
        let report = home.output(&["report", "run", "--baseline", base, "--base-name", base, "--format", "json"]);
        home.fixture.write("report.json", &report);
        let publish = [
            "publish",
            "run",
            "--to",
            &home.address,
            "--commit",
            "a",
            "--date",
            DAY,
            "--json",
            "--verdicts",
            "report.json",
        ];
        home.json(&publish)["runs"].clone()
    };
    assert_eq!(given("base")["new"], json!(1));
    let verdicts = || {
        let records = home.json(&["history", "records", "1", "--history", &home.address, "--json"]);
        let verdicts = records["verdicts"].as_array().unwrap().iter();
        verdicts
            .map(|given| (given["base"].clone(), given["comparison"]["verdict"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts(), [(json!("base"), json!("worse"))]);
    // Another comparison is another verdict.
    assert_eq!(given("slow")["revised"], json!(1));
    let mut both = verdicts();
    both.sort_by_key(|(base, _)| base.to_string());
    assert_eq!(both, [(json!("base"), json!("worse")), (json!("slow"), json!("better"))]);
    let table = home.output(&["history", "records", "1", "--history", &home.address]);
    assert!(table.contains("worse") && table.contains("slow"), "{table}");
    home.fixture.write("other.json", "{}");
    let refused = home.imax(&["publish", "run", "--to", &home.address, "--commit", "a", "--verdicts", "other.json"]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.stderr.contains("other.json: no report with a comparison"),
        "{}",
        refused.stderr
    );
}

pub fn unknown_dimension_is_quarantined(home: &Home) {
    for conc in [4, 8, 16] {
        home.fixture.measured(&format!("run/{conc}"), &row(conc), 4000.0);
    }
    home.output(&["collect", "run", "--out", "out"]);
    let mut run = home.fixture.json("out/run.json");
    run["run"]["points"][1]["key"]["curve"]["offload"] = json!("cpu");
    home.fixture.write("out/run.json", &run.to_string());
    let publish = ["publish", "out", "--to", &home.address, "--commit", "a", "--date", DAY, "--json"];

    let refused = home.imax(&publish);
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""));
    assert!(
        refused
            .stderr
            .contains("out/run.json: run.points[1]: the key has an unknown dimension `offload` (\"cpu\")"),
        "{}",
        refused.stderr
    );
    let missing = home.imax(&["history", "list", "--history", &home.address]);
    assert!(missing.stderr.contains("no such history"), "all or nothing: {}", missing.stderr);

    let mut partial = publish.to_vec();
    partial.push("--partial");
    assert_eq!(
        home.json(&partial)["points"],
        json!({ "new": 2, "unchanged": 0, "revised": 0, "quarantined": 1 })
    );
    assert_eq!(home.json(&partial)["points"]["unchanged"], json!(2));
    let kept = home.json(&["history", "quarantine", "--history", &home.address, "--json"]);
    assert_eq!(kept.as_array().unwrap().len(), 1, "once, though it was refused twice");
    assert!(kept[0]["payload"].as_str().unwrap().contains("\"offload\":\"cpu\""), "{kept}");
    home.verify();
}

pub fn retracted_run_counts_no_more(home: &Home) {
    let nights = ten_nights();
    home.output(&["import", nights.to_str().unwrap(), "--to", &home.address]);
    let newest = home.list(&["--newest", "1"]);
    let id = newest[0]["id"].to_string();
    let retract = [
        "history",
        "retract",
        &id,
        "--history",
        &home.address,
        "--reason",
        "GPU 3 was throttled",
        "--author",
        "jane",
    ];
    home.output(&retract);
    home.verify();
    assert_eq!(home.list(&[]).len(), 9);
    let all = home.list(&["--retracted"]);
    assert_eq!(
        (&all[0]["retracted"], &all[0]["retracted_by"]),
        (&json!("GPU 3 was throttled"), &json!("jane"))
    );
    for more in [&[][..], &["--dry-run"]] {
        let again = home.imax(&[&retract[..], more].concat());
        assert_eq!(again.code, 2);
        assert!(again.stderr.contains("already retracted"), "{}", again.stderr);
    }
    let restore = ["history", "restore", &id, "--history", &home.address, "--author", "joe"];
    let would = home.imax(&[&restore[..], &["--dry-run"]].concat());
    assert_eq!(would.code, 0, "{}", would.stderr);
    assert!(would.stderr.contains("would count again"), "{}", would.stderr);
    assert_eq!(home.list(&[]).len(), 9);

    home.output(&["history", "restore", &id, "--history", &home.address, "--author", "joe"]);
    assert_eq!(home.list(&[]), {
        let mut restored = all;
        for key in ["retracted", "retracted_by"] {
            restored[0].as_object_mut().unwrap().remove(key);
        }
        restored
    });
    home.verify();
    let missing = home.imax(&["history", "restore", "999", "--history", &home.address, "--author", "joe"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("run 999 is not in"), "{}", missing.stderr);
}

pub fn comparison_is_that_of_a_folder(home: &Home) {
    let nights = ten_nights();
    let head = nights.with_file_name("head");
    let (nights, head) = (nights.to_str().unwrap(), head.to_str().unwrap());
    home.output(&["import", nights, "--to", &home.address]);
    let report = |history: &str| {
        let baseline = format!("history:{history}");
        home.output(&["report", head, "--baseline", &baseline, "--base-name", "base", "--format", "json"])
    };
    assert_eq!(report(&home.address), report(nights));
    let compare = |history: &str| home.output(&["compare", head, head, "--history", history, "--format", "json"]);
    assert_eq!(compare(&home.address), compare(nights));
}

pub fn pull_requests_are_no_baseline(home: &Home) {
    let nights = ten_nights();
    home.output(&["import", nights.to_str().unwrap(), "--to", &home.address]);
    let head = nights.with_file_name("head");
    let head = head.to_str().unwrap();
    let baseline = format!("history:{}", home.address);
    let report = || home.output(&["report", head, "--baseline", &baseline, "--format", "json"]);
    let before = report();
    let publish = |kind: &str, date: &str| {
        home.output(&[
            "publish",
            head,
            "--to",
            &home.address,
            "--commit",
            "a",
            "--date",
            date,
            "--kind",
            kind,
        ]);
    };
    publish("pull-request", "2026-11-20T05:00:00Z");
    assert_eq!(report(), before);
    publish("main", "2026-11-21T05:00:00Z");
    assert_ne!(report(), before);
}

pub fn export_and_import_are_byte_stable(home: &Home) {
    let nights = ten_nights();
    home.output(&["import", nights.to_str().unwrap(), "--to", &home.address]);
    home.output(&["export", "--history", &home.address, "--format", "json", "--out", "one.json"]);
    assert_eq!(
        home.json(&["import", "one.json", "--to", &home.address, "--json"]),
        counts([0, 10, 0], [0, 30, 0]),
        "what was exported is there already"
    );
    home.output(&["import", "one.json", "--to", "other.db"]);
    let two = home.output(&["export", "--history", "other.db", "--format", "json"]);
    assert_eq!(two, home.fixture.read("one.json"));

    home.output(&["export", "--history", &home.address, "--format", "sqlite", "--out", "copy.db"]);
    assert_eq!(home.output(&["export", "--history", "copy.db", "--format", "json"]), two);
    let occupied = home.imax(&["export", "--history", &home.address, "--format", "sqlite", "--out", "copy.db"]);
    assert_eq!(occupied.code, 2, "{}", occupied.stderr);

    let csv = home.output(&["export", "--history", &home.address, "--format", "csv"]);
    assert_eq!(csv.lines().count(), 31);
    assert!(
        csv.starts_with("project,run,attempt,kind,branch,commit,started,model_prefix,"),
        "{csv}"
    );
}

pub fn failures_and_scores_are_kept(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    home.fixture
        .write("run/8/job.json", &failed_job(&row(8), "server", "CUDA out of memory").to_string());
    home.output(&["collect", "run", "--out", "out"]);
    let mut run = home.fixture.json("out/run.json");
    let key = json!({
        "model_prefix": "demo", "hardware": "h100", "framework": "sim", "precision": "fp8", "spec_decoding": "none", "layout": "tp4-ep1",
        "conc": 4, "task": "gsm8k", "score_name": "em_strict"
    });
    run["run"]["evals"] = json!([{ "key": key, "score": 0.912_345_678_901_234_5, "stderr": 0.01, "questions": 100 }]);
    // Numbers without a column, and of more digits than a careless reader keeps.
    run["run"]["points"][0]["outcome"]["measured"]["mean_queue"] = json!(0.1_f64 + 0.2_f64);
    home.fixture.write("out/run.json", &run.to_string());
    publish(home, "out", "77", "1", DAY);
    let shown = home.json(&["history", "show", "1", "--history", &home.address, "--format", "json"]);
    assert_eq!(shown["run"]["evals"], run["run"]["evals"]);
    let points = &shown["run"]["points"];
    assert_eq!(points[0]["outcome"]["measured"]["mean_queue"], json!(0.1_f64 + 0.2_f64));
    assert_eq!(points[1]["outcome"]["failed"], run["run"]["points"][1]["outcome"]["failed"]);
    assert_eq!(publish(home, "out", "77", "1", DAY), counts([0, 1, 0], [0, 2, 0]));
    let listed = &home.list(&[])[0];
    assert_eq!((&listed["points"], &listed["measured"]), (&json!(2), &json!(1)));
    home.verify();
}

pub fn dry_run_changes_nothing(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    home.output(&["publish", "run", "--to", &home.address, "--commit", "a", "--dry-run"]);
    let missing = home.imax(&["history", "list", "--history", &home.address]);
    assert!(
        missing.stderr.contains("no such history"),
        "the dry run made one: {}",
        missing.stderr
    );
    publish(home, "run", "77", "1", DAY);
    home.fixture.measured("run/4", &row(4), 4100.0);
    home.fixture.measured("run/8", &row(8), 4100.0);
    let would = home.json(&[
        "publish",
        "run",
        "--to",
        &home.address,
        "--json",
        "--commit",
        "abc123",
        "--branch",
        "main",
        "--repo",
        "octo/bench",
        "--run-id",
        "77",
        "--attempt",
        "1",
        "--date",
        DAY,
        "--kind",
        "main",
        "--dry-run",
    ]);
    assert_eq!(would, counts([0, 0, 1], [1, 0, 1]));
    assert_eq!(publish(home, "run", "77", "1", DAY), would, "what the dry run said is what happens");
}

/// The entries of a plan's changelog, with the curves that they made the run measure.
pub fn entries_of_the_changelog_are_tied_to_curves(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    home.output(&["collect", "run", "--out", "out"]);
    let curve = home.fixture.json("out/run.json")["run"]["points"][0]["key"]["curve"].clone();
    let mut other = curve.clone();
    other["framework"] = json!("sglang");
    let entry = |description: &str, curves: &[&Value]| {
        json!({
            "config-keys": ["demo-*"], "description": [description], "pr-link": "https://example.org/pull/7", "curves": curves,
        })
    };
    let changes = [
        entry("a faster kernel", &[&curve, &other]),
        entry("what this run did not measure", &[&other]),
        json!({ "curves": "all" }),
    ];
    let plan = json!({ "version": 1, "jobs": [], "search-space": { "single_node": { "x": [row(4)] } }, "changes": changes });
    home.fixture.write("plan.json", &plan.to_string());
    home.output(&["collect", "run", "--plan", "plan.json", "--out", "out"]);
    home.output(&[
        "publish",
        "out",
        "--to",
        &home.address,
        "--commit",
        "abc",
        "--branch",
        "main",
        "--date",
        DAY,
    ]);

    let changelog = |more: &[&str]| home.json(&[&["history", "changelog", "--history", &home.address, "--json"], more].concat());
    let found = changelog(&[]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(
        (&found[0]["description"], &found[0]["curves"], &found[0]["run"]),
        (&json!(["a faster kernel"]), &json!([curve]), &json!(1))
    );
    assert_eq!(changelog(&["--filter", "framework=sglang"]), json!([]));
    assert_eq!(changelog(&["--branch", "other"]), json!([]));
    let table = home.output(&["history", "changelog", "--history", &home.address]);
    assert!(table.contains("a faster kernel") && table.contains("2026-10-01"), "{table}");
    home.verify();

    // They are part of the run, wherever it goes.
    let export = home.output(&["export", "--history", &home.address, "--format", "json"]);
    home.fixture.write("export.json", &export);
    home.output(&["import", "export.json", "--to", "copy.db"]);
    let copied = home.json(&["history", "changelog", "--history", "copy.db", "--json"]);
    assert_eq!(copied, found);
    home.output(&[
        "history",
        "retract",
        "1",
        "--history",
        "copy.db",
        "--reason",
        "throttled",
        "--author",
        "jane",
    ]);
    assert_eq!(home.json(&["history", "changelog", "--history", "copy.db", "--json"]), json!([]));
}

pub fn prices_are_kept_with_their_days(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    publish(home, "run", "77", "1", DAY);
    let prices = |more: &[&str]| home.json(&[&["history", "prices", "--history", &home.address, "--json"], more].concat());
    let counted = |new: u64, unchanged: u64, revised: u64| json!({ "prices": { "new": new, "unchanged": unchanged, "revised": revised } });
    assert_eq!(prices(&[]), json!([]));
    let set = [
        "--set",
        "h100=2.5",
        "--set",
        "h200=3.5",
        "--provider",
        "example",
        "--kind",
        "reserved",
        "--date",
        "2026-01-01",
    ];
    assert_eq!(prices(&[&set[..], &["--dry-run"]].concat()), counted(2, 0, 0));
    assert_eq!(prices(&[]), json!([]), "a dry run stores nothing");
    assert_eq!(prices(&set), counted(2, 0, 0));
    assert_eq!(prices(&set), counted(0, 2, 0));
    let hardware = "facility: { pue: 1.2, carbon_g_per_kwh: 400 }\nhardware:\n  h100:\n    vendor: nvidia\n    cost:\n      tdp_w: 700\n      \
                    host_w: 200\n      prices:\n        - { provider: example, kind: reserved, date: 2026-01-01, usd_per_gpu_hour: 2.25 }\n        \
                    - { provider: example, date: 2026-06-01, usd_per_gpu_hour: 4 }\n";
    home.fixture.write("hardware.yaml", hardware);
    assert_eq!(
        prices(&["--import", "hardware.yaml"]),
        counted(1, 0, 1),
        "another amount of the same day is a correction"
    );
    let price = |hardware: &str, kind: &str, date: &str, usd: f64| json!({ "hardware": hardware, "provider": "example", "kind": kind, "date": date, "usd_per_gpu_hour": usd });
    let kept = json!([
        price("h100", "reserved", "2026-01-01", 2.25),
        price("h100", "on-demand", "2026-06-01", 4.0),
        price("h200", "reserved", "2026-01-01", 3.5),
    ]);
    assert_eq!(prices(&[]), kept);
    let table = home.output(&["history", "prices", "--history", &home.address]);
    assert!(table.contains("on-demand") && table.contains("2.25"), "{table}");

    // They are exported beside the runs, and read again.
    let export = home.output(&["export", "--history", &home.address, "--format", "json"]);
    home.fixture.write("export.json", &export);
    home.output(&["import", "export.json", "--to", "copy.db"]);
    assert_eq!(home.output(&["export", "--history", "copy.db", "--format", "json"]), export);
    assert_eq!(home.json(&["history", "prices", "--history", "copy.db", "--json"]), kept);
    home.verify();

    for (wrong, code, words) in [
        (&["--set", "h100=cheap", "--provider", "x"][..], 2, "not a number of US dollars"),
        (&["--set", "h100=-1", "--provider", "x"], 2, "expected US dollars for a GPU-hour"),
        (&["--import", "run/4/row.txt"], 3, "row.txt"),
    ] {
        let ended = home.imax(&[&["history", "prices", "--history", &home.address], wrong].concat());
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}
