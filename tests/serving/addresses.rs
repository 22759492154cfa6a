//! The address of a page is its state: what each key of each page shows, and what is said of keys and values that are unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::boards::import_tables;
use crate::client::Served;
use crate::dashboards::{assert_clean, walk};
use crate::fixture::Fixture;
use crate::view_pages::{history, night};

const KEYS: &str = include_str!("../../web/src/address_keys.json");
const TABLE: &str = include_str!("addresses.json");
const READERS: &str = include_str!("../../web/tests/readers.js");

/// The day on which the pages are looked at: some of them show ages.
pub const NOW: &str = "2026-12-01T00:00:00Z";

#[derive(Deserialize)]
struct Table {
    /// Addresses with keys of a page, and what each key shows: an expression over the page, and its value.
    known: Vec<Visit>,
    /// Addresses with keys and values that are unknown, and all that is said of them.
    unknown: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Visit {
    page: String,
    address: String,
    shows: BTreeMap<String, (String, Value)>,
}

fn table() -> Table {
    serde_json::from_str(TABLE).unwrap()
}

/// Ten nights, a pull request, records of a point, a night with scores and another load generator, and the tables of other dashboards.
pub fn everything(fixture: &Fixture) -> String {
    let history = history(fixture);
    let scored = night(|run| {
        run["commit"] = json!("ccc0ffeec0ffeec0ffeec0ffeec0ffeec0ffee");
        run["date"] = json!("2026-11-14T05:00:00Z");
        let mut points = run["run"]["points"].as_array().unwrap().clone();
        for point in &mut points {
            point["key"]["curve"]["precision"] = json!("fp4");
            point["provenance"] = json!({ "producer": "guidellm", "engine_version": "4" });
            let numbers = &mut point["outcome"]["measured"];
            for name in ["tput_per_gpu", "median_intvty"] {
                numbers[name] = json!(numbers[name].as_f64().unwrap() * 1.5);
            }
            numbers["peak_temp_c"] = json!(70.0);
        }
        let mut failed = points[0].clone();
        failed["key"]["curve"]["precision"] = json!("bf16");
        failed["outcome"] = json!({ "failed": { "class": "server", "reason": "out of memory" } });
        points.push(failed);
        run["run"]["points"].as_array_mut().unwrap().extend(points);
        let score = |precision: &str, score: f64| {
            json!({ "key": { "model_prefix": "demo", "hardware": "h100", "framework": "sim", "precision": precision, "spec_decoding": "none",
                "layout": "tp4-ep1", "conc": 64, "task": "gsm8k", "score_name": "em_strict" }, "score": score, "stderr": 0.006, "questions": 1319 })
        };
        run["run"]["evals"] = json!([score("fp8", 0.95), score("fp4", 0.90)]);
    });
    fixture.write("scored/20261114T050000Z-ccc0ffeec0ff.json", &scored.to_string());
    let imported = fixture.imax(&["import", "scored", "--to", "history.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    import_tables(fixture, "history.db");
    history
}

#[test]
fn every_key_of_every_page_is_in_the_table() {
    let known: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(KEYS).unwrap();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for visit in table().known {
        shown.entry(visit.page).or_default().extend(visit.shows.into_keys());
    }
    for (page, keys) in known {
        let own = shown.remove(&page).unwrap_or_default();
        let missing: Vec<&String> = keys.keys().filter(|key| !own.contains(*key)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "keys of {page} without a line in addresses.json");
    }
    assert_eq!(shown.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "pages without keys");
}

/// What of a page says that there is nothing to show.
const EMPTY: &str = "[...document.querySelectorAll('.empty')].map((note) => note.textContent)";
/// What of a page says that something is unknown.
const SAID: &str = "[...document.querySelectorAll('.unknown, .check .warning, .failed[role=alert]')].map((note) => note.textContent)";

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn address_restores_the_state_of_every_key() {
    let fixture = Fixture::new();
    let served = Served::start(&everything(&fixture), &[]);
    let table = table();
    let mut plan: Vec<Value> = Vec::new();
    for Visit { address, shows, .. } in &table.known {
        let shown: Vec<String> = shows.iter().map(|(key, (read, _))| format!("{}: {read}", json!(key))).collect();
        let read = format!(
            "(() => {{ {READERS} return {{ shown: {{ {} }}, said: {SAID} }}; }})()",
            shown.join(", ")
        );
        plan.push(json!({ "name": address, "address": address, "read": read, "now": NOW }));
    }
    for address in table.unknown.keys() {
        plan.push(json!({ "name": address, "address": address, "read": format!("{SAID}.concat({EMPTY})"), "now": NOW, "refused": true }));
    }
    let seen = walk(&fixture, &served, &Value::Array(plan));
    assert_clean(&seen);
    for Visit { address, shows, .. } in &table.known {
        let read = &seen[address]["read"];
        assert_eq!(read["said"], json!([]), "{address}");
        for (key, (_, expected)) in shows {
            assert_eq!(&read["shown"][key], expected, "{key} of {address}");
        }
        assert_eq!(&seen[address]["address"], address, "an address that is opened stays as it is");
    }
    for (address, expected) in &table.unknown {
        assert_eq!(seen[address]["read"], json!(expected), "{address}");
    }
}
