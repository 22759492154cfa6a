//! What the routes answer.

use serde_json::{Value, json};

use crate::client::{Served, publish, sqlite};
use crate::fixture::{Fixture, failed_job, row};

fn rows(answer: &Value) -> &Vec<Value> {
    answer["data"].as_array().unwrap()
}

#[test]
fn filters_select_as_those_of_the_commands() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    for (query, expected) in [
        ("", 30),
        ("filter=conc=64", 10),
        ("filter=conc=64&filter=conc=16", 20),
        ("filter=conc=64&filter=hardware=h2*", 0),
        ("filter=hardware=h[12]00&filter=model=d*", 30),
        ("run=3", 3),
        ("since=2026-11-09T00:00:00Z", 6),
        ("since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z", 3),
        ("branch=main&kind=import&outcome=measured", 30),
        ("branch=other", 0),
    ] {
        let found = served.json(&format!("/api/v1/points?{query}"));
        assert_eq!(rows(&found).len(), expected, "{query}");
    }
    for wrong in [
        "filter=colour=red",
        "run=x",
        "run=0",
        "since=yesterday",
        "kind=odd",
        "outcome=odd",
        "limit=0",
        "run=1&run=2",
    ] {
        assert_eq!(served.get(&format!("/api/v1/points?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn curve_comes_from_one_run() {
    let fixture = Fixture::new();
    for conc in [4, 8, 16] {
        fixture.measured(&format!("first/{conc}"), &row(conc), 4000.0);
    }
    fixture.measured("second/8", &row(8), 5000.0);
    for (folder, date) in [("first", "2026-10-01T05:00:00Z"), ("second", "2026-10-02T05:00:00Z")] {
        publish(&fixture, folder, date, &["--kind", "main"]);
    }
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let curves = served.json("/api/v1/curves?fields=conc,tput_per_gpu");
    assert_eq!(rows(&curves).len(), 1);
    assert_eq!(curves["data"][0]["points"], json!([{ "conc": 8, "tput_per_gpu": 1250.0 }]));
    assert_eq!(curves["data"][0]["run"], 2);
}

#[test]
fn earlier_state_is_answered_byte_for_byte() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let paths = [
        "/api/v1/points",
        "/api/v1/curves",
        "/api/v1/runs",
        "/api/v1/reliability",
        "/api/v1/projects",
        "/api/v1/facets",
        "/api/v1/changes",
        "/api/v1/annotations",
        "/api/v1/mlperf",
        "/api/v1/quarantine",
        "/api/v1/series?branch=main",
        "/badge/interactivity.svg?filter=conc=64",
    ];
    let before: Vec<Vec<u8>> = paths.iter().map(|path| served.get(path).body).collect();
    let then = chrono::Utc::now();
    while chrono::Utc::now().timestamp_millis() <= then.timestamp_millis() {
        std::thread::yield_now();
    }
    let retract = [
        "history",
        "retract",
        "10",
        "--history",
        &history,
        "--reason",
        "throttled",
        "--author",
        "jane",
    ];
    assert_eq!(fixture.imax(&retract, &[]).code, 0);
    let then = then.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for (path, before) in paths.iter().zip(before) {
        if !path.contains("annotations") && !path.contains("mlperf") && !path.contains("quarantine") {
            assert_ne!(served.get(path).body, before, "{path}");
        }
        let mark = if path.contains('?') { '&' } else { '?' };
        let earlier = served.get(&format!("{path}{mark}as_of={then}"));
        assert_eq!(String::from_utf8_lossy(&earlier.body), String::from_utf8_lossy(&before), "{path}");
    }
    let none = served.json("/api/v1/points?as_of=2026-01-01T00:00:00Z");
    assert!(rows(&none).is_empty());
}

#[test]
fn run_tells_what_failed_and_where_it_comes_from() {
    let fixture = Fixture::new();
    fixture.measured("run/4", &row(4), 4000.0);
    fixture.write("run/8/job.json", &failed_job(&row(8), "server", "out of memory").to_string());
    publish(&fixture, "run", "2026-10-01T05:00:00Z", &[]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let run = served.json("/api/v1/runs/1");
    assert_eq!((&run["run"]["points"], &run["run"]["measured"]), (&json!(2), &json!(1)));
    assert_eq!(run["failures"][0]["class"], "server");
    assert_eq!(run["failures"][0]["reason"], "out of memory");
    let digest = run["files"][0].as_str().unwrap();
    let file = served.json(&format!("/api/v1/files/{digest}"));
    assert_eq!((&file["digest"], &file["runs"]), (&json!(digest), &json!([1])));
    assert_eq!(served.get(&format!("/api/v1/files/{}", "0".repeat(64))).status, 404);
    let reliability = served.json("/api/v1/reliability");
    assert_eq!(reliability["data"][0]["outcomes"], json!({ "measured": 1, "server": 1 }));
    let failed = served.json("/api/v1/points?outcome=server&fields=reason,tput_per_gpu");
    assert_eq!(failed["data"], json!([{ "reason": "out of memory", "tput_per_gpu": null }]));
}

#[test]
fn sets_are_paired_exactly_and_the_unpaired_have_a_reason() {
    let fixture = Fixture::new();
    for (hardware, concs, throughput) in [("h100", [4, 8], 4000.0), ("h200", [4, 16], 6000.0)] {
        for conc in concs {
            let mut row = row(conc);
            row["runner"] = json!(hardware);
            fixture.measured(&format!("run/{hardware}-{conc}"), &row, throughput);
        }
    }
    publish(&fixture, "run", "2026-10-01T05:00:00Z", &["--kind", "main"]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let found = served.json("/api/v1/compare?base=hardware:h100&head=hardware:h200");
    let points = found["comparison"]["points"].as_array().unwrap();
    let paired: Vec<&Value> = points
        .iter()
        .filter(|point| !point["changes"].as_array().unwrap().is_empty())
        .collect();
    assert_eq!(paired.len(), 1);
    let change = &paired[0]["changes"][0];
    assert_eq!(
        (&change["metric"], &change["base"], &change["head"]),
        (&json!("throughput-per-gpu"), &json!(1000.0), &json!(1500.0))
    );
    let unpaired: Vec<(&str, &str)> = found["unpaired"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| (point["only_in"].as_str().unwrap(), point["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        unpaired,
        [
            ("base", "the other side has the curve, not concurrency 8"),
            ("head", "the other side has the curve, not concurrency 16")
        ]
    );
    for wrong in [
        "base=run:1",
        "base=run:x&head=run:1",
        "base=colour:red&head=run:1",
        "base=hardware:h*&head=run:1",
    ] {
        assert_eq!(served.get(&format!("/api/v1/compare?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(served.get("/api/v1/compare?base=run:1&head=run:7").status, 404);
}

#[test]
fn frontier_is_read_where_it_was_measured_and_nowhere_else() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let found = served.json("/api/v1/frontier?at=87.245&at=100&at=100000&at=1");
    let frontier = &found["data"][0];
    let kinds: Vec<&str> = frontier["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reading| reading["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["measured", "between", "unreachable", "below-measured"]);
    let readings = &frontier["readings"];
    assert!(readings[2]["throughput_per_gpu"].is_null() && readings[3]["throughput_per_gpu"].is_null());
    let (low, value, high) = (&readings[1]["low"], &readings[1]["throughput_per_gpu"], &readings[1]["high"]);
    assert!(low.as_f64() < value.as_f64() && value.as_f64() < high.as_f64());
    assert_eq!(served.get("/api/v1/frontier?at=0").status, 400);
}

#[test]
fn cheapest_configuration_meets_the_objectives() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let all = served.json("/api/v1/cheapest?tokens=output&tokens_per_month=1e12");
    let costs: Vec<f64> = rows(&all).iter().map(|row| row["usd_per_million"].as_f64().unwrap()).collect();
    assert_eq!(costs.len(), 3);
    assert!(costs.is_sorted());
    let first = &all["data"][0];
    let per_month = first["usd_per_month"].as_f64().unwrap();
    assert!((per_month / (first["usd_per_million"].as_f64().unwrap() * 1e6) - 1.0).abs() < 1e-9);
    assert!(
        first["gpus_for_month"].as_f64().unwrap() % 4.0 < 1e-9,
        "whole deployments of 4 GPUs"
    );
    let fast = served.json("/api/v1/cheapest?slo=interactivity:median%3E100");
    assert!(rows(&fast).iter().all(|row| row["interactivity"].as_f64().unwrap() > 100.0) && rows(&fast).len() < 3);
    for wrong in ["slo=ttft", "tokens=all", "provider=nobody", "tokens_per_month=-1"] {
        assert_eq!(served.get(&format!("/api/v1/cheapest?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn badge_and_chart_are_pictures_without_scripts() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let badge = served.send(
        "GET",
        "/badge/throughput-per-gpu.svg?filter=conc=64",
        &[("Accept", "image/svg+xml")],
        b"",
    );
    assert_eq!(
        (badge.status, badge.header("content-type")),
        (200, Some("image/svg+xml")),
        "{}",
        badge.text()
    );
    // The level fell on the sixth night, and the tenth is within a month of it.
    assert!(badge.text().contains(">5,569 tok/s/GPU, down "), "{}", badge.text());
    assert_eq!(badge.header("cache-control"), Some("public, max-age=300"));
    let card = served.get("/card/throughput-per-gpu.png?filter=conc=64");
    assert_eq!((card.status, card.header("content-type")), (200, Some("image/png")));
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&card.body)).read_info().unwrap();
    assert_eq!((decoder.info().width, decoder.info().height), (1200, 630));
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.next_frame(&mut pixels).unwrap();
    assert!(
        pixels.chunks(3).any(|pixel| pixel == [0xf0, 0x88, 0x3e]),
        "what got worse has its colour"
    );
    let tag = card.header("etag").unwrap().to_owned();
    let known = served.send(
        "GET",
        "/card/throughput-per-gpu.png?filter=conc=64",
        &[("If-None-Match", &tag)],
        b"",
    );
    assert_eq!(known.status, 304);
    assert!(badge.header("etag").is_some());
    let chart = served.get("/chart/ttft.svg");
    assert_eq!(chart.text().matches("<polyline").count(), 3, "{}", chart.text());
    for picture in [&badge, &chart] {
        let text = picture.text();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>"));
        assert!(!text.contains("<script") && !text.contains("href"));
    }
    for (path, status) in [
        ("/badge/throughput-per-gpu.svg", 400),
        ("/badge/ttft.svg?filter=conc=3", 404),
        ("/badge/odd.svg", 400),
        ("/chart/ttft.png", 404),
        ("/card/ttft.svg", 404),
        ("/card/throughput-per-gpu.png", 400),
        ("/card/ttft.png?filter=conc=3", 404),
    ] {
        assert_eq!(served.get(path).status, status, "{path}");
    }
}

#[test]
fn facets_count_what_a_filter_would_select() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let found = served.json("/api/v1/facets?filter=conc=64");
    let count = |dimension: &str, value: &str| {
        let row = rows(&found)
            .iter()
            .find(|row| row["dimension"] == dimension && row["value"] == value);
        row.map(|row| row["points"].as_i64().unwrap())
    };
    assert_eq!(
        (count("hardware", "h100"), count("conc", "64"), count("conc", "16")),
        (Some(10), Some(10), Some(10))
    );
}

/// The rule of facets, checked by counting the points of a filter for each value.
#[test]
fn facet_of_a_value_is_the_number_of_points_beside_the_other_filters() {
    let fixture = Fixture::new();
    for (hardware, framework, concs) in [("h100", "sim", vec![4, 8]), ("h200", "sim", vec![4, 16]), ("h200", "vllm", vec![8])] {
        for conc in concs {
            let mut row = row(conc);
            (row["runner"], row["framework"]) = (json!(hardware), json!(framework));
            fixture.measured(&format!("run/{hardware}-{framework}-{conc}"), &row, 4000.0);
        }
    }
    publish(&fixture, "run", "2026-10-01T05:00:00Z", &[]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    for filters in [
        vec![],
        vec!["hardware=h200"],
        vec!["hardware=h2*", "conc=4"],
        vec!["framework=vllm", "conc=16", "conc=8"],
        vec!["hardware=h100", "framework=vllm"],
        vec!["model=none"],
    ] {
        let query: String = filters.iter().map(|filter| format!("&filter={filter}")).collect();
        let facets = served.json(&format!("/api/v1/facets?branch=main{query}"));
        assert_eq!(rows(&facets).len(), 11, "every value of every dimension: {facets}");
        for facet in rows(&facets) {
            let dimension = facet["dimension"].as_str().unwrap();
            let others = filters.iter().filter(|filter| !filter.starts_with(&format!("{dimension}=")));
            let others: String = others.map(|filter| format!("&filter={filter}")).collect();
            let value = facet["value"].as_str().unwrap();
            let selected = served.json(&format!("/api/v1/points?fields=id{others}&filter={dimension}={value}"));
            assert_eq!(
                facet["points"].as_i64(),
                i64::try_from(rows(&selected).len()).ok(),
                "{filters:?}: {facet}"
            );
        }
    }
    let filtered = served.json("/api/v1/reliability?filter=hardware=h200&filter=conc=8");
    assert_eq!(rows(&filtered).len(), 1);
    assert_eq!(
        (&filtered["data"][0]["framework"], &filtered["data"][0]["points"]),
        (&json!("vllm"), &json!(1))
    );
}

#[test]
fn changes_of_levels_stand_beside_what_people_know() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let annotate = [
        "history",
        "annotate",
        "--history",
        &history,
        "--filter",
        "conc=64",
        "--from",
        "2026-11-06T00:00:00Z",
        "--to",
        "2026-11-07T00:00:00Z",
        "--kind",
        "change",
        "--text",
        "new driver",
        "--author",
        "jane",
    ];
    assert_eq!(fixture.imax(&annotate, &[]).code, 0);
    let served = Served::start(&history, &[]);
    let found = served.json("/api/v1/changes?metric=throughput-per-gpu&filter=conc=64");
    let change = &found["data"][0];
    assert_eq!(
        (&change["after_run"], &change["run"], &change["verdict"]),
        (&json!(5), &json!(6), &json!("worse"))
    );
    assert_eq!(change["annotations"][0]["text"], "new driver");
    let series = served.json("/api/v1/series?filter=conc=64&branch=main&by=commit");
    assert_eq!(series["data"][0]["levels"].as_array().unwrap().len(), 2);
    assert_eq!(series["data"][0]["values"][0]["x"], series["data"][0]["values"][0]["commit"]);
    assert_eq!(rows(&served.json("/api/v1/annotations")).len(), 1);
}
