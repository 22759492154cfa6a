//! Formats, pages, columns, and answers that the client has already.

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::client::{Served, sqlite};
use crate::fixture::{Fixture, row};

fn served(fixture: &Fixture) -> Served {
    Served::start(&sqlite(fixture), &[])
}

#[test]
fn suffix_and_accept_choose_the_format() {
    let fixture = Fixture::new();
    let served = served(&fixture);
    for (path, accept, content_type) in [
        ("/api/v1/points", "", "application/json"),
        ("/api/v1/points.csv", "", "text/csv; charset=utf-8; header=present"),
        ("/api/v1/points.ndjson", "", "application/x-ndjson"),
        ("/api/v1/points", "text/csv", "text/csv; charset=utf-8; header=present"),
        ("/api/v1/runs", "application/x-ndjson;q=0.9, image/png", "application/x-ndjson"),
        ("/api/v1/runs.json", "text/csv", "application/json"),
    ] {
        let answer = served.send("GET", path, &[("Accept", accept)], b"");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(content_type)),
            "{path} {accept}"
        );
    }
    let refused = served.send("GET", "/api/v1/points", &[("Accept", "image/png")], b"");
    assert_eq!(refused.status, 406);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
}

#[test]
fn formats_have_the_same_points() {
    let fixture = Fixture::new();
    let served = served(&fixture);
    let query = "?fields=run,conc,tput_per_gpu,mean_ttft,disagg,started";
    let document = served.json(&format!("/api/v1/points{query}"));
    let json = document["data"].as_array().unwrap();
    assert_eq!(json.len(), 30);
    let ndjson = served.get(&format!("/api/v1/points.ndjson{query}")).text();
    let lines: Vec<serde_json::Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, json);
    let csv = served.get(&format!("/api/v1/points.csv{query}")).text();
    assert_eq!(csv.lines().next(), Some("run,conc,tput_per_gpu,mean_ttft,disagg,started"));
    let first = &json[0];
    let expected = format!("{},{},{},", first["run"], first["conc"], first["tput_per_gpu"]);
    assert!(csv.lines().nth(1).unwrap().starts_with(&expected), "{csv}");

    let parquet = served.get(&format!("/api/v1/points.parquet{query}"));
    let reader = SerializedFileReader::new(Bytes::from(parquet.body)).unwrap();
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 30);
    assert!(rows[0].contains(&format!("run: {}", first["run"])), "{}", rows[0]);
}

#[test]
fn absent_number_is_null_and_never_zero() {
    let fixture = Fixture::new();
    let served = served(&fixture);
    let document = served.json("/api/v1/points?limit=1&fields=avg_power_w,p99.9_ttft,reason");
    assert_eq!(
        document["data"][0].to_string(),
        r#"{"avg_power_w":null,"p99.9_ttft":null,"reason":null}"#
    );
    let csv = served.get("/api/v1/points.csv?limit=1&fields=avg_power_w,conc").text();
    assert!(csv.lines().nth(1).unwrap().starts_with(','), "{csv}");
}

#[test]
fn pages_join_without_gap_or_repetition_in_every_order() {
    let fixture = Fixture::new();
    let served = served(&fixture);
    for sort in ["-started", "started", "tput_per_gpu", "-mean_ttft", "avg_power_w", "-conc", "-id"] {
        let all = served.json(&format!("/api/v1/points?fields=id&sort={sort}"));
        let expected: Vec<i64> = all["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_i64().unwrap())
            .collect();
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = served.json(&format!("/api/v1/points?fields=id&sort={sort}&limit=7{cursor}"));
            found.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected, "{sort}");
    }
    let wrong = served.get("/api/v1/points?sort=tput_per_gpu&cursor=w1.2");
    assert_eq!(wrong.status, 400);
}

