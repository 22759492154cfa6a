//! The same pages from three sources: a server, the files of a published site, the data inside of a report. In a real browser.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Served, sqlite, ten_nights};
use crate::dashboards::{HOSTILE, assert_clean, walk_at};
use crate::fixture::{Fixture, failed_job, row};

/// Pages of a history with an address that has a choice in it, and their headings.
const HISTORY_PAGES: [(&str, &str); 18] = [
    ("/", "Overview"),
    ("/?at=100&since=0", "Overview"),
    ("/performance", "Performance: demo"),
    (
        "/performance?x=median_e2el&y=output_tput_per_gpu&logx=1&conc=16",
        "Performance: demo",
    ),
    ("/trends", "Trends: demo"),
    ("/trends?metric=ttft&by=run&conc=64", "Trends: demo"),
    ("/compare", "Compare"),
    ("/compare?base=run:8&head=run:9&metric=interactivity", "Compare"),
    ("/inbox", "Regressions"),
    ("/details?search=conc16&sort=-median_ttft", "Details"),
    ("/details?runs=all", "Details"),
    ("/cost", "Cost and energy"),
    ("/accuracy", "Accuracy"),
    ("/rhaiis", "RHAIIS"),
    ("/llm-d", "LLM-D"),
    ("/mlperf", "MLPerf Inference"),
    ("/reliability", "Reliability"),
    ("/coverage", "Coverage"),
];

/// What a page says, without what belongs to its source and without ages, which go on while the test runs.
const TEXT: &str = "(() => {
  const copy = document.querySelector('main').cloneNode(true);
  for (const served of copy.querySelectorAll('[data-served]')) served.remove();
  return copy.textContent;
})()";

fn site(fixture: &Fixture, history: &str) -> String {
    let published = fixture.imax(&["publish", "--site", "site", "--to", history], &[]);
    assert_eq!(published.code, 0, "{}", published.stderr);
    format!("site:{}", fixture.path("site").display())
}

/// A run of two models' points with a failed one, compared with a slower one.
fn report(fixture: &Fixture) -> String {
    for conc in [4, 16, 64] {
        fixture.measured(&format!("base/{conc}"), &row(conc), 900.0 * f64::from(conc));
        fixture.measured(&format!("run/{conc}"), &row(conc), 1000.0 * f64::from(conc));
    }
    let mut other = row(8);
    other["runner"] = "mi300x".into();
    fixture.measured("run/other", &other, 8000.0);
    fixture.write("run/lost/job.json", &failed_job(&row(32), "server", "out of memory").to_string());
    let written = fixture.imax(
        &[
            "report",
            "run",
            "--baseline",
            "base",
            "--format",
            "html",
            "--costs",
            "--out",
            "report.html",
        ],
        &[("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")],
    );
    assert_eq!(written.code, 0, "{}", written.stderr);
    format!("file://{}", fixture.path("report.html").display())
}

/// Pages of a report and their headings; the report's own begins with the verdict.
const REPORT_PAGES: [(&str, &str); 7] = [
    ("#/performance", "Performance: demo"),
    ("#/performance?hardware=mi300x&x=conc&logy=1", "Performance: demo"),
    ("#/compare", "Compare"),
    ("#/details", "Details"),
    ("#/details?search=mi300x", "Details"),
    ("#/cost", "Cost and energy"),
    ("#/reliability", "Reliability"),
];

