//! The engine's own metrics and its log on the page of a point, from the folder of a job to a server, a site and a report.

use serde_json::{Value, json};

use crate::client::{Served, publish};
use crate::dashboards::{assert_clean, walk_at};
use crate::fixture::{Fixture, failed_job, raw, row};
use crate::harness::project;

/// What an engine may write to do harm: colours, a title of the terminal, markup, an address, a change of the direction, a byte that is not UTF-8.
const LOG: &[u8] =
    b"engine 1.2 --max-num-seqs 256\n\x1b[31mERROR\x1b[0m \x1b]0;title\x07 <img src=x onerror=alert(1)> https://evil.example/ \
    \xe2\x80\xae\xff\n";

/// The folders of a job that measured a point, and of one that failed.
fn jobs(fixture: &Fixture) {
    fixture.measured("run/4", &row(4), 4000.0);
    let mut measured = raw(&row(4), 4000.0);
    let seconds: Vec<Value> = (0..700)
        .map(|second| json!({ "second": second, "completed": 1, "failed": 0, "chunks": 9, "mean_ttft_ms": 90.0, "in_flight": 4 }))
        .collect();
    let samples: Vec<Value> = (0..700)
        .map(|second| {
            json!({ "seconds": f64::from(second), "running": 4.0, "waiting": 1.0, "kv_cache_use": 0.25, "prefix_queries": 100 * second,
                "prefix_hits": 75 * second })
        })
        .collect();
    measured["imax"] = json!({ "seconds": seconds, "engine_metrics": { "samples": samples } });
    fixture.write("run/4/raw.json", &measured.to_string());
    let ok = json!({ "status": "ok" });
    let job = json!({ "schema": "imax-job/1", "job_id": "imax-ok", "outcome": ok, "exit_code": 0, "row": row(4), "attempts": [],
        "points": [{ "conc": 4, "result_filename": "raw", "normalised": "agg_raw.json", "outcome": ok }] });
    fixture.write("run/4/job.json", &job.to_string());
    fixture.write("run/8/job.json", &failed_job(&row(8), "server", "out of memory").to_string());
    for folder in ["run/4", "run/8"] {
        std::fs::write(fixture.path(&format!("{folder}/server.log")), LOG).unwrap();
    }
}

#[test]
fn history_keeps_bounded_series_and_an_excerpt_of_the_log() {
    let fixture = Fixture::new();
    jobs(&fixture);
    let long = "a line of the log\n".repeat(100_000);
    fixture.write("run/8/server.log", &long);
    publish(&fixture, "run", "2026-12-01T05:00:00Z", &[]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let records = |conc: u32| {
        let point = &served.json(&format!("/api/v1/points?filter=conc={conc}&fields=run,curve"))["data"][0];
        let (run, curve) = (&point["run"], point["curve"].as_str().unwrap());
        served.json(&format!("/api/v1/records?run={run}&curve={curve}&conc={conc}"))
    };
    let measured = records(4);
    let engine = measured["engine"].as_array().unwrap();
    assert_eq!((engine.len(), measured["slices"].as_array().unwrap().len()), (350, 350));
    let slice = &engine[9];
    assert_eq!(
        [
            &slice["second"],
            &slice["kv_cache_use"],
            &slice["prefix_hit_rate"],
            &slice["waiting"]
        ],
        [&json!(18.0), &json!(0.25), &json!(0.75), &json!(1.0)]
    );
    let log = &measured["jobs"][0]["log"];
    assert_eq!((&log["name"], &log["bytes"]), (&json!("server.log"), &json!(LOG.len())));
    let text = log["head"].as_str().unwrap();
    assert!(
        text.contains("ERROR") && text.contains("<img") && !text.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{text:?}"
    );
    let failed = records(8);
    assert_eq!(failed["engine"], Value::Null);
    let log = &failed["jobs"][0]["log"];
    assert_eq!(log["bytes"], long.len());
    let kept = log["head"].as_str().unwrap().len() + log["tail"].as_str().unwrap().len();
    assert!((8 << 10..=16 << 10).contains(&kept), "{kept}");
}

/// The log, what it could have become, and the headings of the charts.
const READ: &str = "(() => {
  const log = document.querySelector('details.log pre');
  return { log: log?.textContent ?? '', harm: document.querySelectorAll('details.log a, details.log img, main script, main iframe').length,
    charts: [...document.querySelectorAll('.smalls h3')].map(heading => heading.textContent) };
})()";

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn page_of_a_point_shows_the_engine_from_every_source() {
    let fixture = Fixture::new();
    jobs(&fixture);
    publish(&fixture, "run", "2026-12-01T05:00:00Z", &[]);
    let history = fixture.path("history.db").to_str().unwrap().to_owned();
    let served = Served::start(&history, &[]);
    let published = fixture.imax(&["publish", "--site", "site", "--to", &history], &[]);
    assert_eq!(published.code, 0, "{}", published.stderr);
    let written = fixture.imax(&["report", "run", "--format", "html", "--out", "report.html"], &[]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let sources = [
        (format!("http://{}", served.address), ""),
        (format!("site:{}", fixture.path("site").display()), "#"),
        (format!("file://{}", fixture.path("report.html").display()), "#"),
    ];
    for (base, start) in sources {
        let address = |conc: u32| format!("{start}/point?run=1&conc={conc}");
        let plan = json!([
            { "name": "measured", "address": address(4), "read": READ },
            { "name": "failed", "address": address(8), "read": READ },
            { "name": "axe", "address": address(4), "axe": true },
            { "name": "dark", "address": address(4), "axe": true, "scheme": "dark" },
            { "name": "phone", "address": address(4), "viewport": { "width": 390, "height": 844 } },
        ]);
        let seen = walk_at(&fixture, &base, &plan);
        assert_clean(&seen);
        assert_eq!(seen["phone"]["width"], 390, "{base}");
        for name in ["measured", "failed"] {
            let read = &seen[name]["read"];
            let log = read["log"].as_str().unwrap();
            assert!(
                log.contains("--max-num-seqs 256\nERROR") && log.contains("<img src=x onerror=alert(1)> https://evil.example/"),
                "{base}: {log}"
            );
            assert!(!log.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{base}: {log:?}");
            assert_eq!(read["harm"], 0, "{base}");
        }
        let charts = seen["measured"]["read"]["charts"].as_array().unwrap();
        for expected in [
            "Requests in flight",
            "Requests in the engine",
            "KV cache in use",
            "Prefix cache hits",
        ] {
            assert!(charts.contains(&json!(expected)), "{base}: {charts:?}");
        }
    }
}

#[test]
fn folder_of_a_real_job_gives_metrics_and_log() {
    let fixture = Fixture::new();
    // As `imax run` left it beside the simulated engine, without the paths of its machine.
    for file in std::fs::read_dir(project().join("tests/serving/job")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        fixture.write(&format!("run/job/{name}"), &std::fs::read_to_string(file.path()).unwrap());
    }
    publish(&fixture, "run", "2026-12-01T05:00:00Z", &[]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let point = &served.json("/api/v1/points?fields=run,curve,conc")["data"][0];
    let (run, curve, conc) = (&point["run"], point["curve"].as_str().unwrap(), &point["conc"]);
    let records = served.json(&format!("/api/v1/records?run={run}&curve={curve}&conc={conc}"));
    assert!(
        records["engine"].as_array().unwrap()[0]["running"].is_number(),
        "{}",
        records["engine"]
    );
    let log = &records["jobs"][0]["log"];
    assert!(log["head"].as_str().unwrap().starts_with("simulated engine listening"), "{log}");
}
