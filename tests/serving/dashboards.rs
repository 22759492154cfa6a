//! The dashboards in a real browser over a real server: what they load, what an address shows, and what hostile names cannot do.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Served, publish, sqlite, ten_nights};
use crate::fixture::{Fixture, failed_job, row};
use crate::harness::project;

/// A name that is markup, a script and an attribute's end at once.
pub const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>";

/// What `web/tests/walk.mjs` saw at each visit of a plan.
pub fn walk(fixture: &Fixture, served: &Served, plan: &Value) -> Value {
    walk_at(fixture, &format!("http://{}", served.address), plan)
}

/// The same of any source: a server, a report, or the folder of a site.
pub fn walk_at(fixture: &Fixture, base: &str, plan: &Value) -> Value {
    fixture.write("plan.json", &plan.to_string());
    let output = Command::new("node")
        .arg(project().join("web/tests/walk.mjs"))
        .arg(base)
        .arg(fixture.path("plan.json"))
        .env("IMAX_WEB_TOOLS", tools())
        .stdin(Stdio::null())
        .output()
        .expect("node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The folder with the packages of web/.
pub fn tools() -> PathBuf {
    std::env::var_os("IMAX_WEB_TOOLS").map_or_else(|| project().join("target/ci-tools/web/web"), PathBuf::from)
}

/// Nothing was complained about, loaded from elsewhere, cut off, or inaccessible.
pub fn assert_clean(seen: &Value) {
    for (name, visit) in seen.as_object().unwrap() {
        assert_eq!(visit["complaints"], json!([]), "{name}");
        assert_eq!(visit["foreign"], json!([]), "{name}");
        if let Some(violations) = visit.get("violations") {
            assert_eq!(violations, &json!([]), "{name}");
        }
    }
}

const PAGES: [(&str, &str); 14] = [
    ("/", "Overview"),
    ("/performance", "Performance: demo"),
    ("/trends", "Trends: demo"),
    ("/compare", "Compare"),
    ("/inbox", "Regressions"),
    ("/pulls", "Pull requests"),
    ("/details", "Details"),
    ("/cost", "Cost and energy"),
    ("/accuracy", "Accuracy"),
    ("/rhaiis", "RHAIIS"),
    ("/llm-d", "LLM-D"),
    ("/mlperf", "MLPerf Inference"),
    ("/reliability", "Reliability"),
    ("/coverage", "Coverage"),
];

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn every_page_is_accessible_and_loads_nothing_from_elsewhere() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let phone = json!({ "width": 390, "height": 844 });
    let mut plan = Vec::new();
    for (address, _) in PAGES {
        plan.push(json!({ "name": address, "address": address, "axe": true }));
        plan.push(json!({ "name": format!("{address} dark"), "address": address, "axe": true, "scheme": "dark" }));
        // Without axe, which needs the policy of the page switched off.
        plan.push(json!({ "name": format!("{address} phone"), "address": address, "viewport": phone }));
    }
    let seen = walk(&fixture, &served, &Value::Array(plan));
    assert_clean(&seen);
    for (address, heading) in PAGES {
        assert_eq!(seen[address]["heading"], heading);
        assert_eq!(seen[format!("{address} phone")]["width"], 390, "{address} is wider than a phone");
    }
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn address_is_the_state_of_the_page() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let axes = "[...document.querySelectorAll('.controls select')].map(select => select.value)";
    let cells = "[...document.querySelectorAll('.datatable tbody tr')].map(row => row.cells[6].textContent)";
    let seen = walk(
        &fixture,
        &served,
        &json!([
            { "name": "chosen", "address": "/performance", "read": axes,
              "steps": [["choose", ".controls select", "output_tput_per_gpu"], ["click", ".switch:has-text('Log X') input"]] },
            { "name": "restored", "address": "/performance?y=output_tput_per_gpu&logx=1", "read": axes },
            { "name": "default", "address": "/performance?y=output_tput_per_gpu", "read": axes,
              "steps": [["choose", ".controls select", "tput_per_gpu"]] },
            { "name": "back", "address": "/performance", "read": axes,
              "steps": [["choose", ".controls select", "output_tput_per_gpu"], ["back", "", ""]] },
            { "name": "sorted", "address": "/details", "read": cells, "steps": [["click", "th:has-text('Conc') button"], ["click", "th:has-text('Conc') button"]] },
            { "name": "filtered", "address": "/details?search=conc64+h200", "read": cells },
            { "name": "found", "address": "/details?search=conc64+h100", "read": cells },
            { "name": "point", "address": "/performance", "steps": [["press", "svg[role=application]", "End"], ["press", "svg[role=application]", "Enter"]],
              "read": "document.querySelector('pre').textContent" },
        ]),
    );
    assert_clean(&seen);
    assert_eq!(seen["chosen"]["address"], "/performance?y=output_tput_per_gpu&logx=1");
    assert_eq!(seen["chosen"]["read"], seen["restored"]["read"]);
    assert_eq!(seen["restored"]["read"][0], "output_tput_per_gpu");
    assert_eq!(seen["default"]["address"], "/performance");
    assert_eq!(seen["back"]["address"], "/performance");
    assert_eq!(seen["back"]["read"][0], "tput_per_gpu");
    assert_eq!(seen["sorted"]["address"], "/details?sort=-conc");
    assert_eq!(seen["sorted"]["read"], json!(["64", "16", "4"]));
    assert_eq!(seen["filtered"]["read"], json!([]));
    assert_eq!(seen["found"]["read"], json!(["64"]));
    // The mark at the right end is the one with the largest interactivity.
    let point = seen["point"]["address"].as_str().unwrap();
    assert!(point.starts_with("/point?run=10&curve=") && point.ends_with("&conc=4"), "{point}");
    let command = seen["point"]["read"].as_str().unwrap();
    assert!(command.contains("imax run --row '{") && command.contains("\"conc\":4"), "{command}");
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn hostile_names_never_become_markup() {
    let fixture = Fixture::new();
    for night in std::fs::read_dir(ten_nights()).unwrap() {
        let night = night.unwrap();
        let mut document: Value = serde_json::from_slice(&std::fs::read(night.path()).unwrap()).unwrap();
        for point in document["run"]["points"].as_array_mut().unwrap() {
            point["model"] = HOSTILE.into();
            point["image"] = HOSTILE.into();
            point["key"]["curve"]["framework"] = HOSTILE.into();
        }
        let name = night.file_name().into_string().unwrap();
        fixture.write(&format!("nights/{name}"), &document.to_string());
    }
    assert_eq!(fixture.imax(&["import", "nights", "--to", "hostile.db"], &[]).code, 0);
    let served = Served::start(fixture.path("hostile.db").to_str().unwrap(), &[]);
    let count = "[document.querySelectorAll('img, #app script, iframe').length, document.body.textContent.includes('<img src=x')]";
    let mut plan: Vec<Value> = PAGES
        .iter()
        .map(|(address, _)| json!({ "name": address, "address": address, "read": count }))
        .collect();
    plan.push(json!({ "name": "tip", "address": "/performance", "read": count, "steps": [["press", "svg[role=application]", "End"]] }));
    plan.push(json!({ "name": "point", "address": "/details", "read": count, "steps": [["click", "td a"]] }));
    plan.push(json!({ "name": "query", "address": "/performance?model=%3Cimg+src%3Dx+onerror%3Dalert(3)%3E&hardware=%22%3E%3Cscript%3E", "read": count }));
    plan.push(json!({ "name": "plain", "address": "/plain", "script": false }));
    let seen = walk(&fixture, &served, &Value::Array(plan));
    assert_clean(&seen);
    for (name, visit) in seen.as_object().unwrap().iter().filter(|(name, _)| *name != "plain") {
        assert_eq!(visit["read"][0], 0, "{name}");
    }
    for name in ["/performance", "/details", "tip", "point"] {
        assert_eq!(seen[name]["read"][1], true, "{name} shows the name as text");
    }
    assert!(seen["plain"]["read"].as_str().unwrap().contains("<img src=x"), "{}", seen["plain"]);
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn failed_points_are_shown_with_their_reasons() {
    let fixture = Fixture::new();
    fixture.measured("run/4", &row(4), 4000.0);
    fixture.write("run/8/job.json", &failed_job(&row(8), "server", "out of memory").to_string());
    publish(&fixture, "run", "2026-10-01T05:00:00Z", &[]);
    let served = Served::start(fixture.path("history.db").to_str().unwrap(), &[]);
    let read = "document.querySelector('main').textContent";
    let seen = walk(
        &fixture,
        &served,
        &json!([{ "name": "failed", "address": "/reliability", "read": read }]),
    );
    assert_clean(&seen);
    let text = seen["failed"]["read"].as_str().unwrap();
    assert!(text.contains("out of memory") && text.contains("50.0 %"), "{text}");
}

#[test]
fn pages_have_a_strict_policy_and_their_files_are_kept() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    for (address, _) in PAGES {
        let page = served.get(address);
        assert_eq!(page.status, 200, "{address}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = page.text();
        for attribute in ["src=\"", "href=\""] {
            for address in text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(address.starts_with('/') || address == "data:,", "{address}");
            }
        }
    }
    let page = served.get("/performance").text();
    let script = page.split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (encoding, expected) in [("gzip", Some("gzip")), ("identity", None)] {
        let answer = served.send("GET", &script, &[("Accept-Encoding", encoding)], b"");
        assert_eq!((answer.status, answer.header("content-encoding")), (200, expected));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
}

#[test]
fn points_are_a_table_without_scripts() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let all = served.get("/plain?conc=64&x=median_ttft").text();
    assert_eq!(all.matches("<tr>").count(), 11, "a heading and ten nights");
    let link = all
        .split("/point?")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    let point = served.get(&format!("/plain/point?{link}"));
    assert_eq!(point.status, 200);
    assert!(point.text().contains("<th scope=\"row\">tput_per_gpu</th>"));
    assert_eq!(served.get("/plain/point?run=1&curve=none").status, 404);
    assert_eq!(served.get("/plain?run=x").status, 400);
    let page = served.get("/point?run=1&conc=4").text();
    assert!(page.contains("content=\"0; url=/plain/point?run=1&amp;conc=4\""), "{page}");
    let hostile = served.get("/details?model=%22%3E%3Cscript%3E&x='").text();
    assert!(!hostile.contains("\"><script>"));
}
