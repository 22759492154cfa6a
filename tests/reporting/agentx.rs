//! Aggregates of AgentX replays, in the artifacts of InferenceX's own workflow, to a comparison and a report.

use serde_json::{Value, json};

use crate::fixture::Fixture;

fn aggregate() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/producers/sample-agentx/raw.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The artifacts of a run of two replays, one of them without offloading.
fn run(fixture: &Fixture, name: &str, throughput: f64) {
    let mut plain = aggregate();
    plain["kv_offloading"] = json!("none");
    plain["kv_offload_backend"] = Value::Null;
    let mut offloaded = aggregate();
    offloaded["request_metrics"]["throughput"]["per_gpu"]["total_tput_tps"] = json!(throughput);
    for (artifact, aggregate) in [("bmk_agentic_a", plain), ("bmk_agentic_b", offloaded)] {
        fixture.write(&format!("{name}/{artifact}/{artifact}.json"), &aggregate.to_string());
    }
    // The raw files of a replay, which are no results.
    fixture.write(&format!("{name}/agentic_a/aiperf_artifacts/profile_export_aiperf.json"), "{}");
    fixture.write(&format!("{name}/bmk_agentic_a/power_validation.json"), "{}");
    let ended = fixture.imax(&["collect", name, "--out", &format!("{name}-collected")], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn artifacts_of_upstreams_workflow_are_compared_and_shown() {
    let fixture = Fixture::new();
    run(&fixture, "base", 14_000.0);
    run(&fixture, "head", 7_000.0);
    assert_eq!(fixture.json("head-collected/agg_bmk.json").as_array().unwrap().len(), 2);

    let compared = fixture.imax(&["compare", "base-collected", "head-collected", "--format", "json"], &[]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    let points = compared["comparison"]["points"]
        .as_array()
        .or(compared["points"].as_array())
        .unwrap();
    let worse: Vec<&Value> = points.iter().filter(|point| point["verdict"] == json!("worse")).collect();
    let [worse] = worse[..] else { panic!("{compared:#}") };
    assert_eq!(worse["point"]["curve"]["variant"]["kv-offload"], json!("dram-lmcache"));

    for (format, said) in [
        ("markdown", "**Replayed sessions**"),
        (
            "markdown",
            "| 0.562 | 65.8 | 63.6&nbsp;% / 10.9&nbsp;% / 10.9&nbsp;% | 91.2&nbsp;% | 720,000, 83&nbsp;% used | 9.00 / 4.00 |",
        ),
        ("table", "Replayed sessions"),
        ("html", "<h2>Replayed sessions</h2>"),
        ("html", "63.6 % / 10.9 % / 10.9 %"),
    ] {
        let report = fixture.imax(&["report", "head-collected", "--format", format], &[]);
        assert_eq!(report.code, 0, "{}", report.stderr);
        assert!(report.stdout.contains(said), "{format}, {said}: {}", report.stdout);
    }
}

#[test]
fn rate_and_cache_hits_of_sessions_get_verdicts() {
    let fixture = Fixture::new();
    for (name, qps, hits) in [
        ("base", 0.5625, 0.74),
        ("slower", 0.2, 0.74),
        ("colder", 0.5625, 0.2),
        ("better", 1.6, 0.74),
    ] {
        let mut aggregate = aggregate();
        aggregate["request_metrics"]["qps"]["mean"] = json!(qps);
        aggregate["server_metrics"]["cache"]["overall_cache_hit_rate"] = json!(hits);
        fixture.write(&format!("{name}/bmk_agentic_a/a.json"), &aggregate.to_string());
    }
    for (head, verdict, decisive) in [
        ("slower", "worse", Some("qps")),
        ("colder", "worse", Some("cache-hit-rate")),
        ("better", "better", Some("qps")),
        ("base", "same", None),
    ] {
        let ended = fixture.imax(&["compare", "base", head, "--format", "json"], &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let point = &report["comparison"]["points"][0];
        assert_eq!(point["verdict"], json!(verdict), "{head}: {point:#}");
        let changes = point["changes"].as_array().unwrap();
        let decided: Vec<&str> = changes
            .iter()
            .filter(|change| change["verdict"] == json!(verdict) && verdict != "same")
            .map(|change| change["metric"].as_str().unwrap())
            .collect();
        assert_eq!(decided, Vec::from_iter(decisive), "{head}: {changes:#?}");
    }
    let said = fixture.imax(&["compare", "base", "colder"], &[]).stdout;
    assert!(said.contains("cache hit rate −73 % (74.0 → 20.0 %"), "{said}");
    let csv = fixture.imax(&["report", "base", "--format", "csv"], &[]).stdout;
    assert!(
        csv.lines().next().unwrap().ends_with("qps_req_per_s,cache_hit_rate_fraction"),
        "{csv}"
    );
}

#[test]
fn normalised_result_counts_before_its_aggregate() {
    let fixture = Fixture::new();
    fixture.write("artifacts/bmk_agentic_x/x.json", &aggregate().to_string());
    fixture.write("artifacts/job/agg_x.json", &aggregate().to_string());
    let ended = fixture.imax(&["collect", "artifacts", "--out", "collected"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("several"), "{}", ended.stderr);
    assert_eq!(fixture.json("collected/agg_bmk.json").as_array().unwrap().len(), 1);
    assert_eq!(fixture.json("collected/run.json")["problems"].as_array().map_or(0, Vec::len), 0);
}

#[test]
fn aggregate_alone_is_a_run() {
    let fixture = Fixture::new();
    fixture.write("x.json", &aggregate().to_string());
    let report = fixture.imax(&["report", "x.json", "--format", "csv"], &[]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    assert!(
        report.stdout.lines().nth(1).unwrap().contains("demo,org/demo,h200,vllm,fp8"),
        "{}",
        report.stdout
    );
}