/// Visits of addresses as they are, dark, and on a phone.
fn visits(plan: &mut Vec<Value>, address: &str, read: &str) {
    plan.push(json!({ "name": address, "address": address, "read": read }));
    plan.push(json!({ "name": format!("{address} axe"), "address": address, "axe": true }));
    plan.push(json!({ "name": format!("{address} dark"), "address": address, "axe": true, "scheme": "dark" }));
    plan.push(json!({ "name": format!("{address} phone"), "address": address, "viewport": { "width": 390, "height": 844 } }));
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn published_site_says_what_a_server_says() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let base = site(&fixture, &history);
    let (mut of_server, mut of_site) = (Vec::new(), Vec::new());
    for (address, _) in HISTORY_PAGES {
        of_server.push(json!({ "name": address, "address": address, "read": TEXT }));
        visits(&mut of_site, &format!("#{address}"), TEXT);
    }
    of_site.push(json!({ "name": "without scripts", "address": "", "script": false }));
    let from_point = json!({ "name": "point", "address": "#/performance", "read": TEXT,
        "steps": [["press", "svg[role=application]", "End"], ["press", "svg[role=application]", "Enter"]] });
    of_site.push(from_point);
    let expected = walk_at(&fixture, &format!("http://{}", served.address), &Value::Array(of_server));
    let seen = walk_at(&fixture, &base, &Value::Array(of_site));
    assert_clean(&expected);
    assert_clean(&seen);
    for (address, heading) in HISTORY_PAGES {
        let name = format!("#{address}");
        assert_eq!(seen[&name]["heading"], heading);
        assert_eq!(seen[&name]["read"], expected[address]["read"], "{address}");
        assert_eq!(seen[&name]["address"], name, "{address}");
        assert_eq!(seen[format!("{name} phone")]["width"], 390, "{address} is wider than a phone");
    }
    let plain = seen["without scripts"]["read"].as_str().unwrap();
    assert!(plain.contains("demo") && plain.contains("h100"), "{plain}");
    let point = seen["point"]["read"].as_str().unwrap();
    assert!(point.contains("imax run --row") && point.contains("10 runs"), "{point}");
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn report_is_text_without_scripts_and_pages_with_them() {
    let fixture = Fixture::new();
    let base = report(&fixture);
    let mut plan = Vec::new();
    visits(&mut plan, "", TEXT);
    for (address, _) in REPORT_PAGES {
        visits(&mut plan, address, TEXT);
    }
    plan.push(json!({ "name": "without scripts", "address": "", "script": false }));
    plan.push(json!({ "name": "point", "address": "#/details?search=conc64", "read": TEXT, "steps": [["click", "td a"]] }));
    plan.push(
        json!({ "name": "back", "address": "#/details", "read": "document.querySelectorAll('#report').length",
        "steps": [["click", "a.brand"], ["click", "a:has-text('Details')"], ["back", "", ""]] }),
    );
    plan.push(json!({ "name": "sorted", "address": "", "steps": [["click", "#report th:has-text('Conc') button"], ["click", "#report th:has-text('Conc') button"]],
        "read": "[...document.querySelectorAll('#report th[aria-sort=descending]')].map(header => [...header.closest('table').tBodies[0].rows].map(row => row.cells[header.cellIndex].textContent))[0]" }));
    plan.push(json!({ "name": "earlier link", "address": "#hardware=mi300x", "read": "document.querySelectorAll('.facets input:checked').length" }));
    plan.push(json!({ "name": "unknown page", "address": "#/trends", "read": TEXT }));
    let seen = walk_at(&fixture, &base, &Value::Array(plan));
    assert_clean(&seen);
    for (address, heading) in REPORT_PAGES {
        assert_eq!(seen[address]["heading"], heading, "{address}");
        assert_eq!(seen[format!("{address} phone")]["width"], 390, "{address} is wider than a phone");
    }
    let text = seen[""]["read"].as_str().unwrap();
    let plain = fixture.read("report.html");
    for part in ["out of memory", "workflow run", "h100", "mi300x"] {
        assert!(text.contains(part), "{part}: {text}");
        assert!(plain.contains(part), "{part}");
    }
    assert!(
        seen["without scripts"]["read"].as_str().unwrap().contains("64"),
        "{}",
        seen["without scripts"]
    );
    assert!(
        seen["point"]["read"].as_str().unwrap().contains("imax run --row"),
        "{}",
        seen["point"]
    );
    assert_eq!(seen["back"]["read"], 1, "the report's text is shown again");
    assert_eq!(seen["sorted"]["read"], json!(["64", "32", "16", "4"]), "{}", seen["sorted"]);
    assert_eq!(seen["earlier link"]["read"], 1);
    assert!(
        seen["unknown page"]["read"].as_str().unwrap().contains("no page /trends"),
        "{}",
        seen["unknown page"]
    );
    let compared = seen["#/compare"]["read"].as_str().unwrap();
    assert!(compared.contains("3 pairs of equal points"), "{compared}");
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn hostile_names_stay_text_in_files() {
    let fixture = Fixture::new();
    for night in std::fs::read_dir(ten_nights()).unwrap() {
        let night = night.unwrap();
        let mut document: Value = serde_json::from_slice(&std::fs::read(night.path()).unwrap()).unwrap();
        document["commit"] = HOSTILE.into();
        for point in document["run"]["points"].as_array_mut().unwrap() {
            point["model"] = HOSTILE.into();
            point["image"] = HOSTILE.into();
            point["key"]["curve"]["framework"] = HOSTILE.into();
        }
        fixture.write(
            &format!("nights/{}", night.file_name().into_string().unwrap()),
            &document.to_string(),
        );
    }
    assert_eq!(fixture.imax(&["import", "nights", "--to", "hostile.db"], &[]).code, 0);
    let base = site(&fixture, "hostile.db");
    let count = "[document.querySelectorAll('img, #app script, iframe').length, document.body.textContent.includes('<img src=x')]";
    let mut plan: Vec<Value> = HISTORY_PAGES
        .iter()
        .map(|(address, _)| json!({ "name": address, "address": format!("#{address}"), "read": count }))
        .collect();
    plan.push(json!({ "name": "tip", "address": "#/performance", "read": count, "steps": [["press", "svg[role=application]", "End"]] }));
    plan.push(json!({ "name": "query", "address": "#/performance?model=%3Cimg+src%3Dx+onerror%3Dalert(3)%3E&hardware=%22%3E%3Cscript%3E", "read": count }));
    plan.push(json!({ "name": "path", "address": "#/<img src=x onerror=alert(1)>", "read": count }));
    let seen = walk_at(&fixture, &base, &Value::Array(plan));
    assert_clean(&seen);
    for (name, visit) in seen.as_object().unwrap() {
        assert_eq!(visit["read"][0], 0, "{name}");
    }
    for name in ["/performance", "/details?runs=all", "tip"] {
        assert_eq!(seen[name]["read"][1], true, "{name} shows the name as text");
    }

    let mut hostile = row(4);
    for key in ["image", "model", "framework"] {
        hostile[key] = HOSTILE.into();
    }
    fixture.measured("hostile/4", &hostile, 4000.0);
    fixture.write("hostile/8/job.json", &failed_job(&row(8), "server", HOSTILE).to_string());
    let title = ["report", "hostile", "--format", "html", "--title", HOSTILE, "--out", "report.html"];
    assert_eq!(fixture.imax(&title, &[]).code, 0);
    let pages: Vec<Value> = [""]
        .iter()
        .chain(
            REPORT_PAGES
                .iter()
                .map(|(address, _)| address)
                .filter(|address| **address != "#/compare"),
        )
        .map(|address| json!({ "name": address, "address": address, "read": count }))
        .collect();
    let base = format!("file://{}", fixture.path("report.html").display());
    let seen = walk_at(&fixture, &base, &Value::Array(pages));
    assert_clean(&seen);
    for (name, visit) in seen.as_object().unwrap() {
        assert_eq!(visit["read"][0], 0, "{name}");
    }
    assert_eq!(seen[""]["read"][1], true);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn site_is_replaced_whole_and_leaves_other_files() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    site(&fixture, &history);
    let first = names(&fixture.path("site/data"));
    fixture.write("site/CNAME", "bench.example.org");
    fixture.write("site/data/notes.json", "{}");
    site(&fixture, &history);
    let mut expected = first.clone();
    expected.push("notes.json".to_owned());
    expected.sort();
    assert_eq!(names(&fixture.path("site/data")), expected, "the same history gives the same files");

    fixture.measured("run/4", &row(4), 4000.0);
    let publish = [
        "publish",
        "run",
        "--to",
        &history,
        "--site",
        "site",
        "--commit",
        "abc",
        "--branch",
        "main",
        "--date",
        "2026-12-24T05:00:00Z",
    ];
    let published = fixture.imax(&publish, &[]);
    assert_eq!(published.code, 0, "{}", published.stderr);
    let second = names(&fixture.path("site/data"));
    assert!(second.len() >= expected.len() && second != expected && second.contains(&"index.json".to_owned()));
    assert_eq!(fixture.read("site/CNAME"), "bench.example.org");
    let index: Value = serde_json::from_str(&fixture.read("site/data/index.json")).unwrap();
    for shard in index["points"].as_array().unwrap() {
        assert!(second.contains(&format!("{}.json", shard["shard"].as_str().unwrap())));
    }
    let page = fixture.read("site/index.html");
    for attribute in ["src=\"", "href=\""] {
        for address in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(address.starts_with("assets/") || address == "data:,", "{address} is not relative");
        }
    }

    fixture.write("other/index.html", "<h1>Somebody's page</h1>");
    let refused = fixture.imax(&["publish", "--site", "other", "--to", &history], &[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("is not a site of imax"), "{}", refused.stderr);
    assert_eq!(fixture.read("other/index.html"), "<h1>Somebody's page</h1>");
}

#[test]
fn report_is_one_small_file_whose_policy_names_its_script() {
    let fixture = Fixture::new();
    report(&fixture);
    let page = fixture.read("report.html");
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let policy = page
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
    assert_eq!(page.matches("<script").count(), 4, "three of data, one that runs");
    assert!(!page.contains(" src=") && !page.contains("@import"), "something is loaded");
}
