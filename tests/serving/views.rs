//! What pages about changes, points and machines are made from: threads and their state, bisections, trends of curves, records, operations.

use serde_json::{Value, json};

use crate::client::{Served, sqlite, ten_nights};
use crate::fixture::Fixture;

fn rows(answer: &Value) -> &Vec<Value> {
    answer["data"].as_array().unwrap()
}

/// A server that takes annotations, and a token for them.
struct Annotated {
    served: Served,
    bearer: String,
}

impl Annotated {
    fn start(fixture: &Fixture) -> Self {
        let history = sqlite(fixture);
        let token = ["token", "create", "--history", &history, "--name", "jane", "--scope", "annotate"];
        let ended = fixture.imax(&token, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        Self {
            served: Served::start(&history, &["--writes"]),
            bearer: format!("Bearer {}", ended.stdout.trim()),
        }
    }

    fn post(&self, path: &str, document: &Value) -> (u16, Value) {
        let headers = [("Authorization", self.bearer.as_str()), ("Content-Type", "application/json")];
        let answer = self.served.send("POST", path, &headers, document.to_string().as_bytes());
        (answer.status, answer.json())
    }

    /// The only thread of the ten nights: one concurrency lost throughput with run 6.
    fn thread(&self) -> Value {
        let found = self.served.json("/api/v1/regressions");
        assert_eq!(rows(&found).len(), 1, "{found}");
        found["data"][0].clone()
    }
}

#[test]
fn thread_is_open_until_somebody_says_what_it_is() {
    let fixture = Fixture::new();
    let annotated = Annotated::start(&fixture);
    let thread = annotated.thread();
    assert_eq!((&thread["state"], &thread["points"]), (&json!("open"), &json!(1)));
    assert_eq!((&thread["good"]["run"], &thread["bad"]["run"]), (&json!(5), &json!(6)));
    let largest = &thread["largest"];
    assert!(
        largest["relative"].as_f64().unwrap() < largest["high"].as_f64().unwrap(),
        "{largest}"
    );
    let note = |kind: &str, more: Value| {
        let mut document = json!({ "kind": kind, "text": "known to us", "run": 6, "filters": ["hardware=h100", "framework=sim"] });
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document
    };
    let mut withdrawn = Value::Null;
    for (document, state) in [
        (note("note", json!({})), "open"),
        (note("acknowledged", json!({ "filters": ["hardware=b200"] })), "open"),
        (note("acknowledged", json!({})), "acknowledged"),
        (note("expected", json!({ "to": "2026-11-07T00:00:00Z" })), "acknowledged"),
        (note("expected", json!({ "to": "9000-01-01T00:00:00Z" })), "expected"),
    ] {
        let (status, answer) = annotated.post("/api/v1/annotations", &document);
        assert_eq!(status, 201, "{answer}");
        withdrawn = answer["id"].clone();
        assert_eq!(annotated.thread()["state"], state, "{document}");
    }
    for (state, expected) in [("open", 0), ("expected", 1)] {
        assert_eq!(
            rows(&annotated.served.json(&format!("/api/v1/regressions?state={state}"))).len(),
            expected
        );
    }
    let (status, _) = annotated.post(&format!("/api/v1/annotations/{withdrawn}/withdraw"), &json!({}));
    assert_eq!((status, annotated.thread()["state"].clone()), (200, json!("acknowledged")));
    for (path, status) in [
        ("/api/v1/regressions?state=odd", 400),
        ("/api/v1/regressions?as_of=2026-11-01T00:00:00Z", 200),
        ("/api/v1/regressions?branch=other", 200),
        ("/api/v1/bisection", 400),
        ("/api/v1/bisection?thread=none", 404),
    ] {
        assert_eq!(annotated.served.get(path).status, status, "{path}");
    }
}

#[test]
fn bisection_measures_only_the_points_that_changed() {
    let fixture = Fixture::new();
    let annotated = Annotated::start(&fixture);
    let thread = annotated.thread();
    let path = format!("/api/v1/bisection?thread={}", thread["thread"].as_str().unwrap());
    let found = annotated.served.json(&path);
    let conc = &thread["largest"]["key"]["conc"];
    assert_eq!(
        found["comment"],
        format!("/sweep full demo-fp8-h100-sim* conc={conc} seq-lens=1k1k")
    );
    assert_eq!((&found["between"], &found["tried"]), (&json!([]), &json!([])));
    let commands = found["commands"].as_str().unwrap();
    let bisect = "git rev-list --bisect 06c0ffeec0ffeec0ffeec0ffeec0ffeec0ffee ^05c0ffeec0ffeec0ffeec0ffeec0ffeec0ffee";
    assert!(commands.contains(bisect), "{commands}");
    // A run of the middle, which is as good as before.
    let night = std::fs::read_dir(ten_nights())
        .unwrap()
        .map(|night| night.unwrap().path())
        .min()
        .unwrap();
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(night).unwrap()).unwrap();
    run["commit"] = json!("aac0ffeec0ffeec0ffeec0ffeec0ffeec0ffee");
    run["date"] = json!("2026-11-12T05:00:00Z");
    run["branch"] = json!(format!("bisect-{}", thread["thread"].as_str().unwrap()));
    run["context"] = json!({ "kind": "pull-request", "pull_request": 7, "provider": "github", "repository": "org/name", "attempt": 1 });
    run["run_id"] = json!("99");
    fixture.write("tried/20261112T050000Z-aac0ffeec0ff.json", &run.to_string());
    assert_eq!(fixture.imax(&["import", "tried", "--to", "history.db"], &[]).code, 0);
    let found = annotated.served.json(&path);
    assert_eq!(
        (found["tried"][0]["is_good"].clone(), found["tried"][0]["run"].clone()),
        (json!(true), json!(11))
    );
    let commands = found["commands"].as_str().unwrap();
    assert!(commands.contains("^aac0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"), "{commands}");
    let runs = annotated.served.json("/api/v1/runs?limit=1");
    assert_eq!(
        (&runs["data"][0]["pull_request"], &runs["data"][0]["url"]),
        (&json!(7), &json!("https://github.com/org/name/actions/runs/99/attempts/1"))
    );
}

