//! Marks of comparisons between numbers that cannot be compared, and which runs are offered for a comparison. In a real browser.

use serde_json::{Value, json};

use crate::client::Served;
use crate::dashboards::{assert_clean, walk};
use crate::fixture::Fixture;
use crate::view_pages::night;

/// The warnings of a page.
const WARNINGS: &str = "[...document.querySelectorAll('main .warning')].map(warning => warning.textContent).join('\\n')";
const MARK: &str = "Latencies were measured by different programs (guidellm, vllm)";

/// Three nights of `main` and one of another branch; the last night of `main` was measured by another program, which takes times differently.
fn history(fixture: &Fixture) -> Served {
    let nights = [
        ("01", "main", "vllm"),
        ("02", "main", "vllm"),
        ("03", "release", "vllm"),
        ("04", "main", "guidellm"),
    ];
    for (day, branch, producer) in nights {
        let run = night(|run| {
            run["commit"] = json!(format!("{day}c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeff"));
            run["date"] = json!(format!("2026-11-{day}T05:00:00Z"));
            run["branch"] = json!(branch);
            for point in run["run"]["points"].as_array_mut().unwrap() {
                point["provenance"] = json!({ "producer": producer });
            }
        });
        fixture.write(&format!("nights/202611{day}T050000Z-{day}c0ffeec0ff.json"), &run.to_string());
    }
    let imported = fixture.imax(&["import", "nights", "--to", "guards.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    Served::start(fixture.path("guards.db").to_str().unwrap(), &[])
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn latencies_of_different_programs_are_marked() {
    let fixture = Fixture::new();
    let served = history(&fixture);
    let [vllm_1, vllm_2, guidellm] = ["01", "02", "04"].map(|day| run_of(&served, day));
    let marked = [
        "/trends?metric=ttft".to_owned(),
        format!("/compare?base=run:{vllm_2}&head=run:{guidellm}&metric=ttft"),
        "/details?group=hardware&runs=all".to_owned(),
    ];
    let unmarked = [
        "/trends?metric=throughput-per-gpu".to_owned(),
        format!("/compare?base=run:{vllm_2}&head=run:{guidellm}&metric=throughput-per-gpu"),
        format!("/compare?base=run:{vllm_1}&head=run:{vllm_2}&metric=ttft"),
        "/details?runs=all".to_owned(),
        "/details?group=hardware&runs=all&columns=tput_per_gpu".to_owned(),
    ];
    let plan = marked.iter().chain(&unmarked);
    let plan: Vec<Value> = plan
        .map(|address| json!({ "name": address, "address": address, "read": WARNINGS }))
        .collect();
    let seen = walk(&fixture, &served, &Value::Array(plan));
    assert_clean(&seen);
    for address in &marked {
        assert!(
            seen[address]["read"].as_str().unwrap().contains(MARK),
            "{address}: {}",
            seen[address]
        );
    }
    for address in &unmarked {
        assert!(
            !seen[address]["read"].as_str().unwrap().contains(MARK),
            "{address}: {}",
            seen[address]
        );
    }
}

/// The number of the run of a day.
fn run_of(served: &Served, day: &str) -> Value {
    let runs = served.json("/api/v1/runs?limit=10");
    let runs = runs["data"].as_array().unwrap();
    let date = format!("2026-11-{day}");
    let run = runs.iter().find(|run| run["started"].as_str().unwrap().starts_with(&date));
    run.unwrap()["id"].clone()
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn run_before_is_one_of_the_same_branch() {
    let fixture = Fixture::new();
    let served = history(&fixture);
    let [before, other, last] = ["02", "03", "04"].map(|day| run_of(&served, day));
    let read = "[...document.querySelectorAll('main table a[href*=\"/compare?\"]')].map(link => link.getAttribute('href'))";
    let seen = walk(&fixture, &served, &json!([{ "name": "overview", "address": "/", "read": read }]));
    assert_clean(&seen);
    let links: Vec<&str> = seen["overview"]["read"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link.as_str().unwrap())
        .collect();
    assert!(
        links.contains(&format!("/compare?base=run:{before}&head=run:{last}").as_str()),
        "{links:?}"
    );
    let of_other = format!("run:{other}");
    assert!(!links.iter().any(|link| link.contains(&of_other)), "{links:?}");
}