#[test]
fn numbers_are_sorted_and_absent_ones_are_last() {
    let fixture = Fixture::new();
    for (conc, throughput) in [(4, 4000.0), (8, 9000.0), (16, 2000.0)] {
        fixture.measured(&format!("run/{conc}"), &row(conc), throughput);
    }
    let failed = crate::fixture::failed_job(&row(32), "server", "out of memory");
    fixture.write("run/32/job.json", &failed.to_string());
    let served = Served::start(fixture.path("run").to_str().unwrap(), &[]);
    let document = served.json("/api/v1/points?fields=conc,tput_per_gpu&sort=-tput_per_gpu");
    let concs: Vec<i64> = document["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["conc"].as_i64().unwrap())
        .collect();
    assert_eq!(concs, [8, 4, 16, 32]);
    assert!(document["data"][3]["tput_per_gpu"].is_null());
}

#[test]
fn client_that_has_the_answer_gets_304_until_the_history_changes() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let path = "/api/v1/runs?limit=1";
    let first = served.get(path);
    let tag = first.header("etag").unwrap().to_owned();
    let again = served.send("GET", path, &[("If-None-Match", &tag)], b"");
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    assert_ne!(served.get("/api/v1/runs?limit=2").header("etag"), Some(tag.as_str()));
    let retracted = fixture.imax(
        &[
            "history",
            "retract",
            "10",
            "--history",
            &history,
            "--reason",
            "throttled",
            "--author",
            "jane",
        ],
        &[],
    );
    assert_eq!(retracted.code, 0, "{}", retracted.stderr);
    let changed = served.send("GET", path, &[("If-None-Match", &tag)], b"");
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    assert_eq!(changed.json()["data"][0]["id"], 9);
}

#[test]
fn text_that_spreadsheets_would_run_is_kept_from_them() {
    let fixture = Fixture::new();
    fixture.measured("run/4", &row(4), 4000.0);
    let publish = [
        "publish",
        "run",
        "--to",
        "history.db",
        "--commit",
        "=cmd|' /C calc'!A0",
        "--branch",
        "+main",
        "--date",
        "2026-10-01T05:00:00Z",
    ];
    assert_eq!(fixture.imax(&publish, &[]).code, 0);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let csv = served.get("/api/v1/points.csv?fields=commit,branch").text();
    assert_eq!(csv.lines().nth(1), Some("'=cmd|' /C calc'!A0,'+main"));
    assert_eq!(served.json("/api/v1/points?fields=branch")["data"][0]["branch"], "+main");
}

#[test]
fn gzip_is_spoken_where_it_is_understood() {
    let fixture = Fixture::new();
    let served = served(&fixture);
    let plain = served.get("/api/v1/points");
    let packed = served.send("GET", "/api/v1/points", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.body.as_slice()), &mut text).unwrap();
    assert_eq!(text, plain.body);
}

#[test]
fn export_beyond_the_bound_is_no_whole_answer() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--point-limit", "10"]);
    let refused = served.get("/api/v1/points.csv");
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(served.get("/api/v1/points.csv?limit=10").text().lines().count(), 11);
    assert_eq!(served.get("/api/v1/points.csv?limit=11").status, 400);
    assert_eq!(served.get("/api/v1/frontier").status, 200, "three points are within the bound");
    assert_eq!(served.get("/api/v1/series").status, 422);
}

#[test]
fn export_of_runs_has_all_of_them_or_is_refused() {
    let fixture = Fixture::new();
    let history = crate::client::sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let page = served.json("/api/v1/runs?limit=3");
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    assert!(page["next"].is_string());
    assert_eq!(served.get("/api/v1/runs.ndjson").text().lines().count(), 10);
    assert_eq!(served.get("/api/v1/runs.ndjson?limit=3").text().lines().count(), 3);
    let bounded = Served::start(&history, &["--point-limit", "9"]);
    let answer = bounded.get("/api/v1/runs.ndjson");
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("more than 9 runs"), "{}", answer.text());
}