#[test]
fn curves_are_averaged_over_common_points_and_read_at_an_interactivity() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let means = served.json("/api/v1/trends");
    assert_eq!(rows(&means).len(), 1);
    let values = means["data"][0]["values"].as_array().unwrap();
    let first = &values[0];
    assert_eq!(
        (values.len(), &first["points"], &first["reading"]),
        (10, &json!(3), &json!("measured"))
    );
    let points = served.json("/api/v1/points?run=1&fields=tput_per_gpu");
    let logs = rows(&points).iter().map(|point| point["tput_per_gpu"].as_f64().unwrap().ln());
    let mean = (logs.sum::<f64>() / 3.0).exp();
    assert!((first["value"].as_f64().unwrap() / mean - 1.0).abs() < 1e-9, "{first}");
    for (at, reading) in [("1e9", "unreachable"), ("0.001", "below-measured")] {
        let found = served.json(&format!("/api/v1/trends?at={at}"));
        let value = &found["data"][0]["values"][0];
        assert_eq!((&value["reading"], &value["value"]), (&json!(reading), &Value::Null));
    }
    for wrong in ["at=0", "at=x", "metric=odd"] {
        assert_eq!(served.get(&format!("/api/v1/trends?{wrong}")).status, 400, "{wrong}");
    }
    let csv = served.get("/api/v1/trends.csv").text();
    assert_eq!(csv.lines().count(), 11, "{csv}");
}

/// A run with a job, distributions and slices, as a history keeps them.
fn recorded(fixture: &Fixture) -> String {
    let night = std::fs::read_dir(ten_nights())
        .unwrap()
        .map(|night| night.unwrap().path())
        .min()
        .unwrap();
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(night).unwrap()).unwrap();
    let key = run["run"]["points"][0]["key"].clone();
    run["run"]["points"][0]["provenance"] = json!({ "engine_version": "0.12.0", "runtime_args": "--max-num-seqs 256 --fast" });
    run["run"]["records"] = json!([
        {
            "record": "distributions", "point": key, "ttft": { "zeros": 1, "bins": [[-115, 8], [-100, 2]] },
            "slices": [{ "second": 0, "seconds": 1, "completed": 2, "failed": 0, "chunks": 40, "mean_ttft_ms": 104.0, "in_flight": 4 }]
        },
        {
            "record": "job", "job_id": "imax-1", "curve": key["curve"], "concurrencies": [4, 16], "outcome": "server", "reason": "out of memory",
            "seconds": 1860.0, "attempts": 2, "runner": "h100-node1",
            "phases": [{ "phase": "queue", "seconds": 60.0, "ending": "done" }, { "phase": "load", "seconds": 1800.0, "ending": "failed" }]
        }
    ]);
    fixture.write("recorded/20261101T050000Z-01c0ffeec0ff.json", &run.to_string());
    let imported = fixture.imax(&["import", "recorded", "--to", "recorded.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    fixture.path("recorded.db").to_str().unwrap().to_owned()
}

#[test]
fn records_of_a_point_are_shown_beside_its_numbers() {
    let fixture = Fixture::new();
    let served = Served::start(&recorded(&fixture), &[]);
    let point = served.json("/api/v1/points?filter=conc=4&fields=curve");
    let curve = point["data"][0]["curve"].as_str().unwrap();
    let found = served.json(&format!("/api/v1/records?run=1&conc=4&curve={}", &curve[..16]));
    let ttft = &found["distributions"][0];
    assert_eq!((&ttft["title"], &ttft["count"]), (&json!("TTFT"), &json!(11)));
    let bars = ttft["bars"].as_array().unwrap();
    assert_eq!(bars.iter().map(|bar| bar["count"].as_u64().unwrap()).sum::<u64>(), 11);
    assert_eq!(
        (&found["slices"][0]["chunks"], &found["jobs"][0]["runner"]),
        (&json!(40), &json!("h100-node1"))
    );
    let setting = |name: &str| {
        let all = found["configuration"].as_array().unwrap();
        all.iter()
            .find(|setting| setting["name"] == name)
            .map(|setting| setting["value"].clone())
    };
    assert_eq!(
        (setting("argument max-num-seqs"), setting("argument fast")),
        (Some(json!("256")), Some(json!("")))
    );
    let against = served.json(&format!("/api/v1/records?run=1&conc=4&curve={curve}&against=1"));
    assert_eq!(against["differences"], json!([]));
    for (query, status) in [
        (format!("run=1&conc=4&curve={}", &curve[..7]), 400),
        ("run=1&conc=4&curve=00000000".to_owned(), 404),
        (format!("run=1&conc=5&curve={curve}"), 404),
        (format!("run=9&conc=4&curve={curve}"), 404),
        (format!("run=1&conc=0&curve={curve}"), 400),
        (format!("conc=4&curve={curve}"), 400),
    ] {
        assert_eq!(served.get(&format!("/api/v1/records?{query}")).status, status, "{query}");
    }
}

#[test]
fn operations_are_summed_from_job_records() {
    let fixture = Fixture::new();
    let served = Served::start(&recorded(&fixture), &[]);
    let found = served.json("/api/v1/operations");
    let total = &found["total"];
    assert_eq!(
        (&total["jobs"], &total["failed"], &total["retried"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // Half an hour of four GPUs, without the minute in the queue.
    assert_eq!((&total["gpu_hours"], &total["median_queue_s"]), (&json!(2.0), &json!(60.0)));
    assert_eq!(
        (&found["machines"][0]["machine"], &found["machines"][0]["is_silent"]),
        (&json!("h100-node1"), &json!(false))
    );
    assert_eq!(
        (&found["failures"][0]["phase"], &found["failures"][0]["class"]),
        (&json!("load"), &json!("server"))
    );
    assert_eq!(
        found["outcomes"],
        json!([{ "day": "2026-11-01T00:00:00Z", "outcome": "measured", "points": 3 }])
    );
    let none = served.json("/api/v1/operations?filter=hardware=b200");
    assert_eq!((&none["total"]["jobs"], &none["outcomes"]), (&json!(0), &json!([])));
    let without = Served::start(&sqlite(&fixture), &[]);
    assert_eq!(without.json("/api/v1/operations")["total"]["jobs"], 0);
}

#[test]
fn annotations_name_the_points_that_charts_mark() {
    let fixture = Fixture::new();
    let annotated = Annotated::start(&fixture);
    assert_eq!(rows(&annotated.served.json("/api/v1/annotated")).len(), 0);
    let document = json!({ "kind": "invalid", "text": "throttled", "run": 10, "filters": ["conc=64"] });
    assert_eq!(annotated.post("/api/v1/annotations", &document).0, 201);
    let earlier = json!({ "kind": "known-issue", "text": "old driver", "run": 3 });
    assert_eq!(annotated.post("/api/v1/annotations", &earlier).0, 201);
    let found = annotated.served.json("/api/v1/annotated");
    assert_eq!(rows(&found).len(), 1, "run 3 is not among the newest curves");
    let points = found["data"][0]["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[0]["conc"], &points[0]["run"]), (1, &json!(64), &json!(10)));
    let of_run = annotated.served.json("/api/v1/annotated?run=3");
    assert_eq!((rows(&of_run).len(), rows(&of_run)[0]["points"].as_array().unwrap().len()), (1, 3));
    let (status, answer) = annotated.post("/api/v1/annotations", &json!({ "kind": "odd", "text": "x" }));
    assert_eq!(status, 422);
    assert!(
        answer["detail"].as_str().unwrap().contains("acknowledged, expected, invalid, note"),
        "{answer}"
    );
}

#[test]
fn comparison_says_who_won_and_what_differs() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let found = served.json("/api/v1/compare?base=run:5&head=run:6");
    let summary = &found["summary"];
    assert!(
        summary["sentences"][0]
            .as_str()
            .unwrap()
            .starts_with("Of 3 points that run:6 and run:5 have in common"),
        "{summary}"
    );
    let groups: Vec<(&Value, &Value)> = summary["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["by"], &group["name"]))
        .collect();
    assert_eq!(groups, [(&json!("model"), &json!("demo")), (&json!("hardware"), &json!("h100"))]);
    assert_eq!(found["configuration"][0]["pairs"], 3);
    let hardware = served.json("/api/v1/compare?base=hardware:h100&head=hardware:h100");
    assert_eq!(hardware["configuration"][0]["differences"], json!([]));
}
